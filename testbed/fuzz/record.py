# SPDX-License-Identifier: GPL-2.0-only
"""A new bug becomes the record of a finding, with its minimised schedule as the reproducer."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from testbed.errors import EnvironmentProblem, UsageProblem
from testbed.findings.head import Checked
from testbed.findings.load import FOLDER, Finding, read_finding
from testbed.findings.record import record_check
from testbed.followup.file import SCHEDULE, Known, file_finding, look
from testbed.fuzz.honest import WORDS, honesty
from testbed.fuzz.outcome import Outcome
from testbed.fuzz.reading import ComplaintRow, Reader
from testbed.fuzz.schedule import FAIL_NTH, Schedule
from testbed.fuzz.search import read_text
from testbed.fuzz.triage import Confirmed
from testbed.host.terminal import escape

LINES_SHOWN = 20


@dataclass(frozen=True)
class Candidate:
    """What is to be put on record. ``signature`` is empty if it is to be seen when it is run."""

    schedule: Schedule
    signature: str = ""


def candidate(reader: Reader, wanted: str) -> Candidate:
    """What a campaign knows by that signature, or by the name of its schedule.

    The minimised schedule, if there is one. Raises UsageProblem.
    """
    complaints = reader.complaints()
    minimal = {name: row.minimal for name, row in reader.triage().items()}
    found = [
        one
        for one in complaints
        if one.signature == wanted or _named(wanted, one, minimal.get(one.signature, ""))
    ]
    if not found:
        names = "; ".join(one.signature for one in complaints if not one.finding) or "none"
        raise UsageProblem(
            f"no complaint of this campaign is {wanted!r}", remedy=f"not on record: {escape(names)}"
        )
    first = found[0]
    if first.finding:
        raise UsageProblem(f"{wanted} is on record as {first.finding}")
    name = minimal.get(first.signature) or first.schedule
    row = reader.schedule(name)
    return Candidate(read_text(row.text, f"schedule {row.name}"), first.signature)


def _named(wanted: str, one: ComplaintRow, minimal: str) -> bool:
    return len(wanted) >= 4 and any(name.startswith(wanted) for name in (one.schedule, minimal))


def story(schedule: Schedule, outcomes: Sequence[Outcome], shown: Confirmed) -> str:
    """What was injected, what the driver did, and whether an honest card could do it: Markdown."""
    answer = honesty(schedule)
    lines = [f"*Workload:* `{schedule.workload}`, `{schedule.flavour}`, seed {schedule.seed}.", ""]
    if schedule.faults:
        lines += ["*Injected:*", ""]
        for (name, asked), fault in zip(answer.faults.items(), schedule.faults, strict=True):
            where, what = fault.get("where"), json.dumps(fault.get("what"), sort_keys=True)
            when = json.dumps(fault.get("when", {}), sort_keys=True)
            lines.append(f"- `{name}` at `{where}`, when `{when}`: `{what}` ({WORDS[asked]})")
        lines.append("")
    for one in schedule.companions:
        often = f"every {one.every}, {one.times} times"
        if one.kind == FAIL_NTH:
            first = f"the allocation {one.every} of an operation, then the next"
            if not one.every:
                first = "the last allocation of an operation, then the one before"
            often = f"{first}; {one.times} attempts"
            if one.behind:
                often += f"; with it up to {one.behind} behind it"
        of = one.what and f" {one.what}"
        below = f" below `{one.within}()`" if one.within else ""
        lines += [f"*In the guest:* `{one.kind}`{of}{below}, {often}", ""]
    if schedule.card:
        lines += [f"*Card:* `{json.dumps(dict(schedule.card), sort_keys=True)}`", ""]
    lines += [f"*Could an honest card do it?* {answer.text}.", ""]
    last = outcomes[-1]
    lines += [f"*The driver:* the run {_ended(last)}. Shown in {shown} runs.", ""]
    told = [line for text in last.output for line in text.splitlines()][:LINES_SHOWN]
    if told:
        lines += ["```", *map(escape, told), "```", ""]
    return "\n".join(lines).rstrip()


def _keep(path: Path, schedule: Schedule) -> None:
    try:
        path.write_text(schedule.text + "\n", encoding="utf-8")
    except OSError as error:
        raise EnvironmentProblem(f"{path} cannot be written: {error.strerror}") from error


def _ended(outcome: Outcome) -> str:
    fired = ", ".join(f"`{name}` {count} times" for name, count in outcome.fired.items() if count)
    return f"ended as: {outcome.ended.value}" + (f"; injected {fired}" if fired else "")


def file_bug(
    name: str, run: Path, schedule: Schedule, outcomes: Sequence[Outcome], signature: str,
    folder: Path = FOLDER,
) -> tuple[Finding, list[str]]:  # fmt: skip
    """Write the record of what the run directory ``run`` of a confirmation shows.

    What a person has to add is told. Raises UsageProblem if it is on record, or did not show.
    """
    shown = Confirmed.of(outcomes, signature)
    if not shown.shown:
        raise UsageProblem(f"{signature} has not shown in {shown.tried} runs of {schedule.name}")
    answer = honesty(schedule)
    known = Known(
        {"needs": answer.needs.value, "trigger": answer.trigger.value},
        story(schedule, outcomes, shown), shown.always,
    )  # fmt: skip
    finding, left = file_finding(name, look(run), folder, known)
    _keep(finding.folder / SCHEDULE, replace(schedule, kernel=None))  # whoever checks it names one
    for one in finding.checked:
        record_check(
            finding.path,
            Checked(
                kernel=one.kernel, flavour=one.flavour, date=one.date, runs=shown.tried,
                shown=shown.shown, event_hashes=min(len(shown.hashes), shown.tried),
            ),
        )  # fmt: skip
    return read_finding(finding.path), left
