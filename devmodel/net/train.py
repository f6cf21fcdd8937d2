# SPDX-License-Identifier: GPL-2.0-only
"""A train: one TCP packet that stands for the frames it is cut into on the wire.

Who sends into the card's memory hands over such packets, with a checksum still to be made; who
looks at the wire sees frames. A train is its frames, made when somebody asks.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator

from devmodel.net.build import TCP_CWR, Segmenter
from devmodel.net.checksum import Octets, pseudo_header
from devmodel.net.parse import PROTO_TCP, Packet
from devmodel.net.port import MIN_FRAME_BYTES, Frame
from devmodel.net.tunnel import header_layers

_TCP_MIN = 20
_ETHERNET_BYTES = 14
_IP_MAX_BYTES = 0xFFFF
_le16 = struct.Struct("<H")
MAX_FRAMES = 1366
"""64 KiB in segments of 48 bytes: Linux has no smaller MSS (TCP_MIN_SND_MSS, net/tcp.h)."""


class Train(Segmenter):
    """Iterates as frames, each whole, with correct checksums; they are made once, and kept.

    :param frame: the packet, without FCS; its lengths, checksums and IPv4 header sum mean nothing.
    :param packet: recognised from its header: TCP, in no tunnel.
    :param mss: payload of each frame but the last, in bytes.
    """

    def __init__(self, frame: Octets, packet: Packet, mss: int) -> None:
        super().__init__(frame, packet, packet.payload, mss)
        self._frames: list[bytes] | None = None

    def __iter__(self) -> Iterator[bytes]:
        if self._frames is None:
            self._frames = list(self.segments())
        return iter(self._frames)

    def frame(self, i: int) -> bytes:
        """One of them."""
        if self._frames is not None:
            return self._frames[i]
        return next(self.segments(i))

    def header_of(self, i: int) -> bytearray:
        """The header of a frame, but for its TCP checksum; of the last as if it were full."""
        return self._header_of(i, self.mss)

    def whole(self) -> bytes:
        """The packet as one: with all its lengths and flags, and for the TCP checksum the sum of
        the pseudo header, to which its bytes are still to be added.
        """
        payload, l4 = self._payload, self.packet.l4
        header = self._header_of(0, len(payload))
        header[l4 + 13] = self._flags
        total = pseudo_header(PROTO_TCP, len(header) - l4 + len(payload)) + self._addresses
        _le16.pack_into(header, l4 + 16, total % 65535)
        return b"".join((header, payload))

    @property
    def begins_slower(self) -> bool:
        """TCP flag CWR: in the first frame only."""
        return bool(self._flags & TCP_CWR)

    @property
    def header_bytes(self) -> int:
        """Length of the header of each frame."""
        return len(self._header)

    @property
    def payload(self) -> memoryview:
        """That of all frames."""
        return self._payload

    @property
    def last_bytes(self) -> int:
        """Length of the last frame."""
        return len(self._header) + len(self._payload) - (len(self) - 1) * self.mss

    @property
    def byte_count(self) -> int:
        """Length of all frames."""
        return len(self) * len(self._header) + len(self._payload)


Arrival = Frame | Train
"""What a wire brings."""
Departure = bytes | Train
"""What goes onto one that takes trains."""


def of_segments(frame: Octets, packet: Packet, mss: int) -> Train | None:
    """A train of what a card has to cut; None if it is known by its frames only.

    :param packet: recognised from the header, its lengths do not count: TCP, in no tunnel.
    :param mss: payload of each frame but the last, in bytes; there is some payload.
    """
    total = len(frame)
    last = (total - packet.payload - 1) % mss + 1
    if packet.tpid or total - _ETHERNET_BYTES > _IP_MAX_BYTES:
        return None
    if packet.payload + last < MIN_FRAME_BYTES:
        return None
    return Train(frame, packet, mss)


def frames_of(arrivals: Iterable[Arrival]) -> list[Frame]:
    """Every frame, in order."""
    frames: list[Frame] = []
    for arrival in arrivals:
        if isinstance(arrival, Train):
            frames += arrival
        else:
            frames.append(arrival)
    return frames


def count_frames(arrivals: Iterable[Arrival]) -> int:
    """How many frames those are."""
    return sum(len(one) if isinstance(one, Train) else 1 for one in arrivals)


def count_bytes(arrivals: Iterable[Arrival]) -> int:
    """Their length, all together."""
    return sum(one.byte_count if isinstance(one, Train) else len(one) for one in arrivals)


def make_train(frame: Octets, l4: int, mss: int, ip_version: int) -> Train | None:
    """A train of a packet whose TCP header is at ``l4``; None for what is no such packet."""
    if mss <= 0 or len(frame) < l4 + _TCP_MIN:
        return None
    header_bytes = l4 + (frame[l4 + 12] >> 4) * 4
    payload_bytes = len(frame) - header_bytes
    if not 0 < payload_bytes <= mss * MAX_FRAMES:
        return None
    packet = header_layers(bytearray(frame[:header_bytes]), {})[0]
    if (
        packet.protocol != PROTO_TCP
        or packet.sport < 0
        or packet.ip_version != ip_version
        or packet.l4 != l4
        or packet.payload != header_bytes
    ):
        return None
    return Train(frame, packet, mss)
