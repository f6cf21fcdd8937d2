# SPDX-License-Identifier: GPL-2.0-only
"""What the receive path has learned of flows: their targets, the short way, where they complete."""

from __future__ import annotations

from collections.abc import Callable

from devmodel.bnxt.oracle_hooks import completion_check
from devmodel.bnxt.placement import CqSink, Flow
from devmodel.bnxt.resources import Resources
from devmodel.bnxt.steering import Target
from devmodel.bnxt.timestamps import PTP_PORTS, Timestamps
from devmodel.net.checksum import Octets
from devmodel.net.parse import Packet
from devmodel.oracle.oracle import Oracle

MAX_FLOWS = 16384

FastEntry = tuple[Flow, bytes, int]
"""The flow, its 14 bytes of Ethernet header, its protocol."""


class FlowTable:
    """Nothing in it outlives a change of steering.

    :param full: called before flows are forgotten because there are too many.
    :ivar fast: TCP and UDP flows by addresses and ports as they are in the frame.
    :ivar of_target: flows by target. ``sinks``: by the id of the completion ring.
    """

    def __init__(
        self,
        resources: Resources,
        oracle: Oracle | None,
        timestamps: Timestamps,
        full: Callable[[], None],
    ) -> None:
        self._timestamps = timestamps
        self._resources = resources
        self._oracle = oracle
        self._full = full
        self.fast: dict[bytes, FastEntry] = {}
        self.of_target: dict[Target, Flow] = {}
        self.sinks: dict[int, CqSink] = {}

    def refresh(self) -> None:
        """A batch begins: look at the room of each completion ring again."""
        for sink in self.sinks.values():
            sink.refresh()

    def get(self, target: Target, packet: Packet) -> Flow:
        """The flow of ``target``, which has VNIC and rings; learned if it is new."""
        flow = self.of_target.get(target)
        if flow is not None:
            return flow
        assert target.vnic is not None
        assert target.ring is not None
        assert target.cq is not None
        sink = self.sinks.get(target.cq.id)
        if sink is None or sink.cq is not target.cq:
            sink = self.sinks[target.cq.id] = CqSink(target.cq)
            if self._oracle is not None:
                sink.check = completion_check(
                    self._oracle, self._resources, target.ring, target.cq.id
                )
        if len(self.of_target) >= MAX_FLOWS:
            self._full()
            self.of_target.clear()
            self.fast.clear()
        version = (packet.inner or packet).ip_version
        flow = Flow(target, target.vnic, target.ring, sink, version)
        flow.stamp_mask = self._timestamps.mask(target.itype)
        self.of_target[target] = flow
        return flow

    def learn_fast(self, frame: Octets, packet: Packet, flow: Flow) -> None:
        """The next packet of the flow may take the short way, if there is one for its kind."""
        if packet.inner is not None or packet.sport < 0 or packet.tpid:
            return
        if packet.l4 != (34 if packet.ip_version == 4 else 54) or packet.dport in PTP_PORTS:
            return
        start = 26 if packet.ip_version == 4 else 22
        if len(self.fast) >= MAX_FLOWS:
            self.fast.clear()
        key = bytes(frame[start : packet.l4 + 4])
        self.fast[key] = (flow, bytes(frame[:14]), packet.protocol)

    def clear(self) -> None:
        """Forget everything."""
        self.fast.clear()
        self.of_target.clear()
        self.sinks.clear()
