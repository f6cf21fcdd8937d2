# SPDX-License-Identifier: GPL-2.0-only
"""A campaign's bugs as the checks of a report: for JUnit, KTAP and summary.json."""

from __future__ import annotations

from collections.abc import Iterable

from testbed.fuzz.confirm import said
from testbed.fuzz.honest import honesty
from testbed.fuzz.outcome import Complaint, Ended
from testbed.fuzz.page import Campaign, Shown
from testbed.report.results import Check, Outcome, RunReport

KNOWN = "finding on record: "


def checks(campaign: Campaign) -> Iterable[Check]:
    """One for the search itself, one for each bug: new is a failure, known is skipped."""
    searched = len(campaign.search)
    yield Check(
        name="search", title="the campaign ran",
        outcome=Outcome.PASS if searched else Outcome.FAIL,
        reason="" if searched else "no run said anything",
        measured=f"{searched} runs, {campaign.totals.edges} edges, {campaign.totals.states} states",
    )  # fmt: skip
    for one in campaign.shown:
        yield check_of(one)
    for row in campaign.unequal:
        yield Check(
            name=f"determinism: {row.name}", title="two runs of a schedule are the same",
            outcome=Outcome.FAIL, reason=row.differs,
        )  # fmt: skip
    crashed = sum(one.ended is Ended.MODEL_BUG for one in campaign.runs)
    if crashed:
        yield Check(
            name="model", title="the card's model does not fail",
            outcome=Outcome.FAIL, reason=f"the card failed in {crashed} runs", fault="model",
        )  # fmt: skip


def check_of(one: Shown) -> Check:
    """One bug."""
    first, known = one.bug.first, one.bug.first.finding
    told = said(Complaint(signature=first.signature, oracle=first.oracle, text=first.text))
    lines = [
        f"signature: {first.signature}", *(f"also: {name}" for name in one.bug.variants),
        f"runs: {first.count}, the first {first.first_run}",
        f"confirmed: {one.triage.shown} of {one.triage.tried}",
        f"could an honest card do it? {honesty(one.schedule).text}",
        f"schedule {one.schedule.name}: {one.schedule.text}", "", first.text,
    ]  # fmt: skip
    return Check(
        name=first.signature, title=first.signature,
        outcome=Outcome.SKIP if known else Outcome.FAIL,
        reason=f"{KNOWN}{known}" if known else told,
        detail="\n".join(lines), findings=(known,) if known else (),
    )  # fmt: skip


def report(campaign: Campaign, started_at: str) -> RunReport:
    """All of it. Its exit code is 1 if anything is new."""
    found = RunReport("fuzz", started_at)
    found.seed = int(campaign.facts["seed"]) if campaign.facts.get("seed", "").isdigit() else None
    found.engine = campaign.facts.get("engine")
    found.kernel_release = campaign.facts.get("release")
    found.wall_seconds = campaign.totals.at
    found.checks = list(checks(campaign))
    for key, value in campaign.facts.items():
        found.note(f"campaign {key}", value)
    return found
