# SPDX-License-Identifier: GPL-2.0-only
"""Nights without guests: a small config, processes that only write a summary, histories."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from testbed.host.child import Ended
from testbed.nightly.cell import Cell, KernelSource
from testbed.nightly.config import NightlyConfig, load
from testbed.nightly.reading import Attempt, Result, Value
from testbed.nightly.store import Night, Store
from testbed.report.blamed import BlamedOutcome

CONFIG = """
name = "net"
minutes = 60
retries = 1

[[kernel]]
name = "7.2"
version = "7.2"
engines = ["qemu", "uml"]

[[suite]]
suites = ["rings"]

[[faults]]
faults = ["irq-storm"]
engines = ["uml"]
"""
PLACE = "7.2 · uml · plain"
WORK = "suite"
COMMIT = {"repository commit": "c0ffee"}
DAY = "2026-11-%02dT01:00:00Z"


def config(folder: Path, text: str = CONFIG) -> NightlyConfig:
    """``text`` as nightly.toml in ``folder``, read."""
    file = folder / "nightly.toml"
    file.write_text(text, encoding="utf-8")
    return load(file)


def cell(kind: str = WORK, **facts: Any) -> Cell:
    """A cell on UML."""
    known = {
        "kind": kind, "work": kind, "kernel": "7.2", "engine": "uml", "card": "plain",
        "source": KernelSource(given="7.2"), "targets": ("tests/suite/rings",),
    }  # fmt: skip
    return Cell(**{**known, **facts})


def check(name: str, outcome: str = "pass", **facts: object) -> dict[str, object]:
    """One check of a summary, as the suite's plugin writes it."""
    group = "tests/suite/rings/test_restart.py"
    return {"name": name, "group": group, "outcome": outcome, "seconds": 0.5, **facts}


Say = Callable[[Sequence[str]], Sequence[Mapping[str, object]]]


class Processes:
    """Stands for every process of a night: writes the summary that ``say`` makes of its words.

    ``key`` is that of the kernel, ``dies`` the number (from 1) of the process that ends the leader
    with it, as a kill does.
    """

    def __init__(self, say: Say, dies: int = 0, key: str = "k1") -> None:
        self.say = say
        self.key = key
        self.dies = dies
        self.words: list[list[str]] = []

    def __call__(self, words: Sequence[str], log: Path, limit_s: float, *, folder: Path) -> Ended:
        self.words.append(list(words))
        if len(self.words) == self.dies:
            raise Killed
        if "build" in words:
            return Ended(0, ["/cache/linux"], timed_out=False)
        run = folder / "run" / "20261122-000000-abcdef"
        run.mkdir()
        document = {
            "verdict": "pass", "kernel_release": "7.2.12", "checks": list(self.say(words)),
            "provenance": {**COMMIT, "kernel key": self.key},
        }  # fmt: skip
        (run / "summary.json").write_text(json.dumps(document))
        (run / "summary.html").write_text("<!doctype html>")
        (run.parent / "latest").symlink_to(run.name)
        return Ended(0, ["the end"], timed_out=False)


class Killed(BaseException):
    """SIGKILL in the form in which a test can see it."""


def result(test: str, outcome: str = "pass", **facts: Any) -> Result:
    """One result, named as the store has it."""
    return Result(test=f"{WORK} {test}", outcome=BlamedOutcome(outcome), target=test, **facts)


def attempt(*results: Result, values: Sequence[Value] = (), **facts: Any) -> Attempt:
    """An attempt with these results."""
    known = {"verdict": "pass", "release": "7.2.12", "commit": "c0ffee", "seconds": 60.0}
    return Attempt(**{**known, **facts}, results=results, values=tuple(values))


def add_night(store: Store, *attempts: Attempt, of: Cell | None = None, over: bool = True) -> Night:
    """One more night of one cell, with these attempts."""
    number = len(store.nights()) + 1
    one = of or cell()
    night = store.begin(DAY % number, 60.0, [one])
    for tries, found in enumerate(attempts, 1):
        store.add(night, one, tries, found, f"nights/{number}/{one.folder}/{tries}")
    if over:
        store.end(night, DAY % number)
    return night
