# SPDX-License-Identifier: GPL-2.0-only
"""The receive path: frames from the wire, parsed once, steered, placed, completed in batches.

Packets of known TCP and UDP flows take a short way through :meth:`RxPath.receive` that reads the
few header fields that vary; everything else, and the first packet of every flow, goes through
:func:`devmodel.net.parse.parse`. Both ways end in the same placement.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Sequence
from functools import partial

from devmodel.bnxt.cmpl import CmplRing
from devmodel.bnxt.faulty.receive import SentBefore, frames_in, steer
from devmodel.bnxt.flow_table import FlowTable
from devmodel.bnxt.frame_remarks import tell_dropped, tell_target
from devmodel.bnxt.holds import Holds
from devmodel.bnxt.in_turn import InTurn
from devmodel.bnxt.mac import MacCounters
from devmodel.bnxt.phc import Phc
from devmodel.bnxt.placement import (
    ERROR_IP_CS,
    ERROR_L4_CS,
    FLAGS2_IP_CS_CALC,
    FLAGS2_IP_TYPE,
    FLAGS2_L4_CS_CALC,
    FLAGS2_META_FORMAT_VLAN,
    Flow,
    Placer,
)
from devmodel.bnxt.port_mac import ETHERTYPE_MAC_CONTROL, PortMac
from devmodel.bnxt.resources import AggRing, Resources, RxRing, Vnic
from devmodel.bnxt.stats import RX_DISCARD_PKTS
from devmodel.bnxt.steering import Steering, cast_of
from devmodel.bnxt.timestamps import Timestamps
from devmodel.bnxt.tpa import Tpa
from devmodel.bnxt.tunnels import checksum_bits, udp_tunnels
from devmodel.clock import Clock
from devmodel.dma import DmaSpace
from devmodel.net.checksum import Octets, ones_sum
from devmodel.net.parse import PROTO_TCP, Packet
from devmodel.net.port import Frame
from devmodel.net.train import Arrival, Train, count_frames, frames_of
from devmodel.net.tunnel import UdpTunnels, parse_through
from devmodel.oracle.oracle import Oracle
from devmodel.trace import Trace

# l2, version/IHL, total length, fragment word, protocol, addresses and ports, UDP length and
# checksum, TCP data offset and flags
_IPV4 = struct.Struct(">14sBxHxxHxBxx12sHH4xBB").unpack_from
# l2, version, payload length, next header, addresses and ports, UDP length and checksum, TCP
_IPV6 = struct.Struct(">14sB3xHBx36sHH4xBB").unpack_from
_IPV4_MIN = 54
_IPV6_MIN = 74
_FRAME_UNITS = 8


class RxPath:
    """Receive side of the card; see :class:`devmodel.bnxt.datapath.ReceivePath`.

    :param touched: called when statistics have changed, once per batch.
    :param port: takes MAC control frames, and is told when frames wait for buffers.
    """

    def __init__(
        self,
        resources: Resources,
        dma: DmaSpace,
        clock: Clock,
        trace: Trace,
        mac: MacCounters,
        *,
        touched: Callable[[], None] = lambda: None,
        oracle: Oracle | None = None,
        port: PortMac | None = None,
        timestamps: Timestamps | None = None,
    ) -> None:
        self._timestamps = timestamps or Timestamps(Phc(clock))
        self._oracle = oracle
        self._port = port
        ask_to_wait = (lambda _wait: None) if port is None else port.ask_to_wait
        self._holds = Holds(clock, self._expire, ask_to_wait)
        self._waiting = self._holds.rings
        self._link_up = True
        self._touched = touched
        self.placer = Placer(dma, trace)
        self._faults = dma.faults
        self._sent_before = SentBefore()
        self._resources = resources
        self._clock = clock
        self._trace = trace
        self._mac = mac
        self.steering = Steering(resources)
        self._turn = InTurn(dma.faults)
        self._tpa = Tpa(self.placer, clock, dma.faults, self._post, self._turn)
        if oracle is not None:
            oracle.open_buffers = self._tpa.open_buffers
        self._tunnels: UdpTunnels = {}
        self._flows = FlowTable(resources, oracle, self._timestamps, self._tpa.flush)
        self._starved: set[int] = set()

    @property
    def link_up(self) -> bool:
        """Frames pass. When the link goes, aggregations end: nothing can join them."""
        return self._link_up

    @link_up.setter
    def link_up(self, up: bool) -> None:
        self._link_up = up
        if not up:
            self._tpa.flush()
            self._post()

    def state(self) -> dict[str, int]:
        """Counters that show where packets are and that barriers hold."""
        return {
            "buffer_writes": self.placer.writes,
            "buffer_writes_after_free": self.placer.writes_after_free,
            "waiting_frames": self._holds.frame_count,
            "waiting_bytes": self._holds.byte_count,
            "open_aggregations": self._tpa.open_aggregations,
            "cached_flows": len(self._flows.of_target),
        }

    # -- the batch --------------------------------------------------------------------------
    def receive(self, arrivals: Sequence[Arrival]) -> None:
        """Place a batch of frames (without FCS) and trains, and post their completions.

        While faults are armed there are only frames.
        """
        if self._faults.armed:
            arrivals = frames = frames_of(arrivals)
            if "rx.frame" in self._faults.points:
                arrivals = frames_in(self._faults, frames, self._receive, self._sent_before)
        self._receive(arrivals)

    def _receive(self, arrivals: Sequence[Arrival]) -> None:
        if self._turn.is_busy:  # the batch's buffer does not outlive the call
            arrivals = [bytes(frame) for frame in frames_of(arrivals)]
        self._turn.do(partial(self._receive_now, arrivals))

    def _receive_now(self, arrivals: Sequence[Arrival]) -> None:
        count = count_frames(arrivals)
        if not self._link_up:
            self._trace.counters["rx_drop_link_down"] += count
            return
        if self.steering.stale:
            self._forget_flows()
        self._flows.refresh()
        self.placer.stamp = self._timestamps.arrival()
        self._take_in(arrivals)
        self._clock.budget.left -= _FRAME_UNITS * count
        self._tpa.end_of_batch()
        self._post()

    def _take_in(self, arrivals: Iterable[Arrival]) -> None:
        fast, lengths, casts = self._flows.fast, self._mac.lengths, self._mac.casts
        if self._faults.armed and "rx.steer" in self._faults.points:
            fast = {}  # no short cut past the fault
        place = self.placer.place
        from_bytes = int.from_bytes
        for frame in arrivals:
            if isinstance(frame, Train):
                self._take_in_train(frame)
                continue
            length = len(frame)
            lengths[length] += 1
            entry = None
            is_usual = False
            if length >= _IPV4_MIN:
                if frame[12] == 0x08:
                    (
                        l2,
                        version,
                        ip_bytes,
                        fragment,
                        protocol,
                        key,
                        udp_bytes,
                        udp_sum,
                        offset,
                        _,
                    ) = _IPV4(frame)
                    end = 14 + ip_bytes
                    entry = fast.get(key)
                    l4 = 34
                    is_usual = version == 0x45 and not fragment & 0x3FFF
                elif length >= _IPV6_MIN:
                    l2, version, ip_bytes, protocol, key, udp_bytes, udp_sum, offset, _ = _IPV6(
                        frame
                    )
                    end = 54 + ip_bytes
                    entry = fast.get(key)
                    l4 = 54
                    is_usual = version >> 4 == 6
                if entry is not None and is_usual and entry[1] == l2 and entry[2] == protocol:
                    flow = entry[0]
                    l4_end = end
                    if protocol == 6:
                        payload = l4 + (offset >> 4) * 4
                        is_usual = l4 + 20 <= payload <= end <= length
                    else:
                        payload = l4 + 8
                        l4_end = l4 + udp_bytes
                        is_usual = udp_bytes >= 8 and l4_end <= end <= length
                    if is_usual:
                        errors = 0
                        if l4 == 34:
                            flags2 = FLAGS2_IP_CS_CALC
                            if from_bytes(frame[14:34], "little") % 65535:
                                errors = ERROR_IP_CS
                            start = 26
                        else:
                            flags2 = FLAGS2_IP_TYPE
                            start = 22
                        if udp_sum or protocol == 6:
                            flags2 |= FLAGS2_L4_CS_CALC
                            if ones_sum(frame[start:l4_end], (protocol + l4_end - l4) << 8):
                                errors |= ERROR_L4_CS
                        casts[flow.cast] += 1
                        vnic = flow.vnic
                        if (
                            vnic.tpa.flags & 1
                            or self._waiting
                            or length > vnic.mru
                            or flow.ring.freed
                            or not place(flow, frame, payload, end, flags2, 0, errors)
                        ):
                            self._deliver(flow, frame, l4, payload, end, flags2, 0, errors)
                        continue
            self._receive_any(frame)

    def _take_in_train(self, train: Train) -> None:
        """One of a known flow is judged once; of any other, each frame."""
        header = bytes(train.header_of(0))
        start, l4 = (26, 34) if train.packet.ip_version == 4 else (22, 54)
        entry = self._flows.fast.get(header[start : l4 + 4])
        if entry is None or entry[1:] != (header[:14], PROTO_TCP) or train.packet.l4 != l4:
            self._take_in(train)
            return
        flow, count = entry[0], len(train)
        payload = train.header_bytes
        self._mac.lengths[payload + train.mss] += count - 1
        self._mac.lengths[train.last_bytes] += 1
        self._mac.casts[flow.cast] += count
        flags2 = FLAGS2_L4_CS_CALC | (FLAGS2_IP_CS_CALC if l4 == 34 else FLAGS2_IP_TYPE)
        if not flow.vnic.tpa.flags & 1:
            for frame in train:
                self._deliver(flow, frame, l4, payload, len(frame), flags2, 0, 0)
            return
        at = 0
        while at < count:
            if flow.aggregation is not None and not self._waiting:
                at += self._tpa.join_train(flow, train, at)
            frame = train.frame(at)
            self._deliver(flow, frame, l4, payload, len(frame), flags2, 0, 0)
            at += 1

    def _post(self) -> None:
        if self._oracle is not None:
            self._oracle.settle()
        for sink in list(self._flows.sinks.values()):
            if not self._flows.sinks:
                break  # an injected fault has reset the card meanwhile
            sink.post()
        self._touched()

    def _receive_any(self, frame: Frame) -> None:
        """The long way: parse, steer, learn the flow."""
        packet = parse_through(frame, self._tunnels)
        self._mac.casts[cast_of(bytes(frame[:6]))] += 1
        if packet.tpid or not packet.ethertype:
            self._mac.odd(frame, packet.tpid)
            if packet.tpid:
                self._mac.count_priority(packet.tci >> 13, packet.length)
        elif packet.ethertype == ETHERTYPE_MAC_CONTROL and self._port is not None:
            self._port.control(frame)
            return
        flow = self._steer(packet, frame)
        if flow is not None:
            if not (self._faults.armed and "rx.steer" in self._faults.points):
                self._flows.learn_fast(frame, packet, flow)
            self._deliver_packet(flow, frame, packet)

    def _steer(self, packet: Packet, frame: Frame) -> Flow | None:
        itype = self._timestamps.itype(packet, frame)
        target = self.steering.target(packet, bytes(frame[:6]), itype)
        if self._faults.armed and "rx.steer" in self._faults.points and not target.drop:
            faulty = steer(self._faults, self._resources, packet, frame, target)
            if faulty is None:
                return None
            target = faulty
        tell_target(self._trace, frame, target)
        if target.drop:
            self._trace.counters[f"rx_drop_{target.drop}"] += 1
            self._mac.dropped(target.drop, packet.length)
            return None
        if self._resources.flow_rules.rules and self._resources.flow_rules.drop(packet, frame):
            self._trace.counters["rx_drop_flow_rule"] += 1
            tell_dropped(self._trace, frame, "flow_rule")
            return None
        if target.is_promiscuous:
            self._mac.others["rx_promiscuous_frames"] += 1
        return self._flows.get(target, packet)

    def _deliver_packet(self, flow: Flow, frame: Frame, packet: Packet) -> None:
        flags2, errors = checksum_bits(packet)
        metadata = 0
        data: Octets = frame
        shift = 0
        if packet.tpid and flow.vnic.vlan_strip:
            data = b"".join((frame[:12], frame[16:]))
            metadata = packet.tpid << 16 | packet.tci
            flags2 |= FLAGS2_META_FORMAT_VLAN
            shift = 4
        of = packet.inner or packet
        l4, payload, end = of.l4 - shift, of.payload - shift, of.end - shift
        self._deliver(flow, data, l4, payload, end, flags2, metadata, errors)

    def _deliver(
        self,
        flow: Flow,
        frame: Octets,
        l4: int,
        payload: int,
        end: int,
        flags2: int,
        metadata: int,
        errors: int,
    ) -> None:
        vnic, ring = flow.vnic, flow.ring
        length = len(frame) + 4 if metadata else len(frame)
        if length > vnic.mru:
            self._too_long(flow)
        elif ring.freed:
            self._trace.counters["rx_drop_ring_freed"] += 1
        elif self._waiting and ring.id in self._waiting:
            self._hold(flow, frame, metadata)
        elif vnic.tpa.flags & 1 and self._tpa.take(
            flow, frame, l4, payload, end, flags2, metadata, errors
        ):
            pass
        else:
            self._place(flow, frame, payload, end, flags2, metadata, errors)

    def _place(
        self,
        flow: Flow,
        frame: Octets,
        payload: int,
        end: int,
        flags2: int,
        metadata: int,
        errors: int,
    ) -> None:
        """Into buffers, or behind what waits for buffers."""
        if (self._waiting and flow.ring.id in self._waiting) or not self.placer.place(
            flow, frame, payload, end, flags2, metadata, errors
        ):
            self._hold(flow, frame, metadata)

    def _too_long(self, flow: Flow) -> None:
        if flow.vnic.mru:
            self._mac.others["rx_mtu_err_frames"] += 1
            self._trace.counters["rx_drop_mru"] += 1
        else:
            self._trace.counters["rx_drop_vnic_disabled"] += 1

    # -- waiting for buffers ----------------------------------------------------------------
    def _hold(self, flow: Flow, frame: Octets, metadata: int) -> None:
        ring = flow.ring
        if ring.id in self._starved or not self._holds.has_room(len(frame)):
            self._discard(flow, len(frame))
            return
        if metadata:
            tag = struct.pack(">HH", metadata >> 16, metadata & 0xFFFF)
            frame = b"".join((frame[:12], tag, frame[12:]))
        if self._holds.add(ring.id, (flow, bytes(frame), self.placer.stamp)):
            self._trace.counters["rx_holds"] += 1

    def _discard(self, flow: Flow, length: int) -> None:
        flow.stats.counters[RX_DISCARD_PKTS] += 1
        self._mac.discarded(length)
        self._trace.counters["rx_discard"] += 1

    def refill(self, ring: RxRing | AggRing) -> None:
        """The host posted buffers: place what waits for them, in order; the rest waits on."""
        ring_id = ring.rx_ring_id if isinstance(ring, AggRing) else ring.id
        self._starved.discard(ring_id)
        if ring_id in self._waiting:
            self._turn.do(partial(self._retry, ring_id))

    def _expire(self, ring_id: int) -> None:
        """The wait is over: one last try, then discard until the host posts buffers."""
        self._starved.add(ring_id)
        self._turn.do(partial(self._retry, ring_id))

    def _retry(self, ring_id: int) -> None:
        is_steered_again = self.steering.stale
        if is_steered_again:
            self._forget_flows()
        self._flows.refresh()
        frames = self._holds.release(ring_id)
        while frames:
            if ring_id in self._waiting and not is_steered_again:
                self._holds.put_behind(ring_id, frames)
                break
            _, frame, self.placer.stamp = frames.popleft()
            self._clock.budget.left -= 2 * _FRAME_UNITS
            self._clock.budget.pause(is_whole=False)
            packet = parse_through(frame, self._tunnels)
            flow = self._steer(packet, frame)
            if flow is not None:
                self._deliver_packet(flow, frame, packet)
        self._tpa.end_of_batch()
        self._post()

    # -- barriers ---------------------------------------------------------------------------
    def flush_ring(self, ring: RxRing | AggRing) -> None:
        """RING_FREE barrier: end aggregations, post what is owed, then no DMA for the ring."""
        ring_id = ring.rx_ring_id if isinstance(ring, AggRing) else ring.id
        self._tpa.flush(ring_id=ring_id)
        self._post()
        for flow, frame, _ in self._holds.release(ring_id):
            self._discard(flow, len(frame))
        self._starved.discard(ring_id)
        self._notify()

    def flush_cmpl(self, cq: CmplRing) -> None:
        """RING_FREE barrier: end the aggregations that complete there, post what is owed."""
        self._tpa.flush(cq=cq)
        self._post()

    def flush_vnic(self, vnic: Vnic) -> None:
        """Barrier for every ring of the VNIC (VNIC_UPDATE with MRU 0, TPA off, VNIC_FREE)."""
        self._tpa.flush(vnic=vnic)
        self._post()
        for flow, frame, _ in self._holds.take_out(vnic):
            self._discard(flow, len(frame))
        self._notify()

    def _notify(self) -> None:
        """No completion may wait behind interrupt moderation."""
        for cq in tuple(self._resources.cmpl_rings.values()):  # the card may be reset meanwhile
            cq.notify()

    def _forget_flows(self) -> None:
        self._tpa.flush()
        self._post()
        self.steering.refresh()
        self._tunnels = udp_tunnels(self._resources)
        self._flows.clear()

    def reset(self) -> None:
        """Forget every packet and cache without touching host memory."""
        self._turn.forget()
        self._tpa.reset()
        for ring_id in list(self._waiting):
            self._holds.release(ring_id)
        self._starved.clear()
        self.steering.refresh()
        self._flows.clear()
