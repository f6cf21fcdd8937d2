# SPDX-License-Identifier: GPL-2.0-only
"""Whether the driver did what an entry's reaction says, each by evidence of its own."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping

from testbed.faults.entry import RESENT, Expect, Fault, Reaction, Work
from testbed.faults.evidence import Evidence
from testbed.faults.record import TrialRecord
from testbed.workloads.table import WORKLOADS

RING_ALLOC = "RING_ALLOC"
RESET, RETURN = "FUNC_RESET", "FUNC_DRV_IF_CHANGE"
"""HWRM commands of a driver that begins anew, and not with its rings only."""

_LOST = re.compile(r"\b(\d+) of \d+ lost\b")
_DROP = re.compile(r"discard|drop|_err")
_ANY_TIME = frozenset({"rx_drop_no_l2_match", "rx_stat_discard"})
"""What the remote endpoint sends to groups that nobody here has joined."""

_Judge = Callable[[Fault, TrialRecord, Evidence], list[str]]


def wrong_reaction(fault: Fault, record: TrialRecord, evidence: Evidence) -> list[str]:
    """Reasons: what the reaction needs and the trial has not shown, or the other way round."""
    return _OWN[fault.expect.reaction](fault, record, evidence)


def wrong_resets(fault: Fault, evidence: Evidence) -> list[str]:
    """Rings are allocated by a reset and by nothing else, unless the workload does so."""
    expect, commands = fault.expect, evidence.hwrm()
    if WORKLOADS[fault.workload].rings or RING_ALLOC in expect.hwrm:
        return []
    if expect.reaction is Reaction.SURVIVES:
        return []
    allocated = commands[RING_ALLOC]
    if expect.reaction in (Reaction.RESETS_RING, Reaction.RESETS_CARD):
        return [] if allocated else ["the driver allocated no ring: it did not reset"]
    return [f"the driver allocated {allocated} rings: it did reset"] if allocated else []


def _resets_ring(fault: Fault, record: TrialRecord, evidence: Evidence) -> list[str]:
    began = _began_anew(fault, evidence)
    return [f"the driver sent {name}: it did reset the card" for name in began]


def _resets_card(fault: Fault, record: TrialRecord, evidence: Evidence) -> list[str]:
    missing = {RESET, RETURN} - set(evidence.hwrm())
    return [f"the driver sent no {name}: it did not reset the card" for name in sorted(missing)]


def _began_anew(fault: Fault, evidence: Evidence) -> list[str]:
    """Those of the two commands that nobody expects; a workload may close the interface itself."""
    own = WORKLOADS[fault.workload].rings
    return [name for name in (RESET, RETURN) if name in evidence.hwrm() and not own]


def _unaffected(fault: Fault, record: TrialRecord, evidence: Evidence) -> list[str]:
    """In real time TCP sends again what was only late; work that may fail may lose something."""
    expect = fault.expect
    sent = sum(record.nstat.get(name, 0) for name in RESENT)
    declared = expect.work is not Work.DONE or set(RESENT) & set(expect.nstat)
    if not record.simulated or not sent or declared:
        return []
    return [f"{sent} segments were sent again: something was lost, which the entry does not say"]


def _recovers(fault: Fault, record: TrialRecord, evidence: Evidence) -> list[str]:
    if any(record.nstat.get(name, 0) for name in RESENT) or _drops(evidence) or _says(fault.expect):
        return []
    return ["nothing shows a loss to recover from: no segment sent again, no drop, none expected"]


def _fails_cleanly(fault: Fault, record: TrialRecord, evidence: Evidence) -> list[str]:
    if record.failure or _echoes_lost(record) or fault.expect.kernel_log:
        return []
    return ["nothing failed: not the work, no echo is lost, and no line of the log is expected"]


def _refuses(fault: Fault, record: TrialRecord, evidence: Evidence) -> list[str]:
    return [] if record.failure else ["the operation was to be refused, and was not"]


def _survives(fault: Fault, record: TrialRecord, evidence: Evidence) -> list[str]:
    return []  # traffic afterwards, complaints and leaks are judged for every reaction


def _echoes_lost(record: TrialRecord) -> int:
    said = "\n".join([*record.output, record.failure])
    return sum(int(lost) for lost in _LOST.findall(said))


def _drops(evidence: Evidence) -> list[str]:
    """Counters of drops and errors that have grown, of driver and card."""
    grown: Counter[str] = Counter()
    for counters in (evidence.ethtool, evidence.card):
        grown.update({name: n for name, n in counters.items() if name not in _ANY_TIME})
    return [name for name, n in grown.items() if n > 0 and _DROP.search(name)]


def _says(expect: Expect) -> bool:
    """Whether the entry itself names something that shows the fault; it is judged elsewhere."""
    return bool(
        expect.kernel_log or expect.output or expect.ethtool or expect.card or expect.hwrm
        or expect.nstat or expect.fired or expect.verdicts or expect.refused or expect.warns
        or expect.requests
    )  # fmt: skip


_OWN: Mapping[Reaction, _Judge] = {
    Reaction.UNAFFECTED: _unaffected,
    Reaction.RECOVERS: _recovers,
    Reaction.RESETS_RING: _resets_ring,
    Reaction.RESETS_CARD: _resets_card,
    Reaction.FAILS_CLEANLY: _fails_cleanly,
    Reaction.REFUSES: _refuses,
    Reaction.SURVIVES: _survives,
}
