# SPDX-License-Identifier: GPL-2.0-only
"""What a UML guest needs: a kernel built from source, the initramfs, the guest's root image."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from images.store import Json
from kernels.build import BuiltKernel
from testbed.artifacts.layers import NO_LAYERS, Layers
from testbed.artifacts.prepare import Artifacts, is_path
from testbed.artifacts.source_kernels import KernelRequest, SourceKernels
from testbed.engines.uml.flavours import REAL_TIME, SHADOWED, SIMULATED
from testbed.engines.uml.hits import MAP_VARIABLE, CoveredKernel
from testbed.errors import EnvironmentProblem, UsageProblem
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
    layers: Layers = NO_LAYERS
    stock_module: None = None

    def has_kasan(self, flavour: str) -> bool:
        """Whether the kernel, the user's own or of that flavour, is built with KASAN."""
        config = self.kernel.provenance.get("config")
        if isinstance(config, dict):
            return config.get("KASAN") == "y"
        return flavour in SHADOWED


def names_own(options: RunOptions) -> bool:
    """Whether the kernel is a program, or a build tree without sources: to be run as it is."""
    kernel = options.kernel
    return kernel is not None and is_path(kernel) and not (Path(kernel) / "Kconfig").is_file()


def _own(kernels: SourceKernels, options: RunOptions) -> BuiltKernel:
    """The user's own program, if it is one for that flavour's time. Raises UsageProblem."""
    kernel = kernels.own_uml(Path(options.kernel or ""), options.flavour)
    if options.coverage and not _counts(kernel.image):
        raise UsageProblem(
            "coverage is counted by kernels that are built here",
            remedy="name the sources: --kernel FOLDER, or what `kernel build --coverage` built",
        )
    config = kernel.provenance["config"]
    assert isinstance(config, dict)
    several = config.get("SMP") == "y"
    simulated = options.flavour in SIMULATED
    if several is simulated:
        raise UsageProblem(
            f"{kernel.release} is a kernel {'with' if several else 'without'} SMP",
            remedy=f"add --flavour {(REAL_TIME if several else SIMULATED)[0]}",
        )
    if simulated and config.get("UML_TIME_TRAVEL_SUPPORT") != "y":
        raise UsageProblem(f"{kernel.release} lacks CONFIG_UML_TIME_TRAVEL_SUPPORT")
    return kernel


def _counts(image: Path) -> bool:
    """Whether the program has what counts the edges taken (kernels/host/coverage.c)."""
    try:
        return image.is_file() and MAP_VARIABLE.encode() in image.read_bytes()
    except OSError as err:
        raise EnvironmentProblem(f"{image} cannot be read: {err.strerror}") from err


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
    kernel = _own(kernels, options) if names_own(options) else kernels.build(request)
    guest = artifacts.uml_guest()
    layers = artifacts.layers(options.packages, options.root)
    provenance: dict[str, Json] = {
        "kernel": dict(kernel.provenance),
        "root_image": guest.root_provenance,
        **layers.provenance,
    }
    covered = None
    if options.coverage:
        own = names_own(options)  # its source is nobody's to show
        source = str(kernel.image.parent if own else kernels.fetch(request))
        covered = CoveredKernel(kernel.key, kernel.release, str(kernel.image), source)
    prepared = UmlPrepared(kernel, guest.initramfs, guest.root_image, provenance, covered, layers)
    return replace(options.with_seed(), timing=Timing.SYNCHRONOUS), prepared
