# SPDX-License-Identifier: GPL-2.0-only
"""Classes of service: which queue a priority goes to, what each queue has carried, settings.

Frames go through the queues as they come: bandwidth, lossless service and PFC are kept and told,
and have no effect. How a real card starts out is not published: the values here are guesses.
"""

from __future__ import annotations

from dataclasses import dataclass, field

QUEUES = 8
PRIORITIES = 8
LOSSLESS_QUEUES = (6, 7)
DSCP_BITS = 6
MAX_APPS = 8
"""Entries of the DCBX application table: the driver has room for one of each traffic class."""
MAX_PFC_WATCHDOG_MS = 0xFFFF
_STRICT = 0


class CosCounters:
    """Packets and bytes of each CoS queue, one direction, and which queue a priority goes to.

    Most frames are of priority 0. They are not counted one by one: what all frames are more than
    those that were counted is theirs.

    :ivar queue_of: CoS queue of each priority.
    :ivar packets: by queue; ``bytes_`` as well, with the FCS.
    """

    __slots__ = ("bytes_", "packets", "queue_of")

    def __init__(self) -> None:
        self.queue_of = [0] * PRIORITIES
        self.clear()

    def clear(self) -> None:
        """No frame has passed; the queues of the priorities stay."""
        self.packets = [0] * QUEUES
        self.bytes_ = [0] * QUEUES

    def count(self, queue: int, length: int) -> None:
        """One frame of ``length`` bytes that is not of priority 0."""
        self.packets[queue] += 1
        self.bytes_[queue] += length

    def settle(self, queue: int, packets: int, bytes_: int) -> None:
        """All others of so many frames and bytes since the beginning went to ``queue``."""
        self.packets[queue] += packets - sum(self.packets)
        self.bytes_[queue] += bytes_ - sum(self.bytes_)


@dataclass(slots=True)
class Bandwidth:
    """QUEUE_COS2BW_CFG of one queue; values as in struct bnxt_cos2bw_cfg."""

    min_bw: int = 0
    max_bw: int = 0
    tsa: int = _STRICT
    pri_lvl: int = 0
    bw_weight: int = 0


@dataclass(slots=True)
class Qos:
    """Settings of the port.

    :ivar pfc: FLAGS of QUEUE_PFCENABLE_CFG.
    :ivar priority_of: DSCP -> priority.
    :ivar apps: entries of the DCBX application table: (protocol, selector, priority).
    """

    pfc: int = 0
    pfc_watchdog_ms: int = 0
    bandwidth: list[Bandwidth] = field(default_factory=lambda: [Bandwidth() for _ in range(QUEUES)])
    default_priority: int = 0
    priority_of: dict[int, int] = field(default_factory=dict)
    apps: list[tuple[int, int, int]] = field(default_factory=list)
