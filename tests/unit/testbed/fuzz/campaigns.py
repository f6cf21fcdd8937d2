# SPDX-License-Identifier: GPL-2.0-only
"""A campaign of made-up runs in a store."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

from testbed.fuzz.outcome import Complaint, Ended, Outcome
from testbed.fuzz.reading import CorpusRow
from testbed.fuzz.schedule import Companion, Schedule
from testbed.fuzz.store import Store, row_of

FACTS = {
    "seed": "7", "mode": "guided", "flavour": "uml-san", "engine": "uml",
    "release": "7.2.12-testbed-uml-san",
}  # fmt: skip
REFUSED = {
    "id": "refused", "where": "hwrm.request", "when": {"match": {"cmd": "RING_ALLOC"}, "nth": 3},
    "what": {"action": "set", "fields": {"refuse": 2}},
}  # fmt: skip
LOST = {"id": "lost", "where": "cqe.write", "what": {"action": "drop"}}
MEMORY = Complaint(
    signature="memory: bnxt_rx_pkt",
    oracle="kernel",
    text="BUG: KASAN: slab-use-after-free in bnxt_rx_pkt+0x1/0x2\n<script>alert(1)</script>\x1b[2J",
)
LEAK = Complaint(signature="leak: 3 mappings", oracle="leak", text="3 mappings are left")
WARN = Complaint(signature="WARN: bnxt_queue_start", oracle="kernel", text="WARNING: here")
OLD = Complaint(
    signature="BUG: bnxt_tpa_start", oracle="kernel", text="known", finding="tpa-agg-bug-on"
)


def schedule(*faults: dict[str, Any], seed: int = 1, **more: Any) -> Schedule:
    return Schedule(workload="stream", seed=seed, faults=faults, **more)


class MadeUp:
    """A store that grows by runs."""

    def __init__(self, folder: Path, facts: dict[str, str] | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.store = Store.make(folder, facts or FACTS)
        self.number = 0

    def run(
        self, one: Schedule, *complaints: Complaint, ended: Ended = Ended.DONE, edges: int = 0,
        states: int = 0, mode: str = "guided", at: float | None = None, guest: str = "",
        served: int = 0, suspected: bool = False, decides: int | None = None,
    ) -> None:  # fmt: skip
        self.number += 1
        outcome = Outcome(
            schedule=one.name, ended=ended, complaints=complaints, event_hash=f"{self.number:08x}",
            cpu_s=0.4, wall_s=0.5, guest=guest, served=served,
        )  # fmt: skip
        with self.store.batch():
            self.store.add_schedule(one, "a-seed", "seed" if self.number == 1 else "retarget")
            row = row_of(
                self.number, outcome, mode=mode, worker="w", edges_new=edges, states_new=states,
                at=self.number / 2 if at is None else at, suspected=suspected, decides=decides,
            )  # fmt: skip
            self.store.add_run(row)
            for complaint in () if served else complaints:
                self.store.add_complaint(self.number, one, complaint, "the end of <the> log")


def campaign(folder: Path, runs: int = 60, seed: int = 1) -> Store:
    """Runs that find less and less, two new bugs and one on record."""
    random, made = Random(seed), MadeUp(folder)
    features: set[Any] = {(0x10, 3), "hwrm:RING_ALLOC>RING_FREE"}
    for number in range(runs):
        one = schedule(REFUSED, LOST, seed=number, companions=(Companion(kind="failslab"),))
        complaints = [MEMORY, LEAK] if number % 9 == 5 else [OLD] if number % 7 == 3 else []
        if number == 20:
            one, complaints = schedule(REFUSED, seed=number), [WARN]
        ended = Ended.CRASHED if complaints else Ended.DONE
        made.run(
            one, *complaints, ended=ended, edges=random.randrange(1 + 900 // (number + 1)),
            states=random.randrange(1 + 30 // (number + 1)),
        )  # fmt: skip
        if number % 10 == 0:
            with made.store.batch():
                made.store.keep(
                    CorpusRow(
                        schedule=one.name, run=made.number, retired=None,
                        features=frozenset(features), events={"cqe.write": 9},
                    )
                )  # fmt: skip
                made.store.mark(one.name, "the 17th event" if number == 10 else "")
                made.store.count_features(made.number, features)
    return made.store
