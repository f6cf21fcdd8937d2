# SPDX-License-Identifier: GPL-2.0-only
from __future__ import annotations

import itertools
import struct
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Dot1AD, Dot1Q, Ether
from scapy.layers.vxlan import VXLAN
from scapy.packet import Raw

from devmodel.bnxt.hsi.ring import TxCmp
from devmodel.bnxt.stats import TX_DISCARD_PKTS, TX_ERROR_PKTS, TX_UCAST_BYTES, TX_UCAST_PKTS
from devmodel.bnxt.tx import LSO, TCP_UDP_CHKSUM
from devmodel.clock import Timing
from devmodel.net.parse import parse
from devmodel.net.train import Departure, Train, frames_of
from tests.unit.devmodel.bnxt.rig import BASE, MEMORY_BYTES, Rig, TxQueue
from tests.unit.devmodel.frames import MAC, PEER

ETHER = Ether(dst=PEER, src=MAC)
V4 = IP(src="10.0.0.2", dst="10.0.0.1")
V6 = IPv6(src="fd00::2", dst="fd00::1")
T_IPID = 1 << 7


def frame(size: int = 100, l4: TCP | UDP | None = None, ip: IP = V4) -> bytes:
    l4 = TCP(sport=80, dport=1000, flags="A") if l4 is None else l4
    return bytes(ETHER / ip / l4 / Raw((bytes(range(256)) * 300)[:size]))


@pytest.fixture
def rig() -> Rig:
    return Rig(paged=True)


@pytest.fixture
def queue(rig: Rig) -> TxQueue:
    return rig.add_tx()


def opaques(found: list[TxCmp]) -> list[int]:
    return [cmp.tx_cmp_opaque for cmp in found]


def test_gathers_fragments_and_completes(rig: Rig, queue: TxQueue) -> None:
    data = frame(5000)
    opaque = queue.put(data[:54], data[54:4000], data[4000:])
    found = queue.kick()
    assert rig.wire.sent == [data]
    assert opaques(found) == [opaque]
    assert (found[0].type, found[0].tx_cmp_errors_v & ~1) == (0, 0)
    assert queue.ring.cons == queue.prod == 4


@pytest.mark.parametrize("cuts", [(), (54, 4000)], ids=["one_buffer", "fragments"])
def test_short_descriptors_alone_carry_a_packet(
    rig: Rig, queue: TxQueue, cuts: tuple[int, ...]
) -> None:
    """As XDP_TX and XDP_REDIRECT send: no extension, no offload."""
    data = frame(5000)
    bounds = [0, *cuts, len(data)]
    pieces = [data[start:end] for start, end in pairwise(bounds)]
    bds = []
    for number, piece in enumerate(pieces):
        address = rig.allocate(len(piece))
        rig.poke(address, piece)
        word = len(piece) << 16 | (len(pieces) << 8 if number == 0 else 0)
        bds.append(long_bd(word | (END if number == len(pieces) - 1 else 0), address))
    queue.raw(*bds)
    assert opaques(queue.kick()) == [99]
    assert rig.wire.sent == [data]
    assert not rig.trace.violation_counts


def test_one_completion_for_a_doorbell(rig: Rig, queue: TxQueue) -> None:
    last = [queue.put(frame(n)) for n in range(10, 20)][-1]
    assert opaques(queue.kick()) == [last]
    assert len(rig.wire.sent) == 10


def test_no_completion_where_none_is_wanted(rig: Rig, queue: TxQueue) -> None:
    queue.put(frame(10), no_cmpl=True)
    assert queue.kick() == []
    wanted = queue.put(frame(11))
    queue.put(frame(12), no_cmpl=True)
    assert opaques(queue.kick()) == [wanted]
    assert len(rig.wire.sent) == 3


def test_short_frames_are_padded_on_the_wire(rig: Rig, queue: TxQueue) -> None:
    data = frame(0)
    queue.put(data)
    queue.kick()
    assert rig.wire.sent == [data.ljust(60, b"\0")]
    assert queue.stats.counters[TX_UCAST_BYTES] == len(data)
    assert rig.mac.tx.snapshot()["tx_64b_frames"] == 1


@pytest.mark.parametrize("ip", [V4, V6], ids=["ipv4", "ipv6"])
@pytest.mark.parametrize("l4", [TCP(flags="A"), UDP()], ids=["tcp", "udp"])
def test_checksum_offload(rig: Rig, queue: TxQueue, ip: IP, l4: TCP) -> None:
    right = frame(200, l4, ip)
    at = parse(right).l4 + (16 if isinstance(l4, TCP) else 6)
    half_done = right[:at] + b"\x12\x34" + right[at + 2 :]
    queue.put(half_done, lflags=TCP_UDP_CHKSUM)
    queue.put(half_done)
    queue.kick()
    assert rig.wire.sent == [right, half_done]


def test_vlan_insertion(rig: Rig, queue: TxQueue) -> None:
    queue.put(frame(), meta=1 << 28 | 1 << 16 | 0x6005)
    queue.put(frame(), meta=1 << 28 | 0x0007)
    queue.kick()
    inner, outer = (Ether(sent) for sent in rig.wire.sent)
    assert (inner[Dot1Q].vlan, inner[Dot1Q].prio) == (5, 3)
    assert outer[Dot1AD].vlan == 7
    assert rig.mac.tx.snapshot()["tx_tagged_frames"] == 2


def lso(queue: TxQueue, size: int, mss: int = 1448, ip: IP = V4, **more: int) -> None:
    """A packet of that much payload to be cut."""
    data = frame(size, TCP(seq=77, flags="PA"), ip)
    header = parse(data, verify=False).payload
    lflags = LSO | T_IPID | more.pop("lflags", 0)
    queue.put(data[:header], data[header:], lflags=lflags, mss=mss, hsize=header, **more)


def trains_taken(rig: Rig) -> list[Departure]:
    """The wire takes trains; all that goes onto it, in order."""
    sent: list[Departure] = []
    rig.wire.send_train = sent.append
    rig.wire.on_frames = sent.extend
    return sent


@pytest.mark.parametrize("ip", [V4, V6], ids=["ipv4", "ipv6"])
def test_a_wire_that_takes_trains_has_the_same_frames_and_counters(ip: IP) -> None:
    rigs = Rig(paged=True), Rig(paged=True)
    queues = [rig.add_tx() for rig in rigs]
    sent = trains_taken(rigs[0])
    for queue in queues:
        queue.ring.queue_id = 3
        queue.put(frame(100))
        lso(queue, 60000, ip=ip)
        lso(queue, 1000, ip=ip)
        queue.put(frame(200))
        lso(queue, 8000, ip=ip, mss=536)
    assert queues[0].kick() == queues[1].kick()
    assert [type(one) for one in sent] == [bytes, Train, Train, bytes, Train]
    assert frames_of(sent) == rigs[1].wire.sent
    assert queues[0].stats.counters == queues[1].stats.counters
    assert rigs[0].mac.tx.snapshot() == rigs[1].mac.tx.snapshot()
    coses = [rig.mac.tx.cos for rig in rigs]
    assert coses[0].packets[3] == coses[1].packets[3] == len(rigs[1].wire.sent)
    assert coses[0].bytes_ == coses[1].bytes_


@pytest.mark.parametrize(
    "more",
    [{"meta": 1 << 28 | 1 << 16 | 9}, {"lflags": 1 << 6}, {"lflags": 1 << 3}],
    ids=["tag", "one identification", "stamp"],
)
def test_what_no_train_can_say_goes_as_frames(
    rig: Rig, queue: TxQueue, more: dict[str, int]
) -> None:
    sent = trains_taken(rig)
    lso(queue, 3000, **more)
    queue.kick()
    assert [type(one) for one in sent] == [bytes] * 3


def test_with_the_link_down_a_train_is_lost_frame_by_frame(rig: Rig, queue: TxQueue) -> None:
    sent = trains_taken(rig)
    rig.tx.link_up = False
    lso(queue, 3000)
    assert len(queue.kick()) == 1
    assert sent == []
    assert queue.stats.counters[TX_DISCARD_PKTS] == 3


@pytest.mark.parametrize("ip", [V4, V6], ids=["ipv4", "ipv6"])
def test_lso_with_vlan(rig: Rig, queue: TxQueue, ip: IP) -> None:
    whole = bytearray(frame(60000, TCP(seq=77, flags="PA"), ip))
    header = parse(bytes(whole), verify=False).payload
    # The driver leaves whatever the stack put into length and checksum fields.
    whole[16 if ip is V4 else 18 : 18 if ip is V4 else 20] = b"\0\0"
    opaque = queue.put(
        bytes(whole[:header]),
        bytes(whole[header:30000]),
        bytes(whole[30000:]),
        lflags=LSO | T_IPID,
        mss=1448,
        hsize=header,
        meta=1 << 28 | 1 << 16 | 9,
    )
    assert opaques(queue.kick()) == [opaque]
    assert len(rig.wire.sent) == -(-60000 // 1448)
    data = b""
    for sent in rig.wire.sent:
        packet = parse(sent)
        assert (packet.ip_ok, packet.l4_ok, packet.tpid) == (True, True, 0x8100)
        data += sent[packet.payload :]
    assert data == whole[header:]
    assert queue.stats.counters[TX_UCAST_PKTS] == len(rig.wire.sent)
    assert queue.stats.counters[TX_UCAST_BYTES] == sum(map(len, rig.wire.sent))


def test_offloads_reach_into_a_tunnel_whose_port_was_told(rig: Rig, queue: TxQueue) -> None:
    inside = Ether() / V4 / TCP(sport=1, dport=2, flags="A") / Raw(b"z" * 3000)
    tunnel = ETHER / V6 / UDP(sport=9, dport=4789, chksum=0) / VXLAN(vni=5)
    whole = bytes(tunnel / inside)
    at = whole.index(b"z" * 3000)
    small = bytes(tunnel / Ether() / V4 / TCP(sport=1, dport=2, flags="A") / Raw(b"z" * 100))
    damaged = small[: at - 4] + b"\x12\x34" + small[at - 2 :]
    rig.resources.tunnel_ports[1] = 4789
    queue.put(damaged, lflags=TCP_UDP_CHKSUM)
    queue.put(whole, lflags=LSO | T_IPID, mss=1000, hsize=at)
    queue.kick()
    assert rig.wire.sent[0] == small
    assert len(rig.wire.sent) == 4
    for sent in rig.wire.sent[1:]:
        assert parse(sent).end == len(sent) == at + 1000
        inner = parse(sent[at - 54 :])
        assert (inner.ip_ok, inner.l4_ok) == (True, True)
    rig.resources.tunnel_ports.clear()
    queue.put(whole, lflags=LSO | T_IPID, mss=1000, hsize=at)
    queue.kick()
    assert rig.trace.violation_counts["tx_lso_header"] == 1


def test_udp_segmentation_only_with_the_capability() -> None:
    data = frame(3000, UDP(sport=1, dport=2))
    for capable in (False, True):
        rig = Rig(udp_gso=capable)
        queue = rig.add_tx()
        queue.put(data, lflags=LSO, mss=1000, hsize=42)
        (cmp,) = queue.kick()
        if capable:
            assert [parse(sent).l4_ok for sent in rig.wire.sent] == [True] * 3
        else:
            assert rig.wire.sent == []
            assert rig.trace.violation_counts["tx_lso_header"] == 1
            assert cmp.tx_cmp_errors_v & ~1


def test_link_down_completes_and_loses(rig: Rig, queue: TxQueue) -> None:
    rig.tx.link_up = False
    rig.wire.congested = True
    opaque = queue.put(frame())
    assert opaques(queue.kick()) == [opaque]
    assert rig.wire.sent == []
    assert queue.stats.counters[TX_DISCARD_PKTS] == 1
    assert rig.trace.counters["tx_drop_link_down"] == 1


def test_a_congested_wire_holds_the_ring_not_the_frames(rig: Rig, queue: TxQueue) -> None:
    rig.wire.congested = True
    opaque = queue.put(frame())
    assert queue.kick() == []
    assert queue.ring.cons == 0
    rig.wire.congested = False
    rig.tx.resume()
    assert opaques(queue.poll()) == [opaque]
    assert rig.wire.sent == [frame()]


def test_a_packet_not_wholly_posted_waits(rig: Rig, queue: TxQueue) -> None:
    opaque = queue.put(frame()[:50], frame()[50:])
    whole, queue.prod = queue.prod, 2
    assert queue.kick() == []
    assert rig.trace.violation_counts["tx_partial_packet"] == 1
    queue.prod = whole
    assert opaques(queue.kick()) == [opaque]
    assert rig.wire.sent == [frame()]


def long_bd(word: int, address: int = BASE, opaque: int = 99) -> bytes:
    return struct.pack("<IIQ", word, opaque, address)


END = 1 << 6
TWO = 2 << 8 | 0x10
EXT = bytes(16)


@pytest.mark.parametrize(
    ("bds", "rule"),
    [
        ([long_bd(100 << 16 | END | 2 << 8 | 4), EXT], "tx_bd_type"),
        ([long_bd(100 << 16 | 1 << 8)], "tx_packet_end"),
        ([long_bd(100 << 16 | END | 2 << 8), long_bd(100 << 16 | END)], "tx_packet_end"),
        ([long_bd(100 << 16 | 2 << 8), long_bd(100 << 16 | END | 0x10)], "tx_bd_type"),
        ([long_bd(100 << 16 | TWO), EXT], "tx_packet_end"),
        ([long_bd(100 << 16 | END | 1 << 8 | 0x10)], "tx_packet_end"),
        ([long_bd(0 | END | TWO), EXT], "tx_zero_length"),
        ([long_bd(10 << 16 | END | TWO), EXT], "tx_runt"),
        ([long_bd(60 << 16 | END | TWO, 0xDEAD0000), EXT], "tx_buffer"),
        ([long_bd(60000 << 16 | END | TWO), EXT], "tx_too_long"),
        ([long_bd(60 << 16 | END | TWO), struct.pack("<4I", LSO | 27 << 16, 0, 0, 0)], "tx_lso"),
        ([long_bd(60 << 16 | END | TWO), struct.pack("<4I", LSO | 99 << 16, 9, 0, 0)], "tx_lso"),
        (
            [long_bd(200 << 16 | END | TWO), struct.pack("<4I", LSO | 27 << 16, 9, 0, 0)],
            "tx_lso_header",
        ),
        ([long_bd(60 << 16 | 3 << 8 | 0x10), EXT, long_bd(60 << 16 | END | 4)], "tx_bd_type"),
    ],
)
def test_a_bad_packet_is_a_violation_an_error_and_no_hang(
    rig: Rig, queue: TxQueue, bds: list[bytes], rule: str
) -> None:
    before = queue.put(frame(1), no_cmpl=True)
    queue.raw(*bds)
    after = queue.put(frame(2))
    bad, good = queue.kick()
    assert before != after
    assert rig.trace.violation_counts == {rule: 1}
    assert (bad.tx_cmp_opaque, good.tx_cmp_opaque) == (99, after)
    assert bad.tx_cmp_errors_v & ~1
    assert good.tx_cmp_errors_v & ~1 == 0
    assert rig.wire.sent == [frame(1).ljust(60, b"\0"), frame(2).ljust(60, b"\0")]
    assert queue.stats.counters[TX_ERROR_PKTS] == 1


def test_an_unreadable_ring_stops(rig: Rig, queue: TxQueue) -> None:
    queue.put(frame())
    rig.dma.unmap_all()
    rig.tx.kick(queue.ring)
    queue.ring.doorbell(queue.prod)
    rig.tx.kick(queue.ring)
    assert rig.trace.violation_counts["bd_fetch"] == 1


def test_a_freed_ring_sends_nothing(rig: Rig, queue: TxQueue) -> None:
    rig.wire.congested = True
    queue.put(frame())
    queue.kick()
    rig.tx.flush_ring(queue.ring)
    queue.ring.free()
    rig.wire.congested = False
    rig.tx.resume()
    rig.tx.kick(queue.ring)
    assert rig.wire.sent == []


def test_many_big_packets_stop_at_the_wires_limit(rig: Rig, queue: TxQueue) -> None:
    limit = 300_000

    def watch(frames: object) -> None:
        rig.wire.congested = rig.wire.counters["tx_bytes"] > limit

    rig.wire.on_frames = watch
    data = frame(60000)
    for _ in range(20):
        queue.put(data[:54], data[54:], lflags=LSO, mss=1448, hsize=54)
    queue.kick()
    assert limit < rig.wire.counters["tx_bytes"] < 3 * limit
    while rig.wire.congested:
        rig.wire.congested = False
        limit += 300_000
        rig.tx.resume()
    assert sum(len(sent) - 54 for sent in rig.wire.sent) == 20 * 60000


@settings(max_examples=150, deadline=None)
@given(st.lists(st.binary(min_size=16, max_size=16), min_size=1, max_size=60), st.booleans())
def test_random_descriptors_never_raise_or_hang(bds: list[bytes], tame: bool) -> None:
    rig = Rig(udp_gso=True)
    queue = rig.add_tx(entries=64)
    for i, bd in enumerate(bds):
        if tame:
            word = int.from_bytes(bd[:4], "little") & ~0x1F2F | 0x10 | (i % 4) << 8
            address = BASE + int.from_bytes(bd[8:], "little") % (2 * MEMORY_BYTES)
            bds[i] = word.to_bytes(4, "little") + bd[4:8] + address.to_bytes(8, "little")
    queue.raw(*bds)
    queue.kick()
    assert rig.wire.sent == [] or rig.mac.tx.frames == len(rig.wire.sent)


def many_small_segments(queue: TxQueue, packets: int) -> list[int]:
    """Each packet is a thousand frames."""
    data = frame(16_000)
    return [
        queue.put(data[:54], data[54:], lflags=LSO | T_IPID, mss=16, hsize=54)
        for _ in range(packets)
    ]


def test_a_doorbell_leaves_to_the_loop_what_exceeds_the_budget(rig: Rig, queue: TxQueue) -> None:
    other = rig.add_tx()
    wanted = many_small_segments(queue, 10)
    first = queue.kick()
    assert 0 < len(rig.wire.sent) < 3000
    mine = other.put(frame())
    found, turns = opaques(first), 0
    assert other.kick() == [], "the slice is spent"
    while len(rig.wire.sent) < 10_001:
        rig.clock.budget.begin()
        rig.clock.advance_to(rig.clock.now_ns)
        found += opaques(queue.poll())
        turns += 1
        assert turns < 3 or opaques(other.poll()) in ([mine], []), "it gets its turn"
    assert found[-1] == wanted[-1]
    assert 3 < turns < 20


def test_with_synchronous_timing_a_doorbell_pauses_and_goes_on(rig: Rig, queue: TxQueue) -> None:
    looks: list[tuple[bool, int]] = []
    rig.clock.timing = Timing.SYNCHRONOUS
    rig.clock.budget.look_up = lambda is_whole: looks.append((is_whole, len(rig.wire.sent)))
    many_small_segments(queue, 10)
    queue.kick()
    assert len(rig.wire.sent) == 10_000
    assert [is_whole for is_whole, _ in looks] == [True] * len(looks)
    counts = [0, *(sent for _, sent in looks), 10_000]
    assert max(b - a for a, b in itertools.pairwise(counts)) <= 3000


def test_a_ring_freed_while_its_rest_waits_sends_nothing(rig: Rig, queue: TxQueue) -> None:
    many_small_segments(queue, 10)
    queue.kick()
    sent = len(rig.wire.sent)
    rig.tx.flush_ring(queue.ring)
    queue.ring.free()
    rig.clock.budget.begin()
    rig.clock.advance_to(rig.clock.now_ns + 1)
    assert len(rig.wire.sent) == sent
