# SPDX-License-Identifier: GPL-2.0-only
"""The reports of runs that passed, failed and never began, read back by independent readers."""

from __future__ import annotations

import errno
import json
import re
import signal
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import ClassVar
from urllib.parse import unquote

import jsonschema
import pytest
from junitparser import JUnitXml

from testbed import ROOT
from testbed.errors import (
    EnvironmentProblem,
    GuestCommandFailed,
    LostVM,
    ModelFailure,
    TestbedError,
    UsageProblem,
)
from testbed.findings.splat_report import SplatReport
from testbed.report import html, junit, ktap, summary
from testbed.report.results import Check, Outcome, RunReport, RunVerdict
from testbed.report.rundir import RunDirectory

HOSTILE = "<script>alert(1)</script> \x1b[31m # SKIP \x00 ]]> &amp; \u202e"

SPLAT = SplatReport(
    sanitizer="KASAN", kind="slab-out-of-bounds write", function="bnxt_rx_pkt",
    headline="BUG: KASAN: slab-out-of-bounds in bnxt_rx_pkt+0x382b/0x87d0", access="write",
    access_bytes=2, task="stream_tx/45", trace=("bnxt_rx_pkt", "__bnxt_poll_work"), uptime_s=1.5,
)  # fmt: skip


def a_report(**changes: object) -> RunReport:
    report = RunReport(job="run", started_at="2026-11-20T08:00:00Z", command=("testbed", "run"))
    for name, value in changes.items():
        setattr(report, name, value)
    return report


def a_check(outcome: Outcome = Outcome.PASS, name: str = "zcrx_one_flow", **fields: str) -> Check:
    return Check(name=name, title="64 MiB over one flow", outcome=outcome, seconds=1.25, **fields)


def reports() -> list[RunReport]:
    complete = a_report(
        seed=7, accelerator="tcg", iommu="on", cpus=2, timing="asynchronous",
        kernel_release="7.2.12+deb13-amd64", module_sha256="ab" * 32, boot_seconds=7.5,
        violations=0, unknown_hwrm=0, queue_restarts=50,
    )  # fmt: skip
    complete.zcrx.add(64 << 20, 0, True)
    complete.checks = [a_check(), a_check(Outcome.SKIP, "iommu", reason="requires IOMMU")]
    hostile = a_report()
    hostile.note(HOSTILE, HOSTILE)
    hostile.show(HOSTILE, HOSTILE)
    hostile.checks = [
        a_check(outcome, HOSTILE, reason=HOSTILE, detail=HOSTILE, measured=HOSTILE, group=HOSTILE)
        for outcome in Outcome
    ]
    hostile.end_with(LostVM(HOSTILE, log_tail=HOSTILE))
    return [complete, hostile, a_report(interrupted_by=signal.SIGINT), a_report()]


@pytest.mark.parametrize("report", reports(), ids=["complete", "hostile", "interrupted", "empty"])
def test_summary_fits_published_schema(report: RunReport) -> None:
    jsonschema.Draft202012Validator.check_schema(summary.schema())
    document = json.loads(summary.render(report))
    jsonschema.validate(document, summary.schema())
    assert document["exit_code"] == report.exit_code


def test_schema_rejects_a_summary_without_its_verdict() -> None:
    document = summary.as_document(a_report())
    del document["verdict"]
    with pytest.raises(jsonschema.ValidationError, match="verdict"):
        jsonschema.validate(document, summary.schema())


def test_summary_holds_what_was_measured() -> None:
    document = summary.as_document(reports()[0])
    assert document["tests"] == {"passed": 1, "failed": 0, "skipped": 1, "findings": 0, "gone": 0}
    assert document["zcrx"]["bytes"] == 64 << 20
    assert document["zcrx"]["copied_bytes"] == 0
    assert document["zcrx"]["sha256_equal"] is True
    assert document["module_sha256"] == "ab" * 32


@pytest.mark.parametrize(
    ("error", "verdict", "exit_code"),
    [
        (GuestCommandFailed("x"), RunVerdict.FAIL, 1), (UsageProblem("x"), RunVerdict.USAGE, 2),
        (EnvironmentProblem("x"), RunVerdict.ENVIRONMENT, 3),
        (ModelFailure("x"), RunVerdict.MODEL, 4), (LostVM("x"), RunVerdict.LOST_VM, 5),
    ],
)  # fmt: skip
def test_problem_decides_verdict(error: TestbedError, verdict: RunVerdict, exit_code: int) -> None:
    report = a_report(checks=[a_check()])
    report.end_with(error)
    assert (report.verdict, report.exit_code) == (verdict, exit_code)


def test_known_issues_that_changed_have_a_verdict_of_their_own() -> None:
    """Also if none shows any more; what failed, and what ended the run, counts before that."""
    report = a_report(changed=True)
    assert (report.verdict, report.exit_code) == (RunVerdict.CHANGED, 6)
    jsonschema.validate(summary.as_document(report), summary.schema())
    report.checks.append(a_check(Outcome.FAIL))
    assert (report.verdict, report.exit_code) == (RunVerdict.FAIL, 1)
    report.end_with(LostVM("x"))
    assert report.verdict is RunVerdict.LOST_VM


def test_first_problem_counts() -> None:
    report = a_report()
    report.end_with(ModelFailure("the card raised"))
    report.end_with(LostVM("and then QEMU died"))
    assert report.verdict is RunVerdict.MODEL
    assert report.problem is not None
    assert report.problem.message == "the card raised"


def test_one_failed_check_fails_the_run() -> None:
    assert a_report(checks=[a_check(), a_check(Outcome.FAIL)]).verdict is RunVerdict.FAIL


@pytest.mark.parametrize("others", [[], [a_check()]])
def test_finding_is_counted_and_named_but_does_not_fail_the_run(others: list[Check]) -> None:
    shown = replace(a_check(Outcome.FINDING), findings=("zcrx-x",), splats=(SPLAT,))
    report = a_report(checks=[*others, shown])
    assert report.verdict is RunVerdict.PASS
    document = summary.as_document(report)
    jsonschema.validate(document, summary.schema())
    assert document["tests"]["findings"] == 1
    (finding,) = document["findings"]
    assert finding["file"] == "docs/findings/zcrx-x.md"
    assert finding["checks"] == [shown.name]
    assert document["checks"][-1]["splats"][0]["function"] == "bnxt_rx_pkt"
    page = html.render(report, [])
    assert "on record: zcrx-x" in page
    assert SPLAT.signature in page
    assert "# XFAIL" in ktap.render(report)


@pytest.mark.parametrize("others", [[], [a_check()]])
def test_finding_that_is_gone_is_counted_and_named_but_does_not_fail_the_run(
    others: list[Check],
) -> None:
    missed = replace(a_check(Outcome.GONE, reason="did not show: zcrx-x"), gone=("zcrx-x",))
    report = a_report(checks=[*others, missed])
    assert (report.verdict, report.exit_code) == (RunVerdict.PASS, 0)
    document = summary.as_document(report)
    jsonschema.validate(document, summary.schema())
    assert (document["tests"]["gone"], document["tests"]["passed"]) == (1, len(others))
    assert (document["findings"], document["gone"]) == (
        [],
        [{"id": "zcrx-x", "file": "docs/findings/zcrx-x.md", "checks": [missed.name]}],
    )
    page = html.render(report, [])
    assert "On record, and gone" in page
    assert "1 gone" in page
    text = ktap.render(report)
    assert "xpass:1" in text
    assert "# did not show: zcrx-x" in text
    (suite,) = JUnitXml.fromstring(junit.render(report).encode())
    assert suite.failures == 0
    assert "did not show: zcrx-x" in junit.render(report)


def test_page_without_a_finding_that_is_gone_says_nothing_of_it() -> None:
    assert "gone</h2>" not in html.render(a_report(checks=[a_check()]), [])


def test_run_without_a_passed_check_is_no_pass() -> None:
    assert a_report(checks=[a_check(Outcome.SKIP)]).verdict is RunVerdict.FAIL


def test_unequal_stream_is_remembered() -> None:
    report = a_report()
    report.zcrx.add(10, 0, False)
    report.zcrx.add(10, None, True)
    assert report.zcrx.sha256_equal is False
    assert report.zcrx.copied_bytes == 0


class Elements(HTMLParser):
    """Names of the elements, and the text outside of style."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


def test_html_escapes_guest_text() -> None:
    page = Elements()
    page.feed(html.render(reports()[1], [("<b>", 12)]))
    assert "script" not in page.tags
    assert "<script>alert(1)</script>" in page.text
    assert "\x1b" not in page.text
    assert "\u202e" not in page.text


@pytest.mark.parametrize("report", reports(), ids=["complete", "hostile", "interrupted", "empty"])
def test_html_needs_no_other_file(report: RunReport) -> None:
    page = html.render(report, [])
    assert "default-src 'none'" in page
    assert "http://" not in page
    assert "https://" not in page
    assert f">{report.verdict.value}</div>" in page


def test_run_directory_holds_all_reports(tmp_path: Path) -> None:
    directory = RunDirectory.create(tmp_path)
    (directory.path / "kernel.log").write_text("Linux\n")
    written = directory.write_reports(reports()[0])
    names = {entry.name for entry in directory.path.iterdir()}
    assert names == {"summary.json", "results.ktap", "junit.xml", "summary.html", "kernel.log"}
    assert json.loads(written.read_text())["verdict"] == "pass"
    assert (tmp_path / "latest").resolve() == directory.path
    assert "kernel.log" in (directory.path / "summary.html").read_text()


def test_latest_follows_the_newest_run(tmp_path: Path) -> None:
    RunDirectory.create(tmp_path)
    newest = RunDirectory.create(tmp_path)
    assert (tmp_path / "latest").resolve() == newest.path


def test_run_directory_in_a_file_is_an_environment_problem(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(EnvironmentProblem, match="run directory"):
        RunDirectory.create(tmp_path / "file")


def test_run_directory_that_could_not_be_made_whole_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_link: Path, _target: str) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "symlink_to", full)
    with pytest.raises(EnvironmentProblem, match="No space left"):
        RunDirectory.create(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_run_directory_of_before_stays_as_it_is(tmp_path: Path) -> None:
    before, newest = RunDirectory.create(tmp_path), RunDirectory.create(tmp_path)
    before.make()
    assert (tmp_path / "latest").resolve() == newest.path


def test_report_that_cannot_be_written_leaves_no_half(tmp_path: Path) -> None:
    directory = RunDirectory.create(tmp_path)
    (directory.path / "summary.json").mkdir()
    with pytest.raises(EnvironmentProblem, match="cannot be written"):
        directory.write("summary.json", "{}")
    assert [entry.name for entry in directory.path.iterdir()] == ["summary.json"]


def linked(page: str) -> set[str]:
    class Links(HTMLParser):
        found: ClassVar[set[str]] = set()

        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            if tag == "a":
                self.found.add(unquote(dict(attrs)["href"] or ""))

    Links.found = set()
    Links().feed(page)
    return Links.found


def test_page_links_every_file_of_every_machine_and_trial(tmp_path: Path) -> None:
    directory = RunDirectory.create(tmp_path)
    names = ["kernel.log", "vm-1/card.log", "vm-2/trace.jsonl", "faults/rx a?#/replay.toml"]
    for name in names:
        (directory.path / name).parent.mkdir(parents=True, exist_ok=True)
        (directory.path / name).write_text("x")
    (directory.path / "out").symlink_to("/etc/hostname")
    directory.write_reports(a_report(checks=[a_check()]))
    found = linked((directory.path / "summary.html").read_text())
    assert found == {*names, "summary.json", "junit.xml", "results.ktap"}
    assert all((directory.path / name).is_file() for name in found)


def test_page_links_a_failure_to_its_machine() -> None:
    failed = replace(a_check(Outcome.FAIL, reason="lost"), evidence="vm-2")
    files = [("vm-1/kernel.log", 1), ("vm-2/kernel.log", 1), ("vm-22/kernel.log", 1)]
    assert html.evidence_of(failed, files) == ["vm-2/kernel.log"]
    assert html.evidence_of(a_check(Outcome.FAIL), files) == []
    page = html.render(a_report(checks=[failed]), files)
    assert page.count('href="vm-2/kernel.log"') == 2
    assert page.count('href="vm-1/kernel.log"') == 1


def test_page_groups_what_went_wrong_in_the_same_way() -> None:
    """420 tests that no machine was there for are one thing, and all of them are named."""
    same = [a_check(Outcome.FAIL, f"test_{n}", reason=f"queue {n} is dead") for n in range(420)]
    other = replace(same[0], name="test_splat", splats=(SPLAT,))
    groups = html.alike([*same, other, a_check(Outcome.FINDING, reason="queue 1 is dead")])
    assert [(one.first.name, len(one.others)) for one in groups] == [
        ("test_0", 419), ("test_splat", 0), ("zcrx_one_flow", 0),
    ]  # fmt: skip
    page = html.render(a_report(checks=[*same, other]), [])
    assert "and 419 more in the same way" in page
    assert "test_419" in page


def test_no_page_has_a_heading_without_a_word() -> None:
    """A screen reader reads it before each cell (axe: empty-table-header)."""
    pages = list((ROOT / "testbed").rglob("*.html.j2"))
    assert len(pages) > 5
    assert [page.name for page in pages if re.search(r"<th[^>]*></th>", page.read_text())] == []
