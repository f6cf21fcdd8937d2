# SPDX-License-Identifier: GPL-2.0-only
from __future__ import annotations

import pytest
from scapy.layers.inet import IP, TCP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Dot1Q
from scapy.packet import Packet, Raw

from devmodel.net.checksum import ones_sum
from devmodel.net.parse import parse
from devmodel.net.train import (
    MAX_FRAMES,
    Train,
    count_bytes,
    count_frames,
    frames_of,
    make_train,
    of_segments,
)
from tests.unit.devmodel.frames import ETHER, V4, V6

STAMP = [("NOP", None), ("NOP", None), ("Timestamp", (1, 2))]
PAYLOAD = bytes(i * 7 & 0xFF for i in range(3333))
L4 = {4: 34, 6: 54}


def packet(ip: Packet, flags: str = "A", payload: bytes = PAYLOAD) -> bytes:
    tcp = TCP(sport=1, dport=2, seq=0xFFFFFF00, ack=9, flags=flags, window=77, options=STAMP)
    return bytes(ETHER / ip.copy() / tcp / Raw(payload))


def cut(ip: Packet, mss: int, flags: str) -> list[bytes]:
    """What a sender that segments by itself puts on the wire, as scapy builds it."""
    frames = []
    for at in range(0, len(PAYLOAD), mss):
        piece = PAYLOAD[at : at + mss]
        first, last = at == 0, at + mss >= len(PAYLOAD)
        mine = flags if first else flags.replace("C", "")
        mine = mine if last else mine.replace("P", "").replace("F", "")
        layer = ip.copy()
        if isinstance(layer, IP):
            layer.id = (ip.id + at // mss) & 0xFFFF
        tcp = TCP(
            sport=1, dport=2, seq=(0xFFFFFF00 + at) & 0xFFFFFFFF, ack=9, flags=mine, window=77,
            options=STAMP,
        )  # fmt: skip
        frames.append(bytes(ETHER / layer / tcp / Raw(piece)))
    return frames


def train(ip: Packet, mss: int = 1000, flags: str = "A") -> Train:
    version = 4 if isinstance(ip, IP) else 6
    made = make_train(packet(ip, flags), L4[version], mss, version)
    assert made is not None
    return made


@pytest.mark.parametrize("ip", [IP(src="1.2.3.4", id=0xFFFE, tos=2), IPv6(tc=3)], ids=["v4", "v6"])
@pytest.mark.parametrize("flags", ["A", "PA", "FPA", "CA", "CEPA"])
@pytest.mark.parametrize("mss", [1000, 1111, 3332, 3333, 4000])
def test_is_the_frames_that_a_sender_cuts_itself(ip: Packet, flags: str, mss: int) -> None:
    made, expected = train(ip, mss, flags), cut(ip, mss, flags)
    assert list(made) == expected
    assert list(made) == expected  # and keeps them
    assert len(made) == len(expected)
    assert made.byte_count == sum(map(len, expected))
    assert made.last_bytes == len(expected[-1])
    for i, frame in enumerate(expected):
        assert train(ip, mss, flags).frame(i) == made.frame(i) == frame


def test_header_of_a_frame_is_its_own_but_for_the_checksum() -> None:
    made = train(V4, flags="CPA")
    for i, frame in enumerate(list(made)[:-1]):
        header = bytes(made.header_of(i))
        assert len(header) == made.header_bytes
        assert (header[:50], header[52:]) == (frame[:50], frame[52 : len(header)])
    assert bytes(made.payload) == PAYLOAD


@pytest.mark.parametrize("flags", ["A", "CEPA", "FPA"])
@pytest.mark.parametrize("ip", [V4, V6], ids=["v4", "v6"])
def test_whole_it_is_what_its_sender_had(ip: Packet, flags: str) -> None:
    """But for the checksum: the sum of the pseudo header is there, what is missing is the rest."""
    sent = packet(ip, flags)
    l4 = L4[4 if isinstance(ip, IP) else 6]
    whole = train(ip, flags=flags).whole()
    assert whole[: l4 + 16] + whole[l4 + 18 :] == sent[: l4 + 16] + sent[l4 + 18 :]
    total = 0xFFFF - ones_sum(whole[l4:])
    assert total.to_bytes(2, "little") == sent[l4 + 16 : l4 + 18]
    assert train(ip, flags=flags).begins_slower == ("C" in flags)


@pytest.mark.parametrize("ip", [V4, V6], ids=["v4", "v6"])
def test_a_card_that_has_to_cut_a_packet_may_pass_a_train(ip: Packet) -> None:
    sent = packet(ip, "PA")
    made = of_segments(sent, parse(sent), 1000)
    assert made is not None
    assert list(made) == cut(ip, 1000, "PA")


@pytest.mark.parametrize(
    ("frame", "mss"),
    [
        (ETHER / Dot1Q(vlan=5) / V4 / TCP() / Raw(PAYLOAD), 1000),
        (ETHER / V4 / TCP() / Raw(PAYLOAD[:1005]), 1000),
        (ETHER / IP(len=0) / TCP() / Raw(bytes(65496)), 1000),
    ],
    ids=["tag", "padding", "length"],
)
def test_what_a_card_passes_as_frames_only(frame: Packet, mss: int) -> None:
    data = bytes(frame)
    assert of_segments(data, parse(data, verify=False), mss) is None


def test_frames_and_trains_side_by_side() -> None:
    one = train(V6)
    assert frames_of([b"a", one, memoryview(b"bc")]) == [b"a", *one, b"bc"]
    assert count_frames([b"a", one]) == 5
    assert count_bytes([b"a", one]) == 1 + one.byte_count


@pytest.mark.parametrize(
    ("frame", "l4", "mss", "version"),
    [
        (packet(V4), 34, 0, 4),
        (packet(V4), 34, 1000, 6),
        (packet(V4), 38, 1000, 4),
        (packet(V4)[:53], 34, 1000, 4),
        (packet(V4, payload=b""), 34, 1000, 4),
        (packet(V4, payload=bytes(MAX_FRAMES + 1)), 34, 1, 4),
        (packet(V4)[:46] + b"\x10" + packet(V4)[47:], 34, 1000, 4),
        (packet(V4)[:23] + b"\x11" + packet(V4)[24:], 34, 1000, 4),
        (packet(V4)[:20] + b"\x20" + packet(V4)[21:], 34, 1000, 4),
        (packet(V4), 0xFFFF, 1000, 4),
        (packet(V4)[:50] + b"\x70" + packet(V4)[51:], 38, 1000, 4),
        (bytes(ETHER / IP() / packet(V4)[14:]), 54, 1000, 4),
        (bytes(200), 34, 1000, 4),
    ],
)
def test_what_is_no_train(frame: bytes, l4: int, mss: int, version: int) -> None:
    assert make_train(frame, l4, mss, version) is None
