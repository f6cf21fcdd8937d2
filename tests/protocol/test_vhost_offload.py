# SPDX-License-Identifier: GPL-2.0-only
"""What the remote endpoint's NIC does for its guest: checksums and segmentation."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence

import pytest
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether
from scapy.packet import Packet, Raw
from scapy.utils import PcapNgReader

from devmodel.net.checksum import ones_sum, pseudo_header
from devmodel.net.pcapng import PcapngWriter
from devmodel.net.train import MAX_FRAMES, Arrival, count_frames, make_train
from devmodel.vhost_user import nic
from devmodel.vhost_user.messages import MAX_QUEUE_SIZE, VhostRequest
from devmodel.vhost_user.offload import (
    F_CSUM,
    F_GUEST_CSUM,
    F_GUEST_ECN,
    F_GUEST_TSO4,
    F_GUEST_TSO6,
    F_HOST_ECN,
    F_HOST_TSO4,
    F_HOST_TSO6,
    GSO_ECN,
    GSO_NONE,
    GSO_TCPV4,
    GSO_TCPV6,
    GUEST_FEATURES,
    HEADER,
    NEEDS_CSUM,
)
from tests.protocol.eventfd_guest import EventfdGuest

ETHER = Ether(dst="02:00:00:00:01:01", src="02:00:00:00:01:02")
IPS = {GSO_TCPV4: IP(src="1.2.3.4", dst="5.6.7.8", id=7), GSO_TCPV6: IPv6(src="fd::1", dst="fd::2")}
L4 = {GSO_TCPV4: 34, GSO_TCPV6: 54}
BODY = bytes(i * 5 & 0xFF for i in range(3000))
MSS = 1400


@pytest.fixture
def guest() -> Iterator[EventfdGuest]:
    made = EventfdGuest()
    made.set_up()
    yield made
    made.close()


def tcp(kind: int, at: int = 0, body: bytes = BODY, flags: str = "A") -> bytes:
    """A frame as scapy builds it, ``at`` bytes and as many segments as that is into the stream."""
    ip = IPS[kind].copy()
    if kind == GSO_TCPV4:
        ip.id += at // MSS
    return bytes(ETHER / ip / TCP(sport=1, dport=2, seq=99 + at, flags=flags) / Raw(body))


def unfinished(frame: bytes, start: int, offset: int) -> bytes:
    """As a driver hands it over: in the checksum's place is the sum of the pseudo header."""
    addresses = frame[26:34] if start == 34 else frame[22:54]
    protocol = frame[23] if start == 34 else frame[20]
    partial = ones_sum(addresses, pseudo_header(protocol, len(frame) - start))
    at = start + offset
    return frame[:at] + partial.to_bytes(2, "little") + frame[at + 2 :]


def give(guest: EventfdGuest, frame: bytes, *header: int) -> None:
    """The guest sends ``frame`` behind (flags, gso_type, gso_size, csum_start, csum_offset)."""
    flags, kind, mss, start, offset = header
    guest.rings[nic.TX].add([HEADER.pack(flags, kind, 0, mss, start, offset, 0), frame])
    guest.kick(nic.TX)


def expected(kind: int, flags: str = "A") -> list[bytes]:
    frames = []
    for at in range(0, len(BODY), MSS):
        mine = flags if not at else flags.replace("C", "")
        mine = mine if at + MSS >= len(BODY) else mine.replace("P", "").replace("F", "")
        frames.append(tcp(kind, at, BODY[at : at + MSS], mine))
    return frames


def test_offers_what_a_train_needs(guest: EventfdGuest) -> None:
    wanted = F_CSUM | F_HOST_TSO4 | F_HOST_TSO6 | F_HOST_ECN
    assert guest.offered(VhostRequest.GET_FEATURES) & wanted == wanted


@pytest.mark.parametrize("kind", [GSO_TCPV4, GSO_TCPV6])
@pytest.mark.parametrize(("flags", "ecn"), [("A", 0), ("PA", 0), ("CEPA", GSO_ECN)])
def test_segments_as_the_guest_would(guest: EventfdGuest, kind: int, flags: str, ecn: int) -> None:
    whole = unfinished(tcp(kind, flags=flags), L4[kind], 16)
    give(guest, whole, NEEDS_CSUM, kind | ecn, MSS, L4[kind], 16)
    assert guest.arrived == expected(kind, flags)
    assert guest.cable.counters["rx_frames"] == 3
    assert guest.cable.counters["rx_bytes"] == sum(map(len, guest.arrived))


def test_the_capture_has_frames(guest: EventfdGuest) -> None:
    file = io.BytesIO()
    guest.cable.capture = PcapngWriter(file)
    whole = unfinished(tcp(GSO_TCPV4), 34, 16)
    give(guest, whole, NEEDS_CSUM, GSO_TCPV4, MSS, 34, 16)
    file.seek(0)
    assert [bytes(frame) for frame in PcapNgReader(file)] == expected(GSO_TCPV4)


def test_many_segments_of_one_kick_come_in_turns(guest: EventfdGuest) -> None:
    """Eight packets of a thousand one-byte segments: the card is not given all at once."""
    turns = []
    receive = guest.cable.receive

    def counted() -> Sequence[Arrival]:
        arrivals = receive()
        turns.append(count_frames(arrivals))
        return arrivals

    guest.cable.receive = counted  # type: ignore[method-assign]
    packet = unfinished(tcp(GSO_TCPV4, body=BODY[:1000]), 34, 16)
    for _ in range(8):
        header = HEADER.pack(NEEDS_CSUM, GSO_TCPV4, 0, 1, 34, 16, 0)
        guest.rings[nic.TX].add([header, packet])
    guest.kick(nic.TX)
    assert sum(turns) == len(guest.arrived) == 8000
    assert max(turns) < MAX_QUEUE_SIZE + MAX_FRAMES


def send_to(guest: EventfdGuest, kind: int = GSO_TCPV4, flags: str = "A") -> None:
    """The card sends what has to be cut, as a train if the guest's driver accepted them."""
    train = make_train(tcp(kind, flags=flags), L4[kind], MSS, IPS[kind].version)
    assert train is not None
    if guest.cable.send_train is None:
        guest.cable.send(list(train))
    else:
        guest.cable.send_train(train)


@pytest.mark.parametrize("kind", [GSO_TCPV4, GSO_TCPV6])
@pytest.mark.parametrize(("flags", "ecn"), [("A", 0), ("FPA", 0), ("CEPA", GSO_ECN)])
def test_a_driver_that_takes_trains_gets_one_packet(
    guest: EventfdGuest, kind: int, flags: str, ecn: int
) -> None:
    guest.set_up(GUEST_FEATURES)
    places = [guest.rings[nic.RX].add([], [2000])[0] for _ in range(2)]
    send_to(guest, kind, flags)
    whole = unfinished(tcp(kind, flags=flags), L4[kind], 16)
    assert guest.rings[nic.RX].used() == [2000, HEADER.size + len(whole) - 2000]
    data = guest.memory[places[0] : places[0] + 2000] + guest.memory[places[1] : places[1] + 2000]
    header_bytes = L4[kind] + 20
    assert HEADER.unpack_from(data) == (
        NEEDS_CSUM, kind | ecn, header_bytes, MSS, L4[kind], 16, 2
    )  # fmt: skip
    assert data[HEADER.size :][: len(whole)] == whole
    assert guest.cable.counters["tx_frames"] == 3
    assert guest.cable.counters["tx_bytes"] == sum(map(len, expected(kind)))


@pytest.mark.parametrize("missing", [F_GUEST_CSUM, F_GUEST_TSO4, F_GUEST_TSO6, F_GUEST_ECN])
def test_a_driver_that_misses_a_feature_gets_frames(guest: EventfdGuest, missing: int) -> None:
    guest.set_up(GUEST_FEATURES & ~missing)
    for _ in range(3):
        guest.rings[nic.RX].add([], [2000])
    send_to(guest)
    assert guest.rings[nic.RX].used() == [HEADER.size + len(one) for one in expected(GSO_TCPV4)]


def test_trains_that_wait_count_as_their_frames(guest: EventfdGuest) -> None:
    guest.set_up(GUEST_FEATURES)
    for _ in range(nic.PeerNic.HIGH_WATER_FRAMES // 3 + 1):
        assert not guest.cable.congested
        send_to(guest)
    assert guest.cable.congested
    for _ in range(3000):
        send_to(guest)
    assert guest.cable.counters["drop_tx_queue_full"] > 0
    sent = guest.cable.counters["tx_frames"]
    assert nic.PeerNic.LIMIT_FRAMES - 3 < sent <= nic.PeerNic.LIMIT_FRAMES


@pytest.mark.parametrize("layer", [TCP(sport=1, dport=2), UDP(sport=3, dport=4)])
@pytest.mark.parametrize("kind", [GSO_TCPV4, GSO_TCPV6])
@pytest.mark.parametrize("size", [0, 1, 700])
def test_completes_checksums(guest: EventfdGuest, layer: Packet, kind: int, size: int) -> None:
    frame = bytes(ETHER / IPS[kind].copy() / layer / Raw(BODY[:size]))
    offset = 16 if isinstance(layer, TCP) else 6
    give(guest, unfinished(frame, L4[kind], offset), NEEDS_CSUM, GSO_NONE, 0, L4[kind], offset)
    assert guest.arrived == [frame]


def test_a_checksum_is_never_nothing(guest: EventfdGuest) -> None:
    """Zero would mean that a datagram has none (RFC 768)."""
    head = ETHER / IPS[GSO_TCPV4].copy() / UDP(sport=3, dport=4)
    sum_ = bytes(head / Raw(b"\0\0"))[40:42]
    frame = unfinished(bytes(head / Raw(sum_)), 34, 6)
    give(guest, frame, NEEDS_CSUM, GSO_NONE, 0, 34, 6)
    assert [one[40:42] for one in guest.arrived] == [b"\xff\xff"]


@pytest.mark.parametrize(
    "header",
    [
        (NEEDS_CSUM, GSO_NONE, 0, 34, 0xFFFF),
        (NEEDS_CSUM, GSO_NONE, 0, 3052, 1),
        (0, GSO_TCPV4, MSS, 34, 16),
        (NEEDS_CSUM, 3, MSS, 34, 6),
        (NEEDS_CSUM, 5, MSS, 34, 6),
        (NEEDS_CSUM, GSO_TCPV4, 0, 34, 16),
        (NEEDS_CSUM, GSO_TCPV6, MSS, 34, 16),
        (NEEDS_CSUM, GSO_TCPV4, MSS, 35, 16),
        (NEEDS_CSUM, GSO_TCPV4, MSS, 0xFFFF, 16),
        (0xFF, 0xFF, 0xFFFF, 0xFFFF, 0xFFFF),
    ],
)
def test_what_no_driver_asks_for_is_dropped(guest: EventfdGuest, header: tuple[int, ...]) -> None:
    give(guest, tcp(GSO_TCPV4), *header)
    assert guest.arrived == []
    assert guest.cable.counters["drop_rx_offload"] == 1
    give(guest, tcp(GSO_TCPV4), 0, 0, 0, 0, 0)
    assert guest.arrived == [tcp(GSO_TCPV4)]
    assert guest.rings[nic.TX].used() == [0, 0]
