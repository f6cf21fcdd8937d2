# SPDX-License-Identifier: GPL-2.0-only
"""Aggregations that live longer than a batch: their time, what ends them, whose buffers are."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from scapy.layers.inet import IP, TCP
from scapy.layers.l2 import Ether

from devmodel.bnxt.hsi.ring import RxTpaStartCmp
from devmodel.bnxt.hsi.vnic import TpaFlags
from devmodel.clock import Timing
from devmodel.dma import DmaSpace
from devmodel.net.checksum import checksum
from devmodel.net.parse import parse
from tests.unit.devmodel.bnxt.cardhost import arm
from tests.unit.devmodel.bnxt.rig import Received, Rig
from tests.unit.devmodel.bnxt.tpa_sender import GRO, LRO, Sender, make
from tests.unit.devmodel.frames import V6, tcp

TIMER = 1000
MICROSECOND = 1000


@pytest.fixture
def rig() -> Rig:
    """Aggregations have a millisecond, and the oracle looks on."""
    return make(timer=TIMER, oracle=True)


@pytest.fixture
def flow() -> Sender:
    return Sender()


def open_one(rig: Rig, flow: Sender) -> None:
    """Two segments come, and nothing follows them."""
    assert rig.receive(flow.segment(), flow.segment()) == []
    assert rig.rx.state()["open_aggregations"] == 1


def rules(rig: Rig) -> set[str]:
    return {str(found["rule"]) for found in rig.trace.violations}


# -- time ---------------------------------------------------------------------------------------
def test_segments_of_many_batches_become_one_packet(rig: Rig, flow: Sender) -> None:
    for _ in range(5):
        assert rig.receive(flow.segment()) == []
        rig.clock.advance_to(rig.clock.now_ns + 100 * MICROSECOND)
    (got,) = rig.receive(flow.segment(flags="PA"))
    assert got.end is not None
    assert (got.end.tpa_segs, got.data[66:]) == (6, flow.data)
    assert not rig.trace.violations


def test_the_time_counts_from_the_first_segment(rig: Rig, flow: Sender) -> None:
    rig.receive(flow.segment())
    rig.clock.advance_to(900 * MICROSECOND)
    assert rig.receive(flow.segment()) == []
    rig.clock.advance_to(TIMER * MICROSECOND - 1)
    assert rig.poll() == []
    rig.clock.advance_to(TIMER * MICROSECOND)
    (got,) = rig.poll()
    assert got.data[66:] == flow.data


def test_each_has_its_own_time(rig: Rig) -> None:
    early, late = Sender(sport=1000), Sender(sport=1001)
    rig.receive(early.segment())
    rig.clock.advance_to(400 * MICROSECOND)
    rig.receive(late.segment())
    rig.clock.advance_to(TIMER * MICROSECOND)
    (got,) = rig.poll()
    assert got.data[66:] == early.data
    rig.clock.advance_to((TIMER + 400) * MICROSECOND)
    (got,) = rig.poll()
    assert got.data[66:] == late.data


def test_with_synchronous_timing_nothing_waits(rig: Rig, flow: Sender) -> None:
    rig.clock.timing = Timing.SYNCHRONOUS
    (got,) = rig.receive(flow.segment(), flow.segment())
    assert got.data[66:] == flow.data
    assert rig.clock.now_ns == 0


# -- many at once -------------------------------------------------------------------------------
def test_aggregations_side_by_side_take_turns_with_buffers(rig: Rig) -> None:
    flows = [Sender(sport=1000 + n) for n in range(3)]
    for _ in range(4):
        assert rig.receive(*[flow.segment() for flow in flows]) == []
    rig.rx.flush_vnic(rig.resources.vnics[0])
    got = rig.poll()
    assert sorted(g.data[66:] for g in got) == sorted(flow.data for flow in flows)
    assert all(g.pieces == [2896, 2896] for g in got)
    assert not rig.trace.violations


def test_numbers_are_used_in_turn() -> None:
    rig = make()
    seen = []
    for n in range(1030):
        flow = Sender(sport=1000 + n % 7)
        (got,) = rig.receive(flow.segment())
        assert isinstance(got.cmp, RxTpaStartCmp)
        seen.append(got.cmp.agg_id)
        rig.post_rx(rig.queues[0], 2)
        rig.post_agg(rig.queues[0], 1)
    assert seen == [n % 1024 for n in range(1030)]


def test_the_limit_is_that_of_a_vnic(rig: Rig) -> None:
    rig.resources.vnics[0].tpa.max_aggs = 2
    flows = [Sender(sport=1000 + n) for n in range(3)]
    (got,) = rig.receive(*[flow.segment() for flow in flows])
    assert not isinstance(got.cmp, RxTpaStartCmp)
    rig.rx.flush_vnic(rig.resources.vnics[0])
    assert len(rig.poll()) == 2
    assert rig.receive(flows[2].segment()) == []


# -- barriers -----------------------------------------------------------------------------------
@pytest.mark.parametrize("barrier", ["link", "completion ring", "ring", "vnic"])
def test_a_barrier_ends_it_and_nothing_comes_after(rig: Rig, flow: Sender, barrier: str) -> None:
    open_one(rig, flow)
    queue = rig.queues[0]
    if barrier == "link":
        rig.rx.link_up = False
    elif barrier == "completion ring":
        rig.rx.flush_cmpl(queue.cq)
    elif barrier == "ring":
        rig.rx.flush_ring(queue.rx)
    else:
        rig.rx.flush_vnic(rig.resources.vnics[0])
    (got,) = rig.poll()
    assert got.data[66:] == flow.data
    assert rig.rx.state()["open_aggregations"] == 0
    writes = rig.rx.placer.writes
    rig.clock.advance_to(10 * TIMER * MICROSECOND)
    assert rig.poll() == []
    assert rig.rx.placer.writes == writes
    assert not rig.trace.violations


def test_a_reset_writes_nothing(rig: Rig, flow: Sender) -> None:
    open_one(rig, flow)
    writes = rig.rx.placer.writes
    rig.rx.reset()
    rig.clock.advance_to(10 * TIMER * MICROSECOND)
    assert rig.poll() == []
    assert rig.rx.placer.writes == writes


# -- faults -------------------------------------------------------------------------------------
def test_a_time_out_that_does_not_come(rig: Rig, flow: Sender) -> None:
    arm(rig.dma.faults, "tpa.timeout", {"action": "drop"}, match={"segments": 2, "bytes": 2896})
    open_one(rig, flow)
    rig.clock.advance_to(10 * TIMER * MICROSECOND)
    assert rig.poll() == []
    assert rig.receive(flow.segment()) == []
    (got,) = rig.receive(flow.segment(flags="PA"))
    assert got.data[66:] == flow.data


@pytest.mark.parametrize("timing", Timing)
def test_a_time_out_that_comes_after_something_else(rig: Rig, flow: Sender, timing: Timing) -> None:
    rig.clock.timing = timing
    until = {"where": "rx.frame", "match": {"sport": 2000}}
    arm(rig.dma.faults, "tpa.timeout", {"action": "hold", "until": until}, times=0)
    open_one(rig, flow)
    rig.clock.advance_to(10 * TIMER * MICROSECOND)
    assert rig.poll() == []
    other, got = sorted(rig.receive(tcp(5, sport=2000)), key=lambda found: len(found.data))
    assert len(other.data) < 100
    assert got.data[66:] == flow.data
    assert not rig.trace.violations


def test_a_late_time_out_of_what_has_ended_is_nothing(rig: Rig, flow: Sender) -> None:
    until = {"where": "rx.frame", "match": {"sport": 2000}}
    arm(rig.dma.faults, "tpa.timeout", {"action": "hold", "until": until}, times=0)
    open_one(rig, flow)
    rig.clock.advance_to(2 * TIMER * MICROSECOND)
    assert len(rig.receive(flow.segment(flags="PA"))) == 1
    assert len(rig.receive(tcp(5, sport=2000))) == 1


# -- the oracle ---------------------------------------------------------------------------------
def test_a_buffer_of_an_open_aggregation_is_not_the_drivers(rig: Rig, flow: Sender) -> None:
    open_one(rig, flow)
    queue = rig.queues[0]
    first = rig.dma.peek(queue.rx.memory.address(0) + 8, 8)
    rig.poke(queue.rx.memory.address(queue.rx_prod), struct.pack("<IIQ", 4 | 640 << 16, 0, 0)[:8])
    rig.poke(queue.rx.memory.address(queue.rx_prod) + 8, first)
    assert queue.rx.doorbell(queue.rx_prod + 1 & queue.rx.mask)
    (found,) = rig.trace.violations
    assert (found["rule"], found["culprit"]) == ("posted_twice", "driver")
    assert "an aggregation that has not ended" in str(found["also"])


@pytest.mark.parametrize("of", ["header", "payload"])
def test_a_buffer_of_an_open_aggregation_stays_mapped(flow: Sender, of: str) -> None:
    rig = make(timer=TIMER, oracle=True, paged=True)
    open_one(rig, flow)
    queue = rig.queues[0]
    ring = queue.rx if of == "header" else queue.agg
    page = int.from_bytes(rig.dma.peek(ring.memory.address(0) + 8, 8), "little") & -4096
    rig.dma.unmap(page, 4096)
    assert "an aggregation" in " ".join(str(found.get("what")) for found in rig.trace.violations)
    assert rules(rig) == {"unmap_while_owned"}


# -- what is merged -----------------------------------------------------------------------------
def counts(got: list[Received]) -> list[int]:
    return [packet.end.tpa_segs if packet.end else 0 for packet in got]


def with_ip(frame: bytes, **fields: int) -> bytes:
    """The frame with other fields of its IPv4 header."""
    packet = Ether(frame)
    for name, value in fields.items():
        setattr(packet[IP], name, value)
    del packet[IP].chksum
    return bytes(packet)


@pytest.mark.parametrize(("flags", "merged"), [(GRO, [2, 2]), (GRO & ~0x10, [2, 0, 0])])
def test_a_mark_of_congestion_ends_it(flow: Sender, flags: int, merged: list[int]) -> None:
    """Whoever marks says it of each packet: marked ones are not merged with others."""
    rig = make(flags)
    frames = [with_ip(flow.segment(), tos=tos) for tos in (0, 0, 3, 3)]
    assert counts(rig.receive(*frames)) == merged


@pytest.mark.parametrize(
    ("tcp_flags", "merged"),
    [(("A", "AE", "AE"), [1, 2]), (("A", "AC", "A"), [1, 0, 1]), (("A", "A", "APE"), [2, 0])],
)
def test_echoes_of_congestion(flow: Sender, tcp_flags: tuple[str, ...], merged: list[int]) -> None:
    rig = make()
    assert counts(rig.receive(*[flow.segment(flags=flags) for flags in tcp_flags])) == merged


@pytest.mark.parametrize(
    ("check", "fields", "merged"),
    [
        (0, {"ttl": 9}, [3]),
        (TpaFlags.GRO_TTL_CHECK, {"ttl": 9}, [2, 1]),
        (0, {"id": 9}, [3]),
        (TpaFlags.GRO_IPID_CHECK, {"id": 9}, [2, 1]),
        (TpaFlags.GRO_IPID_CHECK, {"id": 3}, [3]),
    ],
)
def test_ttl_and_identification_where_asked_for(
    flow: Sender, check: int, fields: dict[str, int], merged: list[int]
) -> None:
    rig = make(GRO | check)
    frames = [with_ip(flow.segment(), id=n) for n in (1, 2, 3)]
    frames[2] = with_ip(frames[2], **fields)
    assert counts(rig.receive(*frames)) == merged


def test_without_gro_the_timestamp_may_move(flow: Sender) -> None:
    rig = make(LRO)
    stamps = [[("NOP", None), ("NOP", None), ("Timestamp", (n, 2))] for n in (5, 7, 7, 6)]
    got = rig.receive(*[flow.segment(700, options=stamp) for stamp in stamps])
    assert counts(got) == [3, 1]
    assert got[0].end is not None
    assert got[0].end.rx_tpa_end_cmp_tsdelta == 2
    assert dict(Ether(got[0].data)[TCP].options)["Timestamp"] == (7, 2)


def test_without_gro_segments_may_grow_and_shrink(flow: Sender) -> None:
    rig = make(LRO)
    got = rig.receive(*[flow.segment(size) for size in (700, 300, 1448)])
    assert counts(got) == [3]
    assert got[0].end_ext is not None
    assert (got[0].end_ext.seg_len, got[0].data[66:]) == (1448, flow.data)


def test_ipv6_flow_labels_are_not_mixed() -> None:
    rig, flow = make(), Sender(V6)
    first = flow.segment()
    flow.ip = V6.copy()
    flow.ip.fl = 5
    assert counts(rig.receive(first, flow.segment(), flow.segment())) == [1, 2]


def test_card_that_is_reset_when_the_first_of_two_ends(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A write may be when a fault resets it; the second is gone then."""
    for flow in (Sender(sport=1000), Sender(sport=1001)):
        rig.receive(flow.segment(), flow.segment())
    assert rig.rx.state()["open_aggregations"] == 2
    write = DmaSpace.write

    def reset(dma: DmaSpace, *arguments: Any) -> None:
        rig.rx.reset()
        write(dma, *arguments)

    monkeypatch.setattr(DmaSpace, "write", reset)
    rig.rx.flush_vnic(rig.resources.vnics[0])
    assert rig.rx.state()["open_aggregations"] == 0


def test_options_of_ipv4_are_left_alone(flow: Sender) -> None:
    """With 20 bytes of them the TCP header begins where it does in a packet of IPv6."""
    rig = make()
    plain = flow.segment()
    frames = [plain, *(with_options(flow.segment()) for _ in range(2))]
    assert parse(frames[1]).l4 == 54
    got = rig.receive(*frames)
    assert counts(got) == [1, 0, 0]
    assert [packet.data for packet in got] == frames


def with_options(frame: bytes) -> bytes:
    """The frame with 20 bytes of options behind its IPv4 header, all of them NOP."""
    changed = bytearray(frame[:34] + b"\1" * 20 + frame[34:])
    changed[14] = 0x4A
    changed[16:18] = (len(changed) - 14).to_bytes(2, "big")
    changed[24:26] = b"\0\0"
    changed[24:26] = checksum(changed[14:54]).to_bytes(2, "little")
    return bytes(changed)
