# SPDX-License-Identifier: GPL-2.0-only
"""Statistics contexts: counters per ring set, written to the host by DMA (ctx_hw_stats_ext)."""

from __future__ import annotations

import struct
from collections.abc import Callable

from devmodel.clock import Clock, Timer, Timing
from devmodel.dma import DmaSpace, Who
from devmodel.errors import DmaFault
from devmodel.trace import Trace

RX_UCAST_PKTS = 0
RX_MCAST_PKTS = 1
RX_BCAST_PKTS = 2
RX_DISCARD_PKTS = 3
RX_ERROR_PKTS = 4
RX_UCAST_BYTES = 5
RX_MCAST_BYTES = 6
RX_BCAST_BYTES = 7
TX_UCAST_PKTS = 8
TX_MCAST_PKTS = 9
TX_BCAST_PKTS = 10
TX_ERROR_PKTS = 11
TX_DISCARD_PKTS = 12
TX_UCAST_BYTES = 13
TX_MCAST_BYTES = 14
TX_BCAST_BYTES = 15
RX_TPA_ELIGIBLE_PKT = 16
RX_TPA_ELIGIBLE_BYTES = 17
RX_TPA_PKT = 18
RX_TPA_BYTES = 19
RX_TPA_ERRORS = 20
RX_TPA_EVENTS = 21
COUNTERS = 22
COUNTER_MASK = (1 << 48) - 1
_STATS = Who("stats")
_NEVER = (-1, -1, False)
"""Indices into :attr:`StatCtx.counters`, in the order of struct ctx_hw_stats_ext; their number; the
width of every counter of the card, as told in answer to COUNTER_MASK queries."""


CTX_COUNTER_NAMES = (
    "rx_ucast_pkts",
    "rx_mcast_pkts",
    "rx_bcast_pkts",
    "rx_discard_pkts",
    "rx_error_pkts",
    "rx_ucast_bytes",
    "rx_mcast_bytes",
    "rx_bcast_bytes",
    "tx_ucast_pkts",
    "tx_mcast_pkts",
    "tx_bcast_pkts",
    "tx_error_pkts",
    "tx_discard_pkts",
    "tx_ucast_bytes",
    "tx_mcast_bytes",
    "tx_bcast_bytes",
    "rx_tpa_eligible_pkt",
    "rx_tpa_eligible_bytes",
    "rx_tpa_pkt",
    "rx_tpa_bytes",
    "rx_tpa_errors",
    "rx_tpa_events",
)
"""Names of the members, by index."""


class StatCtx:
    """One statistics context (STAT_CTX_ALLOC).

    Bytes count whole frames without FCS. Counters survive RING_FREE and RING_ALLOC.

    :ivar counters: ``COUNTERS`` values; the data path adds to them.
    :ivar address: bus address of the block in the host, 0 if none.
    :ivar length: bytes of it the host has room for (160 or 168).
    :ivar period_ms: how often it is written without being asked; 0 is never.
    """

    __slots__ = (
        "_dma",
        "_refused_at",
        "_reported",
        "_timer",
        "_trace",
        "_written",
        "address",
        "counters",
        "id",
        "length",
        "period_ms",
    )

    def __init__(
        self,
        ctx_id: int,
        address: int,
        length: int,
        period_ms: int,
        *,
        dma: DmaSpace,
        clock: Clock,
        trace: Trace,
    ) -> None:
        self.id = ctx_id
        self.address = address
        self.length = length
        self.period_ms = period_ms
        self.counters = [0] * COUNTERS
        self._written = [-1] * COUNTERS  # nothing yet, in as much room
        self._dma = dma
        self._trace = trace
        self._reported = False
        self._refused_at = _NEVER
        self._timer: Timer | None = None
        if period_ms and address:
            self._timer = clock.call_every(period_ms * 1_000_000, self.write, self._is_idle)

    def _is_idle(self) -> bool:
        """Writing has no effect: nothing changed, or the address is as wrong as it was."""
        return self.counters == self._written or (
            self._refused_at == self._mappings() and not self._dma.faults.armed
        )

    def _mappings(self) -> tuple[int, int, bool]:
        """Changes whenever an address may have become right."""
        dma = self._dma
        return dma.maps_total, dma.unmaps_total, dma.bus_master_enabled

    def write(self) -> None:
        """Bring the host's copy up to date, if anything changed."""
        if not self.address or self.counters == self._written:
            return
        count = min(self.length // 8, COUNTERS)
        try:
            block = struct.pack(f"<{count}Q", *self.counters[:count])
            self._dma.write(self.address, block, _STATS)
        except DmaFault as fault:
            if fault.reason != "no_memory":  # then the client is asked each time
                self._refused_at = self._mappings()
            if not self._reported:
                self._reported = True
                self._trace.violation(
                    "stats_write", ctx=self.id, address=fault.iova, detail=str(fault)
                )
            return
        self._written = self.counters.copy()

    def clear(self) -> None:
        """STAT_CTX_CLR_STATS."""
        self.counters = [0] * COUNTERS

    def stop(self) -> None:
        """STAT_CTX_FREE or reset: nothing is written any more."""
        self.address = 0
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class StatisticsRefresh:
    """Writes statistics blocks soon after traffic, not only when their period is over.

    The driver reads them once a second; whoever waits for its counters to settle (the kernel's
    selftests: 1.025 s) would otherwise see what is up to two periods old.

    :param write: brings all blocks up to date.
    """

    DELAY_NS = 10_000_000

    __slots__ = ("_clock", "_timer", "_write")

    def __init__(self, write: Callable[[], None], clock: Clock) -> None:
        self._write = write
        self._clock = clock
        self._timer: Timer | None = None

    def touch(self) -> None:
        """Counters are about to be, or have been, changed by a batch of packets."""
        if self._clock.timing is Timing.SYNCHRONOUS:
            self._write()
        elif self._timer is None:
            self._timer = self._clock.call_later(self.DELAY_NS, self._expire, background=True)

    def _expire(self) -> None:
        self._timer = None
        self._write()
