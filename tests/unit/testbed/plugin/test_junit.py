# SPDX-License-Identifier: GPL-2.0-only
"""``--junitxml`` of a pytest of its own, with a machine that is played."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

import pytest
from junitparser import Error, Failure, Skipped
from junitparser.xunit2 import JUnitXml

from testbed.findings import load
from tests.unit.testbed.plugin.played import ARGUMENTS, FINDING, PlayedPool
from tests.unit.testbed.report.test_junit import offences

pytest_plugins = ["pytester"]

TESTS = """
import pytest

def test_passes(dut): pass

class TestBox:
    @pytest.mark.parametrize("way", ["a/b.c::d"])
    def test_in_a_class(self, dut, way): pass

@pytest.mark.finding("tx-warning")
def test_shows_a_finding(dut):
    raise AssertionError("queue 7 is dead")

def test_fails(dut): assert False

def test_loses_its_machine(dut, session_pool): session_pool.lose()

def test_is_skipped(dut): pytest.skip("requires IOMMU")

@pytest.fixture
def broken(dut): raise RuntimeError("no")

def test_has_no_setup(broken): pass
"""


@pytest.fixture
def suite(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The one suite of the file."""
    monkeypatch.setattr("testbed.plugin.main.SessionPool", PlayedPool)
    folder = pytester.mkdir("findings")
    (folder / "tx-warning.md").write_text(FINDING)
    found = load.load_findings(folder)
    monkeypatch.setattr("testbed.plugin.main.load_findings", lambda: found)
    pytester.makepyfile(test_box=TESTS)
    pytester.runpytest_inprocess(*ARGUMENTS, "--testbed-run-dir", "runs", "--junitxml", "out.xml")
    (suite,) = JUnitXml.fromfile(str(pytester.path / "out.xml"))
    return suite


def test_each_outcome_is_what_a_ci_system_colours(suite: Any) -> None:
    results = {case.name: [(type(one), one.type) for one in case.result] for case in suite}
    assert results["test_passes"] == []
    assert results["test_shows_a_finding"] == [(Skipped, "finding")]
    assert results["test_fails"] == [(Failure, None)]
    assert results["test_loses_its_machine"] == [(Error, "lost VM")]
    assert results["test_is_skipped"] == [(Skipped, "pytest.skip")]
    assert results["test_has_no_setup"] == [(Error, None)]
    assert (suite.tests, suite.failures, suite.errors, suite.skipped) == (7, 1, 2, 2)


def test_file_keeps_to_the_dialect_and_names_places(suite: Any, pytester: pytest.Pytester) -> None:
    root = ElementTree.parse(pytester.path / "out.xml").getroot()
    assert offences(root) == []
    cases = {one.attrib["name"]: one.attrib for one in root.iter("testcase")}
    inside = cases["test_in_a_class[a/b.c::d]"]
    assert (inside["classname"], inside["file"]) == ("test_box.TestBox", "test_box.py")
    lines = (pytester.path / "test_box.py").read_text().splitlines()
    assert lines[int(cases["test_fails"]["line"]) - 1] == "def test_fails(dut): assert False"


def test_finding_is_named(suite: Any) -> None:
    (case,) = [case for case in suite if case.name == "test_shows_a_finding"]
    assert case.result[0].message == "tx-warning"
    assert ("finding:call", "tx-warning") in [(one.name, one.value) for one in case.properties()]
