# SPDX-License-Identifier: GPL-2.0-only
"""Completion rings (CQ) and notification queues (NQ): phase bits, arming, moderation, MSI-X.

A CQ that is armed and holds entries the host has not seen sends one NQE to its NQ and is disarmed.
An NQ that is armed and holds entries the host has not seen raises its MSI-X vector and is disarmed.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass

from devmodel.bnxt.entry_events import write_faulty
from devmodel.bnxt.rings import ENTRY_BYTES, RingMemory
from devmodel.clock import Clock, Timer, Timing
from devmodel.dma import Who
from devmodel.errors import DmaFault
from devmodel.trace import Trace

NQE_TYPE_CQ_NOTIFICATION = 0x30
_NQE = struct.Struct("<HHIII")


class _ProducedRing:
    """A ring the card produces into; the valid bit (byte 8, bit 0) flips at every pass.

    :ivar prod: entries ever written; ``cons``: entries the host has reported as consumed.
    """

    KIND = ""
    POINT = ""
    PURPOSE = ""

    __slots__ = ("_faults", "_trace", "cons", "entries", "freed", "id", "mask", "memory", "prod")

    def __init__(self, ring_id: int, memory: RingMemory, trace: Trace) -> None:
        self.id = ring_id
        self.memory = memory
        memory.who = Who(self.PURPOSE, self.KIND, ring_id)
        self._faults = memory.dma.faults
        self.entries = memory.entries
        self.mask = memory.entries - 1
        self.prod = 0
        self.cons = 0
        self.freed = False
        self._trace = trace

    @property
    def unseen(self) -> int:
        """Entries written that the host has not reported as consumed."""
        return self.prod - self.cons

    def _write(self, entries: bytearray) -> bool:
        """Write whole entries, as far as armed faults let them; see :meth:`store`."""
        if self._faults.armed and self.POINT in self._faults.points:
            return write_faulty(self._faults, self.POINT, self, entries)
        return self.store(entries)

    def store(self, entries: bytearray, *, flip_phase: bool = False, advance: bool = True) -> bool:
        """Set the valid bits and store whole entries; the first one is stored last.

        The host reads entries in order, so none of them is seen before all are in place. A fault
        may have the valid bits inverted, or the producer index stay.

        False if the ring is freed or full (entries are lost) or the host memory is not writable.
        """
        count = len(entries) // ENTRY_BYTES
        if self.freed:
            self._trace.violation("completion_to_freed_ring", ring=self.KIND, id=self.id)
            return False
        if self.prod - self.cons + count >= self.entries:
            self._trace.violation("completion_overflow", ring=self.KIND, id=self.id, lost=count)
            return False
        raw = self.prod
        for at in range(8, len(entries), ENTRY_BYTES):
            entries[at] = (entries[at] & 0xFE) | (not raw & self.entries) ^ flip_phase
            raw += 1
        index = self.prod & self.mask
        try:
            if count > 1:
                second = (index + 1) & self.mask
                self.memory.write_entries(second, memoryview(entries)[ENTRY_BYTES:])
            self.memory.write_entry(index, entries[:ENTRY_BYTES])
        except DmaFault as fault:
            self._trace.violation(
                "completion_write",
                ring=self.KIND,
                id=self.id,
                address=fault.iova,
                detail=str(fault),
            )
            return False
        if advance:
            self.prod = raw
        return True

    def announce(self) -> None:
        """Tell the host of what was stored late."""

    def _consume(self, index: int) -> None:
        """The host's consumer index (without phase) arrived in a doorbell."""
        seen = (index - self.cons) & self.mask
        if index > self.mask or seen > self.prod - self.cons:
            self._trace.violation(
                "doorbell_past_producer",
                ring=self.KIND,
                id=self.id,
                index=index,
                prod=self.prod,
                cons=self.cons,
            )
            return
        self.cons += seen


class NotificationQueue(_ProducedRing):
    """An NQ and the MSI-X vector behind it."""

    KIND = "NQ"
    POINT = "nqe.write"
    PURPOSE = "nqe"

    __slots__ = ("_raise_msix", "_told", "armed", "vector")

    def __init__(
        self,
        ring_id: int,
        memory: RingMemory,
        trace: Trace,
        vector: int,
        raise_msix: Callable[[int], None],
    ) -> None:
        super().__init__(ring_id, memory, trace)
        self.vector = vector
        self.armed = False
        self._raise_msix = raise_msix
        self._told = (-1, -1)

    def post_nqe(self, cq_handle: int) -> None:
        """A CQ has entries: ``cq_handle`` is the 64-bit value the host gave at RING_ALLOC."""
        self.post(
            _NQE.pack(NQE_TYPE_CQ_NOTIFICATION, 0, cq_handle & 0xFFFF_FFFF, 0, cq_handle >> 32)
        )

    def post_async(self, entry: bytes) -> None:
        """An asynchronous event (hwrm_async_event_cmpl, 16 bytes)."""
        self.post(entry)

    def post(self, entry: bytes) -> None:
        """Write one entry and interrupt if armed."""
        if self._write(bytearray(entry)):
            self._interrupt()

    def announce(self) -> None:
        """Interrupt if armed."""
        self._interrupt()

    def _interrupt(self) -> None:
        if self.armed:
            self.armed = False
            self._told = (self.prod, self.cons)
            self._raise_msix(self.vector)

    def arm(self, index: int) -> None:
        """NQ_ARM: consumer is ``index``; interrupt at once if there is more, else at the next.

        A host that saw nothing in what it was told of is told again of the next entry only: it
        would find nothing for ever, and where time stands still meanwhile nothing else happens.
        """
        self._consume(index)
        self.armed = True
        if self.unseen and self._told == (self.prod, self.cons):
            self._trace.counters["nq_arm_without_progress"] += 1
        elif self.unseen:
            self._interrupt()

    def mask_interrupt(self, index: int) -> None:
        """NQ: consumer is ``index``; no interrupt until armed.

        An index that was passed already is late, not wrong: bnxt_disable_int() reads it on one CPU
        while NAPI advances it on another.
        """
        late = (self.cons - index) & self.mask
        if index > self.mask or not 0 < late <= min(self.cons, self.entries // 2):
            self._consume(index)
        self.armed = False
        self._told = (-1, -1)


@dataclass(slots=True)
class Moderation:
    """Interrupt moderation of one CQ (RING_CMPL_RING_CFG_AGGINT_PARAMS).

    :ivar delay_ns: an NQE follows the first unseen entry by at most this; 0 is at once.
    :ivar frames: so many unseen entries send the NQE at once; 0 is no such limit.
    """

    delay_ns: int = 0
    frames: int = 0


class CmplRing(_ProducedRing):
    """A completion ring, served by one NQ."""

    KIND = "CQ"
    POINT = "cqe.write"
    PURPOSE = "cqe"

    __slots__ = ("_clock", "_timer", "_told", "armed", "cq_handle", "moderation", "nq")

    def __init__(
        self,
        ring_id: int,
        memory: RingMemory,
        trace: Trace,
        nq: NotificationQueue,
        cq_handle: int,
        clock: Clock,
    ) -> None:
        super().__init__(ring_id, memory, trace)
        self.nq = nq
        self.cq_handle = cq_handle
        self.armed = False
        self.moderation = Moderation()
        self._told = (-1, -1)
        self._clock = clock
        self._timer: Timer | None = None

    def post(self, *entries: bytes | bytearray) -> bool:
        """Write completions, one after the other, all or nothing.

        The bytes may hold several entries each: the parts of one completion, or a whole batch. The
        valid bits are set here. False if the ring was full or unusable. Call :meth:`flush` after a
        batch.
        """
        return self._write(bytearray(b"".join(entries)))

    def flush(self) -> None:
        """Notify the host of what was posted, subject to arming and moderation."""
        if not self.armed or not self.unseen:
            return
        m = self.moderation
        if (
            m.delay_ns == 0
            or self._clock.timing is Timing.SYNCHRONOUS
            or (m.frames and self.unseen >= m.frames)
        ):
            self.notify()
        elif self._timer is None:
            self._timer = self._clock.call_later(m.delay_ns, self.notify)

    def announce(self) -> None:
        """Notify without moderation."""
        self.notify()

    def notify(self) -> None:
        """Send the NQE now if one is due, without moderation."""
        self._cancel()
        if self.armed and self.unseen and not self.freed:
            self.armed = False
            self._told = (self.prod, self.cons)
            self.nq.post_nqe(self.cq_handle)

    def arm(self, index: int) -> None:
        """CQ_ARMALL: consumer is ``index``; notify of anything newer, now or when it comes.

        Not again of what the host was told of and did not see; see NotificationQueue.arm().
        """
        self._consume(index)
        self.armed = True
        if self.unseen and self._told == (self.prod, self.cons):
            self._trace.counters["cq_arm_without_progress"] += 1
        else:
            self.flush()

    def consume(self, index: int) -> None:
        """CQ: consumer is ``index``; no arming."""
        self._consume(index)
        self._told = (-1, -1)

    def free(self) -> None:
        """RING_FREE or reset."""
        self.freed = True
        self.armed = False
        self._cancel()

    def _cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
