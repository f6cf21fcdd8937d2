# SPDX-License-Identifier: GPL-2.0-only
"""The files of `docs/findings/`: one bug of the kernel each, with a head in TOML.

::

    +++
    id = "zcrx-dma-segment"            # the file's name without .md
    title = "..."
    status = "open"                    # open, reported or fixed
    first_seen = 2026-11-20
    kernels = ["7.2.12"]               # versions it was seen on
    flavours = ["uml-san"]             # kernels that show it: a flavour, or "debian"
    replay = "./tb run --engine uml --flavour uml-san --seed 1"
    failure = "did not recover"        # regex: how a test that is marked with it fails (optional)
    provoked = true                    # only a misbehaving card shows it (optional)
    lasting = true                     # the kernel is not what it was before (optional)
    violations = ["mapping_leaked"]    # what the card says of it to a marked test (optional)

    [[splat]]                          # what the kernel's log says of it (optional)
    sanitizer = "DMA-API"
    function = "io_zcrx_create_area"   # optional
    title = "mapping sg segment"       # regex, searched in the headline
    through = ["io_register_zcrx"]     # functions in its trace, guesses included (optional)

    [[replayed]]                       # how often `replay` was run on one kernel, and showed it
    kernel = "uml-san"                 # a flavour, or "debian"
    runs = 20
    shown = 20
    event_hashes = 1                   # different ones; in simulated time only
    +++
    # Text for people
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated

from annotated_types import Interval

from testbed import ROOT
from testbed.errors import ConfigProblem
from testbed.findings.kernel_log import Splat
from testbed.findings.splat_report import SplatReport
from testbed.schema import Date, Regex, Text, Texts, WrongValue, read_text, read_toml

FOLDER = ROOT / "docs/findings"
INDEX = "README.md"
DEBIAN = "debian"
FENCE = "+++"
Count = Annotated[int, Interval(ge=0)]

_RELEASE = re.compile(r"(\d+(?:\.\d+)*(?:-rc\d+)?)(?:-testbed-([\w-]+))?")


class Status(StrEnum):
    """How far it has got: on record, reported to the maintainers, fixed in a later kernel."""

    OPEN = "open"
    REPORTED = "reported"
    FIXED = "fixed"


@dataclass(frozen=True)
class SplatPattern:
    """What a complaint of the kernel has to look like to be the one on record."""

    sanitizer: Splat
    title: Regex
    function: Text | None = None
    through: Texts = ()

    def matches(self, report: SplatReport) -> bool:
        """Whether ``report`` is this complaint."""
        return (
            self.sanitizer == report.sanitizer
            and self.function in (None, report.function)
            and self.title.search(report.headline) is not None
            and all(report.went_through(function) for function in self.through)
        )


@dataclass(frozen=True)
class Replayed:
    """Runs of a finding's replay on one kernel: how many, in how many it showed.

    ``event_hashes``: how many different event hashes they had, 0 where time is not simulated.
    """

    kernel: Text
    runs: Count = 0
    shown: Count = 0
    event_hashes: Count = 0

    def __post_init__(self) -> None:
        if max(self.shown, self.event_hashes) > self.runs:
            raise WrongValue(f"{self.runs} is less than was counted in them", key="runs")


@dataclass(frozen=True, kw_only=True)
class Head:
    """One bug of the kernel on record. ``failure``: how a test that is marked with it fails.

    ``provoked``: only a misbehaving card shows it. It explains nothing in a run that does not ask
    for it: there the same complaint means that the card's model is at fault. ``violations``: rules
    of the card, which knows no functions, so they explain only what a marked test sees.
    ``lasting``: where it has shown, the kernel is of no use to another test.
    """

    id: Text
    title: Text
    replay: Text
    kernels: Texts
    flavours: Texts
    status: Status
    first_seen: Date
    splat: tuple[SplatPattern, ...] = ()
    failure: Regex | None = None
    provoked: bool = False
    lasting: bool = False
    violations: Texts = ()
    replayed: tuple[Replayed, ...] = ()

    def __post_init__(self) -> None:
        if not self.splat and self.failure is None and not self.violations:
            raise WrongValue(
                "neither a [[splat]], a failure nor violations tell how it shows", key="splat"
            )


@dataclass(frozen=True, kw_only=True)
class Finding(Head):
    """A bug of the kernel on record, and the file."""

    path: Path

    def is_in(self, release: str) -> bool:
        """Whether the kernel with that `uname -r` has it, as far as is known."""
        return kernel_of(release)[0] in self.kernels

    def shows_on(self, release: str) -> bool:
        """Whether that very kernel is known to show it."""
        return self.is_in(release) and kernel_of(release)[1] in self.flavours

    def explains(self, report: SplatReport) -> bool:
        """Whether ``report`` looks like it, on whatever kernel."""
        return any(splat.matches(report) for splat in self.splat)

    def is_failure(self, text: str) -> bool:
        """Whether ``text`` is how a test or trial fails that shows it."""
        return self.failure is not None and self.failure.search(text) is not None


def kernel_of(release: str) -> tuple[str, str]:
    """Version and flavour of a `uname -r`: 7.2.12-testbed-uml-san, 7.2.12+deb13-amd64."""
    match = _RELEASE.match(release)
    if match is None:
        return release, DEBIAN
    return match[1], match[2] or DEBIAN


def load_findings(folder: Path = FOLDER) -> tuple[Finding, ...]:
    """All findings on record, by id. Raises ConfigProblem."""
    files = sorted(path for path in folder.glob("*.md") if path.name != INDEX)
    return tuple(read_finding(path) for path in files)


def read_finding(path: Path) -> Finding:
    """One file. Raises ConfigProblem, which names file, key and what is allowed."""
    before, *parts = re.split(r"^\+\+\+$\n?", read_text(path), maxsplit=2, flags=re.MULTILINE)
    if before or len(parts) < 2:
        raise ConfigProblem(path, FENCE, f"the file has to begin with a head between two {FENCE}")
    head = read_toml(Head, path, parts[0])
    if head.id != path.stem:
        raise ConfigProblem(path, "id", f"{head.id!r} is not the file's name, {path.stem!r}")
    return Finding(path=path, **vars(head))
