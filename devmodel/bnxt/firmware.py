# SPDX-License-Identifier: GPL-2.0-only
"""State that HWRM commands act on, beside the resources: reservations, registration, events."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, fields, replace
from functools import partial
from typing import Any

from devmodel.bnxt.backing_store import BackingStore, context_kinds
from devmodel.bnxt.board import Board
from devmodel.bnxt.datapath import ReceivePath, TransmitPath
from devmodel.bnxt.debug import Debug
from devmodel.bnxt.hsi.header import Err
from devmodel.bnxt.hsi.phy import Loopback
from devmodel.bnxt.hsi.ring import (
    PHC_RTC_UPDATE,
    PHC_TIME_MSB_SHIFT,
    AsyncEvent,
    HwrmAsyncEventCmpl,
    ResetNotify,
)
from devmodel.bnxt.hsi.vnic import RssHashType
from devmodel.bnxt.identity import Identity, Limits
from devmodel.bnxt.iov import Iov
from devmodel.bnxt.ledger import FirmwareLedger
from devmodel.bnxt.link import Link
from devmodel.bnxt.mac import Mac
from devmodel.bnxt.nvm.board import BoardNvm, factory_versions
from devmodel.bnxt.nvm.media import Medium
from devmodel.bnxt.phc import REGISTER_BITS
from devmodel.bnxt.port_mac import PortMac
from devmodel.bnxt.pps import Pps
from devmodel.bnxt.qos import PRIORITIES, Qos
from devmodel.bnxt.resources import Resources
from devmodel.bnxt.timestamps import Timestamps
from devmodel.clock import Clock
from devmodel.dma import DmaSpace, Who
from devmodel.errors import DevModelError, DmaFault
from devmodel.trace import Trace

ALL_HASH_TYPES = sum(RssHashType)
INDIRECT = Who("indirect")
_NS_PER_DSEC = 100_000_000
_RESTART_MIN_DSECS = 10
_RESTART_MAX_DSECS = 60
"""How long a driver waits for a restart, at least and at most (guesses)."""


class HwrmError(DevModelError):
    """A command is refused with ``code``; raised by handlers, answered by the channel.

    :ivar cmd_err: why, in the words of this command (struct hwrm_*_cmd_err); 0 is unknown.
    :ivar after_ns: how long the firmware waits in vain before it says so.
    """

    def __init__(self, code: Err, cmd_err: int = 0, after_ns: int = 0) -> None:
        super().__init__(code.name)
        self.code = code
        self.cmd_err = cmd_err
        self.after_ns = after_ns


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


GRANTED = tuple(field.name for field in fields(Reservation))
"""What a function shares with others."""


class Firmware:
    """Everything a command handler may touch.

    :ivar granted: of GRANTED, how many it may have where that is not all that there are.
    :ivar contexts: context memory.
    :ivar rss_hash_type: hash types a new VNIC starts with: those last configured, of any VNIC.
    :ivar read_register: (offset, length) -> bytes of BAR0, as a host reads them.
    :ivar mac: default address, FUNC_CFG may change it.
    :ivar qos: settings of the CoS queues; a restart of the firmware forgets them.
    :ivar async_nq: id of the NQ for asynchronous events, None if none was named.
    :ivar running: versions of the firmware that runs; those in the NVM run after a restart.
    :ivar restarts: how often the firmware has restarted by itself or was made to.
    :ivar has_restarted: it has, and the driver does not know yet.
    :ivar restart_waits: it is to restart when the driver has gone.
    :ivar restarts_with_bus: it is to restart at the next PCIe reset.
    :ivar iov: its virtual functions, None for a function that has none.
    :ivar member_of: those that it is one of, None for a physical function.
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
        port: PortMac,
        timestamps: Timestamps,
        raise_msix: Callable[[int], None],
        msix_vectors: int,
        ledger: FirmwareLedger,
        read_register: Callable[[int, int], bytes],
        medium: Medium | None = None,
        link: Link | None = None,
    ) -> None:
        self.iov: Iov[Firmware] | None = None
        self.member_of: Iov[Firmware] | None = None
        self.ledger = ledger
        self.identity = identity
        self.resources = resources
        self.dma = dma
        self.clock = clock
        self.trace = trace
        self.receive = receive
        self.transmit = transmit
        self.raise_msix = raise_msix
        self.read_register = read_register
        self.debug = Debug(resources, dma, ledger, trace, self.tell)
        self.msix_vectors = msix_vectors
        self.mac_counters = mac_counters
        self.board = Board()
        self.link = link or Link(clock, identity.partner, identity.module, self.link_changed)
        self.port = port
        self.port.link = self.link
        self.port.address = identity.mac
        self.contexts = BackingStore(
            context_kinds(identity.limits) if identity.has_backing_store else {}, dma, trace, ledger
        )
        self.timestamps = timestamps
        self.phc = timestamps.phc
        self.pps = Pps(self.phc, clock, self._tell_pps)
        self.reservation = Reservation()
        self.granted: dict[str, int] = {}
        self._grants: dict[str, int] = {}
        self.qos = Qos()
        self.mac = identity.mac
        self.rss_hash_type = ALL_HASH_TYPES
        self.evb_mode = 0
        self.async_nq: int | None = None
        self.async_events: int | None = None
        self.restarts = 0
        self.has_restarted = False
        self.restart_waits = False
        self.restarts_with_bus = False
        self._nvm = None if medium is None else BoardNvm(identity, medium)
        self.running = self.nvm.versions() if medium is not None else factory_versions(identity)

    @property
    def nvm(self) -> BoardNvm:
        """The NVM of the board, which is made when it is first asked for."""
        if self._nvm is None:
            self._nvm = BoardNvm(self.identity)
        return self._nvm

    def tell(self) -> dict[str, Any]:
        """What it says of itself in a dump."""
        return {
            "running": asdict(self.running),
            "restarts": self.restarts,
            "driver_registered": self.async_events is not None,
            "reservation": asdict(self.reservation),
            "resources": self.resources.ledger(),
            "link_up": self.link.up,
        }

    def request_restart(self, why: ResetNotify) -> None:
        """The driver is told to go away, and the restart comes when it has, or has not in time."""
        self.restart_waits = True
        told = self.post_event(
            AsyncEvent.RESET_NOTIFY,
            data1=why | ResetNotify.DRIVER_IFDOWN,
            min_dsecs=_RESTART_MIN_DSECS,
            max_dsecs=_RESTART_MAX_DSECS,
        )
        if told:
            due_ns = _RESTART_MAX_DSECS * _NS_PER_DSEC
            restart = partial(self._restart_anyway, self.restarts)
            self.clock.call_later(due_ns, restart, background=True)
        else:
            self.restart()

    def _restart_anyway(self, restarts: int) -> None:
        """Unless it has restarted since there were so many: what waits now was asked for later."""
        if self.restart_waits and self.restarts == restarts:
            self.restart()

    def restart(self) -> None:
        """The firmware starts anew, and the driver is told when it opens the interface."""
        self.restart_waits = self.restarts_with_bus = False
        self.settle_cos()
        self.qos = Qos()
        for counters in (self.mac_counters.rx, self.mac_counters.tx):
            counters.cos.queue_of[:] = [0] * PRIORITIES
        self.reset()
        self.pps.reset()
        self.running = self.nvm.versions()
        self.settle_grants()
        self.restarts += 1
        self.has_restarted = True

    def reset(self) -> None:
        """FUNC_RESET: drop every resource and reservation; the PHY keeps its state."""
        self.receive.reset()
        self.transmit.reset()
        self.resources.reset()
        self.contexts.reset()
        self.timestamps.reset()
        self.port.reset()
        self.set_mac_loopback(Loopback.NONE)
        if self.member_of is None:
            self.link.end_loopback()
        if self.iov is not None:
            self.iov.reset()
        self.ledger.reset()
        self.debug.reset()
        self.reservation = Reservation()
        self.mac = self.identity.mac
        self.rss_hash_type = ALL_HASH_TYPES
        self.evb_mode = 0
        self.async_nq = None
        self.async_events = None

    @property
    def limits(self) -> Limits:
        """What it may reserve: what its virtual functions were granted is not its own."""
        limits = self.identity.limits if self.iov is None else self.iov.left
        if not self.granted:
            return limits
        less = {name: min(most, getattr(limits, name)) for name, most in self.granted.items()}
        return replace(limits, **less)

    def grant(self, what: str, most: int) -> None:
        """From :meth:`settle_grants` on it may have ``most`` of a resource of GRANTED, or of each
        if ``what`` is empty; all there are if that is negative."""
        for name in GRANTED:
            if what in ("", name):
                self._grants.pop(name, None)
                if most >= 0:
                    self._grants[name] = most

    def settle_grants(self) -> bool:
        """What was granted since counts, and what was reserved before no longer; False if it is
        the same as before."""
        if self._grants == self.granted:
            return False
        self.granted = dict(self._grants)
        self.reservation = Reservation()
        return True

    def name_async_nq(self, nq_id: int | None) -> None:
        """The NQ for asynchronous events. Raises HwrmError."""
        if nq_id is not None and nq_id not in self.resources.nqs:
            raise self.refuse("hwrm_unknown_id", kind="NQ", id=nq_id)
        self.async_nq = nq_id

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

    def settle_cos(self) -> None:
        """Count the frames that were not counted for a CoS queue one by one."""
        self.mac_counters.rx.settle_cos(self.mac_counters.rx.cos.queue_of[0])
        self.mac_counters.tx.settle_cos(0)

    def notify_all(self) -> None:
        """Deliver every notification that moderation holds back."""
        for cq in tuple(self.resources.cmpl_rings.values()):  # the card may be reset meanwhile
            cq.notify()

    @property
    def mac_loopback(self) -> Loopback:
        """What PORT_MAC_CFG set."""
        return self.port.loopback

    def set_mac_loopback(self, loopback: Loopback) -> None:
        """Frames come back from the MAC, whether there is a link or not; or no longer."""
        self.port.loopback = loopback
        self._let_frames_pass()

    def _let_frames_pass(self) -> None:
        passes = self.link.up or self.port.loopback is Loopback.LOCAL
        self.receive.link_up = passes
        self.transmit.link_up = passes

    def link_changed(self, up: bool) -> None:
        """The link went up or down: frames pass or not, and the driver is told."""
        self._let_frames_pass()
        self.trace.emit("link", up=up)
        self.post_event(AsyncEvent.LINK_STATUS_CHANGE, data1=int(up))
        if self.iov is not None:
            self.iov.link_changed(up)

    def tell_phc(self) -> None:
        """The time of the PHC was stepped: the driver is told the bits that registers lack."""
        upper = self.phc.time_ns >> REGISTER_BITS
        self.post_event(AsyncEvent.PHC_UPDATE, data1=PHC_RTC_UPDATE | upper << PHC_TIME_MSB_SHIFT)

    def _tell_pps(self, data1: int, data2: int) -> None:
        self.post_event(AsyncEvent.PPS_TIMESTAMP, data1=data1, data2=data2)

    def post_event(
        self,
        event: AsyncEvent,
        *,
        data1: int = 0,
        data2: int = 0,
        min_dsecs: int = 0,
        max_dsecs: int = 0,
    ) -> bool:
        """Send an asynchronous event, if the driver registered for it and named an NQ.

        :param min_dsecs: how long the driver is to wait at least, in units of 100 ms.
        :param max_dsecs: the same, at most.
        """
        if self.async_events is None or not self.async_events >> event & 1:
            return False
        nq = self.resources.nqs.get(self.async_nq) if self.async_nq is not None else None
        if nq is None:
            return False
        self.trace.emit("async_event", event=event.name, data1=data1, data2=data2)
        nq.post_async(
            HwrmAsyncEventCmpl(
                event_id=event, event_data1=data1, event_data2=data2,
                timestamp_lo=min_dsecs, timestamp_hi=max_dsecs,
            ).pack()
        )  # fmt: skip
        return True
