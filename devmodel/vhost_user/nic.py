# SPDX-License-Identifier: GPL-2.0-only
"""The virtio-net NIC at the other end of the card's cable: the remote endpoint of our guests.

For UML it has no queue of its own in time: what the guest sends through it arrives at the card
within the guest's kick, and what the card sends is in the guest's buffers before the card's kick is
answered.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Sequence

from devmodel.net.port import MAX_FRAME_BYTES
from devmodel.net.train import Arrival, Departure, Train, count_bytes, count_frames
from devmodel.net.wire import SendTrain
from devmodel.vhost_user.backend import Backend
from devmodel.vhost_user.messages import MAX_QUEUE_SIZE, Refused
from devmodel.vhost_user.offload import GUEST_FEATURES, HEADER, for_guest, from_guest
from devmodel.vhost_user.vring import Chain

DEVICE_ID = 1
RX, TX = 0, 1
F_MAC = 1 << 5
F_MRG_RXBUF = 1 << 15


class PeerNic:
    """virtio-net (virtio 1.2, section 5.1); is the stream of a Cable.

    :param mac: its address, 6 bytes.
    :param arrived: called when the guest has sent frames.
    :param offloads: features of devmodel.vhost_user.offload that it offers.
    :ivar features: all that it offers.
    :ivar counters: as those of a Wire.
    """

    name = "peer"
    queue_count = 2
    buffer_queues: tuple[int, ...] = (RX,)
    closed = False

    HIGH_WATER_FRAMES = 1024
    LIMIT_FRAMES = 8192

    def __init__(self, mac: bytes, arrived: Callable[[], None], offloads: int = 0) -> None:
        self.config = mac
        self.features = F_MAC | F_MRG_RXBUF | offloads
        self.counters: Counter[str] = Counter()
        self.on_room: Callable[[], None] = lambda: None
        self._arrived = arrived
        self._has_offloads = bool(offloads)
        self._backend: Backend | None = None
        self._sent: list[Arrival] = []
        self._waiting: deque[Departure] = deque()
        self._waiting_frames = 0
        self._was_congested = False

    def attach(self, backend: Backend) -> None:
        """The guest has connected."""
        self._backend = backend

    def memory_changed(self) -> None:
        """Frames for a guest that is gone are lost."""
        self.counters["drop_tx_closed"] += self._waiting_frames
        self._waiting.clear()
        self._waiting_frames = 0

    @property
    def congested(self) -> bool:
        """More waits for buffers than a NIC's transmit FIFO would hold."""
        return self._waiting_frames >= self.HIGH_WATER_FRAMES

    def kicked(self, queue: int) -> bool:
        """Take the guest's frames, or fill the buffers it has added. Raises Refused."""
        if queue == RX:
            self._deliver()
            return True
        assert self._backend is not None
        vring = self._backend.vrings[TX]
        gathered = 0
        for chain in vring.requests():
            data = chain.read()
            vring.push(chain, 0)
            if not HEADER.size + 14 <= len(data) <= HEADER.size + MAX_FRAME_BYTES:
                raise Refused(f"frame of {len(data) - HEADER.size} bytes")
            arrival = from_guest(data) if self._has_offloads else data[HEADER.size :]
            if arrival is None:
                self.counters["drop_rx_offload"] += 1
            else:
                self._sent.append(arrival)
                gathered += count_frames([arrival])
            if gathered >= MAX_QUEUE_SIZE:
                self._arrived()  # a guest of several CPUs may add without an end
                gathered = 0
        self._backend.call(TX)
        self._arrived()
        return True

    # -- the cable's side ---------------------------------------------------------------------
    def receive(self) -> Sequence[Arrival]:
        """What the guest has sent."""
        arrivals, self._sent = self._sent, []
        self.counters["rx_frames"] += count_frames(arrivals)
        self.counters["rx_bytes"] += count_bytes(arrivals)
        return arrivals

    def send(self, frames: Sequence[bytes]) -> None:
        """Frames for the guest; beyond LIMIT_FRAMES waiting ones they are dropped and counted."""
        room = self.LIMIT_FRAMES - self._waiting_frames
        if len(frames) > room:
            self.counters["drop_tx_queue_full"] += len(frames) - room
            frames = frames[:room]
        self.counters["tx_frames"] += len(frames)
        self.counters["tx_bytes"] += sum(map(len, frames))
        self._waiting.extend(frames)
        self._waiting_frames += len(frames)
        self._try_to_deliver()

    @property
    def send_train(self) -> SendTrain | None:
        """If the guest's driver takes them."""
        backend = self._backend
        if backend is None or backend.features & GUEST_FEATURES != GUEST_FEATURES:
            return None
        return self._send_train

    def _send_train(self, train: Train) -> None:
        count = len(train)
        if self._waiting_frames + count > self.LIMIT_FRAMES:
            self.counters["drop_tx_queue_full"] += count
            return
        self.counters["tx_frames"] += count
        self.counters["tx_bytes"] += train.byte_count
        self._waiting.append(train)
        self._waiting_frames += count
        self._try_to_deliver()

    def _try_to_deliver(self) -> None:
        try:
            self._deliver()
        except Refused as e:
            assert self._backend is not None
            self._backend.refuse(RX, e)

    def close(self) -> None:
        """The cable is being taken down; the connection belongs to the back end."""

    def _deliver(self) -> None:
        backend = self._backend
        if backend is None or not backend.vrings[RX].ready:
            return
        delivered = False
        while self._waiting and self._place(backend, self._waiting[0]):
            gone = self._waiting.popleft()
            self._waiting_frames -= len(gone) if isinstance(gone, Train) else 1
            delivered = True
        if delivered:
            backend.call(RX)
        if self.congested:
            self._was_congested = True
        elif self._was_congested:
            self._was_congested = False
            self.on_room()

    @staticmethod
    def _place(backend: Backend, departure: Departure) -> bool:
        """Put one frame or train into as many buffers as it takes. False if there are too few."""
        vring = backend.vrings[RX]
        head, packet = for_guest(departure)
        need = HEADER.size + len(packet)
        chains: list[Chain] = []
        while need > 0:
            chain = vring.pop_buffer()
            if chain is None:
                vring.put_back(len(chains))
                return False
            chains.append(chain)
            need -= chain.room
        data = memoryview(HEADER.pack(*head, len(chains)) + packet)
        for chain in chains:
            written = chain.write(data)
            data = data[written:]
            vring.push(chain, written)
        return True
