# SPDX-License-Identifier: GPL-2.0-only
"""The BCM57508 as a PCI function: BARs, reset, link, state."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from devmodel.bnxt.cmpl import CmplRing, NotificationQueue
from devmodel.bnxt.config_space import (
    DOORBELL_BAR,
    REGISTER_BAR,
    Face,
    physical_face,
)
from devmodel.bnxt.doorbell import DoorbellUnit
from devmodel.bnxt.faulty.actions import CardActions
from devmodel.bnxt.faulty.points import FAULTS
from devmodel.bnxt.firmware import Firmware
from devmodel.bnxt.hsi.header import HwrmShortInput
from devmodel.bnxt.hsi.ptp import PHC_GRC_LOWER, PHC_GRC_UPPER
from devmodel.bnxt.hsi.regs import (
    CHIMP_TRIGGER,
    CHIMP_WINDOW,
    FW_HEARTBEAT,
    FW_RESET,
    FW_RESET_COUNT,
    FW_STATUS,
    FW_STATUS_HEALTHY,
    GRC_APERTURE_BYTES,
    GRC_WINDOW_BASES,
    HCOMM_GRC_ADDRESS,
    HcommStatus,
)
from devmodel.bnxt.hwrm import HwrmChannel, begins_short_request
from devmodel.bnxt.identity import Identity
from devmodel.bnxt.ledger import FirmwareLedger
from devmodel.bnxt.link import Link
from devmodel.bnxt.mac import Mac
from devmodel.bnxt.news import NEWS
from devmodel.bnxt.nvm.media import Medium
from devmodel.bnxt.options import change_partner
from devmodel.bnxt.oracle_hooks import make_oracle
from devmodel.bnxt.phc import REGISTER_BITS, Phc
from devmodel.bnxt.port_mac import PortMac
from devmodel.bnxt.resources import IdPolicy, Resources
from devmodel.bnxt.rx import RxPath
from devmodel.bnxt.stats import StatisticsRefresh
from devmodel.bnxt.timestamps import Timestamps
from devmodel.bnxt.tx import TxPath
from devmodel.clock import Clock, Timing
from devmodel.net.port import Frame
from devmodel.net.train import Arrival, frames_of
from devmodel.net.wire import Wire
from devmodel.pci.function import ResetKind
from devmodel.pci.network import NetworkFunction
from devmodel.trace import Trace

_GRC_ADDRESS_SPACE = 1
_STATUS_GRC_ADDRESS = HCOMM_GRC_ADDRESS + HcommStatus.SIZE
_APERTURE_MASK = GRC_APERTURE_BYTES - 1
_POLL_NS = 25_000
"""The least that a driver sleeps before it reads the status once more (HWRM_MIN_TIMEOUT in
bnxt_hwrm.h, microseconds)."""


class BnxtCard(NetworkFunction):
    """A function with a port: the one of the board, or one of several.

    :param id_policy: which free id RING_ALLOC and its kind give.
    :param oracle: judge every DMA (docs/oracle.md).
    :param medium: what the NVM is kept in; None is that of a new board, in memory.
    :param face: how the bus sees it; None is as the board.
    :param link: that of the port, if it is another function's.
    """

    news = NEWS

    def __init__(
        self,
        *,
        nic: Identity,
        id_policy: IdPolicy,
        clock: Clock,
        trace: Trace,
        wire: Wire,
        oracle: bool = True,
        medium: Medium | None = None,
        face: Face | None = None,
        link: Link | None = None,
    ) -> None:
        face = face or physical_face(nic)
        super().__init__(
            identity=face.identity,
            bars=face.bars,
            capabilities=face.capabilities,
            faults=FAULTS,
            clock=clock,
            trace=trace,
        )
        self.mac = Mac()
        self.resources = Resources(nic.limits, id_policy, clock.random)
        touched = StatisticsRefresh(self.resources.write_statistics, clock).touch
        self.oracle = make_oracle(self.dma, trace, clock.budget) if oracle else None
        self.phc = Phc(clock)
        timestamps = Timestamps(self.phc)
        self.port = PortMac(wire, clock, trace, self.mac, lambda frames: self.rx.receive(frames))
        self.rx = RxPath(
            self.resources,
            self.dma,
            clock,
            trace,
            self.mac.rx,
            touched=touched,
            oracle=self.oracle,
            port=self.port,
            timestamps=timestamps,
        )
        self.tx = TxPath(
            self.resources,
            self.dma,
            trace,
            self.mac.tx,
            self.port,
            clock,
            touched=touched,
            udp_gso=nic.has_udp_gso,
            timestamps=timestamps,
            oracle=self.oracle,
        )
        self.port.on_room = self.tx.resume
        self.firmware = Firmware(
            identity=nic,
            resources=self.resources,
            dma=self.dma,
            clock=clock,
            trace=trace,
            mac_counters=self.mac,
            receive=self.rx,
            transmit=self.tx,
            port=self.port,
            timestamps=timestamps,
            raise_msix=self.raise_msix,
            msix_vectors=self.msix_vectors,
            ledger=FirmwareLedger(self.resources, clock, self.oracle),
            read_register=self._register,
            medium=medium,
            link=link,
        )
        if self.oracle is not None:
            self.rx.steering.routed = self.firmware.ledger.routed
        self.hwrm = HwrmChannel(self.firmware)
        self.doorbells = DoorbellUnit(
            self.resources, trace, self.rx, self.tx, self.faults, clock.budget, face.doorbell_offset
        )
        self._windows = dict.fromkeys(GRC_WINDOW_BASES, 0)
        self._heartbeat = 0
        self.actions = CardActions(self, self.firmware, FW_STATUS_HEALTHY)
        self.faults.card_actor = self.actions
        self.faults.find_ring = self._find_ring

    def _find_ring(self, point: str, ring_id: int) -> CmplRing | NotificationQueue | None:
        if point == "nqe.write":
            return self.resources.nqs.get(ring_id)
        return self.resources.cmpl_rings.get(ring_id)

    # -- network ------------------------------------------------------------------------------
    def receive(self, frames: Sequence[Frame]) -> None:
        """Frames from the wire."""
        self.arrived(frames)

    def arrived(self, arrivals: Sequence[Arrival]) -> None:
        """Frames and trains from the wire."""
        if not self.port.is_plain:
            arrivals = self.port.arrived(frames_of(arrivals))
        self.rx.receive(arrivals)

    def set_link(self, up: bool) -> None:
        """Plug or pull the cable."""
        self.firmware.link.set_wire(up)

    def set_partner(self, settings: Mapping[str, Any]) -> None:
        """Change the port at the other end of the cable; keys are those of the option."""
        link = self.firmware.link
        link.set_partner(change_partner(link.partner, settings))

    def state(self) -> dict[str, Any]:
        """Resources, reservations, link and MAC counters."""
        return {
            "resources": self.resources.ledger(),
            "reservation": dataclasses.asdict(self.firmware.reservation),
            "driver_registered": self.firmware.async_events is not None,
            "link_up": self.firmware.link.up,
            "link": self.firmware.link.state(),
            "leds": {number: led.name for number, led in self.firmware.board.leds.items()},
            "phc_ns": self.phc.time_ns,
            "pps_pulses_sent": self.firmware.pps.pulses_sent,
            "hwrm_requests": self.hwrm.requests,
            "mac": {"rx": self.mac.rx.snapshot(), "tx": self.mac.tx.snapshot()},
            "receive": self.rx.state(),
            "oracle": None if self.oracle is None else self.oracle.state(),
            "rings": [
                {
                    "kind": r.KIND,
                    "id": r.id,
                    "prod": r.prod,
                    "cons": r.cons,
                    "entries": r.entries,
                    "most": r.most,
                }
                for r in self.resources.descriptor_rings()
            ],
            "stat_ctxs": {i: s.counters for i, s in self.resources.stat_ctxs.items()},
        }

    def remembered(self, address: int, size: int) -> list[str]:
        """Mappings and descriptors, as far as the oracle keeps them."""
        return [] if self.oracle is None else self.oracle.remembered(address, size)

    # -- function -----------------------------------------------------------------------------
    def flush(self) -> None:
        """A batch of accesses or frames is over: the oracle judges what it caused."""
        super().flush()
        if self.oracle is not None:
            self.oracle.settle()

    def config_write(self, offset: int, data: bytes | memoryview) -> None:
        """Write configuration space: power and bus mastering say whether the driver has left."""
        super().config_write(offset, data)
        self.firmware.ledger.power_changed(is_awake=self.is_awake)

    def reset(self, kind: ResetKind) -> None:
        """Power-on state of everything but the cable."""
        super().reset(kind)
        if kind is ResetKind.TRANSPORT and self.firmware.restarts_with_bus:
            self.firmware.restart()
        self.firmware.reset()
        if self.firmware.member_of is None:
            self.firmware.link.reset()
        self.firmware.board.power_on()
        self.hwrm.reset()
        self._windows = dict.fromkeys(GRC_WINDOW_BASES, 0)

    def bar_write(self, bar: int, offset: int, data: bytes | memoryview) -> None:
        """Registers and doorbells."""
        if bar == DOORBELL_BAR:
            self.doorbells.write(offset, data)
        elif bar != REGISTER_BAR:
            self.trace.violation("reserved_register_write", bar=bar, offset=offset)
        elif CHIMP_WINDOW <= offset < CHIMP_TRIGGER:
            self.hwrm.write_window(offset - CHIMP_WINDOW, data)
        elif offset == CHIMP_TRIGGER:
            self.hwrm.trigger()
        elif offset in self._windows and len(data) == 4:
            self._windows[offset] = int.from_bytes(data, "little") & ~_APERTURE_MASK
        elif offset == FW_RESET:
            self.actions.fw_status = FW_STATUS_HEALTHY
            self.firmware.restart()
        else:
            self.trace.violation("reserved_register_write", bar=bar, offset=offset)

    def writes_to_follow(self, bar: int, offset: int, data: bytes | memoryview) -> int:
        """The rest of a short request, and its trigger, after the first word."""
        if bar == REGISTER_BAR and offset == CHIMP_WINDOW and begins_short_request(data):
            return HwrmShortInput.SIZE // len(data)
        return 0

    def bar_read(self, bar: int, offset: int, length: int) -> bytes:
        """Registers that exist read as they are, all others as zero; doorbells are write-only."""
        if bar != REGISTER_BAR:
            return bytes(length)
        data = self._register(offset, length)
        if self.faults.armed and "register.read" in self.faults.points:
            return self.read_faulty("register.read", offset, data)
        return data

    def _register(self, offset: int, length: int) -> bytes:
        word = self._firmware_register(offset)
        if word is not None:
            return word.to_bytes(4, "little")[:length].ljust(length, b"\0")
        if offset in self._windows:
            return self._windows[offset].to_bytes(4, "little")[:length].ljust(length, b"\0")
        window = GRC_WINDOW_BASES.start + (offset // GRC_APERTURE_BYTES - 1) * 4
        if window in self._windows:
            return self._read_grc(self._windows[window] + (offset & _APERTURE_MASK), length)
        return bytes(length)

    def _firmware_register(self, offset: int) -> int | None:
        if offset == FW_STATUS:
            self._let_time_pass()
            return self.actions.fw_status
        if offset == FW_HEARTBEAT:
            # Counts its reads: with time that only the guest has (UML), no clock goes on by itself.
            self._heartbeat = self._heartbeat + 1 & 0xFFFF_FFFF
            return self._heartbeat
        return self.firmware.restarts & 0xFFFF_FFFF if offset == FW_RESET_COUNT else None

    def _let_time_pass(self) -> None:
        """A driver that waits for an answer reads the status each time it has slept. Where time is
        the guest's, nobody tells of that before the guest has come to rest, and what a fault holds
        for less than the driver waits would always come too late.
        """
        waits = self.hwrm.waits or self.faults.holds_for_a_time
        if self.clock.timing is Timing.SYNCHRONOUS and waits:
            self.clock.advance_to(self.clock.now_ns + _POLL_NS)

    def _read_grc(self, address: int, length: int) -> bytes:
        """Internal registers seen through a window: health block and PHC, all others zero."""
        if self.firmware.identity.has_phc and address in (PHC_GRC_LOWER, PHC_GRC_UPPER):
            time_ns = self.phc.time_ns & (1 << REGISTER_BITS) - 1
            word = time_ns & 0xFFFF_FFFF if address == PHC_GRC_LOWER else time_ns >> 32
            return word.to_bytes(4, "little")[:length].ljust(length, b"\0")
        health = HcommStatus(fw_status_loc=_STATUS_GRC_ADDRESS | _GRC_ADDRESS_SPACE).pack()
        if address == _STATUS_GRC_ADDRESS:
            self._let_time_pass()
        health += self.actions.fw_status.to_bytes(4, "little")
        at = address - HCOMM_GRC_ADDRESS
        if at < 0:
            return bytes(length)
        return health[at : at + length].ljust(length, b"\0")
