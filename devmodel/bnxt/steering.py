# SPDX-License-Identifier: GPL-2.0-only
"""Steering: which VNIC, RX ring and completion ring a packet goes to, and its RSS hash.

Order: L2 filters and rx masks choose a VNIC; an ntuple filter takes precedence over it; then RSS
spreads among the VNIC's rings, or the default ring takes what RSS does not cover. Results are
cached per flow and thrown away when :attr:`Resources.steering_generation` moves.
"""

from __future__ import annotations

from collections.abc import Callable

from devmodel.bnxt.cmpl import CmplRing
from devmodel.bnxt.resources import L2Filter, NtupleFilter, Resources, RxRing, Vnic
from devmodel.bnxt.stats import StatCtx
from devmodel.net.parse import ETH_HEADER, PROTO_ICMP, PROTO_ICMPV6, PROTO_TCP, PROTO_UDP, Packet
from devmodel.net.toeplitz import KEY_BYTES, toeplitz

# struct hwrm_vnic_rss_cfg_input, hash_type
HASH_TYPE_IPV4 = 0x01
HASH_TYPE_TCP_IPV4 = 0x02
HASH_TYPE_UDP_IPV4 = 0x04
HASH_TYPE_IPV6 = 0x08
HASH_TYPE_TCP_IPV6 = 0x10
HASH_TYPE_UDP_IPV6 = 0x20

# struct hwrm_cfa_l2_set_rx_mask_input, mask
MASK_MCAST = 0x02
MASK_ALL_MCAST = 0x04
MASK_BCAST = 0x08
MASK_PROMISCUOUS = 0x10

# struct rx_cmp, RX_CMP_FLAGS_ITYPE_*
ITYPE_NOT_IP = 0
ITYPE_IP = 1
ITYPE_TCP = 2
ITYPE_UDP = 3
ITYPE_ICMP = 7
ITYPE_PTP_WITHOUT_TIME = 8
ITYPE_PTP_WITH_TIME = 9

UNICAST = 0
MULTICAST = 1
BROADCAST = 2

# RSS profile in a completion, bnxt_tpa_start(): 1 is an IPv4 4-tuple, 3 an IPv6 4-tuple.
_PROFILE_IPV4_4TUPLE = 1
_PROFILE_IPV4_2TUPLE = 2
_PROFILE_IPV6_4TUPLE = 3
_PROFILE_IPV6_2TUPLE = 4

_BROADCAST_ADDRESS = b"\xff" * 6
_MAX_CACHED = 16384

# struct hwrm_vnic_rss_cfg_input, hash_mode_flags
_MODE_INNERMOST_2 = 0x04
_MODE_OUTERMOST_4 = 0x08
_MODE_OUTERMOST_2 = 0x10
_OUTERMOST = _MODE_OUTERMOST_4 | _MODE_OUTERMOST_2
_ADDRESSES_ONLY = _MODE_INNERMOST_2 | _MODE_OUTERMOST_2

FlowKey = tuple[object, ...]


class Target:
    """Where the packets of a flow go.

    :ivar drop: why they are dropped, or empty; then ``vnic``, ``ring`` and ``cq`` are set.
    :ivar hash: RSS hash, if ``hash_profile`` is not 0.
    :ivar itype: RX_CMP_FLAGS_ITYPE_*.
    :ivar cast: UNICAST, MULTICAST or BROADCAST.
    :ivar is_promiscuous: no filter asked for it, only promiscuous mode did.
    :ivar is_tunnel: hash and itype are of the packet inside.
    :ivar why: what chose the ring, in words.
    """

    __slots__ = (
        "cast",
        "cq",
        "drop",
        "hash",
        "hash_profile",
        "is_promiscuous",
        "is_tunnel",
        "itype",
        "ring",
        "stats",
        "vnic",
        "why",
    )

    def __init__(self, cast: int) -> None:
        self.cast = cast
        self.drop = ""
        self.vnic: Vnic | None = None
        self.ring: RxRing | None = None
        self.cq: CmplRing | None = None
        self.stats: StatCtx | None = None
        self.hash = 0
        self.hash_profile = 0
        self.itype = ITYPE_NOT_IP
        self.is_promiscuous = False
        self.is_tunnel = False
        self.why = ""


def cast_of(address: bytes) -> int:
    """UNICAST, MULTICAST or BROADCAST of a destination MAC address."""
    if address == _BROADCAST_ADDRESS:
        return BROADCAST
    return MULTICAST if address[:1] and address[0] & 1 else UNICAST


def itype_of(packet: Packet) -> int:
    """What the completion calls the packet."""
    if packet.ip_version == 0:
        return ITYPE_NOT_IP
    if packet.is_tcp:
        return ITYPE_TCP
    if packet.is_udp:
        return ITYPE_UDP
    if packet.protocol in (PROTO_ICMP, PROTO_ICMPV6) and not packet.is_fragment:
        return ITYPE_ICMP
    return ITYPE_IP


Routed = Callable[[Vnic | None, int | None, NtupleFilter | None], None]
"""Called as (VNIC, bucket of its RSS table, filter): no VNIC if the filter's is gone, no bucket for
its default ring, no filter if none applies."""


class Steering:
    """The classification of one function.

    :ivar routed: told where each new flow goes; a flow is new again when something was changed.
    """

    def __init__(self, resources: Resources) -> None:
        self.routed: Routed = lambda vnic, bucket, ntuple: None
        self._resources = resources
        self._generation = -1
        self._targets: dict[FlowKey, Target] = {}
        self._ntuples: list[NtupleFilter] = []
        self._runt = Target(UNICAST)
        self._runt.drop = "runt"

    @property
    def stale(self) -> bool:
        """The resources changed since the last :meth:`target`; cached targets are void."""
        return self._generation != self._resources.steering_generation

    def refresh(self) -> None:
        """Forget every target."""
        self._generation = self._resources.steering_generation
        self._targets.clear()
        self._ntuples = sorted(
            self._resources.ntuple_filters.values(), key=lambda f: (-_specificity(f), f.id)
        )

    def target(self, packet: Packet, destination: bytes, itype: int | None = None) -> Target:
        """Where ``packet`` with destination MAC address ``destination`` goes.

        :param itype: what its completion calls it; None is what its headers say.
        """
        if self.stale:
            self.refresh()
        if packet.length < ETH_HEADER:
            return self._runt
        key: FlowKey = (destination, packet.tpid, packet.tci & 0xFFF, itype, *_flow_of(packet))
        if packet.inner is not None:
            key += _flow_of(packet.inner)
        target = self._targets.get(key)
        if target is None:
            if len(self._targets) >= _MAX_CACHED:
                self._targets.clear()
            target = self._targets[key] = self._resolve(packet, destination)
            if itype is not None:
                target.itype = itype
        return target

    def _resolve(self, packet: Packet, destination: bytes) -> Target:
        target = Target(cast_of(destination))
        target.itype = itype_of(packet.inner or packet)
        target.is_tunnel = packet.inner is not None
        vnic, l2_filter = self._l2(packet, destination, target)
        if l2_filter is not None and l2_filter.drop:
            target.drop = "l2_filter"
            return target
        if vnic is None:
            target.drop = "no_l2_match"
            return target
        bucket: int | None = None
        ntuple = self._ntuple(packet, l2_filter)
        if ntuple is not None:
            if ntuple.drop:
                target.drop = "ntuple_filter"
                return target
            vnic = self._resources.vnics.get(ntuple.dst_vnic)
            bucket = ntuple.rfs_ring_tbl_idx
            if vnic is None:
                target.drop = "no_vnic"
                self.routed(None, bucket, ntuple)
                return target
        target.vnic = vnic
        self._hash(packet, vnic, target)
        if bucket is None and target.hash_profile:
            bucket = target.hash % len(vnic.rss_tables)
            target.why = f"RSS hash {target.hash:#010x}"
        else:
            target.why = "the default ring" if bucket is None else f"bucket {bucket}"
        if ntuple is not None:
            target.why = f"ntuple filter {ntuple.id}, {target.why}"
        self.routed(vnic, bucket, ntuple)
        self._ring(vnic, bucket, target)
        return target

    # -- L2 ---------------------------------------------------------------------------------
    def _l2(
        self, packet: Packet, destination: bytes, target: Target
    ) -> tuple[Vnic | None, L2Filter | None]:
        vnics = self._resources.vnics
        for candidate in self._resources.l2_filters.values():
            if _l2_matches(candidate, packet, destination):
                return vnics.get(candidate.dst_vnic), candidate
        for vnic in vnics.values():
            mask = vnic.rx_mask
            if target.cast == BROADCAST and mask & MASK_BCAST:
                return vnic, None
            if target.cast == MULTICAST and (
                mask & MASK_ALL_MCAST or (mask & MASK_MCAST and destination in vnic.multicast)
            ):
                return vnic, None
        for vnic in vnics.values():
            if vnic.rx_mask & MASK_PROMISCUOUS:
                target.is_promiscuous = True
                return vnic, None
        return None, None

    # -- ntuple -----------------------------------------------------------------------------
    def _ntuple(self, packet: Packet, l2_filter: L2Filter | None) -> NtupleFilter | None:
        hit = None if l2_filter is None else l2_filter.id
        for candidate in self._ntuples:
            if candidate.l2_filter_id not in (None, hit):
                continue
            seen = packet.inner if candidate.is_of_tunnels else packet
            if seen is not None and _ntuple_matches(candidate, seen):
                return candidate
        return None

    # -- RSS --------------------------------------------------------------------------------
    @staticmethod
    def _hash(packet: Packet, vnic: Vnic, target: Target) -> None:
        """Of the innermost headers, unless the mode of the VNIC says of the outermost."""
        if not packet.ip_version or not vnic.rss_tables or len(vnic.hash_key) != KEY_BYTES:
            return
        is_addresses_only = False
        if packet.inner is not None:
            is_addresses_only = bool(vnic.hash_mode_flags & _ADDRESSES_ONLY)
            if not vnic.hash_mode_flags & _OUTERMOST:
                packet = packet.inner
        version_4 = packet.ip_version == 4
        four_tuple = 0
        if is_addresses_only:
            pass
        elif packet.is_tcp:
            four_tuple = HASH_TYPE_TCP_IPV4 if version_4 else HASH_TYPE_TCP_IPV6
        elif packet.is_udp:
            four_tuple = HASH_TYPE_UDP_IPV4 if version_4 else HASH_TYPE_UDP_IPV6
        two_tuple = HASH_TYPE_IPV4 if version_4 else HASH_TYPE_IPV6
        data = packet.src + packet.dst
        if vnic.hash_type & four_tuple:
            data += packet.sport.to_bytes(2, "big") + packet.dport.to_bytes(2, "big")
            profile = _PROFILE_IPV4_4TUPLE if version_4 else _PROFILE_IPV6_4TUPLE
        elif vnic.hash_type & two_tuple:
            profile = _PROFILE_IPV4_2TUPLE if version_4 else _PROFILE_IPV6_2TUPLE
        else:
            return
        target.hash_profile = profile
        target.hash = toeplitz(vnic.hash_key, data)

    def _ring(self, vnic: Vnic, bucket: int | None, target: Target) -> None:
        pair = (vnic.default_rx_ring, vnic.default_cmpl_ring)
        table = vnic.rss_tables
        if bucket is not None:
            if bucket >= len(table):
                target.drop = "no_rss_bucket"
                return
            pair = table[bucket]
        ring = self._resources.rx_rings.get(pair[0])
        cq = self._resources.cmpl_rings.get(pair[1])
        if ring is None or cq is None or ring.freed or cq.freed:
            target.drop = "no_ring"
            return
        target.ring = ring
        target.cq = cq
        target.stats = self._resources.stat_ctxs.get(ring.stat_ctx_id)


def _flow_of(packet: Packet) -> FlowKey:
    return (
        packet.ethertype,
        packet.protocol,
        packet.is_fragment,
        packet.src,
        packet.dst,
        packet.sport,
        packet.dport,
    )


def _l2_matches(candidate: L2Filter, packet: Packet, destination: bytes) -> bool:
    for ours, mask, theirs in zip(
        candidate.address, candidate.address_mask, destination, strict=False
    ):
        if (ours ^ theirs) & mask:
            return False
    if candidate.vlan is None:
        return True
    vlan_id, vlan_mask = candidate.vlan
    return packet.tpid != 0 and not (packet.tci ^ vlan_id) & vlan_mask & 0xFFF


def _specificity(f: NtupleFilter) -> int:
    """How many bits a filter compares; among those that match the highest wins."""
    masks = f.src_ip_mask + f.dst_ip_mask
    bits = int.from_bytes(masks, "big").bit_count()
    bits += f.src_port_mask.bit_count() + f.dst_port_mask.bit_count()
    return bits + (0 if f.ip_protocol is None else 8)


def _ntuple_matches(f: NtupleFilter, packet: Packet) -> bool:
    if f.ethertype and f.ethertype != packet.ethertype:
        return False
    if f.ip_addr_type and f.ip_addr_type != packet.ip_version:
        return False
    if f.ip_protocol is not None and f.ip_protocol != packet.protocol:
        return False
    if not _address_matches(f.src_ip, f.src_ip_mask, packet.src):
        return False
    if not _address_matches(f.dst_ip, f.dst_ip_mask, packet.dst):
        return False
    if not f.src_port_mask and not f.dst_port_mask:
        return True
    if packet.protocol not in (PROTO_TCP, PROTO_UDP) or packet.sport < 0:
        return False
    return not (
        (f.src_port ^ packet.sport) & f.src_port_mask
        or (f.dst_port ^ packet.dport) & f.dst_port_mask
    )


def _address_matches(value: bytes, mask: bytes, address: bytes) -> bool:
    if not any(mask):
        return True
    if len(address) != len(mask):
        return False
    bits = int.from_bytes(mask, "big")
    return not (int.from_bytes(value, "big") ^ int.from_bytes(address, "big")) & bits
