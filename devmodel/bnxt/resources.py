# SPDX-License-Identifier: GPL-2.0-only
"""Everything the guest allocated: rings, VNICs, filters, contexts; ids, limits and the ledger."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any

from devmodel.bnxt.cmpl import CmplRing, NotificationQueue
from devmodel.bnxt.flow_rules import FlowRules
from devmodel.bnxt.identity import Limits
from devmodel.bnxt.rings import BufferRing, DescriptorRing, RingMemory
from devmodel.bnxt.stats import StatCtx
from devmodel.trace import Trace

INVALID_ID = 0xFFFF


class IdPolicy(enum.Enum):
    """Which free id an allocation gets."""

    REUSE = "reuse"
    """The lowest free one: an id freed is the next one given."""
    FRESH = "fresh"
    """One never given before, as long as there are any."""
    SEEDED = "seeded"
    """A random free one, from the clock's seeded source."""


class IdPool:
    """Ids ``first .. first + count - 1`` of one kind of object."""

    def __init__(self, first: int, count: int, policy: IdPolicy, random: Random) -> None:
        self._first = first
        self._count = count
        self._policy = policy
        self._random = random
        self._used: set[int] = set()
        self._cleared: set[int] = set()
        self._next = 0

    def allocate(self) -> int | None:
        """A free id, or None."""
        if len(self._used) >= self._count:
            return None
        start = 0
        if self._policy is IdPolicy.FRESH:
            start = self._next
        elif self._policy is IdPolicy.SEEDED:
            start = self._random.randrange(self._count)
        for step in range(self._count):
            slot = (start + step) % self._count
            if self._first + slot not in self._used:
                break
        self._next = slot + 1
        self._used.add(self._first + slot)
        return self._first + slot

    def release(self, value: int) -> None:
        """Give an id back, also one that :meth:`clear` has: the card may be reset while an object
        is freed. KeyError for any other."""
        (self._used if value in self._used else self._cleared).remove(value)

    def clear(self) -> None:
        """Give all ids back."""
        self._cleared |= self._used
        self._used.clear()


class TxRing(DescriptorRing):
    """A transmit ring."""

    KIND = "TX"

    __slots__ = ("cmpl_ring_id", "logical_id", "queue_id", "stat_ctx_id")

    def __init__(
        self,
        ring_id: int,
        memory: RingMemory,
        trace: Trace,
        *,
        cmpl_ring_id: int,
        stat_ctx_id: int,
        queue_id: int,
        logical_id: int,
    ) -> None:
        super().__init__(ring_id, memory, trace)
        self.cmpl_ring_id = cmpl_ring_id
        self.stat_ctx_id = stat_ctx_id
        self.queue_id = queue_id
        self.logical_id = logical_id


class AggRing(BufferRing):
    """An aggregation ring: buffers for payload beyond the first one."""

    KIND = "RX_AGG"
    BD_TYPE = 6

    __slots__ = ("rx_ring_id",)

    def __init__(
        self, ring_id: int, memory: RingMemory, trace: Trace, *, buf_size: int, rx_ring_id: int
    ) -> None:
        super().__init__(ring_id, memory, trace, buf_size)
        self.rx_ring_id = rx_ring_id


class RxRing(BufferRing):
    """A receive ring, and its aggregation ring if it has one.

    The completion ring of a packet is not a property of the ring: the VNIC's table names it.

    :ivar sop_pad: bytes left free at the start of each buffer (RING_ALLOC flag RX_SOP_PAD).
    :ivar usable: bytes of a packet one buffer takes.
    """

    KIND = "RX"
    BD_TYPE = 4

    __slots__ = ("agg", "logical_id", "nq_ring_id", "sop_pad", "stat_ctx_id", "usable")

    def __init__(
        self,
        ring_id: int,
        memory: RingMemory,
        trace: Trace,
        *,
        buf_size: int,
        stat_ctx_id: int,
        nq_ring_id: int,
        logical_id: int,
        sop_pad: int = 0,
    ) -> None:
        super().__init__(ring_id, memory, trace, buf_size)
        self.sop_pad = sop_pad
        self.usable = max(buf_size - sop_pad, 0)
        self.agg: AggRing | None = None
        self.stat_ctx_id = stat_ctx_id
        self.nq_ring_id = nq_ring_id
        self.logical_id = logical_id


@dataclass(slots=True)
class PlacementModes:
    """VNIC_PLCMODES_CFG; flags and enables as in struct hwrm_vnic_plcmodes_cfg_input."""

    flags: int = 0
    jumbo_thresh: int = 0
    hds_threshold: int = 0


@dataclass(slots=True)
class TpaConfig:
    """VNIC_TPA_CFG; all zero is off. Values as in struct hwrm_vnic_tpa_cfg_input.

    :ivar max_agg_segs: 0 for as many as there may be, as in ``max_aggs``.
    :ivar max_agg_timer: 0 ends an aggregation with the batch of frames that it began in.
    """

    flags: int = 0
    max_agg_segs: int = 0
    max_aggs: int = 0
    max_agg_timer: int = 0
    min_agg_len: int = 0


@dataclass(slots=True, eq=False)
class Vnic:
    """A VNIC: where packets go once a filter chose it.

    :ivar mru: longest frame accepted in bytes (with VLAN tag, without FCS); 0 accepts nothing.
    :ivar rss_tables: (RX ring id, completion ring id) per hash bucket, a snapshot taken at
        VNIC_RSS_CFG; empty if RSS is off. The length is a multiple of 64.
    :ivar hash_type: HASH_TYPE_* bits of struct hwrm_vnic_rss_cfg_input.
    :ivar hash_mode_flags: as given, reported back by VNIC_RSS_QCFG.
    :ivar rx_mask: MASK_* bits of struct hwrm_cfa_l2_set_rx_mask_input.
    :ivar multicast: addresses accepted while the MCAST bit is set.
    """

    id: int
    is_default: bool
    mru: int = 0
    default_rx_ring: int = INVALID_ID
    default_cmpl_ring: int = INVALID_ID
    rss_tables: list[tuple[int, int]] = field(default_factory=list)
    rss_table_parts: dict[int, list[tuple[int, int]]] = field(default_factory=dict)
    hash_type: int = 0
    hash_mode_flags: int = 0
    hash_key: bytes = b""
    vlan_strip: bool = False
    plcmodes: PlacementModes = field(default_factory=PlacementModes)
    tpa: TpaConfig = field(default_factory=TpaConfig)
    rx_mask: int = 0
    multicast: frozenset[bytes] = frozenset()

    def set_rss_part(self, index: int, pairs: list[tuple[int, int]]) -> None:
        """Set buckets ``64 * index ..`` of the table."""
        self.rss_table_parts[index] = pairs
        self.rss_tables = [p for i in sorted(self.rss_table_parts) for p in self.rss_table_parts[i]]

    def clear_rss(self) -> None:
        """RSS off."""
        self.rss_table_parts.clear()
        self.rss_tables = []
        self.hash_type = 0

    def rx_ring_ids(self) -> set[int]:
        """Every RX ring the VNIC names."""
        ids = {pair[0] for pair in self.rss_tables}
        ids.add(self.default_rx_ring)
        ids.discard(INVALID_ID)
        return ids


@dataclass(frozen=True, slots=True)
class L2Filter:
    """CFA_L2_FILTER_ALLOC: a destination address (under a mask) and optionally a VLAN.

    :ivar vlan: (VLAN id, mask) of the tag, or None if the filter does not look at it.
    """

    id: int
    address: bytes
    address_mask: bytes
    vlan: tuple[int, int] | None
    dst_vnic: int
    drop: bool


@dataclass(frozen=True, slots=True)
class NtupleFilter:
    """CFA_NTUPLE_FILTER_ALLOC; a value is compared under its mask, a mask of 0 matches all.

    :ivar ethertype: 0x0800, 0x86DD or 0 for any.
    :ivar ip_addr_type: 4, 6 or 0 for any.
    :ivar ip_protocol: None for any.
    :ivar src_ip: 4 or 16 bytes in network order; the mask has the same length.
    :ivar src_port: host value; the mask too.
    :ivar rfs_ring_tbl_idx: bucket of the VNIC's RSS table, or None for RSS among all of them.
    :ivar is_of_tunnels: it looks at what tunnels carry, and at nothing else.
    """

    id: int
    l2_filter_id: int | None
    ethertype: int
    ip_addr_type: int
    ip_protocol: int | None
    src_ip: bytes
    src_ip_mask: bytes
    dst_ip: bytes
    dst_ip_mask: bytes
    src_port: int
    src_port_mask: int
    dst_port: int
    dst_port_mask: int
    dst_vnic: int
    rfs_ring_tbl_idx: int | None
    drop: bool
    is_of_tunnels: bool = False


class Resources:
    """All objects of the function, by id.

    :ivar steering_generation: bumped at every change that may send a packet elsewhere.
    """

    def __init__(self, limits: Limits, policy: IdPolicy, random: Random) -> None:
        self.limits = limits
        self.steering_generation = 0
        self.tx_rings: dict[int, TxRing] = {}
        self.rx_rings: dict[int, RxRing] = {}
        self.agg_rings: dict[int, AggRing] = {}
        self.cmpl_rings: dict[int, CmplRing] = {}
        self.nqs: dict[int, NotificationQueue] = {}
        self.retired_event_rings: set[int] = set()
        """Ids of freed CQs and NQs that no ring has taken since."""
        self.retired_rx_rings: dict[int, RxRing | AggRing] = {}
        """RX and aggregation rings, by id, that were freed since a ring was allocated last."""
        self.vnics: dict[int, Vnic] = {}
        self.rss_contexts: dict[int, int | None] = {}
        """RSS context id -> VNIC id it is attached to."""
        self.l2_filters: dict[int, L2Filter] = {}
        self.ntuple_filters: dict[int, NtupleFilter] = {}
        self.stat_ctxs: dict[int, StatCtx] = {}
        self.tunnel_ports: dict[int, int] = {}
        """Tunnel type -> UDP destination port."""
        self.flow_rules = FlowRules()

        def pool(first: int, count: int) -> IdPool:
            return IdPool(first, count, policy, random)

        rings = limits.tx_rings + limits.rx_rings + limits.cmpl_rings + limits.msix
        self.ring_ids = pool(1, rings)
        self.vnic_ids = pool(0, limits.vnics)
        self.rss_context_ids = pool(0, limits.rsscos_ctx)
        self.l2_filter_ids = pool(1, limits.l2_filters)
        self.ntuple_filter_ids = pool(0x1_0000, limits.ntuple_filters)
        self.stat_ctx_ids = pool(0, limits.stat_ctx)

    def steering_changed(self) -> None:
        """Something that decides where packets go was changed."""
        self.steering_generation += 1

    def default_vnic(self) -> Vnic | None:
        """The VNIC allocated as default."""
        return next((v for v in self.vnics.values() if v.is_default), None)

    def descriptor_rings(self) -> Iterator[DescriptorRing]:
        """All TX, RX and AGG rings."""
        yield from self.tx_rings.values()
        yield from self.rx_rings.values()
        yield from self.agg_rings.values()

    def write_statistics(self) -> None:
        """Bring every statistics block in the host up to date."""
        for ctx in tuple(self.stat_ctxs.values()):  # a write may be when the card is reset
            ctx.write()

    def reset(self) -> None:
        """Drop everything; no host memory is touched."""
        for ring in self.descriptor_rings():
            ring.free()
        for cq in self.cmpl_rings.values():
            cq.free()
        for nq in self.nqs.values():
            nq.freed = True
        for ctx in self.stat_ctxs.values():
            ctx.stop()
        for table in self._tables().values():
            table.clear()
        self.tunnel_ports.clear()
        self.flow_rules.reset()
        self.retired_event_rings.clear()
        self.retired_rx_rings.clear()
        for pool in (
            self.ring_ids,
            self.vnic_ids,
            self.rss_context_ids,
            self.l2_filter_ids,
            self.ntuple_filter_ids,
            self.stat_ctx_ids,
        ):
            pool.clear()
        self.steering_changed()

    def _tables(self) -> dict[str, dict[int, Any]]:
        return {
            "tx_rings": self.tx_rings,
            "rx_rings": self.rx_rings,
            "agg_rings": self.agg_rings,
            "cmpl_rings": self.cmpl_rings,
            "nqs": self.nqs,
            "vnics": self.vnics,
            "rss_contexts": self.rss_contexts,
            "l2_filters": self.l2_filters,
            "ntuple_filters": self.ntuple_filters,
            "stat_ctxs": self.stat_ctxs,
        }

    def ledger(self) -> dict[str, int]:
        """How many objects of each kind are live."""
        return {name: len(table) for name, table in self._tables().items()}
