# SPDX-License-Identifier: GPL-2.0-only
"""The receive path when something is missing, wrong or taken away."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scapy.layers.inet import TCP, UDP
from scapy.layers.l2 import Dot1AD, Dot1Q

from devmodel.bnxt.holds import HOLD_BYTES, HOLD_NS
from devmodel.bnxt.stats import RX_DISCARD_PKTS, RX_ERROR_PKTS
from devmodel.net.checksum import checksum
from tests.unit.devmodel.bnxt.rig import BASE, HDS_FLAGS, MEMORY_BYTES, Rig, one_queue, split_rig
from tests.unit.devmodel.frames import ETHER, V4, V6, build, damaged, tcp


@pytest.fixture
def rig() -> Rig:
    return split_rig()


# -- lack of buffers ----------------------------------------------------------------------------
def test_frames_wait_shortly_for_buffers_and_keep_their_order() -> None:
    rig = one_queue(split=True, rx_entries=8)
    queue = rig.queues[0]
    frames = [tcp(100 + n) for n in range(12)]
    assert [g.data for g in rig.receive(*frames)] == frames[:7]
    rig.post_rx(queue, 3)
    assert [g.data for g in rig.poll()] == frames[7:10]
    rig.post_rx(queue, 4)
    assert [g.data for g in rig.poll()] == frames[10:]
    assert queue.stats.counters[RX_DISCARD_PKTS] == 0
    assert not rig.trace.counters["rx_discard"]


def test_the_wait_ends_in_a_drop_and_drops_stay_until_a_refill() -> None:
    rig = one_queue(rx_entries=4)
    queue = rig.queues[0]
    frames = [tcp(100) for _ in range(5)]
    assert len(rig.receive(*frames)) == 3
    rig.clock.advance_to(HOLD_NS)
    assert queue.stats.counters[RX_DISCARD_PKTS] == 2
    assert rig.receive(tcp(100)) == []
    assert queue.stats.counters[RX_DISCARD_PKTS] == 3
    rig.post_rx(queue, 3)
    assert len(rig.receive(tcp(100))) == 1


def test_waiting_frames_follow_a_change_of_steering() -> None:
    rig = Rig()
    full = rig.add_queue(rx_entries=4)
    other = rig.add_queue()
    vnic = rig.add_vnic([full])
    frames = [tcp(100 + n) for n in range(6)]
    assert len(rig.receive(*frames)) == 3
    vnic.set_rss_part(0, [(other.rx.id, other.cq.id)] * 64)
    rig.resources.steering_changed()
    rig.post_rx(full, 1)
    assert [(g.queue, g.data) for g in rig.poll()] == [(1, frame) for frame in frames[3:]]
    assert rig.rx.state()["waiting_frames"] == rig.rx.state()["waiting_bytes"] == 0


def test_one_empty_ring_does_not_hold_up_another() -> None:
    rig = Rig()
    rig.add_queue(rx_entries=2)
    other = rig.add_queue()
    rig.add_vnic()
    frames = [tcp(100, sport=port) for port in range(40)]
    got = rig.receive(*frames)
    assert {g.queue for g in got} == {0, 1}
    assert sum(g.queue == other.index for g in got) > 5


def test_lack_of_aggregation_buffers_never_gives_short_data() -> None:
    rig = one_queue(split=True, agg_entries=4)
    queue = rig.queues[0]
    frame = tcp(9000)
    (got,) = rig.receive(frame, frame)
    assert got.data == frame
    # Pure headers still fit, but order is kept.
    assert rig.receive(tcp(0)) == []
    rig.post_agg(queue, 3)
    assert [len(g.data) for g in rig.poll()] == [len(frame), 54]


def test_a_full_completion_ring_makes_frames_wait() -> None:
    rig = one_queue(cq_entries=16)
    frames = [tcp(20 + n) for n in range(12)]
    got = rig.receive(*frames)
    assert len(got) == 7
    rig.clock.advance_to(HOLD_NS)
    got += rig.poll()
    assert [g.data for g in got] == frames
    assert not rig.trace.violations


def test_waiting_frames_are_bounded() -> None:
    rig = one_queue(split=True, rx_entries=2)
    rig.receive(*[tcp(9000)] * 600)
    assert rig.trace.counters["rx_discard"] >= 600 - 2 - HOLD_BYTES // 9000
    assert HOLD_BYTES - 10_000 < rig.rx.state()["waiting_bytes"] <= HOLD_BYTES


# -- barriers -----------------------------------------------------------------------------------
def test_no_write_goes_to_a_freed_ring(rig: Rig) -> None:
    queue = rig.queues[0]
    rig.receive(tcp(100))
    before = rig.rx.placer.writes
    rig.rx.flush_ring(queue.rx)
    queue.rx.free()
    del rig.resources.rx_rings[queue.rx.id]
    # The tables still name the ring, and the cache still knows the flow.
    assert rig.receive(tcp(100)) == []
    assert rig.trace.counters["rx_drop_ring_freed"] == 1
    rig.resources.steering_changed()
    assert rig.receive(tcp(100)) == []
    assert rig.trace.counters["rx_drop_no_ring"] == 1
    assert rig.rx.state()["buffer_writes"] == before
    assert rig.rx.state()["buffer_writes_after_free"] == 0


def test_packet_placed_behind_the_barriers_is_counted_and_not_written(rig: Rig) -> None:
    """The count that the main job asks for is not always 0."""
    frame = tcp(100)
    rig.receive(frame)
    placer = rig.rx.placer
    before = placer.writes
    (flow,) = rig.rx._flows.of_target.values()
    rig.queues[0].rx.free()
    assert placer.place(flow, frame, len(frame) - 100, len(frame), 0, 0, 0)
    assert (placer.writes, placer.writes_after_free) == (before, 1)


def test_frames_that_wait_are_gone_with_their_ring() -> None:
    rig = one_queue(rx_entries=4)
    queue = rig.queues[0]
    rig.receive(*[tcp(100)] * 5)
    rig.rx.flush_ring(queue.rx)
    assert queue.stats.counters[RX_DISCARD_PKTS] == 2
    queue.rx.free()
    rig.clock.advance_to(HOLD_NS)
    assert rig.rx.placer.writes_after_free == 0


def test_vnic_barrier_spares_frames_of_other_vnics() -> None:
    rig = one_queue(rx_entries=4)
    queue = rig.queues[0]
    second = rig.add_vnic()
    rig.receive(*[tcp(100)] * 5)
    rig.rx.flush_vnic(second)
    rig.post_rx(queue, 3)
    assert len(rig.poll()) == 2


def test_barrier_sends_what_moderation_holds_back(rig: Rig) -> None:
    queue = rig.queues[0]
    queue.nq.arm(0)
    queue.cq.arm(0)
    queue.cq.moderation.delay_ns = 1_000_000
    rig.rx.receive([tcp(100)])
    assert rig.interrupts == []
    rig.rx.flush_vnic(rig.resources.vnics[0])
    assert rig.interrupts == [0]


def test_reset_forgets_everything(rig: Rig) -> None:
    rig.receive(tcp(100))
    rig.rx.reset()
    rig.resources.reset()
    assert rig.receive(tcp(100)) == []
    assert rig.trace.counters["rx_drop_no_l2_match"] == 1


# -- faults and fuzz ----------------------------------------------------------------------------
def test_a_buffer_that_faults_is_an_error_completion_and_a_violation(rig: Rig) -> None:
    queue = rig.queues[0]
    word, opaque, _ = queue.rx.memory.read_bd(0)
    queue.rx.memory.write_entry(0, struct.pack("<IIQ", word, opaque, 0xDEAD_0000_0000))
    agg = queue.agg
    word, opaque, _ = agg.memory.read_bd(1)
    agg.memory.write_entry(1, struct.pack("<IIQ", word, opaque, 0xDEAD_0000_0000))
    queue.agg_addresses[opaque] = BASE
    bad_header, bad_payload, good = rig.receive(tcp(100), tcp(100), tcp(100))
    assert bad_header.ext.buffer_error
    assert bad_payload.ext.buffer_error
    assert (good.data, good.ext.buffer_error) == (tcp(100), 0)
    assert rig.trace.violation_counts["rx_buffer"] == 2
    assert queue.stats.counters[RX_ERROR_PKTS] == 2


def test_bus_master_off_is_no_exception(rig: Rig) -> None:
    rig.dma.bus_master_enabled = False
    rig.rx.receive([tcp(100)])
    assert rig.trace.violation_counts
    rig.rx.flush_ring(rig.queues[0].rx)


SEEDS = [
    tcp(300),
    tcp(300, ip=V6),
    build(ETHER, V4, UDP(), size=50),
    build(ETHER, Dot1Q(vlan=3), V6, UDP(), size=50),
    build(ETHER, Dot1AD(vlan=3), Dot1Q(vlan=4), V4, TCP(flags="PA"), size=900),
]


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(SEEDS),
            st.integers(0, 1000),
            st.dictionaries(st.integers(6, 90), st.integers(0, 255), max_size=3),
        ),
        max_size=12,
    ),
    st.booleans(),
    st.booleans(),
)
def test_random_frames_are_placed_whole_or_not_at_all(
    shapes: list[tuple[bytes, int, dict[int, int]]], strip: bool, tpa: bool
) -> None:
    rig = Rig(paged=True, memory_bytes=1 << 20)
    rig.add_queue(rx_entries=64, agg_entries=64)
    rig.add_queue(rx_entries=64, agg_entries=64)
    vnic = rig.add_vnic()
    vnic.plcmodes.flags = HDS_FLAGS
    vnic.rx_mask = 0x10
    vnic.vlan_strip = strip
    vnic.tpa.flags = 1 | 0x08 if tpa else 0
    frames = [damaged(seed[:length], damage) for seed, length, damage in shapes]
    got = rig.receive(*frames) + rig.receive(*frames)
    if not strip and not tpa:
        sent = [f for f in frames if len(f) >= 14]
        assert sorted(g.data for g in got) == sorted(sent * 2)
    assert not rig.trace.violations
    assert rig.rx.placer.writes_after_free == 0


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(SEEDS[:3]), st.integers(14, 70), st.integers(0, 255), st.booleans()
        ),
        min_size=1,
        max_size=10,
    )
)
def test_known_flows_are_treated_as_unknown_ones(
    shapes: list[tuple[bytes, int, int, bool]],
) -> None:
    known, unknown = Rig(), Rig()
    for rig in (known, unknown):
        rig.add_queue(rx_entries=64, agg_entries=64)
        vnic = rig.add_vnic()
        vnic.plcmodes.flags = HDS_FLAGS
        vnic.rx_mask = 0x10
    known.receive(*SEEDS[:3])
    unknown.receive(*SEEDS[:3])
    for seed, at, value, repaired in shapes:
        frame = bytearray(seed)
        frame[at] = value
        if repaired and at < 34 and seed is not SEEDS[1]:
            frame[24:26] = b"\0\0"
            frame[24:26] = checksum(frame[14:34]).to_bytes(2, "little")
        unknown.resources.steering_changed()
        assert known.receive(bytes(frame)) == unknown.receive(bytes(frame))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.binary(min_size=16, max_size=16), min_size=8, max_size=8), st.booleans())
def test_random_descriptors_never_raise(bds: list[bytes], tpa: bool) -> None:
    rig = Rig()
    queue = rig.add_queue(rx_entries=8, agg_entries=8, post=False)
    vnic = rig.add_vnic()
    vnic.plcmodes.flags = HDS_FLAGS
    vnic.tpa.flags = 1 if tpa else 0
    agg = queue.agg
    for index, bd in enumerate(bds):
        address = BASE + int.from_bytes(bd[8:], "little") % (2 * MEMORY_BYTES)
        queue.rx.memory.write_entry(index, bd[:8] + address.to_bytes(8, "little"))
        agg.memory.write_entry(index, bd[8:] + address.to_bytes(8, "little"))
    queue.rx.doorbell(7)
    agg.doorbell(7)
    rig.rx.receive([tcp(600), tcp(5000), tcp(0), tcp(9000)])
    rig.clock.advance_to(HOLD_NS)
    rig.rx.flush_ring(queue.rx)
