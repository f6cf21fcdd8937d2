# SPDX-License-Identifier: GPL-2.0-only
"""What was seen: its line, and what it makes of a report."""

from __future__ import annotations

from dataclasses import replace

import pytest

from testbed.report import html
from testbed.report.results import Check, Outcome, RunReport, RunVerdict
from testbed.report.seen import Seen, SeenKind

VIOLATION = Seen(
    kind=SeenKind.VIOLATION, name="doorbell_unknown_ring", text="driver, no such ring", times=2
)
FINDING = Seen(kind=SeenKind.FINDING, name="zcrx-dma-segment", text="mapped too long")


def report(*seen: Seen) -> RunReport:
    made = RunReport("exec", "2026-11-21T12:00:00Z", seen=list(seen), command_status=0)
    made.checks.append(Check(name="command", title="true", outcome=Outcome.PASS))
    return made


def test_line_says_what_and_how_often() -> None:
    assert VIOLATION.line == (
        "violation: doorbell_unknown_ring ×2 (driver, no such ring)"  # noqa: RUF001
    )
    assert FINDING.line == "finding: zcrx-dma-segment: mapped too long"
    request = Seen(kind=SeenKind.UNKNOWN_REQUEST, name="0x1f", where="hds.py")
    assert request.line == "hds.py: unknown firmware request: 0x1f"


def test_line_is_one_and_drives_no_terminal() -> None:
    bad = "\x1b]52;c;Zm9v\x07\n\u202e"
    line = Seen(kind=SeenKind.COMPLAINT, name=f"BUG{bad}", text=bad, where=bad).line
    assert line.isprintable()
    assert len(Seen(kind=SeenKind.COMPLAINT, name="x" * 100_000).line) < 5000


@pytest.mark.parametrize(
    ("strict", "exit_code", "outcomes"),
    [(False, 0, ["pass", "finding"]), (True, 1, ["pass", "fail", "finding"])],
)
def test_strict_decides_whether_it_fails(strict: bool, exit_code: int, outcomes: list[str]) -> None:
    made = report(VIOLATION, FINDING)
    made.judge_seen(strict=strict)
    assert [check.outcome.value for check in made.checks] == outcomes
    assert made.exit_code == exit_code
    assert made.by_finding().keys() == {"zcrx-dma-segment"}


@pytest.mark.parametrize("strict", [False, True])
def test_page_has_the_details_once(strict: bool) -> None:
    """Among the failed checks, or in a panel of their own."""
    made = report(replace(VIOLATION, detail="history of the buffer: <b>"))
    made.judge_seen(strict=strict)
    page = html.render(made, [])
    assert ("What card and kernel said" in page) is not strict
    assert VIOLATION.line in page
    assert page.count("history of the buffer") == 1
    assert "history of the buffer: &lt;b&gt;" in page


def test_page_hides_nothing_because_a_check_says_the_same() -> None:
    """A guest chooses what its tests print."""
    made = report(replace(VIOLATION, detail="history of the buffer"))
    made.checks.append(
        Check(name="case", title="case", outcome=Outcome.FAIL, reason=VIOLATION.line)
    )
    made.judge_seen(strict=False)
    assert "history of the buffer" in html.render(made, [])


def test_finding_alone_fails_nothing() -> None:
    made = report(FINDING)
    made.judge_seen(strict=True)
    assert (made.verdict, made.exit_code) == (RunVerdict.PASS, 0)
