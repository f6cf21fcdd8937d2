# SPDX-License-Identifier: GPL-2.0-only
"""A campaign in JUnit: new is a failure, what is on record is skipped, and nothing is lost."""

from __future__ import annotations

from pathlib import Path

from junitparser import Failure, JUnitXml, Skipped

from testbed.errors import ExitCode
from testbed.fuzz.outcome import Ended
from testbed.fuzz.page import gather
from testbed.fuzz.report import checks, report
from testbed.fuzz.start import FailOn
from testbed.fuzz.store import Store
from testbed.report import junit
from testbed.report.results import Outcome
from tests.unit.testbed.fuzz.campaigns import LEAK, OLD, MadeUp, campaign, schedule


def test_a_case_for_each(tmp_path: Path) -> None:
    found = report(gather(campaign(tmp_path), "x"), "2026-11-22T00:00:00Z")
    (suite,) = JUnitXml.fromstring(junit.render(found).encode())
    cases = {case.name: case.result for case in suite}
    assert cases["search"] == []
    [new] = cases["memory: bnxt_rx_pkt"]
    assert isinstance(new, Failure)
    assert new.message == "new: memory: bnxt_rx_pkt"
    assert "BUG: KASAN: slab-use-after-free" in new.text
    assert "<script>" in new.text, "escaped by the writer, whole for the reader"
    assert "also: leak: 3 mappings" in new.text
    assert "leak: 3 mappings" not in cases
    [known] = cases["BUG: bnxt_tpa_start"]
    assert isinstance(known, Skipped)
    assert (known.type, known.message) == ("finding", "finding on record: tpa-agg-bug-on")
    [unequal] = cases["determinism"]
    assert isinstance(unequal, Failure)
    assert "the 17th event" in unequal.text
    assert found.exit_code == ExitCode.TEST_FAILURE
    assert (found.seed, found.kernel_release) == (7, "7.2.12-testbed-uml-san")


def test_what_is_on_record_fails_nothing(tmp_path: Path) -> None:
    made = MadeUp(tmp_path)
    made.run(schedule(), OLD)
    assert report(gather(made.store, "x"), "").exit_code == ExitCode.PASS


def test_a_campaign_without_a_run_is_no_pass(tmp_path: Path) -> None:
    made = MadeUp(tmp_path)
    made.run(schedule(), ended=Ended.ENVIRONMENT)
    assert report(gather(made.store, "x"), "").exit_code == ExitCode.TEST_FAILURE


def test_a_bug_of_the_card_is_no_bug_of_the_kernel(tmp_path: Path) -> None:
    made = MadeUp(tmp_path)
    made.run(schedule(), ended=Ended.MODEL_BUG)
    found = {one.name: one for one in report(gather(made.store, "x"), "").checks}
    assert found["model"].fault == "model"


def test_a_campaign_that_was_asked_for_nothing_fails_on_nothing(tmp_path: Path) -> None:
    found = {one.name: one for one in checks(gather(campaign(tmp_path), "x"), [])}
    assert {one.outcome for one in found.values()} <= {Outcome.PASS, Outcome.SKIP}
    assert found["determinism"].measured == "1 of 6 schedules run twice differ"
    for asked, name in ((FailOn.NEW, "memory: bnxt_rx_pkt"),
                        (FailOn.NONDETERMINISTIC, "determinism")):  # fmt: skip
        failed = [one for one in checks(gather(Store.open(tmp_path), "x"), [asked])
                  if one.outcome is Outcome.FAIL]  # fmt: skip
        assert name in {one.name for one in failed}
        assert ("determinism" in {one.name for one in failed}) is (asked is not FailOn.NEW)


def test_what_shows_only_in_a_used_guest_is_told_apart(tmp_path: Path) -> None:
    made = MadeUp(tmp_path)
    made.run(schedule(), LEAK, guest="g1", served=3, suspected=True)
    made.run(schedule(), decides=1)
    found = {one.name: one for one in checks(gather(made.store, "x"))}
    assert found["used guests"].outcome is Outcome.PASS
    assert found["used guests"].detail == "leak: 3 mappings: runs 1"
    assert "1 signatures only there" in found["used guests"].measured
    assert "leak: 3 mappings" not in found
