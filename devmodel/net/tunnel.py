# SPDX-License-Identifier: GPL-2.0-only
"""Tunnels whose inside a NIC works on: VXLAN (RFC 7348), VXLAN-GPE, GENEVE (RFC 8926), GRE
(RFC 2784, 2890) and IP in IP."""

from __future__ import annotations

import enum
import struct
from collections.abc import Mapping

from devmodel.net.checksum import Octets
from devmodel.net.parse import (
    ETHERTYPE_ETHERNET,
    ETHERTYPE_IPV4,
    ETHERTYPE_IPV6,
    PROTO_UDP,
    Packet,
    parse,
    parse_from,
)

PROTO_IPIP = 4
PROTO_IPV6 = 41
PROTO_GRE = 47

_be16 = struct.Struct(">H")
_GRE_CHECKSUM = 0x8000
_GRE_KEY = 0x2000
_GRE_SEQUENCE = 0x1000
_GPE_NEXT = {1: ETHERTYPE_IPV4, 2: ETHERTYPE_IPV6, 3: ETHERTYPE_ETHERNET}


class UdpTunnel(enum.Enum):
    """What a UDP port carries."""

    VXLAN = "vxlan"
    VXLAN_GPE = "vxlan-gpe"
    GENEVE = "geneve"


UdpTunnels = Mapping[int, UdpTunnel]
"""By destination port."""


def parse_through(frame: Octets, tunnels: UdpTunnels) -> Packet:
    """The packet, and in ``inner`` the IP packet it carries; with verdicts on all checksums."""
    packet = parse(frame)
    inside = _inside(frame, packet, tunnels)
    if inside is not None:
        inner = parse_from(frame, *inside, verify=True)
        if inner.ip_version and inner.end <= packet.end:
            packet.inner = inner
    return packet


def layers(frame: Octets, tunnels: UdpTunnels) -> list[Packet]:
    """The packet and, if it is a tunnel packet, the one inside; without checksum verdicts."""
    return _layers(frame, tunnels, None)


def header_layers(header: bytearray, tunnels: UdpTunnels) -> list[Packet]:
    """The same for the header of a packet to be segmented, whose length fields mean nothing: they
    are overwritten in ``header`` as if it were a whole packet."""
    return _layers(header, tunnels, header)


def _layers(frame: Octets, tunnels: UdpTunnels, header: bytearray | None) -> list[Packet]:
    found: list[Packet] = []
    at, ethertype = 0, ETHERTYPE_ETHERNET
    while True:
        packet = parse_from(frame, at, ethertype, verify=False)
        if header is not None:
            packet = _with_lengths(header, packet)
        found.append(packet)
        inside = _inside(frame, packet, tunnels)
        if inside is None or len(found) == 2:
            return found
        at, ethertype = inside


def _with_lengths(header: bytearray, packet: Packet) -> Packet:
    """``packet`` again, after its lengths were set to reach the end of ``header``."""
    l3, length = packet.l3, len(header)
    if packet.ethertype == ETHERTYPE_IPV4 and length >= l3 + 20:
        _be16.pack_into(header, l3 + 2, length - l3)
    elif packet.ethertype == ETHERTYPE_IPV6 and length >= l3 + 40:
        _be16.pack_into(header, l3 + 4, length - l3 - 40)
    packet = parse_from(header, l3, packet.ethertype, verify=False)
    if packet.protocol == PROTO_UDP and not packet.is_fragment and length >= packet.l4 + 8:
        _be16.pack_into(header, packet.l4 + 4, length - packet.l4)
        packet = parse_from(header, l3, packet.ethertype, verify=False)
    return packet


def _inside(frame: Octets, packet: Packet, tunnels: UdpTunnels) -> tuple[int, int] | None:
    """(offset, ethertype) of what ``packet`` carries, or None if it is no tunnel packet."""
    if not packet.ip_version or packet.is_fragment:
        return None
    l4, end = packet.l4, packet.end
    if packet.protocol == PROTO_IPIP:
        return l4, ETHERTYPE_IPV4
    if packet.protocol == PROTO_IPV6:
        return l4, ETHERTYPE_IPV6
    if packet.protocol == PROTO_GRE and end >= l4 + 4:
        (flags,) = _be16.unpack_from(frame, l4)
        optional = sum(bool(flags & bit) for bit in (_GRE_CHECKSUM, _GRE_KEY, _GRE_SEQUENCE))
        return l4 + 4 + 4 * optional, _be16.unpack_from(frame, l4 + 2)[0]
    kind = tunnels.get(packet.dport) if packet.is_udp else None
    at = packet.payload
    if kind is None or end < at + 8:
        return None
    if kind is UdpTunnel.VXLAN:
        return at + 8, ETHERTYPE_ETHERNET
    if kind is UdpTunnel.GENEVE:
        return at + 8 + (frame[at] & 0x3F) * 4, _be16.unpack_from(frame, at + 2)[0]
    ethertype = _GPE_NEXT.get(frame[at + 3])
    return None if ethertype is None else (at + 8, ethertype)
