# SPDX-License-Identifier: GPL-2.0-only
"""A night that is killed wherever it is, and gone on with; budget and retries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from testbed.errors import UsageProblem
from testbed.nightly.config import NightlyConfig
from testbed.nightly.run import NIGHTS, leading, night_of, prune, run_night
from testbed.nightly.store import Store
from testbed.nightly.workers import OneByOne
from tests.unit.testbed.nightly.nights import CONFIG, Killed, Processes, check, config

NOW = "2026-11-22T01:00:00Z"


def good(_words: Sequence[str]) -> Sequence[Mapping[str, object]]:
    return [check("test_a"), check("test_b")]


def go_on(
    folder: Path, told: NightlyConfig, processes: Processes, *, new: bool = False,
    minutes: float | None = None,
) -> None:  # fmt: skip
    """As the command does: open everything, run, say that the night is over."""
    with leading(folder), Store.open(folder) as store:
        night = night_of(store, told, NOW, new=new, minutes=minutes)
        run_night(store, night, told, folder, OneByOne(folder, processes), lambda _text: None)
        store.end(night, NOW)


def test_every_cell_is_run_once(tmp_path: Path) -> None:
    processes = Processes(good)
    go_on(tmp_path, config(tmp_path), processes)
    on_qemu, faults, on_uml = (" ".join(words) for words in processes.words)
    assert "--testbed-engine qemu --testbed-kernel 7.2 --testbed-seed 1" in on_qemu
    assert "faults run irq-storm" in faults
    assert faults.endswith("--activity")
    assert "--testbed-activity" in on_uml
    assert "--testbed-engine uml --testbed-flavour uml --testbed-kernel 7.2" in on_uml


@pytest.mark.parametrize("dies", [1, 2, 3])
def test_a_killed_night_is_gone_on_with(dies: int, tmp_path: Path) -> None:
    told = config(tmp_path)
    with pytest.raises(Killed):
        go_on(tmp_path, told, Processes(good, dies))
    rest = Processes(good)
    go_on(tmp_path, told, rest)
    assert len(rest.words) == 4 - dies, "what had ended is not run again, what was killed is"
    with Store.open(tmp_path) as store:
        (night,) = store.nights()
        assert night.ended_at == NOW
        assert len(store.attempts()) == 3


def test_killed_twice_and_in_a_retry(tmp_path: Path) -> None:
    told = config(tmp_path)

    def one_fails(_words: Sequence[str]) -> Sequence[Mapping[str, object]]:
        return [check("test_a", "fail"), check("test_b")]

    for dies in (2, 1):
        with pytest.raises(Killed):
            go_on(tmp_path, told, Processes(one_fails, dies))
    rest = Processes(one_fails)
    go_on(tmp_path, told, rest)
    retry = rest.words[0]
    assert any(word.endswith("test_restart.py::test_a") for word in retry)
    assert not any(word.endswith("test_b") for word in retry), "only what failed is tried again"
    with Store.open(tmp_path) as store:
        assert len(store.attempts()) == 6, "three cells, each tried twice"


def test_the_night_that_is_over_is_not_gone_on_with(tmp_path: Path) -> None:
    told = config(tmp_path)
    go_on(tmp_path, told, Processes(good))
    go_on(tmp_path, told, Processes(good))
    with Store.open(tmp_path) as store:
        assert [one.number for one in store.nights()] == [1, 2]


def test_a_night_may_be_left(tmp_path: Path) -> None:
    told = config(tmp_path)
    with pytest.raises(Killed):
        go_on(tmp_path, told, Processes(good, 2))
    rest = Processes(good)
    go_on(tmp_path, told, rest, new=True)
    assert len(rest.words) == 3
    with Store.open(tmp_path) as store:
        assert [bool(one.ended_at) for one in store.nights()] == [True, True]


def test_a_night_goes_on_with_its_own_cells(tmp_path: Path) -> None:
    told = config(tmp_path)
    with pytest.raises(Killed):
        go_on(tmp_path, told, Processes(good, 1))
    rest = Processes(good)
    go_on(tmp_path, config(tmp_path, CONFIG + "[[job]]\n"), rest)
    assert len(rest.words) == 3


def test_the_budget_ends_a_night(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Store, "spent_s", lambda store, night: 30.0 * len(store.attempts()))
    processes = Processes(good)
    go_on(tmp_path, config(tmp_path), processes, minutes=1)
    assert len(processes.words) == 2
    processes = Processes(good)
    go_on(tmp_path, config(tmp_path), processes, minutes=2)
    assert "--testbed-engine uml" in " ".join(processes.words[0]), "the cell left out is first"


def test_two_at_once_are_refused(tmp_path: Path) -> None:
    with (
        leading(tmp_path),
        pytest.raises(UsageProblem, match="is running: process"),
        leading(tmp_path),
    ):
        pass


def test_nothing_to_run(tmp_path: Path) -> None:
    text = CONFIG.replace('engines = ["qemu", "uml"]', 'engines = ["qemu"]')
    told = config(tmp_path, text[: text.index("[[suite]]")] + "[[coverage]]\n")
    with Store.open(tmp_path) as store, pytest.raises(UsageProblem, match="no work"):
        night_of(store, told, NOW, new=False, minutes=None)


def test_old_files_go_and_the_history_stays(tmp_path: Path) -> None:
    told = config(tmp_path)
    for _ in range(3):
        go_on(tmp_path, told, Processes(good))
    (tmp_path / NIGHTS / "mine").mkdir()
    with Store.open(tmp_path) as store:
        prune(tmp_path, store.nights()[-1], 2)
        assert len(list(store.results(1))) == 18
    assert {path.name for path in (tmp_path / NIGHTS).iterdir()} == {"2", "3", "mine"}
