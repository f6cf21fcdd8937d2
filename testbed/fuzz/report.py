# SPDX-License-Identifier: GPL-2.0-only
"""A campaign's bugs as the checks of a report: for JUnit, KTAP and summary.json."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from testbed.fuzz.confirm import said
from testbed.fuzz.honest import honesty
from testbed.fuzz.outcome import Complaint, Ended
from testbed.fuzz.page import Campaign, Shown
from testbed.fuzz.start import FailOn
from testbed.report.results import Check, Outcome, RunReport

KNOWN = "finding on record: "


def checks(campaign: Campaign, fail_on: Collection[FailOn] = tuple(FailOn)) -> Iterator[Check]:
    """The search itself, its determinism, used guests if there were any, and each bug.

    What fails nothing is skipped: JUnit has no word between that and a failure.
    """
    found, differ = campaign.totals, campaign.unequal
    yield Check(
        name="search", title="Runs ended, and are stored", seconds=found.at,
        outcome=Outcome.PASS if campaign.search else Outcome.FAIL,
        reason="" if campaign.search else "no run said anything",
        measured=f"{found.runs} runs, {found.edges} edges, {found.states} states",
    )  # fmt: skip
    told = f"{len(differ)} of {found.checked} schedules run twice differ"
    failed = bool(differ) and FailOn.NONDETERMINISTIC in fail_on
    yield Check(
        name="determinism", title="A schedule is the same run every time", measured=told,
        outcome=Outcome.FAIL if failed else Outcome.PASS if found.checked else Outcome.SKIP,
        reason=told if failed else "" if found.checked else "no schedule was run twice",
        detail="\n".join(f"{row.name}: {row.differs}" for row in differ),
    )  # fmt: skip
    if found.used:
        yield _used_guests(campaign)
    for one in campaign.shown:
        yield check_of(one, fail_on)
    crashed = sum(one.ended is Ended.MODEL_BUG for one in campaign.runs)
    if crashed:
        yield Check(
            name="model", title="the card's model does not fail",
            outcome=Outcome.FAIL if FailOn.NEW in fail_on else Outcome.SKIP,
            reason=f"the card failed in {crashed} runs", fault="model",
        )  # fmt: skip


def _used_guests(campaign: Campaign) -> Check:
    decided = sum(one.decides is not None for one in campaign.runs)
    lines = [
        f"{name}: runs {', '.join(map(str, runs))}" for name, runs in campaign.only_used.items()
    ]
    return Check(
        name="used guests", title="What shows only in a used guest", outcome=Outcome.PASS,
        measured=f"{campaign.totals.used} runs in used guests, {decided} of them decided by a "
        f"fresh run; {len(lines)} signatures only there",
        detail="\n".join(lines),
    )  # fmt: skip


def check_of(one: Shown, fail_on: Collection[FailOn] = tuple(FailOn)) -> Check:
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
        name=first.signature, title=first.signature, group=first.oracle,
        outcome=Outcome.SKIP if known or FailOn.NEW not in fail_on else Outcome.FAIL,
        reason=f"{KNOWN}{known}" if known else f"new: {told}",
        measured=f"{first.count} runs, schedule {one.schedule.name}",
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
