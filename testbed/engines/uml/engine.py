# SPDX-License-Identifier: GPL-2.0-only
"""User Mode Linux: a kernel of its own as a process of the host; docs/uml.md."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from testbed.artifacts.source_kernels import KernelRequest, SourceKernels
from testbed.engines.engine import Engine
from testbed.engines.uml.flavours import NAMES, SIMULATED
from testbed.engines.uml.prepare import UmlPrepared, prepare_uml
from testbed.engines.uml.session import UmlSession
from testbed.options import RunOptions


def _with_patches(
    options: RunOptions, prepared: UmlPrepared, patches: Sequence[Path]
) -> UmlPrepared:
    kernel = SourceKernels().build(KernelRequest(options.flavour, patches=patches))
    return replace(prepared, kernel=kernel)


ENGINE = Engine(
    name="uml", prepare=prepare_uml, session=UmlSession, with_patches=_with_patches,
    lacks=("lab", "iommu", "swiotlb", "icount", "share", "nic", "accel"),
    defaults={"cpus": 1}, flavours=NAMES,
    simulated=SIMULATED, can_restart=True, short_runs=True,
)  # fmt: skip
