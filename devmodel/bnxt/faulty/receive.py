# SPDX-License-Identifier: GPL-2.0-only
"""Frames on their way in, and out, as events of the fault engine."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence

from devmodel.bnxt.cmpl import CmplRing
from devmodel.bnxt.resources import Resources, RxRing
from devmodel.bnxt.steering import Target
from devmodel.faults.engine import FaultEngine
from devmodel.faults.rule import Event
from devmodel.net.parse import Packet, parse
from devmodel.net.port import Frame

MAX_FRAME_BYTES = 65536
_HANDLE_TYPE_SHIFT = 24
_WORD, _HALF = 0xFFFF_FFFF, 1 << 31
_MOST_CONNECTIONS = 4096
_SYN = 2


def queue_rings(resources: Resources, queue: int) -> tuple[RxRing, CmplRing] | None:
    """RX ring and completion ring of receive queue ``queue``; None if it has none.

    Which completion ring that is a VNIC says. Where none leads to the queue, it is the receive one
    of the same NQ (type 0 of the handle, BNXT_NQ_HDL_TYPE_RX of bnxt.h).
    """
    for ring in resources.rx_rings.values():
        if ring.logical_id != queue:
            continue
        for vnic in resources.vnics.values():
            pairs = [*vnic.rss_tables, (vnic.default_rx_ring, vnic.default_cmpl_ring)]
            for rx_id, cq_id in pairs:
                cq = resources.cmpl_rings.get(cq_id)
                if rx_id == ring.id and cq is not None:
                    return ring, cq
        for cq in resources.cmpl_rings.values():
            if cq.nq.id == ring.nq_ring_id and not cq.cq_handle >> _HANDLE_TYPE_SHIFT:
                return ring, cq
    return None


def _ports(packet: Packet) -> Event:
    return {
        "protocol": packet.protocol if packet.ip_version else -1,
        "sport": packet.sport,
        "dport": packet.dport,
    }


def _changed(frame: bytes, event: Event) -> bytes:
    """The frame with the length and the inverted byte of ``event``."""
    out = bytearray(frame[: max(min(event["length"], MAX_FRAME_BYTES), 0)])
    if 0 <= event["xor_at"] < len(out):
        out[event["xor_at"]] ^= 0xFF
    return bytes(out)


class SentBefore:
    """How far each TCP connection has come, as seen on the wire while faults were armed."""

    def __init__(self) -> None:
        self._ends: dict[tuple[bytes, bytes, int, int], int] = {}

    def has(self, packet: Packet, frame: bytes) -> bool:
        """Whether the payload begins below what was sent before: a retransmission, or late."""
        key = (packet.src, packet.dst, packet.sport, packet.dport)
        if packet.tcp_flags & _SYN:
            self._ends.pop(key, None)  # another connection, which may reuse the ports
        if packet.end <= packet.payload:
            return False
        start = int.from_bytes(frame[packet.l4 + 4 : packet.l4 + 8], "big")
        end = (start + packet.end - packet.payload) & _WORD
        last = self._ends.get(key, start)
        if len(self._ends) > _MOST_CONNECTIONS:
            self._ends.clear()
        self._ends[key] = end if (end - last) & _WORD < _HALF else last
        return (start - last) & _WORD >= _HALF


def frames_in(
    faults: FaultEngine,
    frames: Sequence[Frame],
    late: Callable[[list[Frame]], None],
    sent_before: SentBefore,
) -> list[Frame]:
    """What of a batch arrives now; ``late`` takes in what arrives later."""
    now: list[Frame] = []
    for frame in frames:
        whole = bytes(frame)  # the batch's buffer does not outlive the call
        packet = parse(whole)
        is_tcp = packet.is_tcp
        event: Event = {
            "length": len(whole),
            "ethertype": int.from_bytes(whole[12:14], "big"),
            "tcp_payload": max(packet.end - packet.payload, 0) if is_tcp else 0,
            "tcp_again": is_tcp and sent_before.has(packet, whole),
            "xor_at": -1,
            **_ports(packet),
        }

        def perform(changed: Event, whole: bytes = whole) -> None:
            out = memoryview(_changed(whole, changed))
            if faults.is_late:
                late([out])
            else:
                now.append(out)

        earlier = faults.injections
        faults.pass_on("rx.frame", event, perform, None)
        faults.tell_of(whole, earlier)
    return now


def frames_out(
    faults: FaultEngine, frames: Sequence[bytes], late: Callable[[list[bytes]], None]
) -> list[bytes]:
    """What of a batch is sent now; ``late`` sends what is sent later."""
    now: list[bytes] = []
    for frame in frames:

        def perform(changed: Event, frame: bytes = frame) -> None:
            out = _changed(frame, changed)
            if faults.is_late:
                late([out])
            else:
                now.append(out)

        faults.pass_on("tx.frame", {"length": len(frame), "xor_at": -1}, perform, None)
    return now


def steer(
    faults: FaultEngine,
    resources: Resources,
    packet: Packet,
    frame: Frame,
    target: Target,
) -> Target | None:
    """Where the packet goes with faults armed; None: it is lost."""
    queue = -1 if target.ring is None else target.ring.logical_id
    earlier = faults.injections
    changed = faults.consult("rx.steer", {**_ports(packet), "queue": queue})
    faults.tell_of(frame, earlier)
    if changed is None:
        return None
    if changed["queue"] == queue:
        return target
    rings = queue_rings(resources, changed["queue"])
    if rings is None:
        return None
    other = copy.copy(target)
    other.ring, other.cq = rings
    other.stats = resources.stat_ctxs.get(other.ring.stat_ctx_id)
    return other
