# SPDX-License-Identifier: GPL-2.0-only
"""What a campaign begins with: the workloads without a fault, the catalogue, the other cards."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from testbed.faults.catalogue import load_catalogue
from testbed.fuzz.classes import DRAWN
from testbed.fuzz.generate import PERSONALITIES, Environment, able, canonical
from testbed.fuzz.schedule import Schedule
from testbed.workloads.table import WORKLOADS

SEED = 1
ENGINE = "uml"
DRAWN_SEEDS = 6
"""Of each workload whose steps are a matter of the seed."""
PERSONALITY_WORKLOADS = (
    "streams", "restart", "up-down", "reconfigure", "settings-drawn", "xdp-large",
)  # fmt: skip
"""What is tried on each of the other cards."""


def seeds(flavour: str, kernel: str | None) -> Iterator[tuple[str, Schedule]]:
    """Label and schedule of each, cheap ones of one kind together; all that UML can run.

    Findings on record that a fault shows are entries of the catalogue. What needs a capability
    that the machine lacks is not left out here: the campaign knows the machine.
    """
    for workload in WORKLOADS:  # what is met in them is what others let go wrong
        yield f"workload {workload}", canonical(_seed(workload, flavour, kernel))
    for workload in DRAWN:
        for seed in range(SEED + 1, SEED + DRAWN_SEEDS):
            drawn = _seed(workload, flavour, kernel)
            yield f"steps {workload} {seed}", canonical(replace(drawn, seed=seed))
    for fault in load_catalogue().values():
        if ENGINE in fault.engines:
            drawn = _seed(fault.workload, flavour, kernel)
            yield f"fault {fault.name}", canonical(replace(drawn, faults=fault.plan))
    for card in PERSONALITIES:
        for workload in PERSONALITY_WORKLOADS:
            words = " ".join(f"{key} {value}" for key, value in card.items())
            drawn = replace(_seed(workload, flavour, kernel), card=card)
            if able(drawn) == drawn:
                yield f"card {words}: {workload}", canonical(drawn)


def _seed(workload: str, flavour: str, kernel: str | None) -> Schedule:
    return Schedule(
        workload=workload, seed=SEED, engine=ENGINE, flavour=flavour, kernel=kernel,
        kmemleak=Environment(engine=ENGINE, flavour=flavour).kmemleak,
    )  # fmt: skip
