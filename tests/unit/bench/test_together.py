# SPDX-License-Identifier: GPL-2.0-only
"""All bugs in one kernel: which bug it was, what is switched off, and when."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from testbed.fuzz.bench import Trial
from testbed.fuzz.campaign import STOP, View
from testbed.fuzz.outcome import Complaint, Ended, Outcome
from testbed.fuzz.parts import RUN_S
from testbed.fuzz.schedule import Schedule
from tests.bench import together
from tests.bench.together import Hunt, Switched, UmlGuests, cause, main, summary, table
from tests.bug_bench.table import BUGS, HELD_OUT, TOGETHER
from tests.unit.testbed.fuzz.campaigns import LOST, MEMORY, OLD, WARN, MadeUp, schedule

BENCH = Switched()
NAMES = BENCH.names
ONE, TWO, THREE = NAMES[0], NAMES[4], NAMES[-1]
ALL = frozenset(NAMES)


@dataclass
class Kernel:
    """Shows MEMORY with ONE, WARN with TWO and THREE together, OLD always; of ``behind`` nothing
    but with ONE mended: MEMORY, too.

    ``shown``: schedule -> all that it can show, if that is less.
    """

    asked: list[frozenset[str]] = field(default_factory=list)
    behind: str = ""
    shown: dict[str, tuple[Complaint, ...]] = field(default_factory=dict)

    def __call__(self, one: Schedule, bugs: frozenset[str]) -> Outcome:
        assert isinstance(bugs, frozenset), "whoever runs it remembers what it has run"
        self.asked.append(bugs)
        shown = [OLD]
        shown += [MEMORY] * (self.behind in bugs and ONE not in bugs)
        shown += [MEMORY] * (ONE in bugs) + [WARN] * ({TWO, THREE} <= bugs)
        shown = [each for each in shown if each in self.shown.get(one.name, shown)]
        return Outcome(schedule=one.name, ended=Ended.DONE, complaints=tuple(shown))


@dataclass
class Pool:
    """Runs have the bugs that are there when they are added."""

    there: frozenset[str] = ALL
    given: dict[int, frozenset[str]] = field(default_factory=dict)

    def have(self, bugs: frozenset[str]) -> None:
        self.there = bugs


class Campaign:
    """One that grows by runs, and who looks at it."""

    def __init__(self, folder: Path) -> None:
        self.made, self.pool, self.kernel = MadeUp(folder), Pool(), Kernel()
        self.told: list[str] = []
        self.hunt = Hunt(
            self.made.store, self.pool, self.kernel, "guided", 1, 60.0, NAMES, tell=self.told.append
        )

    def run(self, *shown: Complaint, at: float) -> None:
        self.pool.given[self.made.number + 1] = self.pool.there
        made = schedule(LOST, seed=self.made.number)
        self.kernel.shown[made.name] = shown
        self.made.run(made, *shown, at=at)

    def look(self, seconds: float) -> None:
        totals = self.made.store.totals()
        self.hunt.look(
            View(
                totals=totals, per_second=0, seconds=seconds, left_s=None, waiting=0, ending="",
                doing={}, workers=1,
            )
        )  # fmt: skip

    def stopped(self) -> bool:
        return self.made.store.path.with_name(STOP).exists()


@pytest.mark.parametrize("patch", [TOGETHER, HELD_OUT], ids=lambda path: path.stem)
def test_a_patch_uses_the_switches_that_it_declares(patch: Path) -> None:
    used = set(re.findall(r"BENCH_BUG\((\w+)\)", patch.read_text(encoding="utf-8"))) - {"name"}
    assert used == {name.replace("-", "_") for name in Switched(patch).names}


def test_a_switch_is_a_bit_and_the_line_always_equally_long() -> None:
    assert BENCH.on(frozenset()) == "bug_bench=0x00000000"
    assert BENCH.on(frozenset([NAMES[0], NAMES[5]])) == "bug_bench=0x00000021"
    assert len(BENCH.on(frozenset(NAMES))) == len(BENCH.on(frozenset()))
    assert len(NAMES) < 64, "bits of an unsigned long"


def test_they_are_the_bugs_of_the_bench_in_that_order() -> None:
    assert tuple(bug.name for bug in BUGS) == NAMES


@pytest.mark.parametrize(
    ("signature", "there", "wanted"),
    [
        (MEMORY.signature, ALL, ONE),
        (MEMORY.signature, ALL - {ONE}, ""),
        (WARN.signature, ALL, ""),
        (OLD.signature, ALL, ""),
        ("memory: elsewhere", ALL, ""),
    ],
)
def test_a_signature_is_of_the_bug_that_shows_it_alone(
    signature: str, there: frozenset[str], wanted: str
) -> None:
    assert cause(Kernel(), schedule(), signature, there) == wanted


def test_what_showed_so_before_is_tried_first() -> None:
    kernel = Kernel()
    assert cause(kernel, schedule(), MEMORY.signature, ALL, guess=ONE) == ONE
    assert kernel.asked == [frozenset([ONE]), frozenset()]
    assert cause(kernel, schedule(), MEMORY.signature, ALL, guess=TWO) == ONE
    assert cause(kernel, schedule(), OLD.signature, ALL, guess=ONE) == ""


def test_a_run_that_tells_bugs_apart_may_take_longer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once its bug was taken for found by none: the run with that bug alone was cut off."""
    limits = list[float]()

    class Slow:
        def __init__(self, *_: object) -> None: ...
        def append(self, _: str) -> None: ...
        def run(self, one: Schedule, limit_s: float = RUN_S) -> Outcome:
            limits.append(limit_s)
            return Outcome(schedule=one.name, ended=Ended.DONE)

    monkeypatch.setattr(together, "Executor", Slow)
    UmlGuests(tmp_path, "linux", BENCH)(schedule(), frozenset([ONE]))
    assert limits == [3 * RUN_S]


def test_a_bug_that_was_found_is_switched_off(tmp_path: Path) -> None:
    one = Campaign(tmp_path)
    one.run(OLD, at=1.0)
    one.run(OLD, MEMORY, at=2.0)
    one.run(MEMORY, at=3.0)
    one.look(3.5)
    assert one.pool.there == ALL - {ONE}
    (trial,) = one.hunt.found.values()
    assert (trial.bug, trial.runs, trial.signature) == (ONE, 2, MEMORY.signature)
    assert trial.signatures == 1
    assert len(one.told) == 1
    asked = len(one.kernel.asked)
    one.run(OLD, at=4.0)
    one.look(4.5)
    assert len(one.kernel.asked) == asked, "neither what is known nor what was seen is tried again"
    one.run(WARN, at=5.0)
    one.look(5.5)
    assert one.pool.there == ALL - {ONE}, "what takes two says nothing of either"
    assert one.told[1:] == [f"guided 1: run 5: of no one bug: {WARN.signature}"]
    found = {trial.bug: trial for trial in one.hunt.trials()}
    assert len(found) == len(NAMES)
    assert sum(trial.found for trial in found.values()) == 1
    assert found[NAMES[1]].runs == 5


def test_what_a_bug_hid_shows_once_it_is_mended(tmp_path: Path) -> None:
    one = Campaign(tmp_path)
    one.kernel.behind = NAMES[7]
    one.run(MEMORY, at=2.0)
    one.look(2.5)
    assert one.pool.there == ALL - {ONE, NAMES[7]}, "though both show the same"
    assert {trial.runs for trial in one.hunt.found.values()} == {1}


def test_an_equal_signature_may_be_of_another_bug_later(tmp_path: Path) -> None:
    one = Campaign(tmp_path)
    one.run(MEMORY, at=1.0)
    one.look(1.5)
    one.run(MEMORY, at=2.0)  # with the bug switched off
    asked = len(one.kernel.asked)
    one.look(2.5)
    assert len(one.kernel.asked) > asked
    assert one.pool.there == ALL - {ONE}


def test_a_kernel_without_the_switches_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["--out", str(tmp_path / "out"), "--kernel", str(tmp_path / "linux")])
    assert f"was not built with {TOGETHER}" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (None, "No such file"),
        ("+\tbug = 1;\n", "declares no BUG_NAME"),
        (b"\xff\n", "decode"),
        ("".join(f"+\tBUG_b{n},\n" for n in range(65)), "declares over 64 bugs"),
    ],
)
def test_a_patch_without_switches_is_refused(
    text: str | bytes | None, problem: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    patch = tmp_path / "own.patch"
    if text is not None:
        patch.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(SystemExit):
        main(["--out", str(tmp_path / "out"), "--kernel", "linux", "--bugs", str(patch)])
    said = capsys.readouterr().err
    assert str(patch) in said
    assert problem in said
    assert not (tmp_path / "out").exists()


def test_the_clock_stands_while_bugs_are_told_apart(tmp_path: Path) -> None:
    one = Campaign(tmp_path)
    one.hunt.pauses.append((10.0, 30.0))
    one.look(61.0)
    assert not one.stopped()
    one.run(MEMORY, at=70.0)
    one.look(70.5)
    assert round(one.hunt.found[ONE].seconds) == 40
    one.look(91.5)
    assert one.stopped()


def test_a_row_of_the_table_is_of_those_that_found_the_bug() -> None:
    trials = [
        Trial(bug=ONE, mode=mode, seed=seed, seconds=seconds, runs=1, limit_s=9.0, faults=faults,
              signatures=signatures, signature="s" * signatures)
        for mode, seed, seconds, faults, signatures in (
            ("guided", 1, 3.0, 2, 1), ("guided", 2, 5.0, 0, 3), ("blind", 1, 8.0, 0, 0),
            ("blind", 2, 2.0, 7, 1),
        )
    ]  # fmt: skip
    rows = list(table(NAMES, trials))
    assert f"| {ONE} | 2 of 2 | 4 | 2 | 3 | 1 of 2 | 2 | 7 | 1 |" in rows
    assert f"| {TWO} | 0 of 0 | - | - | - | 0 of 0 | - | - | - |" in rows
    assert {row.count("|") for row in rows} == {10}


def test_the_summary_pairs_what_ran_side_by_side() -> None:
    trials = [
        Trial(bug=bug, mode=mode, seed=seed, seconds=1.0, runs=1, limit_s=9.0,
              signature="s" if count > number else "")
        for mode, seed, count in (
            ("guided", 1, 3), ("blind", 1, 2), ("guided", 2, 1), ("blind", 2, 1),
        )
        for number, bug in enumerate(NAMES)
    ]  # fmt: skip
    assert f"| bugs of {len(NAMES)} | guided | blind | guided has more |" in summary(NAMES, trials)
    assert "| found | 2 (1-3) | 2 (1-2) | 1 of 2 seeds |" in summary(NAMES, trials)
