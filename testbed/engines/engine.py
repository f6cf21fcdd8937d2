# SPDX-License-Identifier: GPL-2.0-only
"""What an engine is: one object that prepares runs and opens sessions, and says what it can do.

A further one is a folder with a module whose ``ENGINE`` is such an object, and a line in
``testbed.options.ENGINES``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Generic, Protocol, TypeVar

from rich.console import Console

from images.store import Json
from testbed.engines.session import Session
from testbed.errors import UsageProblem
from testbed.options import RunOptions
from testbed.report.results import RunReport


class Kernel(Protocol):
    """The kernel under test, as every engine knows it."""

    @property
    def release(self) -> str:
        """``uname -r``; empty where only the machine knows."""


class StockModule(Protocol):
    """The driver's module as the kernel's package has it: what of it can be compared."""

    @property
    def module_sha256(self) -> str:
        """SHA-256 of the module itself."""

    @property
    def module_packed_sha256(self) -> str:
        """SHA-256 of the package's file, which may be compressed."""

    @property
    def module_build_id(self) -> str:
        """As the loaded module has it in its notes, in hexadecimal digits."""


class Prepared(Protocol):
    """What a run starts from; ``provenance`` goes into the report as it is."""

    @property
    def stock_module(self) -> StockModule | None:
        """The driver under test, where it is a module of a package."""

    @property
    def kernel(self) -> Kernel:
        """The kernel under test."""

    @property
    def provenance(self) -> Mapping[str, Json]:
        """Where everything came from, by what it is."""


P = TypeVar("P", bound=Prepared)

_ELSEWHERE = {
    "lab": ("a lab is a file and its engine", "give --lab lab.toml"),
    "coverage": ("only UML counts coverage", "add --engine uml"),
}
"""Options that one engine alone has -> what another one says to them, and the remedy."""


class Engine(ABC, Generic[P]):
    """One way to run a kernel with a NIC under test.

    :cvar name: as ``--engine`` has it; ``summary``: for the help text.
    :cvar lacks: fields of RunOptions that it has no use for: they must stay at their defaults.
    :cvar defaults: of RunOptions, where they are others than usual.
    :cvar flavours: names of the kernels of its own that it can be given.
    :cvar owns_machine: the machine is made for the run, and goes with it; a card comes with it.
    :cvar can_restart: its sessions have a fresh guest and card at once (``Session.restart``).
    :cvar short_runs: its runs are of seconds, many times a day, so that traffic is short as well.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    lacks: ClassVar[Sequence[str]] = tuple(_ELSEWHERE)
    defaults: ClassVar[Mapping[str, object]] = {}
    flavours: ClassVar[Sequence[str]] = ()
    owns_machine: ClassVar[bool] = True
    can_restart: ClassVar[bool] = False
    short_runs: ClassVar[bool] = False

    def check(self, options: RunOptions) -> None:
        """Raise UsageProblem for options that do not go with this engine."""
        given = [name for name in self.lacks if getattr(options, name) != getattr(RunOptions, name)]
        for name in given:
            if name in _ELSEWHERE:
                message, remedy = _ELSEWHERE[name]
                raise UsageProblem(message, remedy=remedy)
        if given:
            spelt = " and no ".join(_spelt(name, getattr(options, name)) for name in given)
            raise UsageProblem(f"--engine {self.name} has no {spelt}")

    @abstractmethod
    def prepare(self, options: RunOptions, report: Callable[[str], None]) -> tuple[RunOptions, P]:
        """Have all artefacts of a run, everything left open decided and the seed drawn.

        Raises UsageProblem, EnvironmentProblem.
        """

    @abstractmethod
    def session(
        self, options: RunOptions, run_dir: Path, prepared: P, console: Console | None = None
    ) -> Session:
        """A session with what :meth:`prepare` returned, not yet entered."""

    def with_patches(self, options: RunOptions, prepared: P, patches: Sequence[Path]) -> P:
        """What was prepared for ``options`` with its kernel built from source, patched.

        Raises UsageProblem for a patch that does not apply or build, EnvironmentProblem.
        """
        raise UsageProblem(f"--engine {self.name} boots no kernel of ours, so none with patches")

    def simulated_time(self, options: RunOptions) -> bool:
        """Whether the guest's time is simulated, so that its runs repeat."""
        return False

    def describe(self, options: RunOptions, report: RunReport) -> None:
        """Write into ``report`` which machine this was."""
        report.seed, report.engine = options.seed, self.name
        if self.owns_machine:
            report.cpus, report.iommu = options.cpus, options.iommu.value
            report.timing = options.timing.value


def _spelt(name: str, value: object) -> str:
    """An option as the command line has it, without a value that only its place is of interest."""
    return f"--{name}" if value is True or isinstance(value, Path) else f"--{name} {value}"
