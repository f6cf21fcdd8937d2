# SPDX-License-Identifier: GPL-2.0-only
from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pytest
from scapy.layers.inet import IP, TCP
from scapy.layers.l2 import Ether
from scapy.packet import Packet, Raw

from devmodel.net.parse import parse
from devmodel.net.source import PATTERN_BYTES, SourceConfig, TcpSource, pattern

MAC, GUEST = "02:00:00:00:01:03", "02:00:00:00:01:01"
ADDRESS, GUEST_ADDRESS = "192.0.2.3", "192.0.2.1"


class Guest:
    """The other end of one connection."""

    def __init__(self, **sizes: int) -> None:
        self.frames: list[bytes] = []
        self.counters: Counter[str] = Counter()
        config = SourceConfig.parse({"mac": MAC, "ipv4": ADDRESS, **sizes})
        self.source = TcpSource(config, self._deliver, self.counters)
        self.sequence, self.expected = 1000, 0

    def _deliver(self, frames: Sequence[bytes]) -> None:
        for frame in frames:
            verdict = parse(frame)
            assert verdict.ip_ok
            assert verdict.l4_ok
        self.frames += frames

    def send(
        self, flags: str, payload: bytes = b"", window: int = 65535, **more: object
    ) -> list[Packet]:
        tcp = TCP(sport=40000, dport=5001, flags=flags, seq=self.sequence, ack=self.expected,
                  window=window, **more)  # fmt: skip
        packet = Ether(dst=MAC, src=GUEST) / IP(src=GUEST_ADDRESS, dst=ADDRESS) / tcp
        assert self.source.take([bytes(packet / Raw(payload))]) == []
        self.sequence += len(payload) + ("S" in flags) + ("F" in flags)
        frames, self.frames = self.frames, []
        return [Ether(frame) for frame in frames]

    def connect(self, mss: int = 1460) -> Packet:
        (answer,) = self.send("S", options=[("MSS", mss), ("NOP", None), ("WScale", 7)])
        self.expected = answer[TCP].seq + 1
        assert self.send("A", window=512) == []
        return answer

    def take_in(self, answers: Sequence[Packet]) -> bytes:
        data = b""
        for answer in answers:
            tcp = answer[TCP]
            assert tcp.seq == self.expected
            payload = bytes(tcp.payload)
            data += payload
            self.expected += len(payload) + ("F" in tcp.flags)
        return data


def test_a_handshake_offers_the_guest_its_own_mss() -> None:
    answer = Guest().connect(mss=4056)
    assert answer[TCP].flags == "SA"
    assert ("MSS", 4056) in answer[TCP].options
    assert answer[TCP].ack == 1001


def test_a_stream_is_the_pattern_and_then_ends() -> None:
    guest = Guest(window_bytes=20000)
    guest.connect(mss=4056)
    total = 3 * PATTERN_BYTES + 17
    answers = guest.send("PA", total.to_bytes(8, "big"), window=512)
    received = b""
    while True:
        received += guest.take_in(answers)
        if "F" in answers[-1][TCP].flags:
            break
        answers = guest.send("A", window=512)
        assert answers
    assert received == (pattern() * 4)[:total]
    assert guest.counters["source_bytes"] == total
    assert guest.send("A", window=512) == []
    (last,) = guest.send("FA", window=512)
    assert last[TCP].ack == guest.sequence
    assert guest.send("A", window=512) == []


def test_no_more_is_under_way_than_either_window_allows() -> None:
    guest = Guest(window_bytes=10000)
    guest.connect(mss=1000)
    first = guest.send("PA", (1 << 20).to_bytes(8, "big"), window=512)
    assert len(guest.take_in(first)) == 10000
    small = guest.send("A", window=3000 >> 7)
    assert len(guest.take_in(small)) == 2000


def test_a_closed_window_that_opens_lets_the_stream_go_on() -> None:
    guest = Guest(window_bytes=4000)
    guest.connect(mss=1000)
    guest.take_in(guest.send("PA", (1 << 20).to_bytes(8, "big"), window=512))
    assert guest.send("A", window=0) == []
    assert len(guest.take_in(guest.send("A", window=512))) == 4000


def test_what_is_asked_for_again_ends_the_connection() -> None:
    guest = Guest()
    guest.connect(mss=1000)
    guest.send("PA", (1 << 20).to_bytes(8, "big"), window=512)
    guest.send("A", window=512)
    answers = [answer for _ in range(4) for answer in guest.send("A", window=512)]
    assert any("R" in answer[TCP].flags for answer in answers)
    assert guest.counters["source_repeats"] >= 3


def test_frames_for_others_pass() -> None:
    guest = Guest()
    other = bytes(Ether(dst="ff:ff:ff:ff:ff:ff", src=GUEST) / Raw(b"x" * 50))
    assert guest.source.take([other]) == [other]
    assert guest.frames == []


def test_connections_do_not_pile_up() -> None:
    guest = Guest()
    for port in range(1000):
        syn = Ether(dst=MAC, src=GUEST) / IP(src=GUEST_ADDRESS, dst=ADDRESS)
        guest.source.take([bytes(syn / TCP(sport=1024 + port, dport=5001, flags="S"))])
    assert len(guest.source._connections) <= 64


@pytest.mark.parametrize(
    "given",
    [
        {"mac": "02:00", "ipv4": ADDRESS},
        {"mac": MAC, "ipv4": "nowhere"},
        {"mac": MAC, "ipv4": ADDRESS, "window_bytes": "many"},
        {"mac": MAC, "ipv4": ADDRESS, "colour": 3},
    ],
)
def test_a_bad_configuration_is_refused(given: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r".+"):
        SourceConfig.parse(given)
