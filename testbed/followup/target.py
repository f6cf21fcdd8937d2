# SPDX-License-Identifier: GPL-2.0-only
"""The kernel that findings are asked about: a version, a tree or a build, with patches or not."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from kernels.flavours import FLAVOURS
from testbed.artifacts.prepare import is_path
from testbed.artifacts.source_kernels import KernelRequest, SourceKernels
from testbed.errors import EnvironmentProblem, UsageProblem
from testbed.findings.kernel import DEBIAN, GuestKernel

UML, QEMU = "uml", "qemu"
OF_SOURCE = "x86"
"""What QEMU runs instead of Debian's own kernel where there is only source."""

_ARCH = {flavour.name: flavour.arch for flavour in FLAVOURS}


class NotHad(Exception):
    """The kernel cannot be had as a finding wants it; the message says why, in one line."""


def engine_for(flavour: str) -> str:
    """The engine that runs kernels of that flavour."""
    return UML if _ARCH.get(flavour) == "um" else QEMU


@dataclass(frozen=True)
class Where:
    """What a finding is looked for on; without either, on what its reproducer names."""

    engine: str | None = None
    flavour: str | None = None

    def includes(self, flavour: str) -> bool:
        """Whether kernels of that flavour are meant."""
        return self.engine in (None, engine_for(flavour)) and self.flavour in (None, flavour)

    def __str__(self) -> str:
        return self.flavour or self.engine or "any kernel"


ANYWHERE = Where()


@dataclass(frozen=True)
class Target:
    """A kernel as the user names it.

    :ivar kernel: a version, a folder with sources, or a build; None is the pinned version.
    :ivar series: patches, as `kernel build --series` takes them.
    """

    kernel: str | None = None
    series: Sequence[Path] = ()

    @property
    def label(self) -> str:
        """A few words for the head of a column; a path by its last part."""
        name = "pinned" if self.kernel is None else Path(self.kernel).name
        return "+".join([name, *(path.name for path in self.series)])

    @property
    def is_stock(self) -> bool:
        """Whether anybody can have the same kernel by its version."""
        return not self.series and not (self.kernel is not None and is_path(self.kernel))

    @property
    def is_build(self) -> bool:
        """Whether it is built already: a file, or the folder of a build without the sources."""
        path = None if self.kernel is None else Path(self.kernel)
        return path is not None and is_path(str(path)) and not (path / "Kconfig").is_file()


class KernelChoice:
    """The options that choose one target, for each machine that finds use for it.

    What has to be built is built when it is asked for first.
    """

    def __init__(
        self, target: Target, report: Callable[[str], None], kernels: SourceKernels | None = None
    ) -> None:
        self.target = target
        self._kernels = kernels or SourceKernels(report=report)
        self._found: dict[str, Mapping[str, str] | NotHad] = {}
        if target.is_build and target.series:
            raise UsageProblem(
                f"{target.kernel} is built already", remedy="with --series name its source"
            )

    def options(self, flavour: str) -> Mapping[str, str]:
        """Options of a run (field -> value) that choose the kernel of that flavour. Raises NotHad.

        ``flavour`` is one of ours, or "debian".
        """
        if flavour not in self._found:
            try:
                self._found[flavour] = self._look_up(flavour)
            except NotHad as problem:
                self._found[flavour] = problem
            except (UsageProblem, EnvironmentProblem) as error:
                self._found[flavour] = NotHad(next(iter(error.lines())))
        found = self._found[flavour]
        if isinstance(found, NotHad):
            raise found
        return found

    def _look_up(self, flavour: str) -> Mapping[str, str]:
        engine, target = engine_for(flavour), self.target
        chosen = {"engine": engine}
        if engine == UML:
            chosen["flavour"] = flavour
        if target.is_build:
            self._require_flavour(flavour)
        elif target.series or (engine == QEMU and (flavour != DEBIAN or not target.is_stock)):
            return {**chosen, "kernel": str(self._build(flavour))}
        return chosen if target.kernel is None else {**chosen, "kernel": target.kernel}

    def _require_flavour(self, flavour: str) -> None:
        """A build is of one flavour: as its release says, or for an unknown one its engine's."""
        path = Path(self.target.kernel or "")
        if engine_for(flavour) == QEMU:
            return  # what it lacks, the test or trial says
        built = GuestKernel.of(self._kernels.own_uml(path, flavour).release).flavour
        if built not in (flavour, DEBIAN):
            raise NotHad(f"{path.name} is a kernel of flavour {built}, not {flavour}")

    def _build(self, flavour: str) -> Path:
        kernel = self.target.kernel
        tree = kernel is not None and is_path(kernel)
        request = KernelRequest(
            OF_SOURCE if flavour == DEBIAN else flavour,
            base=None if tree else kernel, tree=Path(str(kernel)).resolve() if tree else None,
            patches=tuple(self.target.series),
        )  # fmt: skip
        return self._kernels.build(request).image
