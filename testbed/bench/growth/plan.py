# SPDX-License-Identifier: GPL-2.0-only
"""What a benchmark of growth is to do."""

from __future__ import annotations

from dataclasses import dataclass

from testbed.bench.wire.contenders import CONTENDERS, Contender
from testbed.bench.wire.plan import GuestPlan

QUEUES = (1, 32)
MACHINES = (1, 16)


@dataclass(frozen=True)
class GrowthPlan(GuestPlan):
    """``queues``: numbers of queues, each with as many flows. ``machines``: numbers of guests.
    ``nic``: whose; ``mib`` over all flows and ``seconds``, whichever ends first, are of each
    machine's stream."""

    queues: tuple[int, ...]
    machines: tuple[int, ...]
    rounds: int
    mib: int
    seconds: int
    mtu: int
    nic: Contender = CONTENDERS["bnxt"]
