# SPDX-License-Identifier: GPL-2.0-only
"""A host on the wire that sends TCP streams and is no guest: nothing but receiving costs the guest.

Each connection asks for a number of bytes (8 bytes, big-endian) and gets as many of a pattern, then
the end of the stream. Every segment is an answer to one of the guest's, made while that one is
being transmitted, so with synchronous timing a stream depends on nothing but the guest.

It is a TCP (RFC 9293) for a wire without loss: options MSS and window scale, no retransmission.
Segments that are asked for again are counted (``source_repeats``) and end the connection by RST.
"""

from __future__ import annotations

import ipaddress
import struct
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from devmodel.net.build import TCP_ACK, TCP_FIN, TCP_PSH, TCP_RST, TCP_SYN
from devmodel.net.checksum import checksum, ones_sum, pseudo_header
from devmodel.net.parse import PROTO_TCP, Packet, parse

PATTERN_WORDS = 8191
PATTERN_BYTES = 8 * PATTERN_WORDS
REQUEST = struct.Struct(">Q")

_PATTERN_SEED = 1
_MASK64 = (1 << 64) - 1
_INITIAL_SEQUENCE = 0x7B000000
_WINDOW_SCALE = 7
_OPTION_END, _OPTION_NOP, _OPTION_MSS, _OPTION_WINDOW_SCALE = 0, 1, 2, 3
_DEFAULT_MSS = 536
_REPEATS_ARE_LOSS = 3
_MOST_CONNECTIONS = 64
_TCP = struct.Struct(">HHIIBBHHH")
_IPV4 = struct.Struct(">BBHHHBBH4s4s")


def pattern() -> bytes:
    """What every stream repeats: xorshift64* as in images/programs/lib/sockets.c."""
    x = (_PATTERN_SEED + 0x9E3779B97F4A7C15) & _MASK64  # splitmix64's finalizer
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9 & _MASK64
    x = (x ^ x >> 27) * 0x94D049BB133111EB & _MASK64
    x ^= x >> 31
    words = []
    for _ in range(PATTERN_WORDS):
        x ^= x >> 12
        x ^= x << 25 & _MASK64
        x ^= x >> 27
        words.append(x * 0x2545F4914F6CDD1D & _MASK64)
    return struct.pack(f"<{PATTERN_WORDS}Q", *words)


@dataclass(frozen=True, kw_only=True)
class SourceConfig:
    """Where the source is and how much of a stream it has under way, at most.

    ``mss_bytes`` is the largest payload of a segment, however large the guest's MTU.
    """

    mac: bytes
    ipv4: bytes
    window_bytes: int = 256 << 10
    mss_bytes: int = 65000

    @classmethod
    def parse(cls, given: Mapping[str, object]) -> SourceConfig:
        """From JSON: the addresses are text, the sizes may be left out. Raises ValueError."""
        sizes = {key: value for key, value in given.items() if key not in ("mac", "ipv4")}
        for key, value in sizes.items():
            if key not in ("window_bytes", "mss_bytes"):
                raise ValueError(f"unknown key {key!r}")
            if type(value) is not int or not 536 <= value <= 1 << 30:
                raise ValueError(f"{key} is {value!r}")
        mac = bytes.fromhex(str(given.get("mac", "")).replace(":", ""))
        if len(mac) != 6:
            raise ValueError("mac is no MAC address")
        ipv4 = ipaddress.IPv4Address(str(given.get("ipv4", ""))).packed
        return cls(mac=mac, ipv4=ipv4, **sizes)  # type: ignore[arg-type]  # checked above


@dataclass(slots=True)
class _Connection:
    """One connection. Sequence numbers are counted from the first byte of the stream, unwrapped."""

    guest_mac: bytes
    guest_ipv4: bytes
    port: int
    guest_port: int
    mss: int
    scale: int
    receive_next: int
    request: bytes = b""
    total: int = -1
    sent: int = 0
    acknowledged: int = 0
    window: int = 0
    repeats: int = 0


class TcpSource:
    """The host. ``take`` is given what the card transmits; ``deliver`` is called with answers.

    :ivar counters: gets ``source_connections``, ``source_bytes``, ``source_repeats``.
    """

    def __init__(
        self,
        config: SourceConfig,
        deliver: Callable[[Sequence[bytes]], None],
        counters: Counter[str],
    ) -> None:
        self.counters = counters
        self._config = config
        self._deliver = deliver
        self._connections: dict[tuple[bytes, int, int], _Connection] = {}
        self._pattern = memoryview(pattern() * 3)
        self._identification = 0
        self._frames: list[bytes] = []

    def take(self, frames: Sequence[bytes]) -> list[bytes]:
        """Answer the frames that are for the source; return the others."""
        others = []
        for frame in frames:
            if frame[:6] == self._config.mac:
                self._segment(frame)
            else:
                others.append(frame)
        if self._frames:
            answers, self._frames = self._frames, []
            self._deliver(answers)
        return others

    # -- receive ------------------------------------------------------------------------------
    def _segment(self, frame: bytes) -> None:
        packet = parse(frame, verify=False)
        if packet.ip_version != 4 or not packet.is_tcp or packet.dst != self._config.ipv4:
            return
        key = packet.src, packet.sport, packet.dport
        flags = packet.tcp_flags
        if flags & TCP_RST:
            self._connections.pop(key, None)
        elif flags & TCP_SYN:
            self._accept(key, frame, packet)
        elif key in self._connections:
            self._established(key, frame, packet)

    def _accept(self, key: tuple[bytes, int, int], frame: bytes, packet: Packet) -> None:
        (sequence,) = struct.unpack_from(">I", frame, packet.l4 + 4)
        mss, scale = _options(frame[packet.l4 + 20 : packet.payload])
        connection = _Connection(
            guest_mac=frame[6:12],
            guest_ipv4=packet.src,
            port=packet.dport,
            guest_port=packet.sport,
            mss=min(mss, self._config.mss_bytes),
            scale=scale,
            receive_next=(sequence + 1) & 0xFFFFFFFF,
        )
        if len(self._connections) >= _MOST_CONNECTIONS:
            del self._connections[next(iter(self._connections))]
        self._connections[key] = connection
        self.counters["source_connections"] += 1
        options = struct.pack(">BBHBBBB", _OPTION_MSS, 4, mss, _OPTION_NOP, _OPTION_WINDOW_SCALE, 3,
                              _WINDOW_SCALE)  # fmt: skip
        self._emit(connection, TCP_SYN | TCP_ACK, -1, options)

    def _established(self, key: tuple[bytes, int, int], frame: bytes, packet: Packet) -> None:
        connection = self._connections[key]
        sequence, acknowledged = struct.unpack_from(">II", frame, packet.l4 + 4)
        (window,) = struct.unpack_from(">H", frame, packet.l4 + 14)
        payload = frame[packet.payload : packet.end]
        moved = self._acknowledge(connection, acknowledged, window << connection.scale, payload)
        if sequence != connection.receive_next:
            self._emit(connection, TCP_ACK, connection.sent)
            return
        if payload:
            connection.receive_next = (sequence + len(payload)) & 0xFFFFFFFF
            self._read_request(connection, payload)
        if connection.repeats >= _REPEATS_ARE_LOSS:
            self._emit(connection, TCP_RST | TCP_ACK, connection.sent)
            del self._connections[key]
            return
        if packet.tcp_flags & TCP_FIN:
            connection.receive_next = (connection.receive_next + 1) & 0xFFFFFFFF
            self._emit(connection, TCP_ACK, connection.sent)
            del self._connections[key]
        elif not self._pump(connection) and payload and not moved:
            self._emit(connection, TCP_ACK, connection.sent)

    def _acknowledge(
        self, connection: _Connection, number: int, window: int, payload: bytes
    ) -> bool:
        """Take in an acknowledgement; whether it was news."""
        behind = (connection.acknowledged - self._relative(number)) & 0xFFFFFFFF
        if behind and behind >= 1 << 31:
            connection.acknowledged += (1 << 32) - behind
            connection.repeats = 0
        elif window == connection.window and not payload and not behind:
            in_flight = connection.sent > connection.acknowledged
            connection.repeats += in_flight
            self.counters["source_repeats"] += in_flight
            return False
        connection.window = window
        return True

    @staticmethod
    def _relative(number: int) -> int:
        return (number - _INITIAL_SEQUENCE - 1) & 0xFFFFFFFF

    @staticmethod
    def _read_request(connection: _Connection, payload: bytes) -> None:
        connection.request += payload[: REQUEST.size]
        if connection.total < 0 and len(connection.request) >= REQUEST.size:
            (connection.total,) = REQUEST.unpack_from(connection.request)

    # -- transmit -----------------------------------------------------------------------------
    def _pump(self, connection: _Connection) -> bool:
        """Send what the window allows; the end of the stream with the last byte's segment."""
        limit = connection.acknowledged + min(connection.window, self._config.window_bytes)
        started = connection.sent
        while connection.sent < connection.total:
            count = min(connection.mss, connection.total - connection.sent)
            if connection.sent + count > limit:
                break
            at = connection.sent % PATTERN_BYTES
            last = connection.sent + count == connection.total
            flags = TCP_ACK | TCP_PSH | TCP_FIN if last else TCP_ACK
            self._emit(connection, flags, connection.sent, payload=self._pattern[at : at + count])
            connection.sent += count + last
            self.counters["source_bytes"] += count
        return connection.sent > started

    def _emit(
        self,
        connection: _Connection,
        flags: int,
        at: int,
        options: bytes = b"",
        payload: memoryview | bytes = b"",
    ) -> None:
        """Queue one segment; ``at`` is its first byte's place in the stream, -1 for SYN."""
        config = self._config
        self._identification = (self._identification + 1) & 0xFFFF
        l4_bytes = 20 + len(options) + len(payload)
        ip = _IPV4.pack(
            0x45, 0, 20 + l4_bytes, self._identification, 0x4000, 64, PROTO_TCP, 0,
            config.ipv4, connection.guest_ipv4,
        )  # fmt: skip
        ip = ip[:10] + checksum(ip).to_bytes(2, "little") + ip[12:]
        sequence = (_INITIAL_SEQUENCE + 1 + at) & 0xFFFFFFFF
        tcp = _TCP.pack(
            connection.port, connection.guest_port, sequence, connection.receive_next,
            (5 + len(options) // 4) << 4, flags, 0xFFFF, 0, 0,
        ) + options  # fmt: skip
        initial = pseudo_header(PROTO_TCP, l4_bytes) + ones_sum(ip[12:20]) + ones_sum(tcp)
        value = checksum(payload, initial)
        ethernet = connection.guest_mac + config.mac + b"\x08\x00"
        self._frames.append(
            b"".join((ethernet, ip, tcp[:16], value.to_bytes(2, "little"), tcp[18:], payload))
        )


def _options(octets: bytes) -> tuple[int, int]:
    """MSS and window scale of a SYN."""
    mss, scale, at = _DEFAULT_MSS, 0, 0
    while at < len(octets) and octets[at] != _OPTION_END:
        if octets[at] == _OPTION_NOP:
            at += 1
            continue
        if at + 1 >= len(octets) or octets[at + 1] < 2:
            break
        kind, value = octets[at], octets[at + 2 : at + octets[at + 1]]
        if kind == _OPTION_MSS and len(value) == 2:
            mss = int.from_bytes(value, "big")
        elif kind == _OPTION_WINDOW_SCALE and len(value) == 1:
            scale = min(value[0], 14)
        at += octets[at + 1]
    return mss, scale
