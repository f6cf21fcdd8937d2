# SPDX-License-Identifier: GPL-2.0-only
"""The switch inside a card with virtual functions: frames between its functions and the wire.

A function gets what is sent to an address of its own, and what is sent to many; the physical one
also gets what comes from the wire and is no one's. What a function sends to another one does not
reach the wire.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from devmodel.bnxt.firmware import Firmware
from devmodel.bnxt.iov import VirtualFunction
from devmodel.bnxt.mac import Mac
from devmodel.bnxt.resources import Resources
from devmodel.bnxt.steering import MASK_PROMISCUOUS, UNICAST, cast_of
from devmodel.clock import Clock
from devmodel.net.build import insert_vlan
from devmodel.net.parse import ETHERTYPE_8021Q
from devmodel.net.port import Frame
from devmodel.net.train import Arrival, frames_of
from devmodel.net.wire import SendTrain, Wire
from devmodel.trace import Trace

_TPID = ETHERTYPE_8021Q.to_bytes(2, "big")
_VLAN_ID_MASK = 0xFFF
_QUEUE_BYTES = 512 << 10
"""So many bytes are on their way to a function at most; the rest is lost, and counted."""


class SwitchPort:
    """What one function is plugged into: a :class:`~devmodel.net.wire.Wire`.

    :ivar function: whose it is; None is the physical one's.
    :ivar deliver: takes what the function receives; None while it is not there.
    """

    def __init__(self, switch: Switch, function: VirtualFunction[Firmware] | None) -> None:
        self.counters: Counter[str] = switch.wire.counters
        self.on_room: Callable[[], None] = lambda: None
        self.function = function
        self.resources: Resources | None = None
        self.deliver: Callable[[Sequence[Arrival]], None] | None = None
        self.waiting: list[Frame] = []
        self.waiting_bytes = 0
        self._switch = switch

    @property
    def congested(self) -> bool:
        """The wire is."""
        return self._switch.wire.congested

    @property
    def send_train(self) -> SendTrain | None:
        """The wire's, while nobody else is there."""
        if self._switch.is_idle and self.function is None:
            return self._switch.wire.send_train
        return None

    def receive(self) -> Sequence[Frame]:
        """Frames are brought, not fetched."""
        return ()

    def send(self, frames: Sequence[bytes]) -> None:
        """To whom they are for."""
        self._switch.send(self, frames)

    def is_promiscuous(self) -> bool:
        """Of a virtual function: it takes what is no one's, and may."""
        if self.resources is None or self.function is None or not self.function.is_trusted:
            return False
        vnics = self.resources.vnics.values()
        return any(vnic.rx_mask & MASK_PROMISCUOUS for vnic in vnics)


class Switch:
    """Joins the functions of one card.

    :ivar mac: counts what passes the port.
    """

    def __init__(self, wire: Wire, clock: Clock, trace: Trace) -> None:
        self.wire = wire
        self.mac = Mac()
        self._clock = clock
        self._trace = trace
        self.physical = SwitchPort(self, None)
        self._virtual: list[SwitchPort] = []
        wire.on_room = self._room

    def add(self, port: SwitchPort) -> None:
        """One more, of a virtual function."""
        self._virtual.append(port)

    @property
    def is_idle(self) -> bool:
        """No virtual function is there."""
        return all(port.deliver is None for port in self._virtual)

    def arrived(self, arrivals: Sequence[Arrival]) -> Sequence[Arrival]:
        """Hand frames of the wire to virtual functions; returns those of the physical one."""
        if self.is_idle:
            return arrivals
        own: list[Arrival] = []
        for frame in frames_of(arrivals):
            data = bytes(frame)
            takers = self._takers(data, None)
            if self.physical in takers:
                own.append(data)
            else:
                self.mac.rx.lengths[len(data)] += 1
                self.mac.rx.casts[cast_of(data[:6])] += 1
            for port in takers:
                if port is not self.physical:
                    self._queue(port, data)
        return own

    def send(self, source: SwitchPort, frames: Sequence[bytes]) -> None:
        """What a function transmits."""
        if self.is_idle and source is self.physical:
            self.wire.send(frames)
            return
        out: list[bytes] = []
        for frame in frames:
            checked = self._checked(source, frame)
            if checked is None:
                continue
            takers = self._takers(checked, source)
            for port in takers:
                self._queue(port, checked)
            if not takers or cast_of(checked[:6]) != UNICAST:
                out.append(checked)
                if source is not self.physical:
                    self.mac.tx.lengths[len(checked)] += 1
                    self.mac.tx.casts[cast_of(checked[:6])] += 1
        if out:
            self.wire.send(out)

    def _checked(self, source: SwitchPort, frame: bytes) -> bytes | None:
        """The frame with the tag of its function; None if that may not send it."""
        vf = source.function
        if vf is None:
            return frame
        if vf.checks_source and not vf.owns(bytes(frame[6:12])):
            self._trace.counters["vf_tx_drop_spoofed"] += 1
            self._trace.emit("vf_spoofed", fid=vf.fid, source=bytes(frame[6:12]).hex())
            return None
        if not vf.vlan:
            return frame
        if frame[12:14] == _TPID:
            self._trace.counters["vf_tx_drop_tagged"] += 1
            return None
        return bytes(insert_vlan(frame, ETHERTYPE_8021Q, vf.vlan))

    def _takers(self, frame: bytes, source: SwitchPort | None) -> list[SwitchPort]:
        """The functions that get a frame; ``source`` is None for the wire."""
        destination = frame[:6]
        there = [
            port
            for port in self._virtual
            if port.deliver is not None and port is not source and _is_in_vlan(port, frame)
        ]
        if cast_of(destination) != UNICAST:
            return there if source is self.physical else [self.physical, *there]
        owners = [port for port in there if port.function is not None
                  and port.function.owns(destination)]  # fmt: skip
        if owners:
            return owners
        if source is not None:
            is_own = source is not self.physical and self._physical_owns(destination)
            return [self.physical] if is_own else []
        return [self.physical, *(port for port in there if port.is_promiscuous())]

    def _physical_owns(self, address: bytes) -> bool:
        resources = self.physical.resources
        filters = () if resources is None else resources.l2_filters.values()
        return any(f.address == address for f in filters)

    def _queue(self, port: SwitchPort, frame: bytes) -> None:
        if port.waiting_bytes > _QUEUE_BYTES:
            self._trace.counters["switch_drop_queue_full"] += 1
            return
        if not port.waiting:
            self._clock.call_later(0, lambda: self._bring(port))
        port.waiting.append(frame)
        port.waiting_bytes += len(frame)

    def _bring(self, port: SwitchPort) -> None:
        frames, port.waiting, port.waiting_bytes = port.waiting, [], 0
        if frames and port.deliver is not None:
            port.deliver(frames)

    def _room(self) -> None:
        for port in (self.physical, *self._virtual):
            port.on_room()


def _is_in_vlan(port: SwitchPort, frame: bytes) -> bool:
    vlan = 0 if port.function is None else port.function.vlan
    if not vlan:
        return True
    return frame[12:14] == _TPID and int.from_bytes(frame[14:16], "big") & _VLAN_ID_MASK == vlan
