# SPDX-License-Identifier: GPL-2.0-only
"""What an entry of the corpus has met, and how often what was made to go wrong."""

from __future__ import annotations

from testbed.fuzz.allocating import PAGES, SLAB, Allocates
from testbed.fuzz.corpus import Entry
from testbed.fuzz.feature_sets import Numbers
from testbed.fuzz.met import Places, counted

FUNCTIONS = {
    "bnxt_open": Allocates(100, 200, frozenset({SLAB, PAGES})),
    "bnxt_restart.isra.0": Allocates(200, 300, frozenset({SLAB})),
    "io_register_zcrx": Allocates(400, 500, frozenset(), {"io_pin_pages": frozenset({SLAB})}),
}
NUMBERS = Numbers()


def entry(*edges: int, **events: int) -> Entry:
    features = NUMBERS.of([*((edge, 1) for edge in edges), "hwrm-:BOOT>VER_GET"])
    return Entry("name", 10, features, events)


def test_functions_that_were_covered_allocate_and_so_do_their_helpers() -> None:
    places = Places(FUNCTIONS)
    assert places.shown(entry(150)).functions == {"bnxt_open slab", "bnxt_open pages"}
    assert places.shown(entry(250, 350)).functions == {"bnxt_restart.isra.0 slab"}, "350 is in none"
    assert places.shown(entry(450)).functions == {"io_pin_pages slab"}
    assert places.shown(entry(450)).calls == {("io_pin_pages", "io_register_zcrx")}
    assert places.shown(entry(50, 600)).functions == set()


def test_commands_are_those_of_the_workload() -> None:
    """Its events have their names; that of the machine's start are states."""
    events = {"hwrm.request:VNIC_CFG": 2, "hwrm.request": 2, "cqe.write": 50}
    assert Places({}).shown(entry(**events)).commands == {"VNIC_CFG"}
    assert Places({}).shown(entry()).commands == set(), "as in a store of an earlier version"


def test_an_operation_is_told_by_its_feature() -> None:
    one = entry(150)
    assert Places(FUNCTIONS).shown(one).operation == ""
    one.features |= NUMBERS.of(["operation:open-nth"])
    assert Places(FUNCTIONS).shown(one).operation == "open-nth"


def test_several_at_once_are_counted_each() -> None:
    tried = counted({"sweep: answer: A out.x, B out.y": 2, "sweep: answer: B out.y": 1})
    assert tried == {
        "answer: A out.x": 2, "answer: B out.y": 3, "answer: A": 2, "answer: B": 3,
    }  # fmt: skip
    assert counted({}) == {}
