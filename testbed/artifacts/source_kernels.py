# SPDX-License-Identifier: GPL-2.0-only
"""Kernels built from source, for the command line and the UML engine: one request, one kernel."""

from __future__ import annotations

import functools
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from images.buildroot import BuildRoot
from images.debian import Archive
from images.fingerprint import file_sha256
from images.store import Json, Report, Store, cache_root, quiet
from kernels.build import DEFAULT_BASE, Builder, BuiltKernel
from kernels.compile import Progress, Watch
from kernels.configs import read_fragment, render
from kernels.flavours import WORKAROUNDS, Flavour, flavour, with_coverage
from kernels.fragments import Group
from kernels.mended import patches_of, workarounds_of
from kernels.own import UM, OwnKernel, find_own
from kernels.patches import PatchSeries, load_series
from kernels.patching import PATCHES, PatchAccount
from kernels.source import KernelSource, SourceProblem, TreeSource
from testbed.artifacts.translated import translated

REPORT_EVERY_S = 15.0


@dataclass(frozen=True)
class KernelRequest:
    """A kernel as the user names it.

    At most one of `base` (a version Debian has the source of), `tree` (a folder) and `tarball` is
    given. `patches`: what `kernels.patches.load_series` reads; `fragments`: files of options.
    """

    flavour: str = "uml"
    base: str | None = None
    tree: Path | None = None
    tarball: Path | None = None
    patches: Sequence[Path] = ()
    fragments: Sequence[Path] = ()
    coverage: bool = False
    without_failed: bool = False

    def chosen_flavour(self) -> Flavour:
        """The flavour with what was requested of it. Raises UnknownFlavourError."""
        chosen = flavour(self.flavour)
        return with_coverage(chosen) if self.coverage else chosen

    def groups(self) -> list[Group]:
        """What is requested: the flavour's groups, then the user's. Raises UsageProblem."""
        with translated():
            fragments = [read_fragment(path) for path in self.fragments]
            return [*self.chosen_flavour().groups, *fragments]

    def series(self) -> list[PatchSeries]:
        """The patches, read. Raises PatchProblem."""
        return [load_series(path) for path in self.patches]


class SourceKernels:
    """Builds what is requested into one cache.

    Every method raises UsageProblem for what the user gave (a source that does not build, an
    option the kernel lacks, a patch that does not apply) and EnvironmentProblem for the rest.
    """

    def __init__(self, cache: Path | None = None, report: Report = quiet) -> None:
        self.store = Store(cache if cache is not None else cache_root(), report)
        self._report = report
        self._builder = Builder(self.store, lambda: self.archive, report)

    @functools.cached_property
    def archive(self) -> Archive:
        """The private apt."""
        return Archive(self.store.root, report=self._report)

    @functools.cached_property
    def build_root(self) -> BuildRoot:
        """What kernels are compiled in: gcc, binutils, a shell. Raises EnvironmentProblem."""
        with translated():
            return BuildRoot.of(self._builder.root_entry())

    def build(
        self, request: KernelRequest, *, jobs: int | None = None, watch: Watch | None = None
    ) -> BuiltKernel:
        """The kernel, from the cache or built now; without `watch`, progress is reported."""
        with translated():
            return self._builder.build(
                request.chosen_flavour(), self._source(request), series=request.series(),
                fragments=[read_fragment(path) for path in request.fragments], jobs=jobs,
                watch=watch or reported(self._report), without_failed=request.without_failed,
            )  # fmt: skip

    def own_uml(self, path: Path, flavour: str) -> BuiltKernel:
        """A UML program that the user built, as one of that flavour."""
        with translated():
            own = find_own(path, UM)
            for line in own.lost:
                self._report(f"{own.release}: {line}")
            return _as_built(self.store, own, flavour)

    def config(self, request: KernelRequest) -> str:
        """The .config it would have."""
        with translated():
            source = self._source(request)
            fragments = [read_fragment(path) for path in request.fragments]
            plan = self._builder.plan(request.chosen_flavour(), source, fragments)
            return self._builder.configure(plan, source)

    def fetch(self, request: KernelRequest) -> Path:
        """The folder with the source, unpacked."""
        with translated():
            return self._source(request).tree()

    def try_patches(self, request: KernelRequest) -> tuple[Sequence[PatchAccount], Sequence[str]]:
        """What would become of each patch, and what was found beside them."""
        with translated():
            series = request.series()
            applied = self._builder.try_patches(self._source(request), series)
            return applied.accounts, [line for one in series for line in one.set_aside]

    def _source(self, request: KernelRequest) -> KernelSource:
        given = [name for name in ("base", "tree", "tarball") if getattr(request, name) is not None]
        if len(given) > 1:
            raise SourceProblem(f"one source is enough: {' and '.join(given)} are given")
        if request.tree is not None:
            return TreeSource(request.tree)
        if request.tarball is not None:
            return self._builder.tarball(request.tarball)
        return self._builder.debian(request.base or DEFAULT_BASE)


def _as_built(store: Store, own: OwnKernel, flavour: str) -> BuiltKernel:
    """A copy in the store: the guest's user may not read where the user builds."""

    def copy(folder: Path) -> None:
        shutil.copyfile(own.image, folder / "linux")
        (folder / "linux").chmod(0o755)
        (folder / "config").write_text(render(own.config))

    entry = store.ensure("kernel-own", {"own": own.identity}, copy)
    about: dict[str, Json] = {
        "release": own.release,
        "image_sha256": file_sha256(entry.path / "linux"),
        "config": dict(own.config),
        "lost": list(own.lost),
        PATCHES: patches_of(own.image),
        WORKAROUNDS: workarounds_of(own.image),
    }
    image = entry.path / "linux"
    return BuiltKernel(
        flavour, image, image, entry.path / "config", None, own.release, entry.key, about
    )


def reported(report: Report) -> Watch:
    """A watch that reports a line now and then."""
    last = time.monotonic()

    def tell(progress: Progress) -> None:
        nonlocal last
        if time.monotonic() - last > REPORT_EVERY_S:
            last = time.monotonic()
            report(f"{progress.done} of about {progress.total}: {progress.current}")

    return tell
