# SPDX-License-Identifier: GPL-2.0-only
"""What a UML guest needs: a kernel built from source, the initramfs, the guest's root image."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from images.store import Json
from kernels.build import BuiltKernel
from testbed.artifacts.prepare import Artifacts
from testbed.artifacts.source_kernels import KernelRequest, SourceKernels
from testbed.coverage.hits import CoveredKernel
from testbed.options import RunOptions, Timing


@dataclass(frozen=True)
class UmlPrepared:
    """What one run starts from; see :class:`testbed.artifacts.prepare.Prepared`.

    ``covered``: the kernel as the coverage report needs it, if it is instrumented.
    """

    kernel: BuiltKernel
    initramfs: Path
    root_image: Path
    provenance: dict[str, Json]
    covered: CoveredKernel | None = None


def kernel_request(options: RunOptions) -> KernelRequest:
    """The kernel that ``options`` name: ``kernel`` is a folder of sources or a version."""
    request = KernelRequest(options.flavour, coverage=options.coverage)
    if options.kernel is None:
        return request
    if Path(options.kernel).is_dir():
        return replace(request, tree=Path(options.kernel).resolve())
    return replace(request, base=options.kernel)


def prepare_uml(
    options: RunOptions, report: Callable[[str], None]
) -> tuple[RunOptions, UmlPrepared]:
    """Have all artefacts of a run and its seed drawn. Raises UsageProblem, EnvironmentProblem."""
    artifacts = Artifacts(report=report)
    kernels, request = SourceKernels(report=report), kernel_request(options)
    kernel = kernels.build(request)
    guest = artifacts.uml_guest()
    provenance: dict[str, Json] = {
        "kernel": dict(kernel.provenance),
        "root_image": guest.root_provenance,
    }
    covered = None
    if options.coverage:
        source = str(kernels.fetch(request))
        covered = CoveredKernel(kernel.key, kernel.release, str(kernel.image), source)
    prepared = UmlPrepared(kernel, guest.initramfs, guest.root_image, provenance, covered)
    return replace(options.with_seed(), timing=Timing.SYNCHRONOUS), prepared
