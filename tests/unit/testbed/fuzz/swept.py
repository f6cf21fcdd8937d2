# SPDX-License-Identifier: GPL-2.0-only
"""Sweeps to look at: a corpus of three entries, and many schedules made of it."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from random import Random

from testbed.fuzz.allocating import PAGES, SLAB, Allocates
from testbed.fuzz.corpus import Entry
from testbed.fuzz.feature_sets import Numbers
from testbed.fuzz.generate import Environment
from testbed.fuzz.going_wrong import Kind
from testbed.fuzz.met import Places, Shown
from testbed.fuzz.parts import Made
from testbed.fuzz.schedule import Schedule
from testbed.fuzz.sweep import Sweep

UML = Environment()
BOTH = frozenset({SLAB, PAGES})
FUNCTIONS = {
    "bnxt_open": Allocates(100, 200, BOTH),
    "bnxt_restart": Allocates(200, 300, frozenset({SLAB})),
    "io_register_zcrx": Allocates(400, 500, BOTH, {"io_pin_pages": frozenset({SLAB})}),
}
OF_ZCRX = {"io_register_zcrx slab", "io_register_zcrx pages", "io_pin_pages slab"}
OF_OPENING = {"bnxt_open slab", "bnxt_open pages"}
PARENTS = {
    "a": Schedule(workload="zcrx", seed=1),
    "b": Schedule(workload="restart", seed=1),
    "c": Schedule(workload="stream", seed=1),
}
NUMBERS = Numbers()


def entry(name: str, *edges: int) -> Entry:
    """Of the corpus."""
    features = NUMBERS.of([*((edge, 1) for edge in edges), "hwrm-:BOOT>VER_GET"])
    return Entry(name, 10, features, {})


ENTRIES = [
    replace(entry("a", 150, 450), events={
        "hwrm.request:VNIC_CFG": 2, "hwrm.answer:VNIC_CFG": 2, "cqe.write": 50, "tx.frame": 100,
    }),
    replace(entry("b", 150, 250), events={
        "hwrm.request:RING_ALLOC": 4, "hwrm.answer:RING_ALLOC": 4, "rx.frame": 9,
    }),
    replace(entry("c", 150), events={"rx.frame": 400}),
]  # fmt: skip


def shown() -> list[Shown]:
    places = Places(FUNCTIONS)
    return [places.shown(one) for one in ENTRIES]


def swept(count: int, tried: Counter[str] | None = None, entries: list[Shown] | None = None,
          environment: Environment = UML) -> list[Made]:  # fmt: skip
    """Many, each drawn from a seed of its own."""
    entries = shown() if entries is None else entries
    made = [
        Sweep(Random(seed), environment).made(entries, PARENTS.__getitem__, tried or Counter())
        for seed in range(count)
    ]
    return [one for one in made if one is not None]


def of(kind: Kind, made: list[Made]) -> list[Made]:
    return [one for one in made if one.mutation.startswith(f"sweep: {kind}: ")]


def sites(made: Made) -> list[str]:
    """What goes wrong, without the workload in which it does."""
    return [one.rpartition(" ")[0] for one in made.mutation.rpartition(": ")[2].split(", ")]
