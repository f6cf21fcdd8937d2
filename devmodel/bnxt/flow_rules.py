# SPDX-License-Identifier: GPL-2.0-only
"""Rules of tc flower: received packets that are dropped and counted before they are steered.

A rule looks at a packet or, with a decap filter, at what a VXLAN tunnel carries. Source: bnxt_tc.c
and struct hwrm_cfa_flow_alloc_input. Of two rules for one packet the one made first has it (a
guess).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from devmodel.net.checksum import Octets
from devmodel.net.parse import PROTO_ICMP, PROTO_ICMPV6, Packet

MAX_RULES = 128
"""A guess; each is looked at for each packet, and a batch of a thousand packets is one step."""
MAX_TUNNELS = 256
"""Decap filters, and encap records as well; a guess."""
_FIRST_HANDLE = 0x8000
"""CFA_FLOW_INFO_REQ_FLOW_HANDLE_DIR_RX: rules here are of received packets."""
_VXLAN_BYTES = 8
_VLAN_ID_MASK = 0xFFF

PortMatch = tuple[int, int]
"""Value, and mask; of ICMP its type or code."""


@dataclass(frozen=True, slots=True)
class DecapFilter:
    """The outside of a VXLAN tunnel; what is None is not looked at.

    :ivar vlan: id of the outer tag.
    :ivar src, dst: IPv4 addresses.
    """

    vni: int | None
    dmac: bytes | None
    vlan: int | None
    src: bytes | None
    dst: bytes | None
    dport: int | None

    def matches(self, packet: Packet, frame: Octets) -> bool:
        """Whether the packet comes through the tunnel; what it carries is in ``inner``."""
        if packet.inner is None or not packet.is_udp:
            return False
        vni = int.from_bytes(frame[packet.payload + 4 : packet.payload + 7], "big")
        vlan = packet.tci & _VLAN_ID_MASK if packet.tpid else None
        pairs = (
            (self.vni, vni), (self.dmac, bytes(frame[:6])), (self.vlan, vlan),
            (self.src, packet.src), (self.dst, packet.dst), (self.dport, packet.dport),
        )  # fmt: skip
        return all(wanted is None or wanted == found for wanted, found in pairs)


@dataclass(slots=True)
class FlowRule:
    """CFA_FLOW_ALLOC that drops.

    :ivar decap: filter id of the tunnel, or None.
    :ivar dmac, smac: None for any.
    :ivar vlan: id of the tag, None for any or none.
    :ivar ip_version: 4, 6, or 0 for any packet of the ethertype.
    :ivar protocol: 0 for any.
    :ivar dst, src: addresses and how many bits of them count.
    :ivar packets, bytes_: dropped so far.
    """

    decap: int | None
    ethertype: int
    dmac: bytes | None
    smac: bytes | None
    vlan: int | None
    ip_version: int
    protocol: int
    dst: tuple[bytes, int]
    src: tuple[bytes, int]
    sport: PortMatch
    dport: PortMatch
    packets: int = 0
    bytes_: int = 0

    def matches(self, packet: Packet, frame: Octets, l2: int) -> bool:
        """Whether the packet, whose Ethernet header begins at ``l2``, is the rule's."""
        if self.ethertype != packet.ethertype:
            return False
        if self.dmac is not None and self.dmac != frame[l2 : l2 + 6]:
            return False
        if self.smac is not None and self.smac != frame[l2 + 6 : l2 + 12]:
            return False
        tag = packet.tci & _VLAN_ID_MASK if packet.tpid else None
        if self.vlan is not None and self.vlan != tag:
            return False
        if self.protocol and self.protocol != packet.protocol:
            return False
        if not self.ip_version:
            return True
        return (
            self.ip_version == packet.ip_version
            and _same_bits(self.dst, packet.dst)
            and _same_bits(self.src, packet.src)
            and self._ports_match(packet, frame)
        )

    def _ports_match(self, packet: Packet, frame: Octets) -> bool:
        if not self.sport[1] and not self.dport[1]:
            return True
        found = (packet.sport, packet.dport)
        if packet.protocol in (PROTO_ICMP, PROTO_ICMPV6) and packet.end >= packet.l4 + 2:
            found = (frame[packet.l4], frame[packet.l4 + 1])
        if found[0] < 0 or packet.is_fragment:
            return False
        wanted = (self.sport, self.dport)
        return not any(
            (value ^ seen) & mask for (value, mask), seen in zip(wanted, found, strict=True)
        )


def _same_bits(wanted: tuple[bytes, int], address: bytes) -> bool:
    value, bits = wanted
    shift = 8 * len(address) - bits
    ours = int.from_bytes(value[: len(address)], "big")
    return ours >> shift == int.from_bytes(address, "big") >> shift


class FlowRules:
    """All rules of the function, and the tunnels they may name.

    :ivar rules: by handle. ``decaps``: by filter id. ``encaps``: (type, data) by record id.
    """

    def __init__(self) -> None:
        self.rules: dict[int, FlowRule] = {}
        self.decaps: dict[int, DecapFilter] = {}
        self.encaps: dict[int, tuple[int, bytes]] = {}

    def reset(self) -> None:
        """None is left."""
        self.rules.clear()
        self.decaps.clear()
        self.encaps.clear()

    def add(self, rule: FlowRule) -> int | None:
        """The handle of a new rule, None if there is no room."""
        handle = _free(self.rules, _FIRST_HANDLE, MAX_RULES)
        if handle is not None:
            self.rules[handle] = rule
        return handle

    def add_decap(self, decap: DecapFilter) -> int | None:
        """The id of a new decap filter, None if there is no room."""
        number = _free(self.decaps, 1, MAX_TUNNELS)
        if number is not None:
            self.decaps[number] = decap
        return number

    def add_encap(self, kind: int, data: bytes) -> int | None:
        """The id of a new encap record, None if there is no room."""
        number = _free(self.encaps, 1, MAX_TUNNELS)
        if number is not None:
            self.encaps[number] = (kind, data)
        return number

    def drop(self, packet: Packet, frame: Octets) -> bool:
        """Whether a rule has the packet; then it is counted there."""
        for rule in self.rules.values():
            seen, l2 = packet, 0
            if rule.decap is not None:
                if packet.inner is None or not self.decaps[rule.decap].matches(packet, frame):
                    continue
                seen, l2 = packet.inner, packet.payload + _VXLAN_BYTES
            if rule.matches(seen, frame, l2):
                rule.packets += 1
                rule.bytes_ += packet.length
                return True
        return False


def _free(table: Mapping[int, object], first: int, count: int) -> int | None:
    return next((n for n in range(first, first + count) if n not in table), None)
