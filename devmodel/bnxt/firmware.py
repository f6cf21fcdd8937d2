# SPDX-License-Identifier: GPL-2.0-only
"""State that HWRM commands act on, beside the resources: reservations, registration, events."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from devmodel.bnxt.datapath import ReceivePath, TransmitPath
from devmodel.bnxt.hsi.header import Err
from devmodel.bnxt.hsi.ring import AsyncEvent, HwrmAsyncEventCmpl
from devmodel.bnxt.hsi.vnic import RssHashType
from devmodel.bnxt.identity import Identity
from devmodel.bnxt.ledger import FirmwareLedger
from devmodel.bnxt.link import Link
from devmodel.bnxt.mac import Mac
from devmodel.bnxt.resources import Resources
from devmodel.clock import Clock
from devmodel.dma import DmaSpace, Who
from devmodel.errors import DevModelError, DmaFault
from devmodel.trace import Trace

ALL_HASH_TYPES = sum(RssHashType)
INDIRECT = Who("indirect")


class HwrmError(DevModelError):
    """A command is refused with ``code``; raised by handlers, answered by the channel."""

    def __init__(self, code: Err) -> None:
        super().__init__(code.name)
        self.code = code


@dataclass(slots=True)
class Reservation:
    """What FUNC_CFG reserved for the function, as FUNC_QCFG reports it."""

    msix: int = 0
    rsscos_ctx: int = 0
    cmpl_rings: int = 0
    tx_rings: int = 0
    rx_rings: int = 0
    l2_ctxs: int = 0
    vnics: int = 0
    stat_ctx: int = 0
    hw_ring_grps: int = 0


class Firmware:
    """Everything a command handler may touch.

    :ivar rss_hash_type: hash types a new VNIC starts with: those last configured, of any VNIC.
    :ivar mac: default address, FUNC_CFG may change it.
    :ivar async_nq: id of the NQ for asynchronous events, None if none was named.
    :ivar restarts: how often the firmware has restarted by itself or was made to.
    :ivar has_restarted: it has, and the driver does not know yet.
    :ivar async_events: bit mask of events the driver registered for; None if no driver is.
    """

    def __init__(
        self,
        *,
        identity: Identity,
        resources: Resources,
        dma: DmaSpace,
        clock: Clock,
        trace: Trace,
        mac_counters: Mac,
        receive: ReceivePath,
        transmit: TransmitPath,
        raise_msix: Callable[[int], None],
        msix_vectors: int,
        ledger: FirmwareLedger,
    ) -> None:
        self.ledger = ledger
        self.identity = identity
        self.resources = resources
        self.dma = dma
        self.clock = clock
        self.trace = trace
        self.receive = receive
        self.transmit = transmit
        self.raise_msix = raise_msix
        self.msix_vectors = msix_vectors
        self.mac_counters = mac_counters
        self.link = Link(self.link_changed)
        self.reservation = Reservation()
        self.mac = identity.mac
        self.rss_hash_type = ALL_HASH_TYPES
        self.evb_mode = 0
        self.async_nq: int | None = None
        self.async_events: int | None = None
        self.restarts = 0
        self.has_restarted = False

    def restart(self) -> None:
        """The firmware starts anew, and the driver is told when it opens the interface."""
        self.reset()
        self.restarts += 1
        self.has_restarted = True

    def reset(self) -> None:
        """FUNC_RESET: drop every resource and reservation; the PHY keeps its state."""
        self.receive.reset()
        self.transmit.reset()
        self.resources.reset()
        self.ledger.reset()
        self.reservation = Reservation()
        self.mac = self.identity.mac
        self.rss_hash_type = ALL_HASH_TYPES
        self.evb_mode = 0
        self.async_nq = None
        self.async_events = None

    def refuse(self, rule: str, code: Err = Err.INVALID_PARAMS, **detail: object) -> HwrmError:
        """The guest broke ``rule``: record it and make the error that answers the command."""
        self.trace.violation(rule, **detail)
        return HwrmError(code)

    def read(self, address: int, length: int, what: str) -> bytes:
        """Fetch an indirect argument of a command. Raises HwrmError."""
        try:
            return self.dma.read(address, length, INDIRECT)
        except DmaFault as fault:
            raise self.refuse("hwrm_indirect_read", what=what, detail=str(fault)) from fault

    def write(self, address: int, data: bytes, what: str) -> None:
        """Store an indirect result of a command. Raises HwrmError."""
        self.ledger.allow(address, len(data))
        try:
            self.dma.write(address, data, INDIRECT)
        except DmaFault as fault:
            raise self.refuse("hwrm_indirect_write", what=what, detail=str(fault)) from fault

    def notify_all(self) -> None:
        """Deliver every notification that moderation holds back."""
        for cq in self.resources.cmpl_rings.values():
            cq.notify()

    def link_changed(self, up: bool) -> None:
        """The link went up or down: frames pass or not, and the driver is told."""
        self.receive.link_up = up
        self.transmit.link_up = up
        self.trace.emit("link", up=up)
        self.post_event(AsyncEvent.LINK_STATUS_CHANGE, data1=int(up))

    def post_event(self, event: AsyncEvent, *, data1: int = 0, data2: int = 0) -> None:
        """Send an asynchronous event, if the driver registered for it and named an NQ."""
        if self.async_events is None or not self.async_events >> event & 1:
            return
        nq = self.resources.nqs.get(self.async_nq) if self.async_nq is not None else None
        if nq is not None:
            self.trace.emit("async_event", event=event.name, data1=data1, data2=data2)
            nq.post_async(
                HwrmAsyncEventCmpl(event_id=event, event_data1=data1, event_data2=data2).pack()
            )
