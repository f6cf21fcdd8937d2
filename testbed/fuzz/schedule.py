# SPDX-License-Identifier: GPL-2.0-only
"""A schedule: everything one run of a campaign is made of, as one canonical JSON file.

It is the replay file of a trial (:mod:`testbed.faults.replay`) widened: the plan has the same form
and the same schema. Its hash is its name. Running it draws no random number that is not of its
seed. docs/fuzz-schedule.md describes the file.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

from annotated_types import Interval, MinLen

from kernels.flavours import FLAVOURS
from testbed.card.personality import check_card_options
from testbed.card.plans import check_plan
from testbed.errors import ConfigProblem, UsageProblem
from testbed.options import Timing
from testbed.schema import WHOLE_FILE, After, OneOf, WrongValue, read_json
from testbed.workloads.table import WORKLOADS

VERSION = 1
MOST_BYTES = 4 << 20
"""Of a schedule's file."""
MOST_TOLD = 1000
"""Characters of an error."""
MOST_COMPANIONS, MOST_PACKETS = 16, 256
LEAST_FRAME, MOST_FRAME = 14, 9618
"""Bytes of a packet: an Ethernet header, and what the card receives at most."""
_WORD = re.compile(r"[\w.-]{0,64}", re.ASCII)
COMPANIONS: Mapping[str, tuple[str, ...]] = {
    "failslab": (),
    "failslab_sleeping": (),
    "fail_page_alloc": ("",),
    "fail_page_alloc_sleeping": ("",),
    "fail_nth": ("",),
    "fail_function": ("page_pool_alloc_netmems",),
    "signal": ("TERM", "KILL", "INT", "STOP", "CONT"),
}
"""Kind -> what it may be of; of the first two any slab of the guest, or none for all."""
FAIL_NTH = "fail_nth"
ALLOCATIONS = frozenset(
    {"failslab", "failslab_sleeping", "fail_page_alloc", "fail_page_alloc_sleeping", FAIL_NTH}
)
"""Kinds that may be confined to allocations of one caller."""
ENGINES = ("uml", "qemu")
TRACKED, UNTRACKED, SCANNED = "on", "off", "scan"
KMEMLEAK = (TRACKED, UNTRACKED, SCANNED)


@dataclass(frozen=True, kw_only=True)
class Companion:
    """What goes wrong in the guest itself while the workload runs.

    :ivar kind: of :data:`COMPANIONS`.
    :ivar what: the function that fails, the slab, or the signal's name; empty where there is none.
    :ivar every: every how many-th time; for a signal after how many ms of the guest's time; for
        fail_nth which allocation of the operation is the first to fail, 0 for the last one, then
        those before it.
    :ivar times: at most so often; for fail_nth so many attempts.
    :ivar behind: of fail_nth: in each attempt so many of the allocations behind it fail as well,
        of each kind that there is.
    :ivar within: the function of the kernel whose allocations count, through a few others; empty
        for all, which fail_nth must not have.
    """

    kind: Annotated[str, OneOf(COMPANIONS)]
    what: str = ""
    every: Annotated[int, Interval(ge=0, le=1_000_000)] = 10
    times: Annotated[int, Interval(ge=1, le=100_000)] = 20
    within: str = ""
    behind: Annotated[int, Interval(ge=0, le=1000)] = 0

    def __post_init__(self) -> None:
        allowed = COMPANIONS.get(self.kind, ())
        if allowed and self.what not in allowed:
            named = [one or "nothing" for one in allowed]
            raise WrongValue(f"{self.what!r:.100} is not allowed", key="what", allowed=named)
        if not _WORD.fullmatch(self.what):
            raise WrongValue(
                f"{self.what!r:.100} is no slab", key="what", allowed=["a slab's name"]
            )
        if not _WORD.fullmatch(self.within):
            raise WrongValue(
                f"{self.within!r:.100} is no function", key="within", allowed=["a function's name"]
            )
        if self.kind == FAIL_NTH and not self.within:
            raise WrongValue("is missing", key="within", allowed=["a function's name"])
        if not self.every and self.kind != FAIL_NTH:
            raise WrongValue("0 is of fail_nth only", key="every", allowed=["1 to 1000000"])
        if self.behind and self.kind != FAIL_NTH:
            raise WrongValue("is of fail_nth only", key="behind", allowed=["0"])
        if self.within and self.kind not in ALLOCATIONS:
            raise WrongValue(
                "is of allocations only",
                key="within",
                allowed=[f"kind {one}" for one in sorted(ALLOCATIONS)],
            )


def _hex(digits: str) -> str:
    allowed = f"{LEAST_FRAME} to {MOST_FRAME} bytes as hex digits in lower case"
    good = re.fullmatch(r"(?:[0-9a-f]{2})*", digits)
    if not good or not LEAST_FRAME <= len(digits) // 2 <= MOST_FRAME:
        raise WrongValue(f"{digits!r:.100} is no frame", allowed=[allowed])
    return digits


@dataclass(frozen=True, kw_only=True)
class Packet:
    """A frame the remote endpoint sends beside the workload.

    :ivar after: behind how many frames of the workload.
    :ivar data: the frame, Ethernet header first, as hex digits.
    """

    after: Annotated[int, Interval(ge=0, le=1_000_000)]
    data: Annotated[str, After(_hex)]


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """One run.

    :ivar workload: of :data:`testbed.workloads.table.WORKLOADS`.
    :ivar kernel: as option ``--kernel`` names it; None for the pinned one.
    :ivar card: ``card_options`` of a run: the card's personality.
    :ivar timing: of the card, on QEMU; UML's is synchronous.
    :ivar kmemleak: of :data:`KMEMLEAK`: whether the kernel tracks its memory, which costs 6 to 15 %
        of a run (docs/fuzz.md), and whether it searches in the end for what nothing points to.
    :ivar faults: as the tables ``[[fault]]`` of a plan.
    """

    workload: str
    seed: int
    engine: str = "uml"
    flavour: str = "uml-san"
    kernel: str | None = None
    timing: str = Timing.SYNCHRONOUS.value
    kmemleak: str = TRACKED
    card: Mapping[str, Any] = field(default_factory=dict)
    faults: tuple[Mapping[str, Any], ...] = ()
    companions: tuple[Companion, ...] = ()
    packets: tuple[Packet, ...] = ()

    def document(self) -> dict[str, Any]:
        """As JSON has it; what is empty is left out."""
        made = {
            **{one.name: getattr(self, one.name) for one in fields(self)},
            "kmemleak": None if self.kmemleak == TRACKED else self.kmemleak,
            "faults": [dict(one) for one in self.faults],
            "companions": [_document(one) for one in self.companions],
            "packets": [asdict(one) for one in self.packets],
        }
        for one, several in _TABLES.items():
            made[one] = made.pop(several)
        return {"version": VERSION} | {
            key: value for key, value in made.items() if value not in (None, [], {})
        }

    @cached_property
    def text(self) -> str:
        """Canonical JSON: sorted keys, no space, one line."""
        return json.dumps(self.document(), sort_keys=True, separators=(",", ":"))

    @cached_property
    def name(self) -> str:
        """Of its content: the first 16 hex digits of the SHA-256 of :attr:`text`."""
        return hashlib.sha256(self.text.encode()).hexdigest()[:16]

    @property
    def plan(self) -> dict[str, Any]:
        """The fault plan, as the card takes it."""
        return {"version": 1, "seed": self.seed, "fault": [dict(one) for one in self.faults]}


def _document(companion: Companion) -> dict[str, Any]:
    """As JSON has it; a caller, and what fails behind the first, only where there is any."""
    return {
        key: value
        for key, value in asdict(companion).items()
        if value or key not in ("within", "behind")
    }


_TABLES = {"fault": "faults", "companion": "companions", "packet": "packets"}
"""Name of a table in the file, as in a plan -> what it is called here."""


@dataclass(frozen=True, kw_only=True)
class _ScheduleFile:
    """The file: its keys and their types."""

    version: Literal[1]
    workload: Annotated[str, OneOf(WORKLOADS)]
    seed: Annotated[int, Interval(ge=0, le=(1 << 63) - 1)]
    engine: Annotated[str, OneOf(ENGINES)] = "uml"
    flavour: Annotated[str, OneOf([one.name for one in FLAVOURS])] = "uml-san"
    kernel: Annotated[str, MinLen(1)] | None = None
    timing: Timing = Timing.SYNCHRONOUS
    kmemleak: Annotated[str, OneOf(KMEMLEAK)] = TRACKED
    card: Mapping[str, Any] = field(default_factory=dict)
    fault: tuple[Mapping[str, Any], ...] = ()
    companion: tuple[Companion, ...] = ()
    packet: tuple[Packet, ...] = ()

    def __post_init__(self) -> None:
        for key, most in (("companion", MOST_COMPANIONS), ("packet", MOST_PACKETS)):
            if len(getattr(self, key)) > most:
                raise WrongValue("is too long", key=key, allowed=[f"at most {most}"])
        try:
            check_card_options(self.card)
        except WrongValue as wrong:
            raise WrongValue(str(wrong), key=f"card.{wrong.key}", allowed=wrong.allowed) from wrong


def read_schedule(path: Path) -> Schedule:
    """The schedule of a file. Raises ConfigProblem, UsageProblem."""
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as err:
        raise ConfigProblem(path, WHOLE_FILE, f"cannot be read: {err.strerror}") from err
    if len(data) > MOST_BYTES:
        raise ConfigProblem(path, WHOLE_FILE, f"has more than {MOST_BYTES} bytes")
    try:
        text = data.decode()
    except UnicodeDecodeError as err:
        raise ConfigProblem(path, WHOLE_FILE, f"not JSON: {err}") from err
    return _schedule(path, text)


def schedule_of(document: object, source: str) -> Schedule:
    """The schedule that ``document`` is, as JSON gives it. Raises as :func:`read_schedule`."""
    try:
        text = json.dumps(document)
    except (TypeError, ValueError, RecursionError) as err:
        raise ConfigProblem(Path(source), WHOLE_FILE, f"not JSON: {err}") from err
    return _schedule(Path(source), text)


def check(schedule: Schedule, source: str = "schedule") -> None:
    """Raise ConfigProblem or UsageProblem unless the schedule can be run somewhere."""
    schedule_of(schedule.document(), source)


def _schedule(path: Path, text: str) -> Schedule:
    read = read_json(_ScheduleFile, path, text)
    return Schedule(
        workload=read.workload, seed=read.seed, engine=read.engine, flavour=read.flavour,
        kernel=read.kernel, timing=read.timing.value,
        kmemleak=read.kmemleak, card=read.card, faults=_faults(read.fault, str(path)),
        companions=read.companion, packets=read.packet,
    )  # fmt: skip


def _faults(tables: tuple[Mapping[str, Any], ...], source: str) -> tuple[Mapping[str, Any], ...]:
    """In the canonical form of a plan, which has at least one."""
    if not tables:
        return ()
    try:
        return tuple(check_plan({"version": 1, "fault": list(tables)}, source)["fault"])
    except UsageProblem as bad:  # it quotes whatever was there
        raise UsageProblem(bad.message[:MOST_TOLD], remedy=bad.remedy) from bad
