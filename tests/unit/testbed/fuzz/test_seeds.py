# SPDX-License-Identifier: GPL-2.0-only
"""The seed corpus: catalogue, workloads, other cards; each valid and once."""

from __future__ import annotations

from testbed.faults.catalogue import load_catalogue
from testbed.fuzz.schedule import check
from testbed.fuzz.seeds import seeds
from testbed.workloads.table import WORKLOADS


def test_seeds_are_the_catalogue_the_workloads_and_other_cards() -> None:
    found = dict(seeds("uml-san", "7.2.12"))
    faults = {label.removeprefix("fault ") for label in found if label.startswith("fault ")}
    assert faults == {n for n, f in load_catalogue().items() if "uml" in f.engines}
    works = {label.removeprefix("workload ") for label in found if label.startswith("workload ")}
    assert works == set(WORKLOADS)
    assert "card max_aggs 1: streams" in found
    assert {found[f"steps zcrx-drawn {seed}"].seed for seed in range(2, 7)} == {2, 3, 4, 5, 6}
    assert len({one.name for one in found.values()}) == len(found)
    for one in found.values():
        check(one)
        assert (one.engine, one.flavour, one.kernel) == ("uml", "uml-san", "7.2.12")


def test_a_seed_is_the_entry_of_the_catalogue() -> None:
    entry = load_catalogue()["rx-opaque-wrong"]
    seed = dict(seeds("uml", None))["fault rx-opaque-wrong"]
    assert seed.workload == entry.workload
    assert [one["id"] for one in seed.faults] == [one["id"] for one in entry.plan]
    assert seed.faults[0]["what"] == entry.plan[0]["what"]
