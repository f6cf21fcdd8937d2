# SPDX-License-Identifier: GPL-2.0-only
"""The classes of bugs that a review found scripted tests to miss, each as one mutation.

Products, partial consumption under refill pressure, errors behind the point of no return, faults
that accumulate, limits reached: each brings the workload and the fault that belong together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from testbed.fuzz.edit import MANY
from testbed.fuzz.generate import PERSONALITIES, Draws
from testbed.fuzz.grammar import CHANGING, REFUSALS, Fault
from testbed.fuzz.schedule import Schedule

WEIGHTS: Mapping[str, int] = {
    "product": 5, "refill pressure": 5, "refuse a step": 8, "accumulate": 5, "limit": 4,
}  # fmt: skip
PRODUCTS = ("contexts-restart", "contexts-unbind", "xdp-reconfigure", "zcrx-beside-restart",
            "zcrx-up-down", "zcrx-unbind", "restart-spread", "restart-storm", "reconfigure",
            "function-reset", "zcrx-send")  # fmt: skip
PRESSURE = ("zcrx-pieces", "refill", "zcrx-stopped", "devmem", "stream-stopped")
COMPOUND = ("administer", "restart-again", "settings-again", "open-again", "bind-again", "restart",
            "restart-wait", "up-down", "reconfigure", "devlink-reset", "zcrx", "devmem",
            "contexts-restart", "xdp-reconfigure")  # fmt: skip
STREAMS = ("gro-streams", "gro-stream", "split-stream", "stream", "streams", "zcrx", "refill",
           "send", "stream-large")  # fmt: skip
LIMITED = ("gro-streams", "streams", "gro-stream", "channels-stream", "restart", "reconfigure",
           "zcrx", "up-down", "contexts-restart", "settings-again")  # fmt: skip
_PIECES = ("cqe.write", "rx.place", "rx.frame", "doorbell.write", "dma.write")


def drawn(draws: Draws, name: str, parent: Schedule, seen: Mapping[str, int]) -> Schedule | None:
    """A child of the class ``name``, of :data:`WEIGHTS`; None if no workload can be done for it."""
    workloads = {
        "product": PRODUCTS, "refill pressure": PRESSURE, "refuse a step": COMPOUND,
        "accumulate": STREAMS, "limit": LIMITED,
    }[name]  # fmt: skip
    able = [one for one in workloads if one in draws.environment.workloads]
    if not able:
        return None
    stays = parent.workload in able and draws.random.random() < 0.7
    workload = parent.workload if stays else draws.random.choice(able)
    child = replace(parent, workload=workload)
    if name == "limit":
        return replace(child, card=draws.random.choice(PERSONALITIES))
    fault = {
        "product": _any, "refill pressure": _at_a_piece, "refuse a step": _refused,
        "accumulate": _accumulating,
    }[name](draws, seen if stays else {})  # fmt: skip
    kept: Sequence[Mapping[str, Any]] = parent.faults
    if draws.random.random() < 0.5:  # alone: what came before may keep the work from its end
        kept = ()
    return replace(child, faults=(*kept, fault))


def _any(draws: Draws, seen: Mapping[str, int]) -> Fault:
    return draws.grammar.fault(seen, draws.point(seen))


def _at_a_piece(draws: Draws, seen: Mapping[str, int]) -> Fault:
    """Something lost, late or wrong where buffers are filled, told and given back."""
    return draws.grammar.fault(seen, draws.random.choice(_PIECES))


def _refused(draws: Draws, seen: Mapping[str, int]) -> Fault:
    """The k-th request is refused, one of the last as well; or the k-th of one command."""
    random = draws.random
    fields: dict[str, Any] = {"refuse": random.choice(REFUSALS)}
    if random.random() < 0.15:
        fields = {"skip": True}
    when: dict[str, Any] = {}
    if random.random() < 0.5:
        when["match"] = {"cmd": random.choice(CHANGING)}
        when["nth"] = draws.grammar.ordinal(6)
    else:
        when["match"] = {"cmd": list(CHANGING)}
        when["nth"] = random.randint(1, max(seen.get("hwrm.request", 0), 24))
    times = random.choice((1, 1, 1, 2, 3, 0))
    return {
        "where": "hwrm.request", "when": when, "what": {"action": "set", "fields": fields},
        "times": times,
    }  # fmt: skip


def _accumulating(draws: Draws, seen: Mapping[str, int]) -> Fault:
    """The same fault hundreds of times under a stream."""
    made = draws.grammar.fault(seen, draws.random.choice(_PIECES))
    made["times"] = draws.random.choice(MANY)
    made["when"] = {
        **made["when"], "nth": draws.grammar.ordinal(16), "every": draws.random.choice((1, 2, 4)),
    }  # fmt: skip
    return made
