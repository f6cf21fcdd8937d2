# SPDX-License-Identifier: GPL-2.0-only
"""An entry of the fault catalogue: what is injected, under which work, and what must come of it.

Entries are data. They may be read where no card is (the suite), so nothing here knows the card.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from testbed.dut.protocols import Capability

PLAN_VERSION = 1
RESENT = ("dut TcpRetransSegs", "remote TcpRetransSegs")
_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


class FaultClass(StrEnum):
    """Which part of the card misbehaves."""

    DMA = "dma"
    COMPLETION = "completion"
    HEADER_SPLIT = "header split"
    INTERRUPT = "interrupt and doorbell"
    HWRM = "HWRM and firmware"
    QUEUE_RESTART = "queue restart"
    PCI_LINK = "PCI and link"
    PRESSURE = "resource pressure"


class Reaction(StrEnum):
    """What the driver is to do about it."""

    UNAFFECTED = "unaffected"
    RECOVERS = "recovers by itself"
    RESETS_RING = "resets the ring"
    RESETS_CARD = "resets the card"
    FAILS_CLEANLY = "fails cleanly"
    REFUSES = "refuses"
    SURVIVES = "survives, in whatever way"


class Repair(StrEnum):
    """What the administrator has to do before traffic flows again."""

    NONE = ""
    UP_DOWN = "interface down and up"
    RELOAD = "driver unbound and bound"
    SLOW_RELOAD = "driver unbound and bound, which takes minutes: only in simulated time"
    NEW_MACHINE = "a new machine: nothing is tried"


class Work(StrEnum):
    """How the workload is to end."""

    DONE = "done"
    FAILS = "fails"
    EITHER = "either"


@dataclass(frozen=True)
class Expect:
    """The reaction, and what shows it. Every entry needs something that can fail.

    Ranges are (least, most), ``most`` None for no limit; counts are from arming to the end of the
    workload.

    :ivar kernel_log: regular expressions, each of which must match a line of the kernel log; a
        complaint of driver or firmware that one of them matches is expected.
    :ivar complaints: further complaints of driver or firmware that may come
        (``testbed.faults.complaints.EXCUSABLE``). Any other fails the run, and a sanitizer's, a
        WARN or a BUG is none of these.
    :ivar warns: functions in which a WARN must come.
    :ivar ethtool: growth of ``ethtool -S`` counters, summed over the rings.
    :ivar hwrm: how many such HWRM commands the driver sends after the first injection.
    :ivar requests: fields of the last such HWRM request after the first injection, by command.
    :ivar card: growth of counters of the card (``state()["counters"]``).
    :ivar fired: how often a fault of the plan fires, by its id; of the others once is enough.
    :ivar nstat: growth of the kernel's counters of IP and TCP while the workload runs, as ``nstat``
        names them, at one end: ``{"remote TcpRetransSegs": (1, None)}``, ``{"dut ...": ...}``.
        ``Interrupts`` counts those of the end's NIC.
    :ivar output: regular expression that what the workload says must match (its failure, if any).
    :ivar corrupts: the receiver's data must differ: the card vouches for what it did not write, so
        nobody in the kernel could notice, and the difference proves that the fault was real.
    :ivar violations: rules the driver may break because of the fault. Any other fails the run.
    :ivar verdicts: rules of the oracle that must name the fault as their cause.
    :ivar refused: regular expression that the refusal of an injected access must match: the memory
        was not mapped, or the card was no bus master.
    :ivar finding: id in docs/findings: the driver misbehaves, and the run must show it.
    :ivar fixed: what a driver must do that does not have the bug; without it, the rest of this. The
        trial repairs as this says, so ``repair`` is the same.
    :ivar mended: of an entry without ``finding`` the id of one that its reaction depends on, and
        what may be seen instead on a kernel that is not known to have that one.
    """

    reaction: Reaction
    _: KW_ONLY
    work: Work = Work.DONE
    repair: Repair = Repair.NONE
    kernel_log: tuple[str, ...] = ()
    complaints: tuple[str, ...] = ()
    warns: tuple[str, ...] = ()
    ethtool: Mapping[str, tuple[int, int | None]] = field(default_factory=dict)
    hwrm: Mapping[str, tuple[int, int | None]] = field(default_factory=dict)
    requests: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    card: Mapping[str, tuple[int, int | None]] = field(default_factory=dict)
    fired: Mapping[str, tuple[int, int | None]] = field(default_factory=dict)
    nstat: Mapping[str, tuple[int, int | None]] = field(default_factory=dict)
    output: str = ""
    corrupts: bool = False
    violations: tuple[str, ...] = ()
    verdicts: tuple[str, ...] = ()
    refused: str = ""
    finding: str = ""
    fixed: Expect | None = None
    mended: tuple[str, Expect] | None = None

    @property
    def all(self) -> tuple[Expect, ...]:
        """This, and what is expected of other drivers."""
        return (self, self.without_finding, *([self.mended[1]] if self.mended else []))

    @property
    def without_finding(self) -> Expect:
        """What is expected of a driver that does not have the bug."""
        return self.fixed or self.unseen

    @property
    def unseen(self) -> Expect:
        """What is expected of a driver that has the bug, on a kernel that cannot tell."""
        return replace(self, finding="", fixed=None)

    @property
    def counted(self) -> tuple[str, ...]:
        """Counters of IP and TCP to read: those of ``nstat``, and what was sent again."""
        judged = self.reaction in (Reaction.RECOVERS, Reaction.UNAFFECTED)
        resent = RESENT if judged else ()
        fixed = self.fixed.counted if self.fixed else ()
        return tuple(dict.fromkeys((*self.nstat, *resent, *fixed)))


UNAFFECTED, RECOVERS = Expect(Reaction.UNAFFECTED), Expect(Reaction.RECOVERS)
SENT_AGAIN = MappingProxyType({"remote TcpRetransSegs": (1, None)})
"""What shows that a packet to the device under test was lost: for ``nstat``."""
STALLED = Expect(
    Reaction.RESETS_RING, kernel_log=(r"NETDEV WATCHDOG: .*transmit queue \d+ timed out",)
)
"""Nothing is sent any more: byte queue limits let nothing through that no completion makes room
for. The watchdog waits for five seconds, which only simulated time makes short."""
CORRUPTS = Expect(Reaction.UNAFFECTED, work=Work.EITHER, corrupts=True)
SURVIVES = Expect(Reaction.SURVIVES, work=Work.EITHER, complaints=(r"\bbnxt_en ",))
"""For ``fixed``: whatever the remedy, traffic flows afterwards, and only the driver complains."""


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One entry.

    :ivar name: unique, lower case with dashes.
    :ivar plan: the faults of the plan (docs/faults.md), as TOML gives them; every one must fire.
    :ivar optional: ids of the plan's faults that need not fire.
    :ivar workload: name of one in :mod:`testbed.workloads.table`.
    :ivar source: kernel source line that gives the reaction, "bnxt.c:2221 bnxt_rx_pkt()".
    :ivar engines: where it can run.
    :ivar without: capabilities of a device under test on which something else happens.
    :ivar unobservable: why nobody but the card can notice the fault, in a sentence. The trial is
        then the same without the fault, and counts apart; every other entry has to fail without it.
    """

    name: str
    fault_class: FaultClass
    title: str
    plan: tuple[Mapping[str, Any], ...]
    workload: str
    expect: Expect
    source: str
    optional: tuple[str, ...] = ()
    engines: tuple[str, ...] = ("uml", "qemu")
    needs: frozenset[Capability] = frozenset()
    without: frozenset[Capability] = frozenset()
    unobservable: str = ""

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ValueError(f"fault {self.name!r}: the name is not lower case with dashes")
        if not self.plan or not self.source:
            raise ValueError(f"fault {self.name}: plan or source is missing")
        if self.unobservable and self.expect.reaction is not Reaction.UNAFFECTED:
            raise ValueError(f"fault {self.name}: the driver reacts to what it cannot notice")
        fixed, mended = self.expect.fixed, self.expect.mended
        if fixed and (
            not self.expect.finding or fixed.finding or fixed.repair is not self.expect.repair
        ):
            raise ValueError(f"fault {self.name}: 'fixed' is for one with a finding, of its repair")
        if mended and (
            self.expect.finding or mended[1].finding or mended[1].repair is not self.expect.repair
        ):
            raise ValueError(f"fault {self.name}: 'mended' is for one without, of its repair")
        for expect in self.expect.all:
            self._check(expect)

    def _check(self, expect: Expect) -> None:
        if not set(expect.fired) <= {one["id"] for one in self.plan}:
            raise ValueError(
                f"fault {self.name}: 'fired' names a fault that the plan does not have"
            )
        for counter in expect.nstat:
            if counter.partition(" ")[0] not in ("dut", "remote"):
                raise ValueError(f"fault {self.name}: nstat {counter!r} is of neither end")
        for pattern in (*expect.kernel_log, *expect.complaints, expect.output, expect.refused):
            re.compile(pattern)

    @property
    def points(self) -> tuple[str, ...]:
        """Injection points, in plan order, each once."""
        return tuple(dict.fromkeys(str(one["where"]) for one in self.plan))

    def document(self) -> dict[str, Any]:
        """The plan as a document of the file format."""
        return {"version": PLAN_VERSION, "fault": [dict(one) for one in self.plan]}


def entry(
    name: str,
    title: str,
    *plan: Mapping[str, Any],
    fault_class: FaultClass,
    workload: str,
    expect: Expect,
    source: str,
    **rest: Any,
) -> Fault:
    """An entry as the catalogue writes it: name, title and the faults of the plan come first.

    ``partial(entry, ...)`` holds what a group of entries shares; an entry may still differ from it.
    """
    return Fault(name=name, title=title, plan=plan, fault_class=fault_class, workload=workload,
                 expect=expect, source=source, **rest)  # fmt: skip
