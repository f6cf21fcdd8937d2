# SPDX-License-Identifier: GPL-2.0-only
"""What is wrong with a run: pure, from what is on record of it.

The kernel's own complaints come first, and are all there is if there are any: what a card or a
machine shows behind them follows from them. It does not from a warning on record of which nothing
worse comes. Of several that are one bug the first is kept.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import groupby
from typing import Any

from testbed.faults.catalogue import load_catalogue
from testbed.findings.head import Impact
from testbed.findings.judge import Findings
from testbed.findings.kernel import GuestKernel
from testbed.findings.kernel_log import KernelEvent, Splat
from testbed.findings.load import Finding
from testbed.findings.repeated import describe_complaints
from testbed.findings.splat_report import SplatReport, reports
from testbed.fuzz.damage import FOLLOWS, is_damage, is_untracked, may_follow
from testbed.fuzz.hang import HANGS_IN, hung_in, is_hang, stuck_in
from testbed.fuzz.left_mapping import SEVERAL, last_step, left_mapping, step_of_all
from testbed.fuzz.outcome import Complaint
from testbed.fuzz.recovery import BOUND_AGAIN, Recovery
from testbed.fuzz.related import REFUSED, Likeness, likeness, refusals
from testbed.fuzz.rings import BufferRing
from testbed.fuzz.schedule import FAIL_NTH, Schedule
from testbed.fuzz.signature import MEMORY, kind_of, path_of, place_of, signature
from testbed.fuzz.trust import (
    TIMED_OUT,
    Trust,
    trust_in,
    without_late_answers,
    without_late_results,
    without_memory_kept,
    without_rings_kept,
    without_wild_writes,
)
from testbed.report.verdicts import describe
from testbed.workloads.judge import DATA_DIFFERS, NOT_AGAIN

ONLY_SAID = frozenset(
    {
        Splat.DRIVER_ERROR, Splat.HWRM_FAILURE, Splat.TX_TIMEOUT, Splat.PAGE_ALLOC,
        Splat.RX_CHECKSUM, Splat.INTERRUPT, Splat.DMA_MAPPING,
    }
)  # fmt: skip
"""What driver and kernel rightly say of a card that misbehaves, or of memory that is short."""

_OVER_RESERVATION = "hwrm_over_reservation"
_ENDLESS = 1000
"""Times that a command is sent in a row: nothing the driver does takes so many."""
_MOST_PIECES = 0x10000
"""Of what is asked for in pieces: their numbers have 16 bits (``seq_no`` of
``struct hwrm_dbg_coredump_retrieve_input``)."""
_ENDLESS_OF = {"DBG_COREDUMP_INITIATE": 0x10000}
"""Those that are sent as often as the firmware said that there is something to ask for:
``total_segments`` of ``struct hwrm_dbg_coredump_list_output`` has 16 bits."""

_ALLOCATOR = re.compile(
    r"qlist_|_*slab_alloc|get_freepointer|_*kmalloc|kmem_cache_alloc|_*lookup_object|delete_object"
    r"|_*remove_object"
)
"""Of slabs, of KASAN's quarantine and of kmemleak."""
_NOWHERE = re.compile(r"Kernel mode fault|general protection fault|unable to handle|NULL pointer")
_REFERENCE_KEPT = re.compile(r"unregister_netdevice|neighbour|ref_tracker|percpu_ref|release")
_RING_FAILED = re.compile(r"hwrm_ring_\w+ type \d+ failed\. rc:.*")
_RINGS_TOLD = 4
_WAITS_IN = "a task waits for ever in "
_STANDS = re.compile(f"liveness: ({HANGS_IN}|{_WAITS_IN})")
_STUCK = frozenset({Splat.SOFT_LOCKUP, Splat.RCU_STALL})

WRITTEN = "a fault has the card write where nobody wants it"
DAMAGED = "it comes behind memory that is damaged"
UNTRACKED = "it comes behind a mapping that somebody has lost track of"
GONE = "a fault takes the card's state away"
KEPT = "a fault has the card keep memory that the driver frees"
VECTORS = "a fault has the card tell of more vectors than it has, and each takes memory"


@dataclass(frozen=True)
class Excused:
    """What the kernel complained of, and why that says nothing of the kernel."""

    headline: str
    why: str


@dataclass(kw_only=True)
class RunRecord:
    """What is on record of a run.

    :ivar trace: the card's, of the whole run.
    :ivar failure: how the workload failed; ``lost``: how the machine was; ``backtrace`` of a hang,
        ``stuck``: tasks that could not be killed.
    :ivar recovery: None if it did not come to that.
    :ivar disturbed: companions or packets were there beside the faults, or the card is not the
        usual one: a workload may then fail without any fault.
    :ivar schedule: that was run; None where that is not known.
    :ivar short_rings: that have lost buffers, where no fault could take them.
    :ivar remembered: line of a complaint in the log -> what the card knows of the page it names;
        ``left``: what happened last to each page that is mapped when the driver has gone.
    :ivar injections: records of what was injected; ``acts``: the same, and what was refused.
    """

    workload: str
    events: Sequence[KernelEvent]
    trace: Sequence[Mapping[str, Any]] = ()
    log: str = ""
    failure: str = ""
    lost: str = ""
    backtrace: str = ""
    stuck: str = ""
    recovery: Recovery | None = None
    disturbed: bool = False
    schedule: Schedule | None = None
    short_rings: Sequence[BufferRing] = ()
    remembered: Mapping[int, Sequence[str]] = field(default_factory=dict)
    left: Sequence[str] = ()
    injections: list[Mapping[str, Any]] = field(init=False)
    acts: list[Mapping[str, Any]] = field(init=False)

    def __post_init__(self) -> None:
        self.injections = [one for one in self.trace if one["k"] == "fault"]
        timed_out = [REFUSED] if TIMED_OUT.search(self.of_commands) else []
        self.acts = [*self.injections, *refusals(self.trace), *timed_out]

    @property
    def of_commands(self) -> str:
        """What the driver said of commands, in lines; of the log there may be no more than the end,
        behind which one report drives all that came before."""
        told = (one.line for one in self.events if Splat(one.kind) is Splat.HWRM_FAILURE)
        return "\n".join([*told, self.log])


def judge(run: RunRecord, findings: Findings, kernel: GuestKernel) -> tuple[Complaint, ...]:
    """What is wrong, the root of it first; what is on record has its finding's id."""
    trust = _trust(run)
    of_kernel = _of_kernel(run, trust, findings, kernel)
    by_kernel = tuple(one for one in of_kernel if isinstance(one, Complaint))
    if not all(_is_mere_warning(one, findings) for one in by_kernel):
        return by_kernel
    first = next(_of_the_rest(run, trust), None)
    if first is None:
        return by_kernel
    return (*by_kernel, _recognised(first, run, findings, kernel))


def excused(run: RunRecord, findings: Findings, kernel: GuestKernel) -> tuple[Excused, ...]:
    """What :func:`judge` leaves out of the kernel's complaints: no warnings that are due. And of
    what does not go on."""
    trust = _trust(run)
    of_kernel = _of_kernel(run, trust, findings, kernel)
    ends = () if trust.memory else (Excused(one.signature, WRITTEN) for one in _stands(run))
    return (*(one for one in of_kernel if isinstance(one, Excused)), *ends)


def _is_mere_warning(complaint: Complaint, findings: Findings) -> bool:
    """Whether it is on record that nothing worse comes of it."""
    return bool(complaint.finding) and findings[complaint.finding].impact is Impact.WARNING


def _trust(run: RunRecord) -> Trust:
    rules = [str(one["rule"]) for one in run.trace if one["k"] == "violation"]
    trust = without_wild_writes(trust_in(run.injections), rules)
    trust = without_memory_kept(trust, run.injections, run.trace, run.of_commands)
    trust = without_rings_kept(trust, run.trace)
    trust = without_late_answers(trust, run.trace)
    trust = without_late_results(trust, run.trace, run.of_commands)
    return trust & Trust(firmware=False) if TIMED_OUT.search(run.of_commands) else trust


# -- the kernel's own word -------------------------------------------------------------------------
def _of_kernel(
    run: RunRecord, trust: Trust, findings: Findings, kernel: GuestKernel
) -> Iterator[Complaint | Excused]:
    ids = _on_record(run, findings, kernel)
    damager = _Damager.of_run(run, findings, kernel)
    paths: set[str] = set()
    damaged, untracked = not trust.memory, False
    told = reports(run.events)
    taker = _who_takes_all(told)
    for report in told:
        kind, known = Splat(report.sanitizer), ids.get(report.events[0].line_number, "")
        if kind in ONLY_SAID or (not known and _is_rightful(report, run, trust)):
            continue
        if kind is Splat.OOM and report is not taker:
            continue
        if kind is Splat.OOM and not known and not trust.room and _is_of_queues(report, told):
            yield Excused(report.headline, VECTORS)
            continue
        if kind is Splat.DMA_API and _has_come_back(report, run):
            continue
        if damaged and (may_follow(report) or not trust.memory):
            yield Excused(report.headline, DAMAGED if trust.memory else WRITTEN)
            continue
        if kind is Splat.DMA_API and untracked and not known:
            yield Excused(report.headline, UNTRACKED)
            continue
        if kind in _STUCK and run.injections and not known and not trust.alive:
            yield Excused(report.headline, GONE)
            continue
        known_of_page = run.remembered.get(report.events[0].line_number, ())
        name = ": ".join(filter(None, (signature(report), _how_lost(report, run, known_of_page))))
        if not known and _is_victim(report):
            known = damager.of(report)
        if not known and not trust.freed and (_is_victim(report) or _is_wild(report)):
            yield Excused(report.headline, KEPT)
            continue
        path = path_of(report, known) or name
        if path in paths:
            continue
        paths.add(path)
        damaged = damaged or is_damage(report)
        untracked = untracked or is_untracked(report)
        yield Complaint(
            signature=name, oracle="kernel", text=_told(report, known_of_page), finding=known
        )


def _is_rightful(report: SplatReport, run: RunRecord, trust: Trust) -> bool:
    """A WARN by which the driver says that the card misbehaves, as the catalogue expects it, or
    the stack's blame for what the card has told the driver."""
    if report.sanitizer == Splat.NETWORK:
        return not trust.data and not _REFERENCE_KEPT.search(report.headline)
    return bool(run.injections) and report.function in _expected_warns()


def _who_takes_all(told: Sequence[SplatReport]) -> SplatReport | None:
    """Who was told that there is no memory left: the first in scope, or the first of all if none
    is; None if there is memory. That others were, too, is chance."""
    short = (one for one in told if one.sanitizer == Splat.OOM)
    return min(short, key=lambda one: not place_of(one)[1], default=None)


def _is_of_queues(taker: SplatReport, told: Sequence[SplatReport]) -> bool:
    """Whether nothing in scope took the memory, and a netdev's queues were being given qdiscs."""
    short = (one for one in told if one.sanitizer == Splat.OOM)
    return not place_of(taker)[1] and any(one.went_through("mq_init") for one in short)


def _has_come_back(report: SplatReport, run: RunRecord) -> bool:
    """Received pages that the stack held while the workload itself let the driver go, and has given
    back since: their pool is gone at the end. It lives on if a page of it is lost."""
    recovery = run.recovery
    if recovery is None or recovery.bound or recovery.pools or run.lost:
        return False
    first = report.events[0]
    left = left_mapping(first)
    return first.line_number <= recovery.line and left is not None and left.is_received_page


def _how_lost(report: SplatReport, run: RunRecord, known_of_page: Sequence[str]) -> str:
    """A page that stays mapped: what happened last to those that do. An area, or a dmabuf: whose
    page pool is left, which keeps it mapped; else nobody knows of the mapping any more, which is
    another bug."""
    left = left_mapping(report.events[0])
    if left is None:
        return ""
    if left.how == SEVERAL:
        pools = run.recovery.pools if run.recovery is not None else ()
        provided = [one for one in pools if one.get("dmabuf") or one.get("io_uring")]
        return _of_memory(provided) if provided else ""
    of_all = step_of_all(run.left) if left.is_received_page else ""
    return of_all or last_step(known_of_page)


@cache
def _expected_warns() -> frozenset[str]:
    return frozenset(name for entry in load_catalogue().values() for name in entry.expect.warns)


def _on_record(run: RunRecord, findings: Findings, kernel: GuestKernel) -> dict[int, str]:
    """Line of a complaint in the log -> the finding that it is, the most alike first."""
    ids: dict[int, str] = {}
    for least in (Likeness.EVENT, Likeness.POINT):
        asked_for = [one.id for one in findings if likeness(one, run.acts, run.schedule) >= least]
        known = findings.sort(run.events, kernel, asked_for=asked_for).known
        for name, several in known.items():
            for one in several:
                ids.setdefault(one.events[0].line_number, name)
    return ids


@dataclass(frozen=True)
class _Damager:
    """The finding by which the card has memory of others from a ``line`` of the log on, in which
    anything may come of it; empty if there is none."""

    finding: str = ""
    line: int = 0

    @classmethod
    def of_run(cls, run: RunRecord, findings: Findings, kernel: GuestKernel) -> _Damager:
        able = [one for one in findings if one.damage and one.may_be_in(kernel)]
        said = ((event, one) for event in run.events for one in able if one.is_damage(event.line))
        event, one = next(said, (None, None))
        return cls() if event is None or one is None else cls(one.id, event.line_number)

    def of(self, report: SplatReport) -> str:
        """The finding, if the complaint comes behind it."""
        return self.finding if report.events[0].line_number > self.line else ""


def _is_victim(report: SplatReport) -> bool:
    """Whether somebody else's memory is damaged: nothing in scope is on its way, or what the
    driver has called is an allocator that finds its own lists broken."""
    inner, scope = place_of(report)
    if scope:
        return is_damage(report) and _ALLOCATOR.match(inner) is not None
    return report.sanitizer in FOLLOWS or kind_of(report) == MEMORY


def _is_wild(report: SplatReport) -> bool:
    """Whether a pointer leads nowhere: somebody may have written over it. What uses freed memory by
    its right address (KASAN) has not come to that."""
    return report.sanitizer in (Splat.OOPS, Splat.PANIC) and bool(_NOWHERE.search(report.headline))


def _told(report: SplatReport, known_of_page: Sequence[str]) -> str:
    lines = describe_complaints([report], "the kernel log", lines=60)
    if known_of_page:
        lines += ["what the card knows of that page:", *(f"  {one}" for one in known_of_page)]
    return "\n".join(lines)


# -- what only card and machine show ---------------------------------------------------------------
def _of_the_rest(run: RunRecord, trust: Trust) -> Iterator[Complaint]:
    alive = trust.alive and trust.memory
    if trust.memory:
        yield from _stands(run)
    yield from _endless(run)
    if run.lost:
        if is_hang(run.lost) and not run.acts and not run.disturbed:
            yield _complaint("trace", f"{run.workload} hangs without a fault", run.lost)
        return
    yield from _violations(run, trust)
    yield from _buffers_lost(run)
    recovery = run.recovery
    if recovery is not None:
        if trust.firmware and not recovery.bound and recovery.resources:
            kinds = ", ".join(sorted(recovery.resources))
            yield _complaint("ledger", f"left after remove: {kinds}", str(recovery.resources))
        if alive and recovery.silent:
            yield _complaint("liveness", _why_silent(recovery), recovery.silent)
        elif alive and trust.firmware and BOUND_AGAIN in recovery.tried:
            text = f"after {run.workload} traffic came back by {', '.join(recovery.tried)}"
            yield _complaint("liveness", "it takes binding again", text)
        if trust.memory and recovery.pools:
            text = f"after {run.workload} a page pool outlives its driver: {recovery.pools}"
            yield _complaint("leak", f"{_of_memory(recovery.pools)} outlives its driver", text)
        elif trust.memory and recovery.dmabufs and not recovery.bound:
            text = f"after {run.workload} {recovery.dmabufs} DMA buffers are left, held by nobody"
            yield _complaint("leak", "DMA buffer outlives all programs", text)
        if recovery.bound:
            yield _complaint("liveness", "the driver cannot be unbound")
    if trust.data and DATA_DIFFERS in run.failure:
        yield _complaint("data", run.workload, run.failure)
    if NOT_AGAIN in run.failure and _has_only_failed_in_turn(run):
        yield _complaint("liveness", f"{run.workload} {NOT_AGAIN}", run.failure)
    if not run.injections and not run.disturbed and run.failure:
        yield _complaint("trace", f"{run.workload} fails without a fault", run.failure)


def _of_memory(pools: Iterable[Mapping[str, Any]]) -> str:
    """Whose pools they are. One of pages of the host says more of a driver than one of a memory
    provider, which the driver loses as well."""
    kinds = {
        "devmem" if pool.get("dmabuf") else "zcrx" if pool.get("io_uring") else "" for pool in pools
    }
    return "page pool" if "" in kinds else f"page pool of {' and '.join(sorted(kinds))}"


def _has_only_failed_in_turn(run: RunRecord) -> bool:
    """Whether nothing went wrong but allocations of the operation, none of which fails any more."""
    one = run.schedule
    if run.injections or one is None or one.card or one.packets:
        return False
    return bool(one.companions) and all(each.kind == FAIL_NTH for each in one.companions)


def _complaint(oracle: str, what: str, text: str = "") -> Complaint:
    return Complaint(signature=f"{oracle}: {what}", oracle=oracle, text=text or what)


def _why_silent(recovery: Recovery) -> str:
    for said, name in (
        ("bound no interface", "probe fails with an honest card"),
        ("carrier is not 1", "no link with an honest card"),
    ):
        if said in recovery.silent:
            return name
    return "no echo with an honest card"


def _stands(run: RunRecord) -> Iterator[Complaint]:
    """What does not go on: the kernel, or a task, which no card that is gone explains. It may wait
    for anything that was written over."""
    function = hung_in(run.backtrace) if run.lost else ""
    if function:
        yield _complaint("liveness", f"{HANGS_IN}{function}", f"{run.lost}\n{run.backtrace}")
    if function := stuck_in(run.stuck):
        yield _complaint("liveness", f"{_WAITS_IN}{function}", run.stuck)


def _endless(run: RunRecord) -> Iterator[Complaint]:
    """The same command again and again, and nothing else, but for pieces of which a fault said
    that there was something in them."""
    pieces = Counter(
        str(one["event"].get("cmd")) for one in run.injections
        if one["point"] == "hwrm.answer" and one["changed"].get("out.data_len")
    )  # fmt: skip
    commands = (str(one["cmd"]) for one in run.trace if one["k"] == "hwrm")
    for command, several in groupby(commands):
        most = _ENDLESS_OF.get(command, min(_ENDLESS + pieces[command], _MOST_PIECES + 1))
        if (count := sum(1 for _ in several)) >= most:
            text = f"number of {command} is {count}"
            yield _complaint("liveness", f"{command} is sent without end", text)


def _violations(run: RunRecord, trust: Trust) -> Iterator[Complaint]:
    for record in run.trace:
        if record["k"] != "violation" or "caused_by" in record:
            continue
        culprit = record.get("culprit", "driver")
        if culprit != "driver" and not (culprit == "unknown" and not run.injections):
            continue
        of_firmware = str(record["rule"]).startswith(("hwrm_", "fw_", "ring_", "vnic_", "stat_"))
        if not (trust.firmware if of_firmware else trust.dma and trust.firmware):
            continue
        if record["rule"] == _OVER_RESERVATION and not trust.reserved:
            continue
        text = "\n".join([describe(record), *_rings_that_failed(run)])
        yield _complaint("dma", _rule(record), text)


def _buffers_lost(run: RunRecord) -> Iterator[Complaint]:
    for kind in sorted({one.kind for one in run.short_rings}):
        told = [str(one) for one in run.short_rings if one.kind == kind]
        yield _complaint("dma", f"buffers lost: {kind}", "\n".join(told))


def _rings_that_failed(run: RunRecord) -> list[str]:
    said = (_RING_FAILED.search(event.line) for event in run.events)
    return [f"  the driver said: {found[0]}" for found in said if found][:_RINGS_TOLD]


def _rule(record: Mapping[str, Any]) -> str:
    """The rule, and of which objects."""
    left = record.get("left")
    words = sorted(left) if isinstance(left, Mapping) else [record.get("ring"), record.get("cmd")]
    named = [str(word) for word in words if word]
    return ": ".join([str(record["rule"]), *([", ".join(named)] if named else [])])


def _recognised(
    complaint: Complaint, run: RunRecord, findings: Findings, kernel: GuestKernel
) -> Complaint:
    """With the id of the finding that looks like it, where faults like its own were injected."""
    for finding in findings:
        if finding.may_be_in(kernel) and _explains(finding, complaint, run):
            return Complaint(**{**vars(complaint), "finding": finding.id})
    return complaint


def _explains(finding: Finding, complaint: Complaint, run: RunRecord) -> bool:
    if likeness(finding, run.acts, run.schedule) is not Likeness.EVENT:
        return False
    said = "\n".join((complaint.text, run.failure, run.lost))
    if finding.is_failure(said):
        return True
    if _STANDS.match(complaint.signature):
        return False  # what else the driver did on the way makes nobody wait
    rules = {one["rule"] for one in run.trace if one["k"] == "violation"}
    return bool(rules & set(finding.violations))
