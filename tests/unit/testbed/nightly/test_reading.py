# SPDX-License-Identifier: GPL-2.0-only
"""What a process has left is read as somebody else's: bounded, checked, escaped."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from testbed.nightly import reading
from testbed.nightly.cell import Cell
from testbed.nightly.reading import Attempt, read_attempt
from testbed.report.blamed import BlamedOutcome
from tests.unit.testbed.nightly.nights import cell, check


def read(folder: Path, document: object, one: Cell | None = None) -> Attempt:
    text = document if isinstance(document, str) else json.dumps(document)
    (folder / "summary.json").write_text(text)
    return read_attempt(one or cell(), folder, reason="why it ended", seconds=1.5)


def test_the_worst_of_a_test_counts(tmp_path: Path) -> None:
    checks = [check("test_a (setup)"), check("test_a"), check("test_a (teardown)", "fail")]
    (found,) = read(tmp_path, {"verdict": "fail", "checks": checks}).results
    assert (found.test, found.outcome) == (
        "suite rings/test_restart.py::test_a",
        BlamedOutcome.FAIL,
    )
    assert found.target == "tests/suite/rings/test_restart.py::test_a"


@pytest.mark.parametrize(
    ("kind", "target"),
    [("faults", "irq-storm"), ("ksft", "g"), ("suite", "g::irq-storm")],
)
def test_what_repeats_a_check(kind: str, target: str, tmp_path: Path) -> None:
    checks = [{"name": "irq-storm", "group": "g", "outcome": "fail"}]
    (found,) = read(tmp_path, {"checks": checks}, cell(kind)).results
    assert found.target == target


def test_a_guest_that_was_lost_between_tests_is_told(tmp_path: Path) -> None:
    document = {"verdict": "lost-vm", "checks": [], "problem": {"message": "panic"}}
    found = read(tmp_path, document)
    (whole,) = found.results
    assert (whole.test, whole.outcome, whole.reason) == (
        "suite ends",
        BlamedOutcome.LOST_VM,
        "panic",
    )
    assert found.reached


@pytest.mark.parametrize(
    "document",
    ["", "{", "[]", "null", '{"checks"', "[" * 100_000],
)
def test_no_summary_is_no_result(document: str, tmp_path: Path) -> None:
    found = read(tmp_path, document)
    assert (found.verdict, found.reason, found.reached) == ("no result", "why it ended", False)


def test_a_summary_that_is_too_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MOST_BYTES", 100)
    assert not read(tmp_path, {"verdict": "pass", "checks": [check("a")]}).reached


@pytest.mark.parametrize(
    "checks",
    [
        None, {}, 7, [None], ["x"], [{}], [{"name": 7, "group": [], "outcome": "pass"}],
        [{"name": "a", "outcome": "odd"}], [{"name": "", "outcome": "pass"}],
    ],
)  # fmt: skip
def test_checks_that_are_none(checks: object, tmp_path: Path) -> None:
    document = {"verdict": 1, "checks": checks, "provenance": [], "problem": "x"}
    assert read(tmp_path, document).results == ()


@pytest.mark.parametrize("seconds", ["1", None, float("nan"), float("inf"), 10**400])
def test_facts_of_a_wrong_type_are_left_out(seconds: object, tmp_path: Path) -> None:
    odd = {"name": "a", "outcome": "pass", "findings": 3, "splats": [1], "title": 2}
    odd["seconds"] = seconds
    (found,) = read(tmp_path, {"checks": [odd]}).results
    assert (found.seconds, found.findings, found.words, found.title) == (0.0, (), "", "")


def test_text_is_escaped_and_bounded(tmp_path: Path) -> None:
    odd = check("a\x1b\n" + "x" * 9999, reason="\x00\u202e" + "y" * 9999)
    (found,) = read(tmp_path, {"checks": [odd]}).results
    assert found.test.startswith("suite rings/test_restart.py::a\\x1b x")
    assert len(found.test) == 300
    assert found.reason.startswith("\\x00\\u202ey")
    assert len(found.reason) < 5000


def test_measurements_of_a_comparison(tmp_path: Path) -> None:
    lines = ["variant,kernel,run,group,instructions_per_kib"]
    lines += [f"zcrx@7.2,7.2.12,{run},all,{650 + run}" for run in range(3)]
    lines += ["zcrx@7.2,7.2.12,1,driver,9"]
    (tmp_path / "compare.csv").write_text("\n".join(lines))
    attempt = read(tmp_path, {"verdict": "pass"}, cell("compare"))
    assert attempt.release == "7.2.12"
    (found,) = attempt.values
    assert (found.name, found.value, found.unit, found.less) == (
        "receive by zcrx", 651, "insn/KiB", True,
    )  # fmt: skip


def test_measurements_of_the_page_pool(tmp_path: Path) -> None:
    document = {"paths": {"fast path": {"a": 31.5}}}
    (tmp_path / "bench.json").write_text(json.dumps(document))
    (found,) = read(tmp_path, {"verdict": "pass"}, cell("page_pool")).values
    assert (found.name, found.value) == ("page_pool fast path", 31.5)


def test_ratios_of_the_wire_that_could_be_told(tmp_path: Path) -> None:
    told, untold = {"median": 0.9, "low": 0.8, "high": 1.0}, {"why": "too wide"}
    document = {"ratios": [{"name": "rx 1500, 1 flow, a : b", "rate": untold, "cpu": told}]}
    (tmp_path / "wire.json").write_text(json.dumps(document))
    (found,) = read(tmp_path, {"verdict": "changed"}, cell("wire")).values
    assert (found.name, found.value, found.less) == ("CPU time, rx 1500, 1 flow, a : b", 0.9, False)


def test_lines_that_were_covered(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    (tmp_path / "coverage.info").write_text("SF:a\nLF:30\nLH:10\nSF:b\nLF:10\nLH:10\n")
    (found,) = read(run, {"verdict": "pass"}, cell("coverage")).values
    assert (found.name, found.value, found.less) == ("lines covered", 50.0, False)


NAN = "variant,group,instructions_per_kib\nx,all,nan\n"


@pytest.mark.parametrize(
    ("kind", "name"),
    [("compare", "compare.csv"), ("page_pool", "bench.json"), ("wire", "wire.json")],
)
@pytest.mark.parametrize("text", ["", "variant,group\nx,all\n", NAN, "[1]", '{"paths": 3}', None])
def test_a_measurement_that_cannot_be_read(
    kind: str, name: str, text: str | None, tmp_path: Path
) -> None:
    if text is not None:
        (tmp_path / name).write_text(text)
    assert read(tmp_path, {"verdict": "pass"}, cell(kind)).values == ()
