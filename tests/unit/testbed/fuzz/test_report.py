# SPDX-License-Identifier: GPL-2.0-only
"""A campaign in JUnit: new is a failure, what is on record is skipped, and nothing is lost."""

from __future__ import annotations

from pathlib import Path

from junitparser import Failure, JUnitXml, Skipped

from testbed.errors import ExitCode
from testbed.fuzz.outcome import Ended
from testbed.fuzz.page import gather
from testbed.fuzz.report import report
from testbed.report import junit
from tests.unit.testbed.fuzz.campaigns import OLD, MadeUp, campaign, schedule


def test_a_case_for_each(tmp_path: Path) -> None:
    found = report(gather(campaign(tmp_path), "x"), "2026-11-22T00:00:00Z")
    (suite,) = JUnitXml.fromstring(junit.render(found).encode())
    cases = {case.name: case.result for case in suite}
    assert cases["search"] == []
    [new] = cases["memory: bnxt_rx_pkt"]
    assert isinstance(new, Failure)
    assert new.message == "memory: bnxt_rx_pkt"
    assert "BUG: KASAN: slab-use-after-free" in new.text
    assert "<script>" in new.text, "escaped by the writer, whole for the reader"
    assert "also: leak: 3 mappings" in new.text
    assert "leak: 3 mappings" not in cases
    [known] = cases["BUG: bnxt_tpa_start"]
    assert isinstance(known, Skipped)
    assert (known.type, known.message) == ("finding", "finding on record: tpa-agg-bug-on")
    [unequal] = next(result for name, result in cases.items() if name.startswith("determinism"))
    assert unequal.message == "the 17th event"
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
    checks = {one.name: one for one in report(gather(made.store, "x"), "").checks}
    assert checks["model"].fault == "model"
