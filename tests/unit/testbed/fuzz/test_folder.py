# SPDX-License-Identifier: GPL-2.0-only
from __future__ import annotations

import json
from pathlib import Path

import pytest

from testbed.errors import UsageProblem
from testbed.fuzz.folder import (
    HEAD,
    ask_to_stop,
    export_corpus,
    folder_of,
    is_led,
    leading,
    read_corpus,
    schedule_named,
)
from testbed.fuzz.reading import CorpusRow
from testbed.fuzz.store import Store
from tests.unit.testbed.fuzz.simulated import schedule


def test_a_name_is_no_path(tmp_path: Path) -> None:
    assert folder_of("night-1", tmp_path) == tmp_path / "fuzz-night-1"
    for bad in ("", "..", "a/b", "-x", "a" * 65):
        with pytest.raises(UsageProblem, match="is no name for a campaign"):
            folder_of(bad, tmp_path)


def test_one_process_leads(tmp_path: Path) -> None:
    assert not is_led(tmp_path)
    with pytest.raises(UsageProblem, match="is not running"):
        ask_to_stop(tmp_path)
    with leading(tmp_path):
        assert is_led(tmp_path)
        with pytest.raises(UsageProblem, match="is running: process"), leading(tmp_path):
            pass
        ask_to_stop(tmp_path)
    assert not is_led(tmp_path)


def test_a_corpus_goes_out_and_comes_in(tmp_path: Path) -> None:
    store, out = Store.make(tmp_path, {"release": "7.2.12"}), tmp_path / "out"
    for seed in (1, 2, 3):
        store.add_schedule(schedule(seed), "", "blind")
        row = CorpusRow(
            schedule=schedule(seed).name, run=seed, retired=9 if seed == 3 else None,
            features=frozenset({(seed, 1)}), events={},
        )  # fmt: skip
        store.keep(row)
    assert export_corpus(store, out) == 2
    assert sorted(path.stem for path in out.glob("*.json") if path.name != HEAD) == sorted(
        schedule(seed).name for seed in (1, 2)
    )
    assert {one.name for one in read_corpus(out)} == {schedule(1).name, schedule(2).name}
    assert json.loads((out / HEAD).read_text())["kernel"] == "7.2.12"


@pytest.mark.parametrize(
    ("head", "said"),
    [
        ('{"format": 7}', "a corpus of format 7, this testbed reads format 1"),
        ("{}", "cannot be read"),
        ("nonsense", "cannot be read"),
        ("[]", "cannot be read"),
    ],
)
def test_another_format_is_refused(tmp_path: Path, head: str, said: str) -> None:
    (tmp_path / HEAD).write_text(head)
    with pytest.raises(UsageProblem, match=said):
        read_corpus(tmp_path)


def test_a_bad_schedule_in_a_corpus_is_named(tmp_path: Path) -> None:
    (tmp_path / HEAD).write_text('{"format": 1}')
    (tmp_path / "abc.json").write_text('{"version": 1, "workload": "no-such", "seed": 1}')
    with pytest.raises(UsageProblem, match=r"abc\.json: workload"):
        read_corpus(tmp_path)


def test_a_schedule_is_named_by_file_or_hash(tmp_path: Path) -> None:
    store = Store.make(tmp_path, {})
    store.add_schedule(schedule(5), "", "blind")
    (tmp_path / "s.json").write_text(schedule(6).text)
    assert schedule_named(schedule(5).name[:5], tmp_path) == schedule(5)
    assert schedule_named(str(tmp_path / "s.json"), tmp_path) == schedule(6)
