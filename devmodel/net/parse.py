# SPDX-License-Identifier: GPL-2.0-only
"""One pass over a received frame: L2, VLAN, IPv4/IPv6 with options and extension headers, L4.

:func:`parse` never raises, whatever the bytes are: what does not hold up is simply not recognised,
and the frame counts as the last layer that did.
"""

from __future__ import annotations

import struct

from devmodel.net.checksum import Octets, ones_sum, pseudo_header

ETH_HEADER = 14
VLAN_TAG = 4
ETHERTYPE_IPV4 = 0x0800
ETHERTYPE_IPV6 = 0x86DD
ETHERTYPE_ETHERNET = 0x6558
"""Transparent Ethernet bridging: a whole frame, as tunnels carry it."""
ETHERTYPE_8021Q = 0x8100
ETHERTYPE_8021AD = 0x88A8
PROTO_HOP_BY_HOP = 0
PROTO_ICMP = 1
PROTO_TCP = 6
PROTO_UDP = 17
PROTO_ROUTING = 43
PROTO_FRAGMENT = 44
PROTO_AH = 51
PROTO_ICMPV6 = 58
PROTO_DESTINATION = 60

_MAX_EXTENSION_HEADERS = 16
_be16 = struct.Struct(">H").unpack_from
_ports = struct.Struct(">HH").unpack_from


class Packet:
    """What one frame is; offsets and lengths in bytes from the start of the frame.

    :ivar length: frame length without FCS.
    :ivar tpid: 0x8100 or 0x88a8 of the outermost tag, 0 if untagged; ``tci`` goes with it.
    :ivar ethertype: behind at most two tags; 0 for a runt or an 802.3 length field.
    :ivar ip_version: 4, 6 or 0.
    :ivar protocol: upper-layer protocol behind all extension headers; -1 without IP.
    :ivar l3: start of the IP header. ``l4``: start of the upper-layer header. ``payload``: first
        byte behind the TCP or UDP header, or ``l4`` for any other protocol or fragment.
    :ivar end: end of the IP packet; what follows is padding.
    :ivar is_fragment: any fragment, the first one too; its L4 header is not looked at.
    :ivar ip_ok: verdict on the IPv4 header checksum (IPv6: always True); None without IP.
    :ivar l4_ok: verdict on the TCP or UDP checksum; None where there is none to check.
    :ivar src, dst: IP addresses in network order, empty without IP.
    :ivar sport, dport: ports, -1 where there are none.
    :ivar tcp_flags: low byte of the flags, 0 without TCP.
    :ivar inner: the IP packet that it carries through a tunnel, if somebody has looked
        (:func:`devmodel.net.tunnel.parse_through`); its offsets are of the same frame.
    """

    __slots__ = (
        "dport",
        "dst",
        "end",
        "ethertype",
        "inner",
        "ip_ok",
        "ip_version",
        "is_fragment",
        "l3",
        "l4",
        "l4_ok",
        "length",
        "payload",
        "protocol",
        "sport",
        "src",
        "tci",
        "tcp_flags",
        "tpid",
    )

    def __init__(self, length: int) -> None:
        self.length = length
        self.tpid = 0
        self.tci = 0
        self.ethertype = 0
        self.ip_version = 0
        self.protocol = -1
        self.l3 = length
        self.l4 = length
        self.payload = length
        self.end = length
        self.is_fragment = False
        self.ip_ok: bool | None = None
        self.l4_ok: bool | None = None
        self.src = b""
        self.dst = b""
        self.sport = -1
        self.dport = -1
        self.tcp_flags = 0
        self.inner: Packet | None = None

    @property
    def is_tcp(self) -> bool:
        """A whole TCP header was found."""
        return self.protocol == PROTO_TCP and self.sport >= 0

    @property
    def is_udp(self) -> bool:
        """A whole UDP header was found."""
        return self.protocol == PROTO_UDP and self.sport >= 0


def parse(frame: Octets, *, verify: bool = True) -> Packet:
    """Recognise ``frame`` (no FCS), of any length and content.

    Without ``verify`` no checksum is looked at and both verdicts stay None.
    """
    return parse_from(frame, 0, ETHERTYPE_ETHERNET, verify=verify)


def parse_from(frame: Octets, at: int, ethertype: int, *, verify: bool) -> Packet:
    """Recognise what begins at offset ``at``: an Ethernet frame or, by ``ethertype``, IP."""
    packet = Packet(len(frame))
    if ethertype == ETHERTYPE_ETHERNET:
        if packet.length < at + ETH_HEADER:
            return packet
        (ethertype,) = _be16(frame, at + 12)
        at += ETH_HEADER
        for depth in range(2):
            tagged = ethertype in (ETHERTYPE_8021Q, ETHERTYPE_8021AD)
            if not tagged or packet.length < at + VLAN_TAG:
                break
            if depth == 0:
                packet.tpid = ethertype
                (packet.tci,) = _be16(frame, at)
            (ethertype,) = _be16(frame, at + 2)
            at += VLAN_TAG
    packet.l3 = at
    if ethertype >= 0x0600:
        packet.ethertype = ethertype
    if ethertype == ETHERTYPE_IPV4:
        _ipv4(packet, frame, at, verify)
    elif ethertype == ETHERTYPE_IPV6:
        _ipv6(packet, frame, at, verify)
    return packet


def _ipv4(packet: Packet, frame: Octets, l3: int, verify: bool) -> None:
    if packet.length < l3 + 20 or frame[l3] >> 4 != 4:
        return
    header = (frame[l3] & 15) * 4
    (total,) = _be16(frame, l3 + 2)
    if header < 20 or total < header or l3 + total > packet.length:
        return
    packet.ip_version = 4
    if verify:
        packet.ip_ok = ones_sum(frame[l3 : l3 + header]) == 0
    packet.src = bytes(frame[l3 + 12 : l3 + 16])
    packet.dst = bytes(frame[l3 + 16 : l3 + 20])
    packet.protocol = frame[l3 + 9]
    packet.end = l3 + total
    packet.l4 = packet.payload = l3 + header
    (fragment,) = _be16(frame, l3 + 6)
    packet.is_fragment = fragment & 0x3FFF != 0
    if not packet.is_fragment:
        _l4(packet, frame, verify)


def _ipv6(packet: Packet, frame: Octets, l3: int, verify: bool) -> None:
    if packet.length < l3 + 40 or frame[l3] >> 4 != 6:
        return
    (payload_length,) = _be16(frame, l3 + 4)
    end = l3 + 40 + payload_length
    if end > packet.length:
        return
    packet.ip_version = 6
    if verify:
        packet.ip_ok = True
    packet.src = bytes(frame[l3 + 8 : l3 + 24])
    packet.dst = bytes(frame[l3 + 24 : l3 + 40])
    packet.end = end
    at = l3 + 40
    protocol = frame[l3 + 6]
    checkable = verify
    for _ in range(_MAX_EXTENSION_HEADERS):
        if protocol in (PROTO_HOP_BY_HOP, PROTO_ROUTING, PROTO_DESTINATION):
            if at + 8 > end:
                break
            size = (frame[at + 1] + 1) * 8
            # With segments left the final destination is elsewhere in the header.
            checkable = checkable and not (protocol == PROTO_ROUTING and frame[at + 3])
        elif protocol == PROTO_AH:
            if at + 8 > end:
                break
            size = (frame[at + 1] + 2) * 4
        elif protocol == PROTO_FRAGMENT:
            if at + 8 > end:
                break
            size = 8
            packet.is_fragment = _be16(frame, at + 2)[0] & 0xFFF9 != 0
        else:
            break
        if at + size > end:
            break
        protocol = frame[at]
        at += size
        if packet.is_fragment:
            break
    packet.protocol = protocol
    packet.l4 = packet.payload = at
    if not packet.is_fragment:
        _l4(packet, frame, checkable)


def _l4(packet: Packet, frame: Octets, checkable: bool) -> None:
    l4, end = packet.l4, packet.end
    if packet.protocol == PROTO_TCP:
        if end < l4 + 20:
            return
        header = (frame[l4 + 12] >> 4) * 4
        if header < 20 or l4 + header > end:
            return
        packet.tcp_flags = frame[l4 + 13]
    elif packet.protocol == PROTO_UDP:
        if end < l4 + 8:
            return
        header = 8
        (length,) = _be16(frame, l4 + 4)
        if length < 8 or l4 + length > end:
            return
        end = l4 + length
        checkable = checkable and _be16(frame, l4 + 6)[0] != 0
    else:
        return
    packet.sport, packet.dport = _ports(frame, l4)
    packet.payload = l4 + header
    if checkable:
        initial = pseudo_header(packet.protocol, end - l4) + ones_sum(packet.src + packet.dst)
        packet.l4_ok = ones_sum(frame[l4:end], initial) == 0
