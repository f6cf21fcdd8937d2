# SPDX-License-Identifier: GPL-2.0-only
"""User Mode Linux: a kernel of its own as a process of the host; docs/uml.md."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from testbed.artifacts.source_kernels import KernelRequest, SourceKernels
from testbed.engines.engine import Engine
from testbed.engines.uml.flavours import NAMES, REAL_TIME, SIMULATED
from testbed.engines.uml.prepare import UmlPrepared, prepare_uml
from testbed.engines.uml.session import UmlSession
from testbed.errors import UsageProblem
from testbed.options import RunOptions


def _with_patches(
    options: RunOptions, prepared: UmlPrepared, patches: Sequence[Path]
) -> UmlPrepared:
    kernel = SourceKernels().build(KernelRequest(options.flavour, patches=patches))
    provenance = {**prepared.provenance, "kernel": dict(kernel.provenance)}
    return replace(prepared, kernel=kernel, provenance=provenance)


def _refuse(options: RunOptions) -> None:
    """A folder is a copy, and simulated time is one CPU's: what runs is what the report says."""
    if options.share_is_writable:
        raise UsageProblem(
            f"--share {options.share}: a UML guest gets a copy of the folder, made as it starts",
            remedy="drop :rw, or use --engine qemu",
        )
    if options.flavour in SIMULATED and options.cpus != 1:
        raise UsageProblem(
            f"--cpus {options.cpus}: flavour {options.flavour} has one CPU, for its time is "
            "simulated",
            remedy=f"leave --cpus out, or name --flavour {', '.join(REAL_TIME)}",
        )


ENGINE = Engine(
    name="uml", prepare=prepare_uml, session=UmlSession, with_patches=_with_patches,
    refuse=_refuse,
    lacks=("lab", "iommu", "swiotlb", "icount", "nic", "peer", "accel", "modules"),
    defaults={"cpus": 1}, flavours=NAMES,
    simulated=SIMULATED, can_restart=True, short_runs=True,
)  # fmt: skip
