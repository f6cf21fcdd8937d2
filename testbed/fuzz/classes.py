# SPDX-License-Identifier: GPL-2.0-only
"""The classes of bugs that a review found scripted tests to miss, each as one mutation.

Products, partial consumption under refill pressure, errors behind the point of no return (of the
firmware, of the guest's memory), faults that accumulate, limits reached: each brings the workload
and the fault that belong together. And steps in an order that nobody wrote down.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from testbed.fuzz.edit import MANY
from testbed.fuzz.generate import PERSONALITIES, SLABS, Draws
from testbed.fuzz.grammar import CHANGING, REFUSALS, Fault
from testbed.fuzz.schedule import COMPANIONS, Companion, Schedule

T = TypeVar("T")

WEIGHTS: Mapping[str, int] = {
    "product": 5, "refill pressure": 5, "refuse a step": 8, "no memory": 8, "accumulate": 5,
    "limit": 4, "steps": 5,
}  # fmt: skip
PRODUCTS = ("contexts-restart", "contexts-unbind", "xdp-reconfigure", "zcrx-beside-restart",
            "xdp-redirect", "zcrx-up-down", "zcrx-unbind", "restart-spread", "restart-storm",
            "reconfigure", "function-reset", "zcrx-send", "devmem-held", "devmem-unbind",
            "devmem-send-unbind", "steered", "steered-reset", "settings-traffic",
            "firmware-reset", "zcrx-queues", "zcrx-shared")  # fmt: skip
PRESSURE = ("zcrx-pieces", "refill", "zcrx-stopped", "devmem", "stream-stopped", "zcrx-copied",
            "devmem-held", "send-zc", "devmem-send", "zcrx-burst", "zcrx-joined",
            "devmem-joined", "zcrx-overflow", "zcrx-large", "send-zc-pieces")  # fmt: skip
COMPOUND = ("settings-drawn", "administer", "restart-again", "settings-again", "open-again",
            "bind-again", "restart-often", "open-often", "bind-often", "steer-often",
            "reload-often", "restart", "restart-wait", "up-down", "reconfigure", "devlink-reset",
            "zcrx", "devmem", "contexts-restart", "xdp-reconfigure", "firmware-reset",
            "settings-traffic", "steered", "zcrx-queues", "devmem-send",
            "ask-firmware", "flash", "udp-segments-rings", "port-drawn",
            "channels-often", "zcrx-large")  # fmt: skip
STREAMS = ("gro-burst", "gro-streams", "gro-wraps", "gro-stream", "split-stream", "stream",
           "streams", "zcrx", "refill", "send", "stream-large", "zcrx-burst",
           "zcrx-joined", "devmem-joined", "udp-segments", "xdp-large", "xdp-full",
           "xdp-redirect", "zcrx-large")  # fmt: skip
LIMITED = ("gro-burst", "gro-streams", "gro-wraps", "streams", "gro-stream", "channels-stream",
           "restart", "reconfigure", "zcrx", "up-down", "contexts-restart", "settings-again",
           "steered-full", "zcrx-queues", "zcrx-burst")  # fmt: skip
DRAWN = ("settings-drawn", "zcrx-drawn", "devmem-drawn", "devmem-send-drawn", "send-zc-drawn",
         "port-drawn", "zcrx-large-drawn")  # fmt: skip
"""What is done in them is a matter of the seed."""
WITHOUT_MEMORY: Mapping[str, Sequence[str]] = {
    "failslab_sleeping": COMPOUND,
    "failslab": (*STREAMS, *PRESSURE),
    "fail_page_alloc": (*STREAMS, *PRESSURE),
    "fail_page_alloc_sleeping": COMPOUND,
}
"""Companion -> where it is met: an allocation of a compound operation fails, or one of a packet."""
_MOST_APART = 512
_STRIDES = 5, 60
"""An open is some forty commands that change something."""
_PIECES = ("cqe.write", "rx.place", "rx.frame", "doorbell.write", "dma.write")


def drawn(draws: Draws, name: str, parent: Schedule, seen: Mapping[str, int]) -> Schedule | None:
    """A child of the class ``name``, of :data:`WEIGHTS`; None if no workload can be done for it."""
    if name == "no memory":
        return _without_memory(draws, parent)
    workloads = {
        "product": PRODUCTS, "refill pressure": PRESSURE, "refuse a step": COMPOUND,
        "accumulate": STREAMS, "limit": LIMITED, "steps": DRAWN,
    }[name]  # fmt: skip
    child = _with_workload(draws, workloads, parent)
    if child is None:
        return None
    if name == "steps":
        return replace(
            child, faults=tuple(_kept(draws, parent.faults)), seed=draws.random.randrange(1 << 31)
        )
    if name == "limit":
        return replace(child, card=draws.random.choice(PERSONALITIES))
    fault = {
        "product": _any, "refill pressure": _at_a_piece, "refuse a step": _refused,
        "accumulate": _accumulating,
    }[name](draws, seen if child.workload == parent.workload else {})  # fmt: skip
    return replace(child, faults=(*_kept(draws, parent.faults), fault))


def _with_workload(draws: Draws, workloads: Sequence[str], parent: Schedule) -> Schedule | None:
    """As the parent, with one of ``workloads``: its own as a rule, if that is one of them."""
    able = [one for one in workloads if one in draws.environment.workloads]
    if not able:
        return None
    stays = parent.workload in able and draws.random.random() < 0.7
    return replace(parent, workload=parent.workload if stays else draws.random.choice(able))


def _kept(draws: Draws, there: Sequence[T]) -> Sequence[T]:
    """What the child keeps of its parent: nothing as often as all. What came before may keep the
    work from its end."""
    return there if draws.random.random() < 0.5 else ()


def _without_memory(draws: Draws, parent: Schedule) -> Schedule | None:
    """Allocations fail in a step of a compound operation, or for a packet."""
    kinds = [one for one in WITHOUT_MEMORY if one in draws.environment.companions]
    if not kinds:
        return None
    kind = draws.random.choice(kinds)
    child = _with_workload(draws, WITHOUT_MEMORY[kind], parent)
    if child is None:
        return None
    what = "" if COMPANIONS[kind] else draws.random.choice(SLABS)
    fails = Companion(
        kind=kind, what=what, every=draws.grammar.ordinal(_MOST_APART, counted=False),
        times=draws.random.choice((1, 1, 2, 5, 50)),
    )  # fmt: skip
    return replace(
        child, faults=tuple(_kept(draws, parent.faults)),
        companions=(*_kept(draws, parent.companions[:3]), fails),
    )  # fmt: skip


def _any(draws: Draws, seen: Mapping[str, int]) -> Fault:
    return draws.grammar.fault(seen, draws.point(seen))


def _at_a_piece(draws: Draws, seen: Mapping[str, int]) -> Fault:
    """Something lost, late or wrong where buffers are filled, told and given back."""
    return draws.grammar.fault(seen, draws.random.choice(_PIECES))


def _refused(draws: Draws, seen: Mapping[str, int]) -> Fault:
    """The k-th request is refused, one of the last as well; or the k-th of one command; or each
    k-th, so that of operations that follow each other each is refused another step."""
    random = draws.random
    fields: dict[str, Any] = {"refuse": random.choice(REFUSALS)}
    if random.random() < 0.15:
        fields = {"skip": True}
    when: dict[str, Any] = {}
    times = random.choice((1, 1, 1, 2, 3, 0))
    if random.random() < 0.25:
        when["match"] = {"cmd": list(CHANGING)}
        when["nth"] = when["every"] = random.randint(*_STRIDES)
        times = 0
    elif random.random() < 0.5:
        when["match"] = {"cmd": random.choice(CHANGING)}
        when["nth"] = draws.grammar.ordinal(6)
    else:
        when["match"] = {"cmd": list(CHANGING)}
        when["nth"] = random.randint(1, max(seen.get("hwrm.request", 0), 24))
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
