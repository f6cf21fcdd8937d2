# SPDX-License-Identifier: GPL-2.0-only
"""Doorbells: one 64-bit register in BAR2 for every ring of the function."""

from __future__ import annotations

from devmodel.bnxt.datapath import ReceivePath, TransmitPath
from devmodel.bnxt.hsi.regs import (
    DB_INDEX_MASK,
    DB_TYPE_SHIFT,
    DB_XID_MASK,
    DB_XID_SHIFT,
    DOORBELL_PF_OFFSET,
    DbType,
)
from devmodel.bnxt.resources import Resources
from devmodel.budget import Budget
from devmodel.faults.engine import FaultEngine
from devmodel.trace import Trace

_BYTES = 8
_UNITS, _POSTED_OF_UNIT = 5, 2
"""What a doorbell costs, and how many posted buffers do as much as one unit."""
_NAMES = {int(kind): kind.name for kind in DbType}
_EVENT_KINDS = {DbType.CQ, DbType.CQ_ARMALL, DbType.NQ, DbType.NQ_ARM, DbType.NQ_MASK}


def _type_name(kind: int) -> str:
    try:
        return DbType(kind).name
    except ValueError:
        return f"{kind:#x}"


class DoorbellUnit:
    """Decodes doorbell writes and hands them to the rings.

    :param offset: of the register in its BAR.
    """

    def __init__(
        self,
        resources: Resources,
        trace: Trace,
        receive: ReceivePath,
        transmit: TransmitPath,
        faults: FaultEngine,
        budget: Budget,
        offset: int = DOORBELL_PF_OFFSET,
    ) -> None:
        self._offset = offset
        self._budget = budget
        self._faults = faults
        self._resources = resources
        self._trace = trace
        self._receive = receive
        self._transmit = transmit
        self._low: int | None = None

    def write(self, offset: int, data: bytes | memoryview) -> None:
        """A write to BAR2. A 64-bit value may come as two halves, the lower one first."""
        value = int.from_bytes(data, "little")
        if offset == self._offset and len(data) == _BYTES:
            self._low = None
            self.ring(value)
        elif offset == self._offset and len(data) == _BYTES // 2:
            self._low = value
        elif (
            offset == self._offset + _BYTES // 2
            and len(data) == _BYTES // 2
            and self._low is not None
        ):
            low, self._low = self._low, None
            self.ring(value << 32 | low)
        else:
            self._trace.violation("doorbell_offset", offset=offset, length=len(data))

    def ring(self, value: int) -> None:
        """One doorbell."""
        index = value & DB_INDEX_MASK
        xid = value >> DB_XID_SHIFT & DB_XID_MASK
        kind = value >> DB_TYPE_SHIFT
        if self._faults.armed and "doorbell.write" in self._faults.points:
            event = {"type": _type_name(kind), "ring_id": xid, "index": index}
            self._faults.pass_on(
                "doorbell.write",
                event,
                lambda e: self._ring(kind, e["ring_id"] & DB_XID_MASK, e["index"] & DB_INDEX_MASK),
                None,
            )
        else:
            self._ring(kind, xid, index)

    def _ring(self, kind: int, xid: int, index: int) -> None:
        if self._trace.activity is not None:
            self._trace.activity.note("doorbell", _type_name(kind), xid, index)
        if self._trace.explain is not None:
            fields = {"type": _NAMES.get(kind, hex(kind)), "ring": xid, "index": index}
            self._trace.recent.append((self._trace.now(), "doorbell", fields))
        self._budget.left -= _UNITS
        res = self._resources
        if kind == DbType.SQ and (tx := res.tx_rings.get(xid)) is not None:
            if tx.doorbell(index):
                self._transmit.kick(tx)
        elif kind == DbType.SRQ and (
            (rx := res.rx_rings.get(xid) or res.agg_rings.get(xid)) is not None
        ):
            before = rx.prod
            if rx.doorbell(index):
                self._budget.left -= (index - before & rx.mask) // _POSTED_OF_UNIT
                self._receive.refill(rx)
        elif kind == DbType.CQ_ARMALL and (cq := res.cmpl_rings.get(xid)) is not None:
            cq.arm(index)
        elif kind == DbType.CQ and (cq := res.cmpl_rings.get(xid)) is not None:
            cq.consume(index)
        elif kind == DbType.NQ_ARM and (nq := res.nqs.get(xid)) is not None:
            nq.arm(index)
        elif kind in (DbType.NQ, DbType.NQ_MASK) and (nq := res.nqs.get(xid)) is not None:
            nq.mask_interrupt(index)
        elif kind != DbType.NULL:
            self._refuse(kind, xid, index)

    def _refuse(self, kind: int, xid: int, index: int) -> None:
        """No ring of that kind has that id: the write has no effect.

        One to a ring that was freed may be the driver's way: it stops NAPI only after it has freed
        the rings (bnxt.c, __bnxt_close_nic, bnxt_queue_stop), so polls may end in between. What
        they have received they make good in the receive rings, and nothing else.
        """
        res = self._resources
        late = kind in _EVENT_KINDS and xid in res.retired_event_rings
        if kind == DbType.SRQ and (ring := res.retired_rx_rings.get(xid)) is not None:
            late = ring.repaid_late(index)
        if late:
            self._trace.counters["late_doorbells"] += 1
            self._trace.emit("late_doorbell", type=DbType(kind).name, id=xid, index=index)
            return
        exists = any(
            xid in table
            for table in (res.tx_rings, res.rx_rings, res.agg_rings, res.cmpl_rings, res.nqs)
        )
        rule = "doorbell_wrong_type" if exists else "doorbell_unknown_ring"
        self._trace.violation(rule, type=_type_name(kind), id=xid, index=index)
