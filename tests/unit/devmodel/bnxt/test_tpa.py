# SPDX-License-Identifier: GPL-2.0-only
from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.l2 import Ether
from scapy.packet import Raw

from devmodel.bnxt.hsi.ring import RxTpaStartCmp
from devmodel.bnxt.stats import (
    RX_TPA_BYTES,
    RX_TPA_EVENTS,
    RX_TPA_PKT,
    RX_UCAST_BYTES,
    RX_UCAST_PKTS,
)
from devmodel.bnxt.tpa import SEGMENT_UNITS
from devmodel.net.checksum import ones_sum
from devmodel.net.parse import parse
from tests.unit.devmodel.bnxt.rig import Received, Rig
from tests.unit.devmodel.bnxt.tpa_sender import GRO, LRO, STAMP, Sender, make
from tests.unit.devmodel.frames import ETHER, V4, V6


@pytest.fixture
def rig() -> Rig:
    return make()


@pytest.fixture
def flow() -> Sender:
    return Sender()


def merged(packet: Received) -> bool:
    return isinstance(packet.cmp, RxTpaStartCmp)


@pytest.mark.parametrize("ip", [V4, V6], ids=["ipv4", "ipv6"])
def test_segments_become_one_packet(ip: IP) -> None:
    rig, flow = make(), Sender(ip)
    frames = [flow.segment(window=50 + n) for n in range(3)]
    (got,) = rig.receive(*frames)
    head = parse(frames[0]).payload
    assert got.first == head
    assert got.data[head:] == flow.data
    assert got.end is not None
    assert got.end_ext is not None
    assert (got.end.tpa_segs, got.end_ext.seg_len, got.end.gro_ts) == (3, 1448, 1)
    assert got.end_ext.payload_offset == head
    assert got.cmp.placement == got.end.placement == 6
    assert got.cmp.itype == 2
    assert got.ext.l4_cs_calc == 1
    assert got.ext.ip_type == (ip is V6)
    assert (got.ext.inner_l3_off, got.ext.inner_l2_off) == (14, 0)
    # The merged header describes the whole packet.
    packet = parse(got.data)
    assert (packet.end, packet.ip_ok) == (len(got.data), True)
    seen = Ether(got.data)
    assert (seen[TCP].seq, seen[TCP].window, str(seen[TCP].flags)) == (0xFFFFF000, 52, "A")
    pseudo = (6 + packet.end - packet.l4) << 8
    field = int.from_bytes(got.data[packet.l4 + 16 : packet.l4 + 18], "little")
    assert field % 65535 == ones_sum(packet.src + packet.dst, pseudo)


def test_gro_keeps_segments_whole_and_lro_fills_buffers() -> None:
    for flags, pieces, placement in ((GRO, [2896, 2896], 6), (LRO, [4096, 1696], 2)):
        rig, flow = make(flags), Sender()
        (got,) = rig.receive(*[flow.segment() for _ in range(4)])
        assert got.pieces == pieces
        assert got.cmp.placement == placement
        assert got.data[66:] == flow.data


def test_without_split_the_first_buffer_holds_payload() -> None:
    rig, flow = make(hds=False), Sender()
    (got,) = rig.receive(flow.segment(), flow.segment())
    assert got.first == 640
    assert got.data[66:] == flow.data
    assert got.cmp.placement == 5


def test_without_a_timer_an_aggregation_ends_with_its_batch(rig: Rig, flow: Sender) -> None:
    for _ in range(2):
        (got,) = rig.receive(flow.segment(), flow.segment())
        assert got.end is not None
        assert got.end.tpa_segs == 2


def test_a_segment_alone_until_the_clock_ends_its_aggregation_is_unchanged() -> None:
    rig, flow = make(timer=1), Sender()
    frame = flow.segment()
    assert rig.receive(frame) == []
    rig.clock.advance_to(1_000)
    (got,) = rig.poll()
    assert got.data == frame
    assert got.end is not None
    assert got.end.tpa_segs == 1


@pytest.mark.parametrize(
    ("last", "count"),
    [
        ({"flags": "PA"}, 3),  # joins, then ends
        ({"size": 700}, 3),
        ({"flags": "FA"}, 2),  # does not join
        ({"flags": "RA"}, 2),
        ({"flags": "UA"}, 2),
        ({"ack": 6}, 2),
        ({"size": 1449}, 2),
        ({"options": [("NOP", None), ("NOP", None), ("Timestamp", (9, 9))]}, 2),
        ({"size": 0}, 2),
    ],
)
def test_what_ends_an_aggregation(
    rig: Rig, flow: Sender, last: dict[str, object], count: int
) -> None:
    frames = [flow.segment(), flow.segment(), flow.segment(**last)]  # type: ignore[arg-type]
    got = rig.receive(*frames)
    assert got[0].end is not None
    assert got[0].end.tpa_segs == count
    if count == 2:
        assert len(got) == 2
        assert got[1].data == frames[2]
    else:
        assert len(got) == 1
        assert got[0].data[66:] == flow.data
        assert ("P" in str(Ether(got[0].data)[TCP].flags)) == (last.get("flags") == "PA")


def test_out_of_order_ends_and_starts_again(rig: Rig, flow: Sender) -> None:
    one, two, three, four = (flow.segment() for _ in range(4))
    got = rig.receive(one, three, four, two)
    assert [g.end.tpa_segs if g.end else 0 for g in got] == [1, 2, 1]
    assert got[0].data == one
    assert got[2].data == two


def test_a_bad_checksum_is_delivered_on_its_own_in_order(rig: Rig, flow: Sender) -> None:
    good, bad = flow.segment(), bytearray(flow.segment())
    bad[-1] ^= 1
    first, second = rig.receive(good, bytes(bad))
    assert first.data == good
    assert not merged(second)
    assert second.ext.l4_cs_error
    assert second.data == bad


def test_flows_aggregate_side_by_side(rig: Rig) -> None:
    flows = [Sender(sport=1000 + n) for n in range(4)]
    got = rig.receive(*[flow.segment() for _ in range(3) for flow in flows])
    assert sorted(g.data[66:] for g in got) == sorted(flow.data for flow in flows)
    assert len({g.cmp.agg_id for g in got if isinstance(g.cmp, RxTpaStartCmp)}) == 4


@pytest.mark.parametrize("limit", ["max_agg_segs", "max_aggs"])
def test_limits_of_the_vnic(rig: Rig, limit: str) -> None:
    setattr(rig.resources.vnics[0].tpa, limit, 1)
    flows = [Sender(sport=1000 + n) for n in range(3)]
    got = rig.receive(*[flow.segment() for _ in range(8) for flow in flows])
    if limit == "max_agg_segs":
        assert [g.end.tpa_segs for g in got if g.end] == [SEGMENT_UNITS] * 6
    else:
        assert sum(merged(g) for g in got) == 1
        assert sum(not merged(g) for g in got) == 16


def test_never_more_than_17_buffers_nor_64_kib() -> None:
    for size, options in ((4056, {}), (1448, {"agg_size": 32768, "agg_entries": 128}), (9000, {})):
        rig, flow = make(**options), Sender()
        got = rig.receive(*[flow.segment(size) for _ in range(40)])
        assert b"".join(g.data[66:] for g in got) == flow.data
        assert all(len(g.data) <= 65535 + 14 for g in got)
        assert max(len(g.pieces) for g in got) <= 17


def test_only_tcp_with_a_hash_is_aggregated(rig: Rig) -> None:
    udp = bytes(ETHER / V4 / UDP(sport=1, dport=2) / Raw(b"x" * 1000))
    assert not any(merged(g) for g in rig.receive(udp, udp))
    rig.resources.vnics[0].hash_type = 0
    rig.resources.steering_changed()
    flow = Sender()
    assert not any(merged(g) for g in rig.receive(flow.segment(), flow.segment()))


def test_other_tcp_options_are_left_alone() -> None:
    rig, flow = make(), Sender(options=[("SAck", (1, 2)), ("NOP", None), ("NOP", None)])
    assert not any(merged(g) for g in rig.receive(flow.segment(), flow.segment()))


def test_without_options_too() -> None:
    rig, flow = make(), Sender(options=[])
    (got,) = rig.receive(flow.segment(), flow.segment())
    assert got.end is not None
    assert got.end.gro_ts == 0
    assert got.data[54:] == flow.data


def test_shortage_of_buffers_ends_and_waits() -> None:
    rig, flow = make(agg_entries=4), Sender()
    frames = [flow.segment(4056) for _ in range(5)]
    got = rig.receive(*frames)
    assert b"".join(g.data[66:] for g in got) == flow.data[: 3 * 4056]
    rig.post_agg(rig.queues[0], 3)
    got = rig.poll()
    assert b"".join(g.data[66:] for g in got) == flow.data[3 * 4056 :]


def test_counters_count_wire_packets(rig: Rig, flow: Sender) -> None:
    frames = [flow.segment() for _ in range(5)]
    rig.receive(*frames)
    counters = rig.queues[0].stats.counters
    assert counters[RX_UCAST_PKTS] == counters[RX_TPA_PKT] == 5
    assert counters[RX_UCAST_BYTES] == counters[RX_TPA_BYTES] == sum(map(len, frames))
    assert counters[RX_TPA_EVENTS] == 1


def test_the_clock_ends_an_aggregation_that_waits() -> None:
    rig, flow = make(timer=20), Sender()
    assert rig.receive(flow.segment()) == []
    assert rig.receive(flow.segment()) == []
    rig.clock.advance_to(20_000)
    (got,) = rig.poll()
    assert got.data[66:] == flow.data


@pytest.mark.parametrize("barrier", ["ring", "agg", "vnic", "steering"])
def test_barriers_end_aggregations(barrier: str) -> None:
    rig, flow = make(timer=1000), Sender()
    queue = rig.queues[0]
    assert rig.receive(flow.segment(), flow.segment()) == []
    if barrier == "vnic":
        rig.rx.flush_vnic(rig.resources.vnics[0])
    elif barrier == "steering":
        rig.resources.steering_changed()
        rig.rx.receive([])
    else:
        rig.rx.flush_ring(queue.rx if barrier == "ring" else queue.agg)
    (got,) = rig.poll()
    assert got.data[66:] == flow.data
    queue.rx.free()
    rig.clock.advance_to(2_000_000)
    assert rig.poll() == []
    assert rig.rx.placer.writes_after_free == 0


def test_reset_forgets_open_aggregations() -> None:
    rig, flow = make(timer=1), Sender()
    rig.receive(flow.segment())
    rig.rx.reset()
    rig.clock.advance_to(5_000)
    assert rig.poll() == []


def test_a_faulting_start_buffer_ends_with_an_error(rig: Rig, flow: Sender) -> None:
    queue = rig.queues[0]
    word, opaque, _ = queue.rx.memory.read_bd(0)
    queue.rx.memory.write_entry(
        0, word.to_bytes(4, "little") + opaque.to_bytes(4, "little") + b"\xde" * 8
    )
    (got,) = rig.receive(flow.segment(), flow.segment())
    assert got.end_ext is not None
    assert got.end_ext.rx_tpa_end_cmp_errors_v2 & 0xE
    assert rig.trace.violation_counts["rx_buffer"] == 1


def test_vlan_tagged_segments_merge_where_the_tag_is_stripped(rig: Rig, flow: Sender) -> None:
    rig.resources.vnics[0].vlan_strip = True
    frames = [flow.segment(), flow.segment()]
    tagged = [f[:12] + b"\x81\0\0\7" + f[12:] for f in frames]
    (got,) = rig.receive(*tagged)
    assert got.ext.meta_format == 1
    assert got.ext.rx_tpa_start_cmp_metadata == 0x81000007  # type: ignore[union-attr]
    assert got.data[66:] == flow.data
    assert rig.queues[0].stats.counters[RX_UCAST_BYTES] == sum(map(len, tagged))


@settings(max_examples=80, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 2),
            st.sampled_from([0, 1, 300, 700, 1448, 4056]),
            st.sampled_from(["A", "A", "A", "PA", "FA", "AE"]),
            st.sampled_from(["keep", "keep", "keep", "damage", "batch"]),
        ),
        max_size=60,
    ),
    st.sampled_from([GRO, LRO]),
    st.booleans(),
    st.sampled_from([0, 50]),
)
def test_every_byte_arrives_once_and_in_order(
    steps: list[tuple[int, int, str, str]], flags: int, hds: bool, timer: int
) -> None:
    rig = make(flags, hds=hds, timer=timer)
    flows = [Sender(sport=1000 + n, options=STAMP if n else []) for n in range(3)]
    sent: dict[int, bytes] = {flow.sport: b"" for flow in flows}
    batch: list[bytes] = []
    got: list[Received] = []
    for which, size, tcp_flags, what in steps:
        flow = flows[which]
        frame = flow.segment(size, flags=tcp_flags)
        payload = parse(frame).payload
        if what == "damage" and size:
            frame = frame[:-1] + bytes([frame[-1] ^ 1])
        sent[flow.sport] += frame[payload:]
        batch.append(frame)
        if what == "batch":
            got += rig.receive(*batch)
            batch.clear()
            rig.clock.advance_to(rig.clock.now_ns + 30_000)
            got += rig.poll()
    got += rig.receive(*batch)
    rig.rx.flush_vnic(rig.resources.vnics[0])
    got += rig.poll()
    found = {flow.sport: b"" for flow in flows}
    for packet in got:
        parsed = parse(packet.data)
        found[parsed.sport] += packet.data[parsed.payload :]
    assert found == sent
    assert sum(p.end.tpa_segs if p.end else 1 for p in got) == len(steps)
    assert not rig.trace.violations
