# SPDX-License-Identifier: GPL-2.0-only
"""A finding's reproducer in a process of its own: what is started, and what each end says."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from testbed.findings.head import Status
from testbed.followup import replay as replays
from testbed.followup.replay import Replays, replay
from testbed.host.child import Ended
from tests.unit.testbed.followup.made_up import (
    OOPS,
    RELEASE,
    TEST,
    Processes,
    a_finding,
    check_of,
    summary_of,
)

DUPLICATE = Status.DUPLICATE
UML = {"engine": "uml", "flavour": "uml"}
FAULT = 'fault = "irq-storm"'
SCHEDULE = 'schedule = "schedule.json"'
SCRIPT = 'script = "reproduce.sh"'
KNOWN = {"outcome": "finding", "findings": ["a-bug"]}
GONE = "finding gone: a-bug (It breaks) does not show on 7.2.12"
ANOTHER = GONE.replace("a-bug", "a-bug-too")
UNKNOWN = "oops: kernel NULL pointer dereference: bnxt_poll_p5"


def run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, processes: Processes, *, shows: str = TEST,
    times: int = 1,
) -> Replays:  # fmt: skip
    monkeypatch.setattr(replays, "run_python", processes)
    finding = a_finding(tmp_path, shows=shows)
    return replay(finding, UML, times, tmp_path / "runs", lambda _text: None)


def test_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def words(shows: str, times: int = 1) -> str:
        processes = Processes(*[None] * times)
        run(tmp_path, monkeypatch, processes, shows=shows, times=times)
        assert len(processes.words) == (times if "test" in shows or "script" in shows else 1)
        return " ".join(processes.words[0])

    where = tmp_path / "runs" / "1"
    assert words(FAULT, times=3) == (
        "-m testbed faults run irq-storm irq-storm irq-storm --engine uml --flavour uml --seed 1"
        f" --run-dir {where}"
    )
    assert words(TEST + '\noptions = ["--cpus", "4"]', times=2) == (
        "-m pytest -q -p no:cacheprovider tests/suite/link/test_reset.py::test_it"
        " --testbed-engine uml --testbed-flavour uml --testbed-seed 1 --testbed-cpus 4"
        f" --testbed-run-dir {where}"
    )
    assert words(SCHEDULE + "\nseed = 7", times=3) == (
        f"-m testbed fuzz confirm {tmp_path}/a-bug/schedule.json --times 3 --finding a-bug"
        f" --engine uml --flavour uml --run-dir {where}"
    )
    copied = tmp_path / "a-bug" / "reproduce"
    assert words(SCRIPT + "\nseed = 7") == (
        f"-m testbed exec --engine uml --flavour uml --seed 7 --run-dir {where}"
        f" --push {copied}.sh --timeout 300 -- ./reproduce.sh"
    )
    assert words('script = "reproduce.c"').endswith(
        f"--push {copied}.c --timeout 300 -- ./reproduce"
    )


@pytest.mark.parametrize(
    ("shows", "check", "shown", "problem", "unknown"),
    [
        (TEST, check_of(**KNOWN), True, "", ""),
        (TEST, check_of("pass"), False, "", ""),
        (TEST, check_of("finding", findings=["another"]), False, "", ""),
        (TEST, check_of("skip", reason="requires 4 CPUs"), False, "requires 4 CPUs", ""),
        (TEST, check_of("fail", reason="two is not three"), False, "", "two is not three"),
        (TEST, check_of("fail", reason="x", splats=[OOPS]), False, "", UNKNOWN),
        (TEST, check_of("fail", reason="no disk", fault="environment"), False, "no disk", ""),
        (TEST, check_of("fail", reason="gone", fault="lost VM"), False, "", "gone"),
        (FAULT, check_of(name="irq-storm", **KNOWN), True, "", ""),
        (FAULT, check_of("fail", name="irq-storm", findings=["a-bug"]), True, "", ""),
        (FAULT, check_of("pass", name="irq-storm"), False, "", ""),
        (FAULT, check_of("skip", name="irq-storm", reason="not on uml"), False, "not on uml", ""),
        (
            FAULT, check_of("fail", name="irq-storm", reason="fault a never fired: 0 events"),
            False, "fault a never fired: 0 events", "",
        ),
        (FAULT, check_of("fail", name="irq-storm", splats=[OOPS]), False, "", UNKNOWN),
        (FAULT, check_of("fail", name="irq-storm", reason=GONE), False, "", ""),
        (FAULT, check_of("fail", name="irq-storm", reason=ANOTHER), False, "", ANOTHER),
        (FAULT, check_of("gone", name="irq-storm"), False, "", ""),
        (SCHEDULE, check_of(name="0123abcd", **KNOWN), True, "", ""),
        (SCHEDULE, check_of("gone", name="0123abcd"), False, "", ""),
        (SCHEDULE, check_of("fail", name="0123abcd", splats=[OOPS]), False, "", UNKNOWN),
        (SCHEDULE, check_of("skip", name="0123abcd", reason="no kernel"), False, "no kernel", ""),
        (TEST, check_of("gone"), False, "", ""),
        (TEST, check_of("fail", reason=f"card or kernel complained: {GONE}"), False, "", ""),
        (TEST, check_of("fail", reason=GONE, splats=[OOPS]), False, "", UNKNOWN),
    ],
)  # fmt: skip
def test_ends(
    shows: str, check: Mapping[str, Any], shown: bool, problem: str, unknown: str, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    done = run(tmp_path, monkeypatch, Processes(summary_of(check)), shows=shows)
    [result] = done.results
    assert (result.shown, result.problem, result.unknown) == (shown, problem, unknown)
    assert (done.shown, done.told) == (int(shown), int(not problem))
    assert done.kernel is not None
    assert done.kernel.release == RELEASE


LINE = {"kind": "kernel", "name": "x", "times": 1, "line": "kernel: WARNING: x"}
LOST = {"fault": "lost VM", "message": "it paniced"}


@pytest.mark.parametrize(
    ("more", "shown", "problem", "unknown"),
    [
        ({"command_status": 1}, True, "", ""),
        ({"command_status": 1, "seen": [LINE]}, True, "", ""),
        ({"command_status": 0}, False, "", ""),
        ({"command_status": 0, "seen": [LINE]}, False, "", "kernel: WARNING: x"),
        ({"command_status": 0, "seen": [{**LINE, "kind": "finding"}]}, False, "", ""),
        ({"command_status": 4}, False, "the script cannot tell", ""),
        ({"command_status": 127}, False, "the script ended with 127", ""),
        ({"problem": LOST, "findings": [{"id": "a-bug"}]}, True, "", ""),
        ({"problem": LOST, "seen": [LINE]}, False, "", "kernel: WARNING: x"),
        ({"problem": LOST}, False, "it paniced", ""),
    ],
)
def test_scripts_end(
    more: dict[str, Any], shown: bool, problem: str, unknown: str, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    done = run(tmp_path, monkeypatch, Processes(summary_of(**more)), shows=SCRIPT)
    [result] = done.results
    assert (result.shown, result.problem, result.unknown) == (shown, problem, unknown)


@pytest.mark.parametrize(
    ("shows", "summary"),
    [
        (TEST, summary_of(check_of("finding", findings=["another"]))),
        (FAULT, summary_of(check_of("finding", name="irq-storm", findings=["another"]))),
        (SCRIPT, summary_of(command_status=255, findings=[{"id": "another"}])),
    ],
)
def test_a_duplicate_shows_as_the_finding_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shows: str, summary: dict[str, Any]
) -> None:
    same = replace(a_finding(tmp_path, shows=shows), status=DUPLICATE, duplicate_of="another")
    monkeypatch.setattr(replays, "run_python", Processes(summary))
    assert replay(same, UML, 1, tmp_path / "runs", lambda _text: None).shown == 1


def test_no_result_says_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And of trials of which the last are missing, only those that there are."""
    done = run(tmp_path, monkeypatch, Processes(None))
    assert (done.told, done.problems, done.kernel) == (0, ["the last line"], None)
    broken = {"fault": "model", "message": "the card raised"}
    summary = summary_of(check_of(name="irq-storm", **KNOWN), problem=broken)
    done = run(tmp_path, monkeypatch, Processes(summary), shows=FAULT, times=3)
    assert (done.shown, done.told, done.problems) == (1, 1, ["the card raised"])
    assert done.model_failure == "the card raised"


def test_runs_add_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run directory is that of one that showed it; Debian tells an rc only in the log."""
    log = "[ 0.0] Linux version 7.3-amd64 (x) #1 SMP Debian 7.3~rc7-1~exp1 (2026-11-16)\n"
    processes = Processes(
        summary_of(check_of(**KNOWN), event_hash="a", kernel_release="7.3-amd64"),
        summary_of(check_of(), event_hash="b", kernel_release="7.3-amd64"), log=log,
    )  # fmt: skip
    done = run(tmp_path, monkeypatch, processes, times=2)
    assert (done.shown, done.told, dict(done.hashes)) == (1, 2, {"a": 1, "b": 1})
    assert done.run_dir == tmp_path / "runs" / "1" / "latest"
    assert done.kernel is not None
    assert str(done.kernel.version) == "7.3-rc7"


def test_event_hashes_of_a_schedule(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are of each run, as `fuzz confirm` writes them."""

    class Confirms(Processes):
        def __call__(self, words: Sequence[str], log: Path, limit_s: float) -> Ended:
            ended = super().__call__(words, log, limit_s)
            told = [{"event_hash": "aa"}, {"event_hash": "aa"}, {"event_hash": ""}]
            run_dir = Path(words[words.index("--run-dir") + 1])
            (run_dir / "latest" / replays.OUTCOMES).write_text(json.dumps(told))
            return ended

    processes = Confirms(summary_of(*[check_of(name="x", **KNOWN)] * 3))
    done = run(tmp_path, monkeypatch, processes, shows=SCHEDULE, times=3)
    assert (done.shown, done.told, dict(done.hashes)) == (3, 3, {"aa": 2})
