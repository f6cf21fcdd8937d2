# SPDX-License-Identifier: GPL-2.0-only
"""What virtio-net leaves to its device: checksums and segmentation (virtio 1.2, section 5.1.6)."""

from __future__ import annotations

import struct

from devmodel.net.checksum import ones_sum
from devmodel.net.train import Arrival, Departure, Train, make_train

F_CSUM = 1 << 0
F_HOST_TSO4 = 1 << 11
F_HOST_TSO6 = 1 << 12
F_HOST_ECN = 1 << 13
HOST_FEATURES = F_CSUM | F_HOST_TSO4 | F_HOST_TSO6 | F_HOST_ECN
"""What the driver may leave undone in what it sends."""

F_GUEST_CSUM = 1 << 1
F_GUEST_TSO4 = 1 << 7
F_GUEST_TSO6 = 1 << 8
F_GUEST_ECN = 1 << 9
GUEST_FEATURES = F_GUEST_CSUM | F_GUEST_TSO4 | F_GUEST_TSO6 | F_GUEST_ECN
"""What the driver takes undone."""

HEADER = struct.Struct("<BBHHHHH")
"""virtio_net_hdr_mrg_rxbuf: flags, gso_type, hdr_len, gso_size, csum_start, csum_offset, buffers"""

NEEDS_CSUM = 1
GSO_NONE, GSO_TCPV4, GSO_TCPV6 = 0, 1, 4
GSO_ECN = 0x80
_IP_VERSION = {GSO_TCPV4: 4, GSO_TCPV6: 6}
_TCP_CHECKSUM_AT = 16
_le16 = struct.Struct("<H")


def from_guest(data: bytes) -> Arrival | None:
    """A packet behind its header as it arrives at the wire; None for what no driver sends."""
    flags, gso_type, _, mss, start, offset, _ = HEADER.unpack_from(data)
    frame = data[HEADER.size :]
    kind = gso_type & ~GSO_ECN
    if kind != GSO_NONE:
        version = _IP_VERSION.get(kind)
        if version is None or not flags & NEEDS_CSUM:
            return None
        return make_train(frame, start, mss, version)
    if not flags & NEEDS_CSUM:
        return frame
    at = start + offset
    if at + _le16.size > len(frame):
        return None
    # The field holds the sum of the pseudo header.
    total = 0xFFFF - ones_sum(memoryview(frame)[start:])
    return b"".join((frame[:at], _le16.pack(total), frame[at + 2 :]))


def for_guest(departure: Departure) -> tuple[tuple[int, ...], bytes]:
    """All of HEADER but the number of buffers, and the packet behind it."""
    if not isinstance(departure, Train):
        return (0, GSO_NONE, 0, 0, 0, 0), departure
    kind = GSO_TCPV4 if departure.packet.ip_version == 4 else GSO_TCPV6
    if departure.begins_slower:
        kind |= GSO_ECN
    header_bytes, l4 = departure.header_bytes, departure.packet.l4
    head = (NEEDS_CSUM, kind, header_bytes, departure.mss, l4, _TCP_CHECKSUM_AT)
    return head, departure.whole()
