# SPDX-License-Identifier: GPL-2.0-only
"""Timestamps in receive completions, and those of sent frames."""

from __future__ import annotations

import struct
from collections.abc import Callable

import pytest
from scapy.layers.inet import UDP
from scapy.layers.l2 import Dot1Q, Ether
from scapy.packet import Raw

from devmodel.bnxt.holds import HOLD_NS
from devmodel.bnxt.steering import (
    ITYPE_NOT_IP,
    ITYPE_PTP_WITH_TIME,
    ITYPE_PTP_WITHOUT_TIME,
    ITYPE_TCP,
    ITYPE_UDP,
)
from devmodel.bnxt.timestamps import ETHERTYPE_PTP, Timestamps
from devmodel.bnxt.tx import STAMP
from tests.unit.devmodel.bnxt.rig import Rig, one_queue
from tests.unit.devmodel.frames import ETHER, MAC, PEER, V4, V6, build, tcp

SYNC, DELAY_REQUEST, ANNOUNCE = 0, 1, 11
EVENTS = 0x000F
VLAN_KEY = 1 << 28 | 1 << 16


def message(kind: int, sequence_id: int = 1) -> Raw:
    """A PTP message, version 2."""
    return Raw(struct.pack(">BBH26xHBb", kind, 2, 44, sequence_id, 0, 0) + bytes(10))


def over_udp(kind: int, sequence_id: int = 1, port: int = 319) -> bytes:
    return build(ETHER, V4, UDP(sport=port, dport=port), message(kind, sequence_id))


def over_ethernet(kind: int) -> bytes:
    return build(Ether(dst=MAC, src=PEER, type=ETHERTYPE_PTP), message(kind))


def over_ipv6(kind: int) -> bytes:
    return build(ETHER, V6, UDP(sport=319, dport=319), message(kind))


def tagged(kind: int) -> bytes:
    return build(ETHER, Dot1Q(vlan=5), V4, UDP(sport=319, dport=319), message(kind))


def at_time(time_ns: int) -> Rig:
    rig = one_queue()
    rig.clock.advance_to(time_ns)
    return rig


def switch(rig: Rig, **captures: bool | int) -> Timestamps:
    """As PORT_MAC_CFG does."""
    for name, value in captures.items():
        setattr(rig.timestamps, name, value)
    rig.resources.steering_changed()
    return rig.timestamps


def seen(rig: Rig, *frames: bytes) -> list[tuple[int, int]]:
    """(itype, timestamp) of each packet."""
    return [(p.cmp.itype, p.ext.rx_cmp_timestamp) for p in rig.receive(*frames)]


@pytest.mark.parametrize("frame", [over_udp, over_ethernet, over_ipv6, tagged])
def test_messages_of_the_chosen_types_are_stamped(frame: Callable[[int], bytes]) -> None:
    rig = at_time(5 << 32 | 77)
    switch(rig, ptp_received=True, message_types=EVENTS)
    assert seen(rig, frame(SYNC)) == [(ITYPE_PTP_WITH_TIME, 77)]
    rig.clock.advance_to(5 << 32 | 78)
    assert seen(rig, frame(ANNOUNCE), frame(DELAY_REQUEST)) == [
        (ITYPE_PTP_WITHOUT_TIME, 0),
        (ITYPE_PTP_WITH_TIME, 78),
    ]
    switch(rig, message_types=1 << DELAY_REQUEST)
    assert [itype for itype, _ in seen(rig, frame(SYNC))] == [ITYPE_PTP_WITHOUT_TIME]


def test_nothing_is_stamped_unless_it_is_asked_for() -> None:
    rig = at_time(77)
    frames = (over_udp(SYNC), over_ethernet(SYNC), tcp(10))
    assert seen(rig, *frames) == [(ITYPE_UDP, 0), (ITYPE_NOT_IP, 0), (ITYPE_TCP, 0)]


def test_other_frames_are_not_messages() -> None:
    rig = at_time(77)
    switch(rig, ptp_received=True, message_types=0xFFFF)
    short = build(ETHER, V4, UDP(sport=319, dport=319), Raw(bytes(33)))
    elsewhere = build(ETHER, V4, UDP(sport=319, dport=321), message(SYNC))
    assert seen(rig, short, elsewhere, tcp(10)) == [(ITYPE_UDP, 0), (ITYPE_UDP, 0), (ITYPE_TCP, 0)]


def test_all_frames_are_stamped_on_both_ways() -> None:
    rig = at_time(77)
    assert seen(rig, tcp(10)) == [(ITYPE_TCP, 0)]
    switch(rig, all_received=True)
    assert seen(rig, tcp(10), tcp(10), over_udp(SYNC)) == [
        (ITYPE_TCP, 77),
        (ITYPE_TCP, 77),
        (ITYPE_UDP, 77),
    ]
    switch(rig, all_received=False)
    assert seen(rig, tcp(10)) == [(ITYPE_TCP, 0)]


def test_a_frame_that_waits_for_a_buffer_has_the_time_of_its_arrival() -> None:
    rig = Rig()
    queue = rig.add_queue(post=False)
    rig.add_vnic()
    switch(rig, all_received=True)
    rig.clock.advance_to(77)
    assert rig.receive(tcp(10)) == []
    rig.clock.advance_to(78)
    assert rig.receive(tcp(10)) == []
    rig.clock.advance_to(77 + HOLD_NS // 2)
    rig.post_rx(queue, 8)
    assert [p.ext.rx_cmp_timestamp for p in rig.poll()] == [77, 78]


def test_a_sent_frame_is_found_by_its_sequence_id() -> None:
    rig = at_time(5)
    tx = rig.add_tx()
    stamps = switch(rig, sent=True)
    for sequence_id in (1, 2):
        tx.put(over_udp(SYNC, sequence_id), lflags=STAMP)
        tx.kick()
        rig.clock.advance_to(6)
    tx.put(over_udp(SYNC, 3))
    tx.kick()
    assert stamps.of_sent(3, 42) is None
    assert stamps.of_sent(2, 40) is None
    second = stamps.of_sent(2, 42)
    assert second is not None
    assert (second.sequence_id, second.time_ns) == (2, 6)
    assert stamps.of_sent(2, 42) is None
    first = stamps.of_sent(None, 42)
    assert first is not None
    assert (first.sequence_id, first.time_ns) == (1, 5)


def test_an_inserted_tag_moves_the_header() -> None:
    rig = at_time(5)
    tx = rig.add_tx()
    stamps = switch(rig, sent=True)
    tx.put(over_udp(SYNC, 9), lflags=STAMP, meta=VLAN_KEY | 5)
    tx.kick()
    assert stamps.of_sent(9, 42) is None
    assert stamps.of_sent(9, 46) is not None


def test_what_does_not_go_out_has_no_time() -> None:
    rig = at_time(5)
    tx = rig.add_tx()
    stamps = switch(rig, sent=True)
    rig.tx.link_up = False
    tx.put(over_udp(SYNC), lflags=STAMP)
    tx.kick()
    rig.tx.link_up = True
    tx.put(over_udp(SYNC, 2))
    tx.kick()
    assert stamps.of_sent(None, 42) is None
    switch(rig, sent=False)
    tx.put(over_udp(SYNC), lflags=STAMP)
    tx.kick()
    assert stamps.of_sent(None, 42) is None


def test_the_oldest_is_lost_and_a_reset_forgets_all() -> None:
    rig = at_time(5)
    tx = rig.add_tx()
    stamps = switch(rig, sent=True, all_received=True)
    for sequence_id in range(5):
        tx.put(over_udp(SYNC, sequence_id), lflags=STAMP)
    tx.kick()
    assert stamps.of_sent(0, 42) is None
    assert stamps.of_sent(1, 42) is not None
    stamps.reset()
    assert stamps.of_sent(2, 42) is None
    assert (stamps.sent, stamps.all_received, stamps.arrival()) == (False, False, 0)
