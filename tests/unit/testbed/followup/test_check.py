# SPDX-License-Identifier: GPL-2.0-only
"""What is as on record, what has changed, what is new; and what is written down."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from testbed.findings.head import Status
from testbed.findings.kernel import GuestKernel
from testbed.followup import check as module
from testbed.followup.check import (
    Answer,
    Verdict,
    as_checked,
    check_all,
    flavours_of,
    judge,
    to_check,
)
from testbed.followup.replay import Replays, Result
from testbed.followup.target import ANYWHERE, KernelChoice, Target, Where
from testbed.report.results import Outcome, RunReport, RunVerdict
from tests.unit.testbed.findings.heads import checked
from tests.unit.testbed.followup.made_up import Kernels, a_finding

SHOWN, ABSENT = Result(shown=True), Result()
FIXED = 'fixed = { version = "7.3" }\n'
NOT_ON_73 = checked("7.2.12", "uml") + checked("7.3", "uml", shown=0)


def replays(*results: Result, release: str = "7.2.12-testbed-uml") -> Replays:
    return Replays(list(results), GuestKernel.of(release))


@pytest.mark.parametrize(
    ("results", "release", "verdict", "reason"),
    [
        ([SHOWN] * 3, "7.2.12", Verdict.SHOWN, ""),
        ([SHOWN] * 3, "7.4.1", Verdict.SHOWN, ""),  # nobody has said that it has gone
        ([SHOWN, ABSENT], "7.2.12", Verdict.SHOWN, "every run should show it"),
        ([SHOWN], "7.1", Verdict.SHOWN, "which does not have it on record"),
        ([ABSENT] * 3, "7.2.12", Verdict.GONE, "does not show on 7.2.12-testbed-uml"),
        ([ABSENT], "7.4", Verdict.GONE, "does not show on 7.4"),
        ([ABSENT], "7.1", Verdict.GONE, ""),
        ([Result(problem="no disk")], "7.2.12", Verdict.CANNOT_TELL, "no disk"),
        ([], "7.2.12", Verdict.CANNOT_TELL, "nothing was run"),
        ([Result(unknown="oops: f")], "7.2.12", Verdict.NEW, "not on record: oops: f"),
        ([SHOWN, Result(unknown="oops: f")], "7.2.12", Verdict.NEW, "not on record: oops: f"),
    ],
)  # fmt: skip
def test_verdicts(
    results: list[Result], release: str, verdict: Verdict, reason: str, tmp_path: Path
) -> None:
    found, why = judge(a_finding(tmp_path), replays(*results, release=f"{release}-testbed-uml"))
    assert found is verdict
    assert (reason in why) if reason else not why


@pytest.mark.parametrize(
    ("head", "results", "verdict", "told"),
    [
        ({"more": FIXED}, [SHOWN], Verdict.BACK, "fixed in 7.3"),
        ({"more": FIXED}, [ABSENT], Verdict.GONE, ""),
        ({"kernels": NOT_ON_73}, [ABSENT], Verdict.GONE, ""),
        ({"kernels": NOT_ON_73}, [SHOWN], Verdict.SHOWN, "does not have it on record"),
        ({"deterministic": "false"}, [ABSENT] * 5, Verdict.CANNOT_TELL, "not seen in 5 runs"),
        ({"deterministic": "false"}, [SHOWN, ABSENT], Verdict.SHOWN, ""),
    ],
)
def test_verdicts_by_what_is_on_record(
    head: dict[str, str], results: list[Result], verdict: Verdict, told: str, tmp_path: Path
) -> None:
    found, why = judge(a_finding(tmp_path, **head), replays(*results, release="7.3.0-testbed-uml"))
    assert found is verdict
    assert (told in why) if told else not why


def test_flavours_begin_with_the_reproducers(tmp_path: Path) -> None:
    finding = a_finding(tmp_path, flavours='["debian", "uml-san", "uml"]')
    assert flavours_of(finding, ANYWHERE) == ["uml", "debian", "uml-san"]
    assert flavours_of(finding, Where("qemu")) == ["debian"]
    assert flavours_of(finding, Where(flavour="uml-san")) == ["uml-san"]
    assert flavours_of(a_finding(tmp_path, flavours='["uml"]'), Where("qemu")) == []


def checked_by(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, done: Replays, target: Target | None = None,
    where: Where = ANYWHERE, release: str = "7.2.12-testbed-uml", **head: str,
) -> tuple[RunReport, Answer]:  # fmt: skip
    given: list[dict[str, str]] = []
    monkeypatch.setattr(module, "replay", lambda _f, options, *_: given.append(options) or done)
    choice = KernelChoice(target or Target(), lambda _text: None, Kernels(release))  # type: ignore[arg-type]
    report, answers = RunReport("findings-check", "2026-11-21T22:00:00Z"), list[Answer]()
    check_all(
        [a_finding(tmp_path, **head)], choice, tmp_path / "runs", report, answers.append,
        lambda _text: None, where=where,
    )  # fmt: skip
    assert len(report.checks) == len(answers) == 1
    return report, answers[0]


@pytest.mark.parametrize(
    ("results", "code", "outcome"),
    [
        ([SHOWN], 0, Outcome.FINDING), ([ABSENT], 6, Outcome.GONE),
        ([Result(problem="x")], 6, Outcome.SKIP), ([Result(unknown="x")], 1, Outcome.FAIL),
    ],
)  # fmt: skip
def test_exit_codes(
    results: list[Result], code: int, outcome: Outcome, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    report, _ = checked_by(tmp_path, monkeypatch, replays(*results))
    assert (report.exit_code, report.checks[0].outcome) == (code, outcome)


def test_gone_as_on_record_is_a_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = replays(ABSENT, release="7.3.4-testbed-uml")
    report, answer = checked_by(tmp_path, monkeypatch, done, more=FIXED)
    assert (report.exit_code, answer.cell) == (0, "gone 0/1")
    assert report.checks[0].outcome is Outcome.PASS


def test_a_fixed_one_that_shows_is_a_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = replays(SHOWN, release="7.3.4-testbed-uml")
    report, answer = checked_by(tmp_path, monkeypatch, done, more=FIXED)
    assert (report.exit_code, answer.verdict) == (1, Verdict.BACK)
    assert report.checks[0].outcome is Outcome.FAIL


def test_a_card_that_failed_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = replays(Result(problem="the card raised"))
    done.model_failure = "the card raised"
    report, _ = checked_by(tmp_path, monkeypatch, done)
    assert report.verdict is RunVerdict.MODEL


def test_a_kernel_that_cannot_be_had_is_a_verdict(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = Target("9.9", (Path("a.patch"),))
    _, answer = checked_by(tmp_path, monkeypatch, replays(SHOWN), target)
    assert answer.verdict is Verdict.CANNOT_TELL
    assert "no kernel source" in answer.reason
    _, answer = checked_by(
        tmp_path / "runs", monkeypatch, replays(SHOWN), where=Where("qemu"), flavours='["uml"]'
    )
    assert answer.reason == "does not show on qemu"


def test_another_flavour_is_taken_where_the_first_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "linux"
    program.touch()
    _, answer = checked_by(
        tmp_path, monkeypatch, replays(SHOWN), Target(str(program)),
        release="7.2.12-testbed-uml-san", flavours='["uml-san"]',
    )  # fmt: skip
    assert (answer.verdict, answer.flavour) == (Verdict.SHOWN, "uml-san")


def test_what_is_recorded(tmp_path: Path) -> None:
    finding = a_finding(tmp_path)
    done = replays(SHOWN, ABSENT, Result(problem="x"))
    done.hashes.update(["a", "b"])
    found = as_checked(Answer(finding, Verdict.SHOWN, flavour="uml", replays=done))
    assert found is not None
    assert (str(found.kernel), found.flavour) == ("7.2.12", "uml")
    assert (found.runs, found.shown, found.event_hashes) == (2, 1, 2)
    smp = as_checked(Answer(finding, Verdict.SHOWN, flavour="uml-smp", replays=done))
    assert smp is not None
    assert smp.event_hashes == 0
    for silent in (replays(Result(problem="x")), replays(SHOWN, Result(unknown="y"))):
        assert as_checked(Answer(finding, Verdict.NEW, flavour="uml", replays=silent)) is None


def test_what_is_the_same_bug_is_checked_only_if_it_is_named(tmp_path: Path) -> None:
    finding = a_finding(tmp_path)
    same = replace(finding, id="b-bug", status=Status.DUPLICATE, duplicate_of="a-bug")
    assert to_check([finding, same], []) == [finding]
    assert to_check([finding, same], ["b-bug"]) == [same]


def test_an_engine_leaves_out_what_it_does_not_show(tmp_path: Path) -> None:
    finding = a_finding(tmp_path, flavours='["uml"]')
    assert to_check([finding], [], Where("uml")) == [finding]
    assert to_check([finding], [], Where("qemu")) == []
    assert to_check([finding], ["a-bug"], Where("qemu")) == [finding], "it was asked for"
