# SPDX-License-Identifier: GPL-2.0-only
from __future__ import annotations

from pathlib import Path

import pytest

from testbed.errors import UsageProblem
from testbed.fuzz import start
from testbed.fuzz.folder import export_corpus
from testbed.fuzz.reading import CorpusRow
from testbed.fuzz.search import BLIND, BlindSearch, GuidedSearch
from testbed.fuzz.start import Wanted, import_corpus, open_campaign, search_of
from testbed.fuzz.store import Store
from tests.unit.testbed.fuzz.simulated import schedule


@pytest.fixture(autouse=True)
def few_seeds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three."""
    seeds = [(f"seed {number}", schedule(number)) for number in range(3)]
    monkeypatch.setattr(start, "seeds", lambda *_: iter(seeds))


def test_a_new_one_begins_with_the_seeds_once(tmp_path: Path) -> None:
    with open_campaign(tmp_path, Wanted(seed=7)) as store:
        assert len(store.waiting()) == 3
        assert (store.facts()["seed"], store.facts()["flavour"]) == ("7", "uml-san")
        with store.batch():
            store._do("DELETE FROM waiting")
        assert type(search_of(store)) is GuidedSearch
    with open_campaign(tmp_path, Wanted()) as store:
        assert store.waiting() == []


def test_one_killed_before_it_had_seeds_gets_them(tmp_path: Path) -> None:
    Store.make(tmp_path, {"seed": "1", "mode": "guided", "flavour": "uml", "kernel": ""}).close()
    with open_campaign(tmp_path, Wanted()) as store:
        assert len(store.waiting()) == 3


def test_a_blind_one_begins_with_nothing(tmp_path: Path) -> None:
    with open_campaign(tmp_path, Wanted(mode=BLIND)) as store:
        assert store.waiting() == []
        assert type(search_of(store)) is BlindSearch


@pytest.mark.parametrize(
    "other",
    [Wanted(seed=2), Wanted(flavour="uml"), Wanted(kernel="7.3"), Wanted(mode=BLIND)],
)
def test_it_is_what_it_was_started_as(tmp_path: Path, other: Wanted) -> None:
    open_campaign(tmp_path, Wanted(seed=1)).close()
    open_campaign(tmp_path, Wanted(seed=1, flavour="uml-san")).close()
    with pytest.raises(UsageProblem, match=r"the campaign in .* has \w+ "):
        open_campaign(tmp_path, other)


@pytest.mark.parametrize("wrong", [Wanted(flavour="no-such"), Wanted(flavour="x86")])
def test_a_flavour_that_is_none_makes_nothing(tmp_path: Path, wrong: Wanted) -> None:
    with pytest.raises(UsageProblem, match="flavour"):
        open_campaign(tmp_path, wrong)
    assert list(tmp_path.iterdir()) == []


def test_a_corpus_is_run_by_the_kernel_that_imports_it(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    with open_campaign(tmp_path / "a", Wanted()) as store:
        row = CorpusRow(
            schedule=schedule(1).name, run=1, retired=None, features=frozenset({(1, 1)}), events={}
        )
        store.keep(row)
        export_corpus(store, tmp_path / "out")
    with open_campaign(tmp_path / "b", Wanted(mode=BLIND, flavour="uml")) as store:
        assert import_corpus(store, tmp_path / "out") == 1
        assert import_corpus(store, tmp_path / "out") == 0
        (name,) = store.waiting()
        assert '"flavour":"uml"' in store.schedule(name).text
