# SPDX-License-Identifier: GPL-2.0-only
"""A run's artefacts with another kernel: the same source with patches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from testbed.artifacts.prepare import Artifacts, Prepared
from testbed.artifacts.source_kernels import KernelRequest, SourceKernels
from testbed.engines.open import AnyPrepared
from testbed.engines.uml.prepare import UmlPrepared
from testbed.errors import UsageProblem
from testbed.options import RunOptions

X86 = "x86"


def with_patches(
    options: RunOptions, prepared: AnyPrepared, patches: Sequence[Path]
) -> AnyPrepared:
    """What was prepared for ``options``, with its kernel rebuilt if there are patches.

    On QEMU that is flavour x86, whose only extra is DMA_API_DEBUG. Raises UsageProblem for a patch
    that does not apply or build, EnvironmentProblem.
    """
    if not patches:
        return prepared
    if isinstance(prepared, UmlPrepared):
        kernel = SourceKernels().build(KernelRequest(options.flavour, patches=patches))
        return replace(prepared, kernel=kernel)
    if not isinstance(prepared, Prepared):
        raise UsageProblem("a machine of one's own gets no patched kernel from here")
    image = Artifacts().prepare_built(KernelRequest(X86, patches=patches)).kernel
    return replace(prepared, kernel=image)
