# SPDX-License-Identifier: GPL-2.0-only
"""What is plugged into the card's port for its whole life: a socket that may come and go, a tap,
a host of its own.

The card is built before QEMU connects the other end, and outlives it; a :class:`Cable` is the
:class:`~devmodel.net.wire.Wire` it sees all the time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Protocol

from devmodel.net.pcapng import Direction, PcapngWriter
from devmodel.net.port import Frame
from devmodel.net.remarks import Batch
from devmodel.net.source import TcpSource
from devmodel.net.train import Arrival, Train, frames_of
from devmodel.net.wire import SendTrain


class Stream(Protocol):
    """The other end of a cable: as a :class:`~devmodel.net.wire.Wire`, but it can be taken down,
    and may bring trains."""

    counters: Counter[str]
    on_room: Callable[[], None]

    @property
    def send_train(self) -> SendTrain | None:
        """Takes a train now; None: frames only."""
        ...

    @property
    def congested(self) -> bool:
        """The sender should wait."""
        ...

    def send(self, frames: Sequence[bytes]) -> None:
        """Transmit in order."""
        ...

    def receive(self) -> Sequence[Arrival]:
        """What has arrived, in order."""
        ...

    def close(self) -> None:
        """Nothing is sent or received any more."""
        ...


class Cable:
    """A wire around an optional stream, with injected frames and an optional pcapng tap.

    :ivar capture: where frames of both directions are recorded, or None.
    :ivar on_room: called when a congested stream has drained.
    :ivar source: a host beside whatever is plugged in, or None; what is sent to it goes nowhere
        else, and what it answers comes in through :meth:`bring_these`.
    :param now: virtual time in nanoseconds, for the tap.
    :param record: gets the bytes of every frame, for the event log's hash, where runs repeat.
    """

    def __init__(
        self, now: Callable[[], int], record: Callable[[Frame], object] | None = None
    ) -> None:
        self.counters: Counter[str] = Counter()
        self.capture: PcapngWriter | None = None
        self.on_room: Callable[[], None] = lambda: None
        self.stream: Stream | None = None
        self.source: TcpSource | None = None
        self._now = now
        self._record = record
        self._injected: list[Arrival] = []
        self._batch: Batch | None = None

    def plug(self, stream: Stream) -> None:
        """Connect the other end; its counters go on from those so far."""
        stream.counters = self.counters
        stream.on_room = self._room
        self.stream = stream

    def unplug(self) -> None:
        """The other end has gone."""
        if self.stream is not None:
            self.stream.close()
            self.stream = None
            self._room()

    @property
    def congested(self) -> bool:
        """The sender should wait."""
        return self.stream is not None and self.stream.congested

    @property
    def send_train(self) -> SendTrain | None:
        """Takes a train if the stream does, and nobody else needs frames."""
        if self.stream is None or self.stream.send_train is None:
            return None
        return self._send_train if self._record is None and self.source is None else None

    def inject(self, frame: bytes) -> None:
        """Let the card receive ``frame`` with its next batch."""
        self._injected.append(frame)
        self.counters["rx_injected"] += 1

    def receive(self) -> Sequence[Frame]:
        """The frames that have arrived."""
        arrivals = self._take()
        self._write_batch()
        return frames_of(arrivals)

    def bring(self, receive: Callable[[Sequence[Arrival]], object]) -> bool:
        """Hand what has arrived to ``receive``: injected frames, then what the stream has.

        False: nothing had. What :meth:`remark` is told meanwhile is in the capture.
        """
        arrivals = self._take()
        if arrivals:
            self._hand_over(arrivals, receive)
        return bool(arrivals)

    def bring_these(
        self, arrivals: Sequence[Arrival], receive: Callable[[Sequence[Arrival]], object]
    ) -> None:
        """The same with what another host beside the stream has sent."""
        self._write_batch()
        self._note(arrivals)
        self._hand_over(arrivals, receive)

    def remark(self, frame: Frame, text: str) -> None:
        """Something to say about a frame that is being received."""
        if self._batch is not None:
            self._batch.remark(frame, text)

    def _take(self) -> Sequence[Arrival]:
        self._write_batch()  # before its memory is used again
        frames, self._injected = self._injected, []
        if self.stream is not None:
            frames += self.stream.receive()
        self._note(frames)
        return frames

    def _note(self, arrivals: Sequence[Arrival]) -> None:
        """What comes in: those who look see frames."""
        if not arrivals or (self._record is None and self.capture is None):
            return
        frames = frames_of(arrivals)
        if self._record is not None:
            for frame in frames:
                self._record(frame)
        if self.capture is not None:
            self._batch = Batch(frames, self._now())

    def _hand_over(
        self, arrivals: Sequence[Arrival], receive: Callable[[Sequence[Arrival]], object]
    ) -> None:
        try:
            receive(arrivals)
        finally:  # a frame that the model fails at is what the capture is wanted for
            self._write_batch()

    def _write_batch(self) -> None:
        batch, self._batch = self._batch, None
        if batch is not None and self.capture is not None:
            self.capture.write(batch.frames, Direction.INBOUND, batch.time_ns, batch.comments)

    def send(self, frames: Sequence[bytes]) -> None:
        """Transmit in order; frames sent while nothing is plugged in are counted as lost."""
        if self._record is not None:
            for frame in frames:
                self._record(frame)
        if self.capture is not None:
            self._write_batch()
            self.capture.write(frames, Direction.OUTBOUND, self._now())
        if self.source is not None:
            frames = self.source.take(frames)
        if self.stream is not None:
            self.stream.send(frames)
        else:
            self.counters["drop_tx_unplugged"] += len(frames)

    def _send_train(self, train: Train) -> None:
        if self.capture is not None:
            self._write_batch()
            self.capture.write(train, Direction.OUTBOUND, self._now())
        if self.stream is not None and self.stream.send_train is not None:
            self.stream.send_train(train)

    def _room(self) -> None:
        self.on_room()
