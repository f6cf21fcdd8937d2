# SPDX-License-Identifier: GPL-2.0-only
"""A campaign from its first start to its last: made, and gone on with."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

import testbed
from testbed.engines.open import build_options
from testbed.errors import UsageProblem
from testbed.fuzz.folder import read_corpus
from testbed.fuzz.generate import Environment
from testbed.fuzz.parts import Search
from testbed.fuzz.reading import FILE_NAME, Reader
from testbed.fuzz.search import BLIND, GUIDED, BlindSearch, GuidedSearch
from testbed.fuzz.seeds import seeds
from testbed.fuzz.store import Store
from testbed.report.rundir import now_utc

_DEFAULTS = {"flavour": "uml-san", "kernel": "", "seed": "1", "mode": GUIDED}


class FailOn(StrEnum):
    """What makes a check of a campaign fail."""

    NEW = "new"
    NONDETERMINISTIC = "nondeterministic"


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What a campaign is to be; None where nothing was said."""

    flavour: str | None = None
    kernel: str | None = None
    seed: int | None = None
    mode: str | None = None
    corpus: Path | None = None

    def facts(self) -> dict[str, str]:
        """What was said, as the store has it."""
        given = {
            "flavour": self.flavour, "kernel": self.kernel, "mode": self.mode,
            "seed": None if self.seed is None else str(self.seed),
        }  # fmt: skip
        return {key: value for key, value in given.items() if value is not None}


def open_campaign(folder: Path, wanted: Wanted) -> Store:
    """The store of a campaign that is there or that is made now, with what it begins with.

    Raises UsageProblem if the one that is there is not as wanted.
    """
    if (folder / FILE_NAME).exists():
        store = Store.open(folder)
        for key, value in wanted.facts().items():
            there = store.facts().get(key, "")
            if there != value:
                store.close()
                raise UsageProblem(
                    f"the campaign in {folder} has {key} {there or 'of the pinned kernel'!r}, "
                    f"not {value!r}",
                    remedy="say nothing of it to go on, or start another one with --name",
                )
    else:
        if wanted.corpus is not None:
            read_corpus(wanted.corpus)
        build_options(
            {"engine": "uml", "flavour": wanted.flavour, "kernel": wanted.kernel, "coverage": True}
        )
        facts = {**_DEFAULTS, **wanted.facts(), "engine": "uml", "started_at": now_utc()}
        store = Store.make(folder, {**facts, "testbed": testbed.__version__})
    _seed(store)
    if wanted.corpus is not None:
        import_corpus(store, wanted.corpus)
    return store


def _seed(store: Store) -> None:
    """Have the seeds run first, what is new in it at a later start; a blind search begins
    with nothing."""
    facts = store.facts()
    if facts["mode"] == BLIND:
        return
    with store.batch():
        for label, schedule in seeds(facts["flavour"], facts["kernel"] or None):
            store.enqueue(schedule, label, "seed")


def import_corpus(store: Store, place: Path) -> int:
    """Have the schedules of a folder run by this campaign's kernel; how many are new to it.

    Raises UsageProblem, ConfigProblem.
    """
    facts = store.facts()
    found = [
        replace(one, flavour=facts["flavour"], kernel=facts["kernel"] or None)
        for one in read_corpus(place)
    ]
    with store.batch():
        return sum(store.enqueue(one, str(place), "import") for one in found)


def search_of(store: Reader) -> Search:
    """Who makes up its schedules."""
    facts = store.facts()
    environment = Environment(flavour=facts["flavour"], kernel=facts["kernel"] or None)
    kind = BlindSearch if facts["mode"] == BLIND else GuidedSearch
    return kind(int(facts["seed"]), environment)
