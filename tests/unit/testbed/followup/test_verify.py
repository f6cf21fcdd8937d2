# SPDX-License-Identifier: GPL-2.0-only
"""A patch is verified if the finding is gone, and no test fails that passes without it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from testbed.errors import UsageProblem
from testbed.followup import replay, target, verify
from testbed.followup.target import ANYWHERE, Target, Where
from testbed.followup.verify import Verification, area_of, own_fix, times_for
from testbed.report.results import RunReport
from tests.unit.testbed.followup.made_up import (
    OOPS,
    Kernels,
    Processes,
    a_finding,
    check_of,
    summary_of,
)

FIX = (Path("fix.patch"),)
GONE = [summary_of(check_of())] * 3
STILL = summary_of(check_of("finding", findings=["a-bug"]))
OTHER = check_of("fail", name="test_other", reason="two is not three")
TRIAL = "tests/suite/faults/test_catalogue.py::test_fault[irq-storm]"
FINE = [check_of(), check_of("skip", name="b"), check_of("finding", name="c", findings=["d"])]


def verified(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *summaries: Mapping[str, Any] | None,
    kernel: str | None = "7.3", where: Where = ANYWHERE, series: tuple[Path, ...] = FIX,
    tests: tuple[str, ...] = (),
) -> tuple[RunReport, Processes]:  # fmt: skip
    processes = Processes(*summaries)
    monkeypatch.setattr(replay, "run_python", processes)
    monkeypatch.setattr(verify, "run_python", processes)
    monkeypatch.setattr(target, "SourceKernels", lambda report: Kernels())
    report = RunReport("findings-verify", "2026-11-21T22:00:00Z")
    finding = a_finding(tmp_path)
    processes.made = Verification(
        finding, Target(kernel, series), tmp_path / "runs", report,
        lambda _text: None, times_for(finding), where, tests,
    ).run()  # fmt: skip
    return report, processes


def test_gone_and_nothing_broke(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    report, processes = verified(tmp_path, monkeypatch, *GONE, summary_of(*FINE))
    assert report.exit_code == 0
    assert [one.measured for one in report.checks] == [
        "0 of 3 runs", "1 pass, 1 skip, 1 finding",
    ]  # fmt: skip
    for words in processes.words:
        assert words[words.index("--testbed-kernel") + 1] == "/cache/uml/linux"
    assert "tests/suite/link" in processes.words[-1]
    assert processes.made is not None
    assert (str(processes.made.kernel), processes.made.flavour) == ("7.2.12", "uml")
    assert (processes.made.runs, processes.made.tests) == (3, 2)


@pytest.mark.parametrize(
    "summaries",
    [[STILL, *GONE[:2]], [*GONE, summary_of(FINE[1])], [None, *GONE[:2], summary_of(*FINE)]],
)
def test_nothing_to_record_of_a_fix_that_is_not_good(
    summaries: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, processes = verified(tmp_path, monkeypatch, *summaries)
    assert processes.made is None


@pytest.mark.parametrize("tests", [("tests/suite/moo",), ("tests/suite/moo.py::test_it[a]",)])
def test_tests_that_are_not_there_are_named_before_anything_is_built(
    tests: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UsageProblem, match=f"--tests: {re.escape(tests[0])} does not exist"):
        verified(tmp_path, monkeypatch, *GONE, summary_of(*FINE), tests=tests)


def test_of_the_catalogue_its_own_class_is_tried(tmp_path: Path) -> None:
    finding = a_finding(tmp_path, shows='fault = "restart-ring-refused"')
    area = "tests/suite/zcrx", verify.CATALOGUE
    trials = area_of(replace(finding, id="queue-start-refused", tests=area))
    assert trials[0] == "tests/suite/zcrx"
    trial = "tests/suite/faults/test_catalogue.py::test_fault[{}]".format
    assert {trial("restart-ring-refused"), trial("close-ring-free-completion-lost")} < {*trials}
    assert trial("irq-storm") not in trials
    other = replace(finding, id="pps-event-without-clock", tests=area)
    assert trial("event-pps-without-clock") in area_of(other), "of another class, and shows it"
    assert area_of(replace(finding, tests=("tests/suite/link",))) == ["tests/suite/link"]
    by_test = replace(finding, reproducer=replace(finding.reproducer, fault=None, test="x"))
    assert area_of(replace(by_test, tests=area)) == [*area]


@pytest.mark.parametrize(("tests", "asked"), [((TRIAL,), True), (("tests/suite/link",), False)])
def test_each_fault_is_tried_where_the_suite_takes_a_sample(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tests: tuple[str, ...], asked: bool
) -> None:
    _, processes = verified(tmp_path, monkeypatch, *GONE, summary_of(*FINE), tests=tests)
    assert ("--all-faults" in processes.words[-1]) is asked
    assert all("--all-faults" not in words for words in processes.words[:-1])


@pytest.mark.parametrize(
    ("first", "reason"),
    [
        (STILL, "1 of 3 runs still show it"),
        (summary_of(check_of("fail", splats=[OOPS])), "something else is wrong: oops: "),
    ],
)
def test_still_there(
    first: Mapping[str, Any], reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report, processes = verified(tmp_path, monkeypatch, first, *GONE[:2])
    assert report.exit_code == 1
    assert report.checks[0].reason.startswith(reason)
    assert len(processes.words) == 3, "no test on a kernel that still has it"


def test_cannot_tell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    report, _ = verified(tmp_path, monkeypatch, None, *GONE[:2], summary_of(*FINE))
    assert report.exit_code == 6
    assert "the last line" in report.checks[0].reason


def test_a_test_that_fails_with_the_patch_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_patch, without = summary_of(*FINE, OTHER), summary_of(check_of(name="test_other"))
    report, processes = verified(tmp_path, monkeypatch, *GONE, with_patch, without)
    assert report.exit_code == 1
    assert ("test_other", "two is not three") in [(one.name, one.reason) for one in report.checks]
    assert "tests/suite/link/test_reset.py::test_other" in processes.words[-1]
    assert "--testbed-kernel 7.3" in " ".join(processes.words[-1])


def test_a_test_that_fails_without_it_as_well_is_not_its_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_patch = summary_of(*FINE, {**OTHER, "name": "test_other (teardown)"})
    report, _ = verified(tmp_path, monkeypatch, *GONE, with_patch, summary_of(OTHER))
    assert report.exit_code == 0
    assert "fails without the patches as well" in report.checks[1].reason


def test_a_build_is_compared_with_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "linux"
    program.touch()
    with_patch = summary_of(*FINE, OTHER)
    report, _ = verified(
        tmp_path, monkeypatch, *GONE, with_patch, with_patch, kernel=str(program), series=()
    )
    assert report.exit_code == 1


def test_tests_that_all_skip_show_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    report, _ = verified(tmp_path, monkeypatch, *GONE, summary_of(FINE[1]))
    assert report.exit_code == 1


@pytest.mark.parametrize("outcome", ["pass", "finding", "gone"])
def test_one_test_that_is_not_red_is_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, outcome: str
) -> None:
    report, _ = verified(tmp_path, monkeypatch, *GONE, summary_of(check_of(outcome)))
    assert (report.exit_code, report.checks[-1].measured) == (0, f"1 {outcome}")


def test_what_cannot_be_built_or_run_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UsageProblem, match=r"no kernel source '9\.9'"):
        verified(tmp_path, monkeypatch, kernel="9.9")
    with pytest.raises(UsageProblem, match="a-bug: does not show on lab"):
        verified(tmp_path, monkeypatch, where=Where("lab"))
    with pytest.raises(UsageProblem, match="tests gave no result: the last line"):
        verified(tmp_path, monkeypatch, *GONE, None)


def test_our_own_fix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify, "FIXES", verify.ROOT / "kernels" / "series")
    assert own_fix("provided-registered-buffers").is_dir()
    with pytest.raises(UsageProblem, match="kernels/series/a-bug does not exist"):
        own_fix("a-bug")
    assert times_for(a_finding(tmp_path)) == 3
    assert times_for(a_finding(tmp_path, deterministic="false")) == 20
