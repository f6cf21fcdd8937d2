# SPDX-License-Identifier: GPL-2.0-only
"""What an engine is: one object that prepares runs and opens sessions, and says what it can do.

A further one is a folder with a module whose ``ENGINE`` is such an object, a line in
``testbed.options.ENGINES``, and its name in the import contract of the engines (pyproject.toml).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from rich.console import Console

from images.store import Json
from testbed.engines.session import Session
from testbed.errors import UsageProblem
from testbed.options import Accel, RunOptions
from testbed.report.results import RunReport


class Kernel(Protocol):
    """The kernel under test, as every engine knows it."""

    @property
    def release(self) -> str:
        """``uname -r``; empty where only the machine knows."""

    @property
    def stock(self) -> bool:
        """Whether it is known to be built of what Debian publishes, without a patch."""


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
    def kernel(self) -> Kernel:
        """The kernel under test."""

    @property
    def stock_module(self) -> StockModule | None:
        """The driver under test, where it is a module of a package."""

    @property
    def provenance(self) -> Mapping[str, Json]:
        """Where everything came from, by what it is."""


P = TypeVar("P", bound=Prepared)

_OF_ONE_ENGINE = {
    "lab": ("a lab is a file and its engine", "give --lab lab.toml"),
    "coverage": ("only UML counts coverage", "add --engine uml"),
}
"""Options that one engine alone has -> what another one says to them, and the remedy."""


@dataclass(frozen=True, kw_only=True)
class Engine(Generic[P]):
    """One way to run a kernel with a NIC under test.

    :ivar name: as ``--engine`` has it.
    :ivar prepare: has all artefacts of a run, everything left open decided and the seed drawn;
        raises UsageProblem, EnvironmentProblem.
    :ivar session: a session with what ``prepare`` returned, not yet entered.
    :ivar with_patches: what was prepared, with its kernel built from source and patched; raises
        UsageProblem for a patch that does not apply or build, EnvironmentProblem.
    :ivar lacks: fields of RunOptions that it has no use for: they must stay at their defaults;
        ``requires``: those that must not; ``refuse`` raises UsageProblem for what else is wrong.
    :ivar defaults: of RunOptions, where they are others than usual.
    :ivar flavours: names of the kernels of its own that it can be given; the time of those in
        ``simulated`` is simulated, so that their runs repeat.
    :ivar owns_machine: the machine is made for the run, and goes with it; a card comes with it.
    :ivar can_restart: its sessions have a fresh guest and card at once (``Session.restart``).
    :ivar short_runs: its runs are of seconds, many times a day, so that traffic is short as well.
    """

    name: str
    prepare: Callable[[RunOptions, Callable[[str], None]], tuple[RunOptions, P]]
    session: Callable[[RunOptions, Path, P, Console | None], Session]
    with_patches: Callable[[RunOptions, P, Sequence[Path]], P] | None = None
    lacks: Sequence[str] = tuple(_OF_ONE_ENGINE)
    requires: Sequence[str] = ()
    refuse: Callable[[RunOptions], None] = lambda _options: None
    defaults: Mapping[str, object] = field(default_factory=dict)
    flavours: Sequence[str] = ()
    simulated: Sequence[str] = ()
    owns_machine: bool = True
    can_restart: bool = False
    short_runs: bool = False

    def check(self, options: RunOptions) -> None:
        """Raise UsageProblem for options that do not go with this engine."""
        if self.flavours and options.flavour not in self.flavours:
            raise UsageProblem(
                f"flavour {options.flavour!r} is no {self.name.upper()} kernel",
                remedy=f"allowed: {', '.join(self.flavours)}",
            )
        given = [name for name in self.lacks if _is_given(options, name)]
        missing = [name for name in self.requires if not _is_given(options, name)]
        for name in (*missing, *given):
            if name in _OF_ONE_ENGINE:
                message, remedy = _OF_ONE_ENGINE[name]
                raise UsageProblem(message, remedy=remedy)
        if given:
            spelt = " and no ".join(_spelt(name, getattr(options, name)) for name in given)
            raise UsageProblem(f"--engine {self.name} has no {spelt}")
        self.refuse(options)

    def patched(self, options: RunOptions, prepared: P, patches: Sequence[Path]) -> P:
        """What was prepared for ``options``, with its kernel rebuilt if there are patches.

        Raises UsageProblem, EnvironmentProblem.
        """
        if not patches:
            return prepared
        if self.with_patches is None:
            raise UsageProblem(f"--engine {self.name} boots no kernel that could be patched")
        return self.with_patches(options, prepared, patches)

    def simulated_time(self, options: RunOptions) -> bool:
        """Whether the guest's time is simulated, so that its runs repeat."""
        return options.flavour in self.simulated

    def describe(self, options: RunOptions, report: RunReport) -> None:
        """Write into ``report`` which machine this was."""
        report.seed, report.engine = options.seed, self.name
        if self.owns_machine:
            report.cpus, report.iommu = options.cpus, options.iommu.value
            report.timing = options.timing.value
            if "accel" not in self.lacks and options.accel is not Accel.AUTO:
                report.accelerator = options.accel.value


def _is_given(options: RunOptions, name: str) -> bool:
    given: bool = getattr(options, name) != getattr(RunOptions, name)
    return given


def _spelt(name: str, value: object) -> str:
    """An option as the command line has it, without a value of which only the presence counts."""
    flag = {"packages": "with", "modules": "module"}.get(name, name)
    return f"--{flag}" if value is True or isinstance(value, Path | tuple) else f"--{flag} {value}"
