# SPDX-License-Identifier: GPL-2.0-only
"""Results of a job as pytest writes them, findings included."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.jobs.results import WORDS, Case, JobRun, Outcome, failures, read_results

pytest_plugins = ["pytester"]

FIRST = """<?xml version="1.0"?><testsuites><testsuite name="pytest" time="61.5" tests="4"
  timestamp="2026-11-21T13:51:06.516607+00:00">
 <testcase classname="tests.suite.zcrx.test_a" name="test_one[a/b.c]" time="1"/>
 <testcase classname="tests.suite.zcrx.test_a" name="test_two" time="1"><properties>
   <property name="finding:call" value="zcrx-dma-segment"/></properties>
   <skipped type="finding" message="zcrx-dma-segment"/></testcase>
 <testcase classname="tests.suite.zcrx.test_a" name="test_three" time="1">
   <skipped type="pytest.skip" message="requires IOMMU">a.py:1: requires IOMMU</skipped></testcase>
 <testcase classname="tests.suite.zcrx.test_a" name="test_four" time="1"/>
 <testcase classname="tests.suite.zcrx.test_a" name="test_four" time="1">
   <error message="failed on teardown">E</error></testcase>
</testsuite></testsuites>"""
SECOND = """<testsuites><testsuite name="pytest" time="8" timestamp="2026-11-22T00:01:00+00:00">
 <testcase classname="tests.driver.test_b" name="test_five"><failure message="x">E</failure>
 </testcase></testsuite></testsuites>"""
A = "tests/suite/zcrx/test_a.py::"


def test_results_of_a_job_are_of_both_its_files(tmp_path: Path) -> None:
    (tmp_path / "iommu.xml").write_text(FIRST)
    (tmp_path / "iommu-2.xml").write_text(SECOND)
    (tmp_path / "uml.xml").write_text(SECOND)
    iommu, uml = sorted(read_results(tmp_path), key=lambda run: run.job)
    five = Case("tests/driver/test_b.py::test_five", Outcome.FAIL, "x")
    assert uml == JobRun("uml", "2026-11-22", 8.0, [five])
    assert (iommu.job, iommu.date, iommu.seconds) == ("iommu", "2026-11-22", 69.5)
    assert sorted(iommu.cases, key=lambda case: case.node) == [
        five,
        Case(f"{A}test_four", Outcome.FAIL, "failed on teardown"),
        Case(f"{A}test_one[a/b.c]", Outcome.PASS),
        Case(f"{A}test_three", Outcome.SKIP, "requires IOMMU"),
        Case(f"{A}test_two", Outcome.FINDING),
    ]


def test_what_failed_is_told_with_the_end_of_its_words() -> None:
    long = Case("b::c", Outcome.FAIL, f"no console{'.' * WORDS}\ncard: \x9b2Jgone")
    old = Case("b::c", Outcome.FAIL, "of another day")
    runs = [
        JobRun("catalogue", "2026-11-28", 1.0, [old]),
        JobRun("driver", "2026-11-29", 1.0, [Case("a", Outcome.PASS), long]),
    ]
    told = list(failures(runs, ["driver", "uml"]))
    assert (told[0], told[-1]) == ("driver: b::c", r"    card: \x9b2Jgone")
    assert len(told) == 3
    assert sum(len(line) for line in told) < WORDS + 100
    assert "console" not in "".join(told)


def test_what_is_no_result_is_named(tmp_path: Path) -> None:
    (tmp_path / "uml.xml").write_text("<html>")
    with pytest.raises(ValueError, match=r"uml\.xml is no JUnit file"):
        read_results(tmp_path)


def test_file_that_could_not_be_collected_and_interrupted_test_are_failures(tmp_path: Path) -> None:
    broken = """<testsuites><testsuite name="pytest" time="1" timestamp="2026-11-22T00:01:00">
     <testcase classname="" name="tests.suite.zcrx.test_a"><error message="collection failure">E
     </error></testcase><testcase time="0.002"/></testsuite></testsuites>"""
    (tmp_path / "uml.xml").write_text(broken)
    (run,) = read_results(tmp_path)
    assert run.cases == [
        Case("tests.suite.zcrx.test_a", Outcome.FAIL, "collection failure"),
        Case("cut off", Outcome.FAIL),
    ]


def test_nothing_there_is_nothing(tmp_path: Path) -> None:
    assert read_results(tmp_path / "absent") == []


CONFTEST = """
import pytest

class Watch:
    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item, call):
        report = yield
        if report.when == "call" and item.name == "test_two":
            report.user_properties.append(("finding:call", "zcrx-dma-segment"))
        return report


def pytest_configure(config):
    config.pluginmanager.register(Watch())
"""


def test_pytest_writes_a_finding_where_it_is_read(pytester: pytest.Pytester) -> None:
    """Our plugin completes what pytest's own writer leaves out."""
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(test_it="def test_one(): pass\ndef test_two(): pass\n")
    file = pytester.path / "results" / "uml.xml"
    done = pytester.runpytest_inprocess("-p", "testbed.plugin.junit", "--junitxml", str(file))
    done.assert_outcomes(passed=2)
    (run,) = read_results(file.parent)
    assert [case.outcome for case in run.cases] == [Outcome.PASS, Outcome.FINDING]
