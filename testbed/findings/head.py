# SPDX-License-Identifier: GPL-2.0-only
"""The head of a finding's file: TOML, of which :mod:`testbed.findings.load` shows an example."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Literal

from annotated_types import Interval, MinLen

from kernels.flavours import FLAVOURS
from kernels.version import EXAMPLES, KernelVersion
from testbed.findings.kernel import DEBIAN, GuestKernel
from testbed.findings.kernel_log import Splat
from testbed.findings.splat_report import SplatReport
from testbed.schema import Date, FromText, OneOf, Regex, Text, Texts, WrongValue

Version = Annotated[
    KernelVersion, FromText(KernelVersion.parse, f"a version, such as {', '.join(EXAMPLES)}")
]
Flavour = Annotated[str, OneOf([DEBIAN, *(flavour.name for flavour in FLAVOURS)])]
Count = Annotated[int, Interval(ge=0)]
# as a regular expression may have it: dev\.c:7, dev.c:(7|8), addr 0x8, address: 0000, ffffffff8100
_OF_ONE_BUILD = re.compile(
    r"\.[chS]:\(?\d|\baddr(?:ess)?[^a-z\\]{0,3}\d|0x[0-9a-f]{6}|[0-9a-f]{12}"
)


class Status(StrEnum):
    """How far it has got.

    On record; reported to the maintainers; fixed in a later kernel; will not be fixed; how it is
    meant to be; the same bug as another finding.
    """

    OPEN = "open"
    REPORTED = "reported"
    FIXED = "fixed"
    WONTFIX = "wontfix"
    LIMITATION = "limitation"
    DUPLICATE = "duplicate"


class Needs(StrEnum):
    """What it takes to show it.

    Any card; a firmware that refuses or dies, as it may; a card that says what cannot be; the
    set-up itself (a kernel of ours has it, no other).
    """

    NOTHING = "none"
    REFUSING_FIRMWARE = "refusing firmware"
    LYING_CARD = "lying card"
    ARTEFACT = "artefact"


class Trigger(StrEnum):
    """Who can make it happen, the least privileged of all."""

    WIRE = "wire"
    USER = "user"
    ROOT = "root"
    FIRMWARE = "firmware"
    CARD = "card"


class Impact(StrEnum):
    """The worst that comes of it."""

    PANIC = "panic"
    USE_AFTER_FREE = "use after free"
    MEMORY_CORRUPTION = "memory corruption"
    INFORMATION_LEAK = "information leak"
    HANG = "hang"
    STALL = "stall"
    WRONG_ANSWER = "wrong answer"
    WARNING = "warning"
    RESOURCE_LEAK = "resource leak"


class Disclosure(StrEnum):
    """Whether everything about it may be published."""

    PUBLIC = "public"
    PRIVATE = "private"


@dataclass(frozen=True)
class SplatPattern:
    """What a complaint of the kernel has to look like to be the one on record.

    A function that has another name in some kernels has them all: ``"old_name|new_name"``.
    """

    sanitizer: Splat
    title: Regex
    function: Text | None = None
    through: Texts = ()

    def __post_init__(self) -> None:
        _refuse_one_build("title", self.title)

    def matches(self, report: SplatReport) -> bool:
        """Whether ``report`` is this complaint."""
        return (
            self.sanitizer == report.sanitizer
            and (self.function is None or report.function in self.function.split("|"))
            and self.title.search(report.headline) is not None
            and all(_went_through(report, names) for names in self.through)
        )


def _refuse_one_build(key: str, pattern: re.Pattern[str] | None) -> None:
    if pattern is not None and _OF_ONE_BUILD.search(pattern.pattern):
        raise WrongValue(
            "has a line number or an address, which is of one build",
            key=key, allowed=["words; function and through say where"],
        )  # fmt: skip


def _refuse_twice(key: str, kernels: Sequence[tuple[KernelVersion, str]]) -> None:
    for number, kernel in enumerate(kernels):
        if kernel in kernels[:number]:
            raise WrongValue(f"{kernel[0]} {kernel[1]} is counted twice", key=key)


def _went_through(report: SplatReport, names: str) -> bool:
    return any(report.went_through(name) for name in names.split("|"))


@dataclass(frozen=True, kw_only=True)
class Introduced:
    """The mainline release that was the first to have it; the commit, and its subject."""

    version: Version
    commit: Text | None = None
    subject: Text | None = None


@dataclass(frozen=True, kw_only=True)
class Fixed(Introduced):
    """The same of the fix. ``stable``: the first fixed kernel of each stable series."""

    stable: Annotated[tuple[Version, ...], MinLen(1)] = ()

    def is_in(self, version: KernelVersion) -> bool:
        """Whether that kernel has the fix."""
        stable = any(one.series == version.series and version >= one for one in self.stable)
        return stable or version >= self.version


@dataclass(frozen=True, kw_only=True)
class Reproducer:
    """How to show it: the first of ``fault``, ``test``, ``schedule`` and ``script`` that is given.

    :ivar fault: an entry of the fault catalogue.
    :ivar test: a node id of pytest; the test is marked with the finding.
    :ivar schedule: a file in the finding's folder: a run of a fuzz campaign.
    :ivar script: a file in the finding's folder that needs no testbed. It ends with 0 if the bug is
        absent, with 1 if it has shown, with 4 if it cannot tell.
    :ivar options: further words for `testbed run` and the like.
    :ivar deterministic: every run shows it.
    """

    fault: Text | None = None
    test: Text | None = None
    schedule: Text | None = None
    script: Text | None = None
    engine: Literal["uml", "qemu"]
    flavour: Flavour | None = None
    seed: int | None = None
    options: Texts = ()
    deterministic: bool

    def __post_init__(self) -> None:
        if not (self.fault or self.test or self.schedule or self.script):
            raise WrongValue("nothing to run", allowed=["one of fault, test, schedule, script"])
        allowed = {"schedule": ["schedule.json"], "script": ["reproduce.sh", "reproduce.c"]}
        for key, names in allowed.items():
            if "/" in (getattr(self, key) or ""):
                raise WrongValue(
                    f"{getattr(self, key)!r} is no file of the finding's folder", key=key,
                    allowed=names,
                )  # fmt: skip

    @property
    def has_trials(self) -> bool:
        """Whether one process of ours runs it several times, and tells of each run."""
        return self.fault is not None or (self.test is None and self.schedule is not None)


@dataclass(frozen=True, kw_only=True)
class Checked:
    """Runs of the reproducer on one kernel: how many, in how many it showed.

    ``event_hashes``: how many different event hashes they had, 0 where time is not simulated.
    """

    kernel: Version
    flavour: Flavour
    date: Date
    runs: Annotated[int, Interval(ge=1)]
    shown: Count
    event_hashes: Count = 0

    def __post_init__(self) -> None:
        if max(self.shown, self.event_hashes) > self.runs:
            raise WrongValue(f"{self.runs} is less than was counted in them", key="runs")

    @property
    def every_time(self) -> bool:
        """Whether each run showed it."""
        return self.shown == self.runs

    def says_no_less_than(self, other: Checked) -> bool:
        """Whether ``other`` is the same answer, each time or never, of no more runs."""
        same = (self.every_time and other.every_time) or (not self.shown and not other.shown)
        return same and self.runs >= other.runs

    def is_of(self, kernel: GuestKernel) -> bool:
        """Whether it was counted on that kernel."""
        return (self.kernel, self.flavour) == (kernel.version, kernel.flavour)


@dataclass(frozen=True, kw_only=True)
class Verified:
    """Our own fix on one kernel: the finding showed in none of ``runs``, and nothing else broke.

    ``tests``: of its area that ended well with the fix. ``together``: with other fixes of ours.
    """

    kernel: Version
    flavour: Flavour
    date: Date
    runs: Annotated[int, Interval(ge=1)]
    tests: Annotated[int, Interval(ge=1)]
    together: bool = False


@dataclass(frozen=True, kw_only=True)
class Head:
    """One bug of the kernel on record.

    :ivar link: of the report; of the fix, once there is one.
    :ivar failure: how a test that is marked with it fails.
    :ivar damage: what the log says before the card writes to memory that the driver has freed:
        then anybody may complain, and no splat is like another.
    :ivar only_marked: what it looks like is too common to explain anything but a test that is
        marked with it.
    :ivar lasting: where it has shown, the kernel is of no use to another test.
    :ivar violations: rules of the card, which knows no functions: they explain only what a marked
        test sees.
    :ivar subsystem: what the subject line of a commit begins with.
    :ivar files: of the kernel, the one to be mended first.
    :ivar flavours: the kernels that show it where they have it.
    :ivar tests: of its area, which have to pass with a fix.
    """

    id: Text
    title: Text
    status: Status
    link: Text | None = None
    duplicate_of: Text | None = None
    first_seen: Date
    needs: Needs
    trigger: Trigger
    impact: Impact
    subsystem: Text
    files: Texts
    flavours: Annotated[tuple[Flavour, ...], MinLen(1)]
    tests: Texts
    introduced: Introduced | None = None
    fixed: Fixed | None = None
    failure: Regex | None = None
    damage: Regex | None = None
    only_marked: bool = False
    lasting: bool = False
    violations: Texts = ()
    splat: tuple[SplatPattern, ...] = ()
    reproducer: Reproducer
    checked: tuple[Checked, ...] = ()
    verified: tuple[Verified, ...] = ()

    def __post_init__(self) -> None:
        _refuse_one_build("failure", self.failure)
        _refuse_one_build("damage", self.damage)
        is_duplicate = self.status is Status.DUPLICATE
        if is_duplicate != (self.duplicate_of is not None):
            raise WrongValue(
                "goes with status duplicate, and that with it",
                key="duplicate_of", allowed=["the id of the other finding"],
            )  # fmt: skip
        shows = self.splat or self.failure or self.damage or self.violations
        if not is_duplicate and not shows:
            raise WrongValue(
                "neither a [[splat]], failure, damage nor violations tell how it shows", key="splat"
            )
        if self.status is Status.FIXED and self.fixed is None:
            raise WrongValue("is missing, and the status is fixed", key="fixed")
        if self.introduced is None and not any(one.shown for one in self.checked):
            raise WrongValue("is missing, and no [[checked]] kernel has shown it", key="introduced")
        _refuse_twice("checked", [(one.kernel, one.flavour) for one in self.checked])
        _refuse_twice("verified", [(one.kernel, one.flavour) for one in self.verified])

    @property
    def disclosure(self) -> Disclosure:
        """Private while it is open and somebody without rights can do harm with it.

        An answer that is only wrong harms nobody but the one who asked.
        """
        harmful = self.impact is not Impact.WRONG_ANSWER
        anybody = self.trigger in (Trigger.WIRE, Trigger.USER)
        private = self.status is Status.OPEN and anybody and harmful
        return Disclosure.PRIVATE if private else Disclosure.PUBLIC

    @property
    def where_asked_only(self) -> bool:
        """Whether it explains only what a test or trial sees that asks for it.

        What needs a misbehaving card means elsewhere that the model of the card is at fault.
        """
        return self.only_marked or self.needs in (Needs.REFUSING_FIRMWARE, Needs.LYING_CARD)

    def may_be_in(self, kernel: GuestKernel) -> bool:
        """Whether that kernel may have it: from the first that had it up to the fix."""
        if kernel.version is None or (self.fixed is not None and self.fixed.is_in(kernel.version)):
            return False
        if self.introduced is not None:
            return kernel.version.is_since(self.introduced.version)
        return kernel.version >= min(one.kernel for one in self.checked if one.shown)

    def is_known_in(self, kernel: GuestKernel) -> bool:
        """Whether that version, as Debian publishes it, has shown it, whatever its flavour."""
        return kernel.stock and any(
            one.shown and one.kernel == kernel.version for one in self.checked
        )

    def may_show_on(self, kernel: GuestKernel) -> bool:
        """Whether it may be in that kernel, and would show."""
        return self.may_be_in(kernel) and kernel.flavour in self.flavours

    def shows_every_time_on(self, kernel: GuestKernel) -> bool:
        """Whether that very kernel, as Debian publishes it, showed it each time it was checked."""
        return kernel.stock and any(one.every_time and one.is_of(kernel) for one in self.checked)
