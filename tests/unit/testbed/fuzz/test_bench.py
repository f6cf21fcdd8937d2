# SPDX-License-Identifier: GPL-2.0-only
"""The bench: when a bug counts as found, what the table says, and that nothing is done twice."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from testbed.errors import UsageProblem
from testbed.fuzz.bench import (
    Bug,
    Detector,
    Results,
    Row,
    Trial,
    bugs_in,
    part_of,
    rows,
    share,
    trial_of,
)
from testbed.fuzz.outcome import Complaint, Ended, Outcome
from testbed.fuzz.schedule import Schedule
from tests.unit.testbed.fuzz.campaigns import LOST, MEMORY, OLD, REFUSED, WARN, MadeUp, schedule


class Clean:
    """The kernel without the bug: shows WARN whenever LOST is injected."""

    def __init__(self, ended: Ended = Ended.DONE) -> None:
        self.asked: list[Schedule] = []
        self.ended = ended

    def __call__(self, one: Schedule) -> Outcome:
        self.asked.append(one)
        lost = any(fault["id"] == "lost" for fault in one.faults)
        return Outcome(schedule=one.name, ended=self.ended, complaints=(WARN,) * lost)


def campaign(tmp_path: Path, *complaints: Complaint) -> MadeUp:
    made = MadeUp(tmp_path)
    made.run(schedule(REFUSED, seed=1), at=3.0)
    made.run(schedule(REFUSED, seed=9), ended=Ended.ENVIRONMENT, at=4.0)
    made.run(schedule(LOST, seed=2, kernel="/cache/linux"), *complaints, at=7.5)
    made.run(schedule(LOST, seed=3, kernel="/cache/linux"), *complaints, at=9.0)
    return made


def test_what_the_clean_kernel_shows_is_not_the_bug(tmp_path: Path) -> None:
    clean = Clean()
    detector = Detector(clean)
    made = campaign(tmp_path, WARN, OLD)
    assert detector.found(made.store) == []
    assert [one.kernel for one in clean.asked] == [None], (
        "on the clean one; what is known is not asked"
    )
    made.run(schedule(LOST, REFUSED, seed=4), WARN, MEMORY)
    assert detector.found(made.store) == [MEMORY.signature]
    assert detector.found(made.store) == [MEMORY.signature]
    assert len(clean.asked) == 2, "each signature once"


def test_a_host_in_the_way_is_asked_again(tmp_path: Path) -> None:
    clean = Clean(Ended.ENVIRONMENT)
    detector = Detector(clean)
    made = campaign(tmp_path, MEMORY)
    assert detector.found(made.store) == []
    clean.ended = Ended.DONE
    assert detector.found(made.store) == [MEMORY.signature]


def test_trial(tmp_path: Path) -> None:
    store = campaign(tmp_path, MEMORY).store
    one = trial_of(store, [MEMORY.signature], bug="b", mode="guided", seed=1, limit_s=60, load=3.5)
    assert (one.seconds, one.runs, one.faults, one.signatures) == (7.5, 2, 1, 1)
    assert (one.cpu_s, one.load) == (pytest.approx(0.8), 3.5), "two runs of 0.4 s until then"
    assert one.found
    none = trial_of(store, [], bug="b", mode="guided", seed=1, limit_s=60)
    assert (none.seconds, none.runs, none.found) == (9.0, 3, False)
    assert none.cpu_s == pytest.approx(1.2)


def test_what_follows_from_one_bug_is_not_another(tmp_path: Path) -> None:
    leak = Complaint(signature="leak: page pool outlives its driver", oracle="leak")
    store = campaign(tmp_path, MEMORY, leak, WARN).store
    names = [MEMORY.signature, leak.signature, WARN.signature]
    found = trial_of(store, names, bug="b", mode="guided", seed=1, limit_s=60)
    assert found.signatures == 2, "the leak is what one of the others leaves behind"


def trial(bug: str = "b", mode: str = "guided", seed: int = 1, seconds: float = 0.0) -> Trial:
    return Trial(
        bug=bug, mode=mode, seed=seed, seconds=seconds or 60.0, runs=int(seconds), limit_s=60,
        signature="memory: f" if seconds else "", signatures=bool(seconds),
    )  # fmt: skip


def test_medians_count_what_was_not_found() -> None:
    """As if it took for ever: two of three at least have to find it for a median."""
    two = [trial(seed=1, seconds=10), trial(seed=2, seconds=30), trial(seed=3)]
    assert Row.of("b", "guided", two) == Row(
        bug="b", mode="guided", trials=3, found=2, seconds=30, runs=30, signatures=1
    )
    one = Row.of("b", "guided", [two[0], two[2], two[2]])
    assert (one.found, one.seconds, one.signatures) == (1, None, 1)
    assert Row.of("b", "guided", [two[2]]).signatures is None


def test_table_and_share() -> None:
    all_of_it = [
        trial("b", "blind"),
        trial("a", "guided", seconds=5),
        trial("b", "guided", seconds=9),
    ]
    found = [(one.bug, one.mode) for one in rows(all_of_it)]
    assert found == [("a", "guided"), ("b", "guided"), ("b", "blind")]
    assert (share(all_of_it, "guided"), share(all_of_it, "blind")) == ([2, 2], [0, 1])


def test_results_are_kept(tmp_path: Path) -> None:
    results = Results(tmp_path / "out")
    assert results.get("b", "guided", 1) is None
    results.add(trial(seconds=7))
    assert Results(tmp_path / "out").get("b", "guided", 1) == trial(seconds=7)
    results.write_tables([trial(seconds=7), trial(mode="blind")])
    lines = (tmp_path / "out" / "trials.csv").read_text().splitlines()
    assert lines[0].startswith("bug,mode,seed,seconds,runs,limit_s,signature")
    assert len(lines) == 3
    told = json.loads((tmp_path / "out" / "bench.json").read_text())
    assert told["found"] == {"guided": [1, 1], "blind": [0, 1]}
    assert told["medians"][0]["seconds"] == 7


def test_whatever_is_done(tmp_path: Path) -> None:
    """Of any command that had the folder; campaigns that are not done do not count."""
    results = Results(tmp_path)
    several = [trial("a", "blind", 1), trial("b", "guided", 2, 5), trial("a", "guided", 10, 5)]
    for one in several:
        results.add(one)
    results.place("c", "guided", 1).mkdir(parents=True)
    (tmp_path / "bench.json").write_text("{}")
    assert results.all() == [several[2], several[0], several[1]]
    assert Results(tmp_path / "none").all() == []


def test_a_trial_of_an_earlier_version(tmp_path: Path) -> None:
    """It says nothing of CPU time and load."""
    results = Results(tmp_path)
    path = results.place("b", "guided", 1).with_suffix(".json")
    path.parent.mkdir()
    path.write_text(
        '{"bug": "b", "mode": "guided", "seed": 1, "seconds": 1, "runs": 2, "limit_s": 3}'
    )
    assert results.get("b", "guided", 1) == Trial(
        bug="b", mode="guided", seed=1, seconds=1, runs=2, limit_s=3
    )


def test_parts_are_all_of_it() -> None:
    bugs = [Bug(name, Path(name)) for name in "abcde"]
    parts = [part_of(bugs, f"{number}/3") for number in (1, 2, 3)]
    assert [one.name for part in parts for one in part] == ["a", "d", "b", "e", "c"]
    assert part_of(bugs, "1/1") == bugs


@pytest.mark.parametrize("wrong", ["", "2", "0/3", "4/3", "1/0", "-1/3", "a/b", "1/3/5"])
def test_what_is_no_part(wrong: str) -> None:
    with pytest.raises(UsageProblem, match=r"wanted is I/N"):
        part_of([], wrong)


def test_a_file_that_is_no_trial(tmp_path: Path) -> None:
    results = Results(tmp_path)
    results.add(trial(seconds=7))
    results.place("b", "guided", 1).with_suffix(".json").write_text("[]")
    with pytest.raises(UsageProblem, match="is no trial"):
        results.get("b", "guided", 1)


def test_patches_and_folders(tmp_path: Path) -> None:
    (tmp_path / "more" / "deep").mkdir(parents=True)
    for name in ("b.patch", "a.patch", "more/deep/series", "more/c.patch", "more/table.py"):
        (tmp_path / name).touch()
    assert bugs_in([tmp_path / "b.patch", tmp_path / "more"]) == [
        Bug("b", tmp_path / "b.patch"), Bug("c", tmp_path / "more" / "c.patch"),
        Bug("deep", tmp_path / "more" / "deep"),
    ]  # fmt: skip
    assert [one.name for one in bugs_in([tmp_path / "more" / "deep"])] == ["deep"]
    with pytest.raises(UsageProblem, match="two bugs are called a"):
        bugs_in([tmp_path, tmp_path / "a.patch"])
    with pytest.raises(UsageProblem, match="no patch and no folder"):
        bugs_in([tmp_path / "missing"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageProblem, match="holds no"):
        bugs_in([tmp_path / "empty"])
