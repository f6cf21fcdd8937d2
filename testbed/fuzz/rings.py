# SPDX-License-Identifier: GPL-2.0-only
"""Whether a driver has lost receive buffers: what its rings have when nothing is under way.

A driver that drops a packet posts the packet's buffers again, whatever memory there is, so that a
ring has as many as it ever had. One that does not goes on with fewer, says nothing, and stands
still at last.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from testbed.dut.pause import pause
from testbed.engines.session import Session

_KINDS = ("RX", "RX_AGG")
_WIRE = frozenset({"rx.frame", "tx.frame"})
_TELLS_ALL = frozenset(
    {
        "error", "buffer_error", "crc_error", "pkt_error", "ip_cs_error", "l4_cs_error",
        "t_pkt_error", "t_ip_cs_error", "t_l4_cs_error",
        "placement", "itype", "ip_type", "len", "seg_len", "payload_offset", "tpa_segs", "dup_acks",
        "gro_ts", "rss_valid", "rss_hash_type", "meta_format", "cfa_code", "outer_l3_off",
        "inner_l2_off", "inner_l3_off", "inner_l4_size", "ip_cs_calc", "l4_cs_calc",
        "t_ip_cs_calc", "t_l4_cs_calc",
    }
)  # fmt: skip
"""Of a completion: whatever they say of the packet, it still tells of all its buffers."""
_COUNTED_BEFORE = "RX_TPA_END"
"""Each buffer of an aggregation has had a completion of its own: how many there are this one only
repeats."""
_LOOKS = 3
_BETWEEN_S = 0.1
"""A packet that is under way has long been taken by then."""


@dataclass(frozen=True)
class BufferRing:
    """A ring of receive buffers: how many are ``posted`` now, and were at ``most`` at a time."""

    kind: str
    number: int
    posted: int
    most: int

    @property
    def lost(self) -> bool:
        """Some are not there any more."""
        return self.posted < self.most

    def __str__(self) -> str:
        return f"{self.kind} ring {self.number} has {self.posted} buffers, and had {self.most}"


def lets_buffers_be(fault: Mapping[str, Any]) -> bool:
    """Whether behind a fault of a plan the driver still hears of each buffer that the card has
    taken. It does not, and rightly has some of them, behind a completion that was lost or an
    interrupt that never came."""
    where, what = fault["where"], fault["what"]
    if where in _WIRE:
        return bool(what["action"] != "card")
    if (where, what["action"]) != ("cqe.write", "set"):
        return False
    repeated = fault.get("when", {}).get("match", {}).get("type") == _COUNTED_BEFORE
    return set(what["fields"]) <= _TELLS_ALL | ({"agg_bufs"} if repeated else set())


def buffer_rings(state: Mapping[str, Any]) -> tuple[BufferRing, ...]:
    """Those of a card's answer to ``state``."""
    return tuple(
        BufferRing(
            one["kind"], one["id"], (one["prod"] - one["cons"]) % one["entries"], one["most"]
        )
        for one in state["card"]["rings"] if one["kind"] in _KINDS
    )  # fmt: skip


def at_rest(session: Session, state: Mapping[str, Any]) -> tuple[BufferRing, ...]:
    """Rings of ``state``, the card's answer of now, that have lost buffers and go on having so
    many; in a guest whose time stands still between commands. Raises LostVM, ModelFailure."""
    lost = tuple(one for one in buffer_rings(state) if one.lost)
    for _ in range(_LOOKS - 1):
        if not lost:
            break
        pause(session.dut, _BETWEEN_S)
        again = set(buffer_rings(session.card.state()))
        lost = tuple(one for one in lost if one in again)
    return lost
