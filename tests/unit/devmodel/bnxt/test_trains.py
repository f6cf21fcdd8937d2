# SPDX-License-Identifier: GPL-2.0-only
"""A train leaves in the host what its frames would have left, to the last byte."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pytest
from hypothesis import event, given
from hypothesis import strategies as st
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.packet import Raw

from devmodel.net.train import Arrival, Train, count_frames, frames_of, make_train
from tests.unit.devmodel.bnxt.rig import Rig, one_queue, split_rig
from tests.unit.devmodel.bnxt.tpa_sender import GRO, LRO, STAMP, make
from tests.unit.devmodel.frames import ETHER, MAC, PEER, V4, V6


@dataclass
class Connection:
    """Sends the packets of one TCP connection as trains."""

    ip: IP | IPv6
    sport: int = 1000
    seq: int = 0xFFFFE000
    ip_id: int = 0xFFF0

    def packet(self, size: int, mss: int, flags: str = "A", skip: int = 0) -> Train:
        """The next one, ``skip`` bytes of the stream further on."""
        self.seq += skip
        body = (bytes(range(self.sport % 7, 250)) * 300)[:size]
        ip = self.ip.copy()
        if isinstance(ip, IP):
            ip.id = self.ip_id & 0xFFFF
        tcp = TCP(
            sport=self.sport, dport=80, seq=self.seq & 0xFFFFFFFF, ack=5, flags=flags, options=STAMP
        )
        version = 4 if isinstance(ip, IP) else 6
        train = make_train(
            bytes(ETHER / ip / tcp / Raw(body)), 34 if version == 4 else 54, mss, version
        )
        assert train is not None
        self.seq += size
        self.ip_id += len(train)
        return train


def same(
    one: Rig,
    other: Rig,
    batches: Sequence[Sequence[Arrival]],
    *,
    refill: bool = True,
    violations: int = 0,
) -> None:
    """``one`` gets the batches as they are, ``other`` their frames; nothing must differ."""
    for batch in batches:
        frames = frames_of(batch)
        one.rx.receive(batch)
        other.rx.receive(frames)
        assert one.poll() == other.poll()
        assert one.mac.rx.snapshot() == other.mac.rx.snapshot()
        assert one.queues[0].stats.counters == other.queues[0].stats.counters
        assert one.trace.counters == other.trace.counters
        if refill:
            for rig in (one, other):
                queue = rig.queues[0]
                rig.post_agg(queue, queue.agg.mask - queue.agg.available())
                rig.post_rx(queue, queue.rx.mask - queue.rx.available())
    assert one.memory == other.memory
    state, expected = one.rx.state(), other.rx.state()
    assert state.pop("buffer_writes") <= expected.pop("buffer_writes")
    assert state == expected
    assert one.trace.violations == other.trace.violations
    assert len(one.trace.violations) == violations


@pytest.mark.parametrize("ip", [V4, V6], ids=["v4", "v6"])
@pytest.mark.parametrize("flags", [GRO, LRO, GRO | 0x20 | 0x40])
@pytest.mark.parametrize("hds", [True, False])
@pytest.mark.parametrize("mss", [1448, 4056, 536, 8000])
def test_aggregated(ip: IP | IPv6, flags: int, hds: bool, mss: int) -> None:
    def rig() -> Rig:
        return make(flags, hds=hds, oracle=True, timer=3)

    sender = Connection(ip)
    batches = [
        [sender.packet(mss * 7, mss)],
        [sender.packet(mss * 7 + 5, mss), sender.packet(mss * 3, mss, "PA")],
        [sender.packet(30_000, mss), sender.packet(30_000, mss, "FPA")],
        [sender.packet(mss * 5, mss, "CEA"), sender.packet(mss * 5, mss, skip=mss)],
    ]
    same(rig(), rig(), batches)


def test_several_at_once_are_one_write() -> None:
    one, other = make(), make()
    sender = Connection(V4)
    batches = [[sender.packet(1448, 1448)], [sender.packet(1448 * 20, 1448)]]
    same(one, other, batches)
    assert one.rx.state()["buffer_writes"] <= other.rx.state()["buffer_writes"] - 7


@pytest.mark.parametrize("rig", [one_queue, split_rig])
def test_not_aggregated(rig: object) -> None:
    assert callable(rig)
    sender = Connection(V4)
    batches = [[sender.packet(9000, mss)] for mss in (536, 500, 536)]
    same(rig(), rig(), batches)


def test_of_a_frame_too_long_for_the_vnic() -> None:
    sender = Connection(V4)
    rigs = make(), make()
    for rig in rigs:
        rig.resources.vnics[0].mru = 1000
        rig.resources.steering_changed()
    same(
        *rigs, [[sender.packet(500, 500)], [sender.packet(9000, 1448)], [sender.packet(9000, 800)]]
    )


def test_limits_of_an_aggregation() -> None:
    sender = Connection(V4)
    rigs = make(timer=9), make(timer=9)
    for rig in rigs:
        rig.resources.vnics[0].tpa.max_agg_segs = 1
    same(*rigs, [[sender.packet(14480, 1448)], [sender.packet(14480, 1448)]])
    big = [[sender.packet(2 * 6800, 6800)], [sender.packet(9 * 6800, 6800)], [sender.packet(9, 9)]]
    same(make(LRO, timer=9), make(LRO, timer=9), big)


def test_shorter_or_too_long_segments_behind_an_aggregation() -> None:
    sender = Connection(V4)
    batches = [[sender.packet(2896, 1448)], [sender.packet(3000, 600)]]
    same(make(timer=9), make(timer=9), batches)
    sender = Connection(V4)
    rigs = make(LRO, timer=9), make(LRO, timer=9)
    for rig in rigs:
        rig.resources.vnics[0].mru = 1000
        rig.resources.steering_changed()
    same(*rigs, [[sender.packet(1800, 600)], [sender.packet(9000, 1448)]])


@pytest.mark.parametrize(("at", "value"), [(2, b"\0\0"), (8, bytes(8))])
def test_buffer_that_cannot_be_written(at: int, value: bytes) -> None:
    """It has no size, or is not there: the aggregation goes on and ends as a bad one."""
    sender = Connection(V4)
    rigs = make(timer=9), make(timer=9)
    for rig in rigs:
        rig.poke(rig.queues[0].agg.memory.address(1) + at, value)
    batches = [[sender.packet(1448 * 20, 1448)], [sender.packet(1448 * 7, 1448)]]
    same(*rigs, batches, violations=int(at == 8))


def test_what_waits_for_buffers_is_not_overtaken() -> None:
    sender = Connection(V4)
    rigs = (
        make(timer=9, agg_entries=4, rx_entries=16),
        make(timer=9, agg_entries=4, rx_entries=16),
    )
    jumbo = bytes(ETHER / V4.copy() / UDP(sport=7, dport=8) / Raw(bytes(9000)))
    batches: list[list[Arrival]] = [[sender.packet(536, 536)], [jumbo, sender.packet(2680, 536)]]
    same(*rigs, batches, refill=False)
    assert rigs[0].rx.state()["waiting_frames"] == 6


@pytest.mark.parametrize(("dst", "src"), [(PEER, PEER), (MAC, MAC)])
def test_another_ethernet_header_is_another_flow(dst: bytes, src: bytes) -> None:
    sender = Connection(V4)
    one = sender.packet(3000, 1000)
    two = sender.packet(3000, 1000)
    rest = two.frame(0)[12:66] + bytes(two.payload)
    moved = make_train(dst + src + rest, 34, 1000, 4)
    assert moved is not None
    rigs = make(), make()
    same(*rigs, [[one], [moved]])


def test_link_is_down() -> None:
    sender = Connection(V4)
    rigs = make(), make()
    for rig in rigs:
        rig.rx.link_up = False
    same(*rigs, [[sender.packet(9000, 1448)]])
    assert rigs[0].trace.counters["rx_drop_link_down"] == 7


def test_frames_are_seen_while_faults_are_armed() -> None:
    rig = make()
    sender = Connection(V4)
    rig.rx.receive([sender.packet(1448, 1448)])
    seen: list[int] = []
    take_in = rig.rx._take_in

    def spy(arrivals: Sequence[Arrival]) -> None:
        seen.append(sum(isinstance(one, Train) for one in arrivals))
        take_in(arrivals)

    rig.rx._take_in = spy  # type: ignore[method-assign, assignment]
    rig.rx.receive([sender.packet(9000, 1448)])
    rig.dma.faults.armed = True
    rig.rx.receive([sender.packet(9000, 1448)])
    assert seen == [1, 0]


@st.composite
def traffic(draw: st.DrawFn) -> list[list[Arrival]]:
    senders = [Connection(V4, 1000), Connection(V6, 1001), Connection(V4, 1002)]
    batches: list[list[Arrival]] = []
    for _ in range(draw(st.integers(1, 6))):
        batch: list[Arrival] = []
        for _ in range(draw(st.integers(1, 4))):
            sender = draw(st.sampled_from(senders))
            mss = draw(st.sampled_from([1448, 1448, 600, 4056, 8900]))
            size = draw(st.one_of(st.integers(1, 40_000), st.integers(1, 20).map(mss.__mul__)))
            flags = draw(st.sampled_from(["A", "A", "PA", "FA", "CA", "EA", "UA", "SA"]))
            train = sender.packet(
                min(size, 60_000), mss, flags, draw(st.sampled_from([0, 0, 0, 9]))
            )
            if draw(st.booleans()):
                batch += list(train)[: draw(st.integers(1, 3))]
            batch.append(train)
        batches.append(batch)
    return batches


@given(
    batches=traffic(),
    flags=st.sampled_from([0, GRO, LRO, GRO | 0x20 | 0x40]),
    hds=st.booleans(),
    scarce=st.booleans(),
    segments=st.sampled_from([0, 1, 5, 63]),
    paged=st.booleans(),
)
def test_any_traffic(
    batches: list[list[Arrival]], flags: int, hds: bool, scarce: bool, segments: int, paged: bool
) -> None:
    def rig() -> Rig:
        made = make(
            flags, hds=hds, oracle=True, paged=paged, timer=2,
            rx_entries=16 if scarce else 256, agg_entries=16 if scarce else 512,
        )  # fmt: skip
        made.resources.vnics[0].tpa.max_agg_segs = segments
        return made

    one = rig()
    same(one, rig(), batches, refill=not scarce)
    event(f"held: {bool(one.trace.counters['rx_holds'])}")
    event(f"frames: {sum(map(count_frames, batches)) // 50 * 50}")
