# SPDX-License-Identifier: GPL-2.0-only
"""The verdict on one trial of a fault: pure, from what is on record."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from testbed.faults.complaints import wrong_complaints
from testbed.faults.entry import Expect, Fault, Repair, Work
from testbed.faults.evidence import Evidence
from testbed.faults.reactions import wrong_reaction, wrong_resets
from testbed.faults.record import TrialRecord
from testbed.findings.judge import Complaints, Findings, gone
from testbed.findings.kernel import GuestKernel
from testbed.findings.kernel_log import KernelEvent
from testbed.findings.load import Finding
from testbed.workloads.judge import DATA_DIFFERS
from testbed.workloads.table import WORKLOADS


class TrialVerdict(StrEnum):
    """How a trial ended."""

    PASS = "pass"
    FINDING = "finding"
    GONE = "gone"
    FAIL = "fail"
    NEVER_FIRED = "never fired"


@dataclass
class Judgement:
    """The verdict, its reasons, and ids of the findings that showed, or should have (``gone``)."""

    verdict: TrialVerdict
    reasons: list[str] = field(default_factory=list)
    findings: tuple[str, ...] = ()
    signature: str = ""
    gone: tuple[str, ...] = ()


def is_last(fault: Fault, *, simulated: bool) -> bool:
    """Whether nothing can be done with the machine after the trial; ``simulated`` is its time."""
    repair = fault.expect.repair
    too_slow = repair is Repair.SLOW_RELOAD and not simulated
    return too_slow or repair is Repair.NEW_MACHINE or WORKLOADS[fault.workload].removes


def panicked_of(
    fault: Fault, events: Sequence[KernelEvent], findings: Findings, kernel: GuestKernel
) -> tuple[str, ...]:
    """Ids of the findings that ended the guest and that ``fault`` is not about: they may end it at
    any time, and nothing of what the entry expects can be told then.
    """
    asked_for = (fault.expect.finding,) if fault.expect.finding else ()
    known = findings.sort(events, kernel, asked_for=asked_for).known
    ended = tuple(name for name, found in known.items() if any(one.panicked for one in found))
    return () if fault.expect.finding in ended else ended


def judge(
    fault: Fault, record: TrialRecord, evidence: Evidence, events: Sequence[KernelEvent],
    findings: Findings, kernel: GuestKernel,
) -> Judgement:  # fmt: skip
    """Compare the record with what the entry expects."""
    silent = _never_fired(fault, record)
    if silent:
        return Judgement(TrialVerdict.NEVER_FIRED, silent)
    expect = fault.expect
    asked_for = (expect.finding,) if expect.finding else ()
    complaints = findings.sort(events, kernel, asked_for=asked_for)
    if expect.finding:
        _put_down_damage(complaints, findings[expect.finding], events, kernel)
    unexpected = _unexpected_events(fault, record, evidence)
    wrong = wrong_complaints(expect, complaints.unknown) + _unexpected_counts(
        fault, record, evidence
    )
    reasons = wrong + unexpected + _wrong_log(expect, evidence, events)
    shown = tuple(complaints.known)
    signature = next((one.signature for one in complaints.all), "") or "; ".join(reasons[:1])
    if not expect.finding:
        verdict = (
            TrialVerdict.FAIL if reasons else TrialVerdict.FINDING if shown else TrialVerdict.PASS
        )
        mended = expect.mended if verdict is TrialVerdict.FAIL else None
        if mended and not findings[mended[0]].is_known_in(kernel):
            fault = replace(fault, expect=mended[1])
            return judge(fault, record, evidence, events, findings, kernel)
        return Judgement(verdict, reasons, shown, signature)
    finding = findings[expect.finding]
    output = "\n".join([record.lost, record.failure, record.no_traffic, *reasons])
    if finding.id in shown or finding.is_failure(output):
        named = (finding.id, *(one for one in shown if one != finding.id))
        verdict = TrialVerdict.FAIL if _mismatches_besides(finding, wrong) else TrialVerdict.FINDING
        return Judgement(verdict, reasons, named, signature)
    otherwise = expect.unseen if finding.is_known_in(kernel) else expect.without_finding
    unmarked = replace(fault, expect=otherwise)
    result = judge(unmarked, record, evidence, events, findings, kernel)
    unnoticed = any(finding.is_damage(one.line) for one in events)
    if finding.shows_every_time_on(kernel) and not unnoticed:
        result.verdict = TrialVerdict.FAIL
        result.reasons.append(gone(finding, kernel))
    elif finding.may_show_on(kernel) and result.verdict is not TrialVerdict.FAIL:
        result.gone = (finding.id,)
        if result.verdict is TrialVerdict.PASS:
            result.verdict = TrialVerdict.GONE
    return result


_IN_SCOPE = re.compile("bnxt|page_pool|zcrx|netmem|devmem|rx_queue")


def _put_down_damage(
    complaints: Complaints, finding: Finding, events: Sequence[KernelEvent], kernel: GuestKernel
) -> None:
    """Where the log says that the card may write to memory that was freed, what complains after
    that with neither driver, pool nor provider on its way is that finding: its victim is anybody.
    """
    said = next((one.line_number for one in events if finding.is_damage(one.line)), None)
    if said is None or not finding.may_be_in(kernel):
        return
    for report in [*complaints.unknown]:
        names = (report.headline, report.function or "", *report.trace)
        if report.events[0].line_number > said and not any(map(_IN_SCOPE.search, names)):
            complaints.unknown.remove(report)
            complaints.known.setdefault(finding.id, []).append(report)


def _unexpected_events(fault: Fault, record: TrialRecord, evidence: Evidence) -> list[str]:
    """What a finding may well bring with it: how far the work got, and the machine."""
    reasons = [f"the machine was lost: {record.lost}"] if record.lost else []
    reasons += _wrong_work(fault.expect, record)
    if not record.lost:
        reasons += wrong_reaction(fault, record, evidence)
        if record.no_traffic:
            reasons.append(f"no traffic afterwards: {record.no_traffic}")
        if record.undo:
            reasons.append(f"settings cannot be taken back: {record.undo}")
    return reasons


def _unexpected_counts(fault: Fault, record: TrialRecord, evidence: Evidence) -> list[str]:
    """What no finding excuses unless its file says so: counts, leaks, violations, blame, data."""
    expect = fault.expect
    reasons = _wrong_data(expect, record)
    if not record.lost:
        reasons += _wrong_counts(fault, record, evidence)
        reasons += _leaks(fault, record, evidence)
    allowed = set(expect.violations)
    reasons += [
        f"violation {rule} (x{n})" for rule, n in evidence.violations.items() if rule not in allowed
    ]
    if expect.refused and not any(re.search(expect.refused, line) for line in evidence.refused):
        reasons.append(f"no access was refused as {expect.refused!r}: {evidence.refused}")
    reasons += [
        f"the oracle does not blame the fault for {rule}"
        for rule in expect.verdicts
        if rule not in evidence.caused
    ]
    return reasons


def _mismatches_besides(finding: Finding, wrong: Sequence[str]) -> list[str]:
    return [one for one in wrong if not finding.is_failure(one)]


def _never_fired(fault: Fault, record: TrialRecord) -> list[str]:
    reasons = []
    for one in record.status:
        if not one["fired"] and one["id"] not in fault.optional:
            reasons.append(
                f"fault {one['id']} never fired: {one['considered']} events at {one['where']},"
                f" {one['matched']} of them fit"
            )
        if one["missing_fields"]:
            reasons.append(f"fault {one['id']} was to set unknown fields: {one['missing_fields']}")
    if not record.status:
        reasons.append("the plan could not be armed, or its status was lost with the card")
    return reasons


def _wrong_data(expect: Expect, record: TrialRecord) -> list[str]:
    if DATA_DIFFERS in record.failure and not expect.corrupts:
        return [f"data corruption: {record.failure}"]
    if expect.corrupts and DATA_DIFFERS not in record.failure and not record.lost:
        return [f"the data was to differ; the work says: {record.failure or 'done'}"]
    return []


def _wrong_work(expect: Expect, record: TrialRecord) -> list[str]:
    reasons = []
    failed = bool(record.failure)
    if not expect.corrupts and DATA_DIFFERS not in record.failure:
        if failed and expect.work is Work.DONE:
            reasons.append(f"the work failed: {record.failure}")
        elif not failed and not record.lost and expect.work is Work.FAILS:
            reasons.append("the work was to fail, and did not")
    output = "\n".join([*record.output, *([record.failure] if failed else [])])
    if expect.output and not re.search(expect.output, output):
        reasons.append(f"the workload says {output!r}, not {expect.output!r}")
    return reasons


def _range(name: str, value: int, wanted: tuple[int, int | None]) -> list[str]:
    least, most = wanted
    if value >= least and (most is None or value <= most):
        return []
    return [f"{name} is {value}; expected {least} to {'any' if most is None else most}"]


def _wrong_counts(fault: Fault, record: TrialRecord, evidence: Evidence) -> list[str]:
    expect = fault.expect
    reasons = []
    for name, wanted in expect.ethtool.items():
        reasons += _range(f"ethtool counter {name}", evidence.ethtool.get(name, 0), wanted)
    for name, wanted in expect.card.items():
        reasons += _range(f"card counter {name}", evidence.card.get(name, 0), wanted)
    for name, wanted in expect.nstat.items():
        reasons += _range(f"counter of {name}", record.nstat.get(name, 0), wanted)
    fired = {str(one["id"]): one["fired"] for one in record.status}
    for name, wanted in expect.fired.items():
        reasons += _range(f"firings of {name}", int(str(fired.get(name, 0))), wanted)
    commands = evidence.hwrm()
    for name, wanted in expect.hwrm.items():
        reasons += _range(f"number of {name}", commands[name], wanted)
    reasons += _wrong_requests(expect, evidence)
    return reasons + wrong_resets(fault, evidence)


def _wrong_requests(expect: Expect, evidence: Evidence) -> list[str]:
    reasons = []
    for command, fields in expect.requests.items():
        sent = evidence.last_request(command)
        if sent is None:
            reasons.append(f"no {command} was sent")
            continue
        reasons += [
            f"{name} of the last {command} is {sent.get(name, 0)}; expected {wanted}"
            for name, wanted in fields.items()
            if sent.get(name, 0) != wanted
        ]
    return reasons


def _leaks(fault: Fault, record: TrialRecord, evidence: Evidence) -> list[str]:
    if record.no_traffic or record.undo or is_last(fault, simulated=record.simulated):
        return []
    before, after = evidence.resources_before, evidence.resources_after
    return [
        f"{kind} in the firmware: {before.get(kind, 0)} before, {count} after"
        for kind, count in after.items()
        if count != before.get(kind, 0)
    ]


def _wrong_log(expect: Expect, evidence: Evidence, events: Sequence[KernelEvent]) -> list[str]:
    lines = [*evidence.log, *(line for event in events for line in event.excerpt)]
    return [
        f"no line of the kernel log matches {pattern!r}"
        for pattern in expect.kernel_log
        if not any(re.search(pattern, line) for line in lines)
    ]
