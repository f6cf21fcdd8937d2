# SPDX-License-Identifier: GPL-2.0-only
"""Schedules drawn at random: the blind baseline, and the parts that mutations draw, too."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from random import Random
from typing import Any

from kernels.flavours import has_kmemleak
from testbed.card.personality import load_personality
from testbed.card.plans import POINTS
from testbed.dut.protocols import Capability
from testbed.engines.uml.session import ONE_CPU_LACKS, UML_LACKS
from testbed.fuzz.frames import frame
from testbed.fuzz.grammar import Fault, Grammar, numbered
from testbed.fuzz.schedule import (
    COMPANIONS,
    FAIL_NTH,
    TRACKED,
    UNTRACKED,
    Companion,
    Packet,
    Schedule,
    schedule_of,
)
from testbed.workloads.table import WORKLOADS

MOST_BLIND = 8
"""Faults of a blind schedule."""
SLABS = ("skbuff_head_cache", "skbuff_small_head", "radix_tree_node", "kmalloc-32", "kmalloc-64",
         "kmalloc-96", "kmalloc-128", "kmalloc-192", "kmalloc-256", "kmalloc-512", "kmalloc-1k",
         "kmalloc-2k", "kmalloc-4k", "kmalloc-8k")  # fmt: skip
NAMED_CARDS: tuple[Mapping[str, Any], ...] = tuple(
    map(load_personality, ("bcm57508", "new-firmware", "npar"))
)
"""Those of the personalities that the workloads' features are there for."""
PERSONALITIES: tuple[Mapping[str, Any], ...] = (
    {"id_policy": "fresh"},
    {"id_policy": "seeded"},
    {"max_aggs": 0},
    {"max_aggs": 1},
    {"max_aggs": 4},
    {"limits": {"rsscos_ctx": 8}},
    {"limits": {"vnics": 4}},
    {"limits": {"l2_filters": 4, "ntuple_filters": 2}},
    {"limits": {"rx_rings": 8, "tx_rings": 4, "cmpl_rings": 8, "stat_ctx": 8}},
    {"limits": {"msix": 4}},
    *(
        {"limits": {name: 1}}
        for name in ("rx_rings", "tx_rings", "stat_ctx", "vnics", "rsscos_ctx")
    ),
    *NAMED_CARDS,
)
"""Other cards, each of which a driver can open; few, since each needs a machine of its own."""
SEVERAL_QUEUES = frozenset({
    Capability.ZCRX, Capability.DEVMEM, Capability.QUEUE_RESTART, Capability.NTUPLE,
    Capability.HW_GRO,
})  # fmt: skip
"""What a workload needs that takes several queues, filters to them, or an aggregation ring."""
POINT_WEIGHTS: Mapping[str, int] = {
    "hwrm.request": 4, "hwrm.answer": 4, "cqe.write": 5, "nqe.write": 2, "doorbell.write": 2,
    "dma.write": 2, "dma.read": 2, "rx.frame": 2, "rx.place": 2, "now": 2,
}  # fmt: skip
"""How often a fault is added at a point; 1 for any other."""
CPU_S: Mapping[str, float] = {
    "function-reset": 9, "zcrx-pieces": 5, "restart-storm": 5, "reconfigure": 5,
    "zcrx-beside-restart": 4, "zcrx-up-down": 4, "refill": 4, "zcrx-stopped": 4, "devmem": 4,
    "zcrx-drawn": 5, "zcrx-queues": 4, "devmem-held": 4, "steered-full": 5, "zcrx-shared": 3.5,
    "settings-traffic": 3.5, "steered": 3, "devmem-unbind": 3, "zcrx-copied": 2.5,
    "devmem-send-unbind": 2,
    "devmem-send": 2.5, "settings-drawn": 2.5, "devmem-drawn": 2.5, "send-zc": 2,
    "steered-reset": 2, "gro-burst": 4, "xdp-redirect": 2, "ask-firmware": 2,
    "devmem-send-drawn": 2.5, "bind-often": 5, "restart-often": 3.5, "open-often": 3,
    "steer-often": 3.5, "reload-often": 3.5, "send-zc-drawn": 2.5,
    "restart-again": 3.5, "restart-ping": 3.5, "bind-again": 3.5, "stream-large": 3.5,
    "restart-traffic": 3, "streams": 3, "zcrx": 3, "zcrx-plain": 3, "rebind": 3, "zcrx-unbind": 3,
    "contexts-restart": 3, "xdp-reconfigure": 3, "gro-streams": 3, "gro-wraps": 3,
    "channels-stream": 2.5, "restart": 2.5, "restart-spread": 2.5, "restart-wait": 2.5,
    "zcrx-overflow": 7, "channels-often": 7.5, "port-drawn": 2.5, "port-nth": 2.2,
    "zcrx-large-drawn": 5, "zcrx-large": 2, "devmem-receive-nth": 2,
    "settings-again": 2.5, "open-again": 2.5, "stream-stopped": 2.5, "xdp": 2.5, "idle": 1,
}  # fmt: skip
"""Of one run without a fault: guest, card and executor (uml-san, 2026-11-22, load 8). Of what came
since 2026-11-30 3.3 times what a free host takes, as is so of `open-often` and `settings-drawn`."""
CPU_S_ELSE = 1.5
_LACKS = UML_LACKS | ONE_CPU_LACKS | {
    Capability.REGISTERED_PROVIDED_BUFFERS,  # a series of ours: docs/suite-send-zc.md
    Capability.FAILING_FUNCTIONS,
}  # fmt: skip
_PLAIN_LACKS = {"uml": {Capability.FAILING_ALLOCATIONS}}
"""Flavour -> what its kernel lacks as well."""


@dataclass(frozen=True, kw_only=True)
class Environment:
    """What schedules are drawn for.

    :ivar capabilities: of the machine; None for those of a UML guest on one CPU.
    :ivar wild: draw also what only an IOMMU can stop (:mod:`testbed.fuzz.wild`).
    """

    engine: str = "uml"
    flavour: str = "uml-san"
    kernel: str | None = None
    capabilities: frozenset[Capability] | None = None
    wild: bool = False

    @cached_property
    def kmemleak(self) -> str:
        """What most schedules have: no tracking of memory for a search that never comes."""
        return UNTRACKED if self.engine == "uml" and has_kmemleak(self.flavour) else TRACKED

    @cached_property
    def able(self) -> frozenset[Capability]:
        """The capabilities, if need be those that are usual."""
        if self.capabilities is not None:
            return self.capabilities
        return frozenset(Capability) - _LACKS - _PLAIN_LACKS.get(self.flavour, set())

    @cached_property
    def workloads(self) -> tuple[str, ...]:
        """Names of those that can be done, in the order of the table."""
        return tuple(name for name, one in WORKLOADS.items() if not one.lacking(self.able))

    @cached_property
    def companions(self) -> tuple[str, ...]:
        """Kinds that the kernel has."""
        needs = {
            "failslab": Capability.FAILING_ALLOCATIONS,
            "failslab_sleeping": Capability.FAILING_ALLOCATIONS,
            "fail_page_alloc": Capability.FAILING_ALLOCATIONS,
            "fail_page_alloc_sleeping": Capability.FAILING_ALLOCATIONS,
            FAIL_NTH: Capability.FAILING_ALLOCATIONS,
            "fail_function": Capability.FAILING_FUNCTIONS,
        }
        return tuple(kind for kind in COMPANIONS if needs.get(kind) in (None, *self.able))


class Draws:
    """Draws parts of schedules for one environment from one random source."""

    def __init__(self, random: Random, environment: Environment) -> None:
        self.random = random
        self.environment = environment
        self.grammar = Grammar(random, wild=environment.wild)

    def schedule(self, workload: str, faults: tuple[Fault, ...]) -> Schedule:
        """A schedule with a new seed, on the plain card."""
        kept = self.environment
        return canonical(Schedule(
            workload=workload, seed=self.random.randrange(1 << 31), engine=kept.engine,
            flavour=kept.flavour, kernel=kept.kernel, kmemleak=kept.kmemleak,
            faults=numbered(faults),
        ))  # fmt: skip

    def point(self, seen: Mapping[str, int]) -> str:
        """A point where something should go wrong: events pass it, as far as they were counted."""
        passed = [point for point in POINTS if seen.get(point, 1)]
        return self.random.choices(passed, [POINT_WEIGHTS.get(one, 1) for one in passed])[0]

    def companion(self) -> Companion:
        """Something that goes wrong in the guest, but for the n-th allocation of an operation,
        which takes a workload that is one."""
        kinds = [one for one in self.environment.companions if one != FAIL_NTH]
        kind = self.random.choice(kinds)
        what = self.random.choice(COMPANIONS[kind] or SLABS)
        most = 3000 if kind == "signal" else 200
        every = self.random.choice((1, 3, 10, 30, self.random.randint(1, most)))
        return Companion(kind=kind, what=what, every=every, times=self.random.choice((1, 5, 50)))

    def packet(self) -> Packet:
        """A frame that the remote endpoint sends."""
        return Packet(after=self.grammar.ordinal(200) - 1, data=frame(self.random).hex())


class Generator(Draws):
    """Schedules that know nothing of earlier ones: what guided search has to beat."""

    def blind(self) -> Schedule:
        """A schedule, each part of it with the same chance as its alternatives."""
        random = self.random
        count = random.randint(1, MOST_BLIND)
        drawn = self.schedule(
            random.choice(self.environment.workloads),
            tuple(self.grammar.fault({}) for _ in range(count)),
        )
        if random.random() < 0.25:
            drawn = replace(drawn, card=random.choice(PERSONALITIES))
        if random.random() < 0.25:
            some = tuple(self.companion() for _ in range(random.randint(1, 2)))
            drawn = replace(drawn, companions=some)
        if random.random() < 0.25:
            drawn = replace(
                drawn, packets=tuple(self.packet() for _ in range(random.randint(1, 8)))
            )
        return canonical(able(drawn))


def able(schedule: Schedule) -> Schedule:
    """Without what its workload cannot do: the n-th allocation of an operation that it is not,
    hardware GRO by a card without aggregations, and several queues of one that has one of
    something."""
    workload = WORKLOADS[schedule.workload]
    card = dict(schedule.card)
    if Capability.HW_GRO in workload.needs and card.get("max_aggs") == 0:
        del card["max_aggs"]
    if 1 in card.get("limits", {}).values() and workload.needs & SEVERAL_QUEUES:
        del card["limits"]
    companions = tuple(one for one in schedule.companions if workload.nth or one.kind != FAIL_NTH)
    return replace(schedule, card=card, companions=companions)


def canonical(schedule: Schedule) -> Schedule:
    """As it is once it was written and read: what is the same has one text, and one name."""
    return schedule_of(schedule.document(), "schedule")
