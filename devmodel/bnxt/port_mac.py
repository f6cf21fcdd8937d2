# SPDX-License-Identifier: GPL-2.0-only
"""The MAC between the data path and the cable: loopback, and MAC control frames (802.3 annex 31).

A PAUSE frame that the port obeys stops transmission for its quanta, in virtual time. The port sends
one when frames begin to wait for buffers, and one of zero quanta when none waits any more; those
between, which would prolong the first, it does not send.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from devmodel.bnxt.hsi.phy import Loopback, PauseBits
from devmodel.bnxt.link import Link
from devmodel.bnxt.mac import Mac
from devmodel.clock import Clock, Timer
from devmodel.net.port import Frame
from devmodel.net.wire import SendTrain, Wire
from devmodel.trace import Trace

ETHERTYPE_MAC_CONTROL = 0x8808
PAUSE_ADDRESS = bytes.fromhex("0180c2000001")
_OPCODE_PAUSE = 0x0001
_OPCODE_PFC = 0x0101
_ALL_QUANTA = 0xFFFF
_PRIORITIES = 8
_MIN_FRAME_BYTES = 60
_MULTICAST = 1
_QUANTUM_NS = 5120
"""512 bits at 100 Mb/s."""
_LOOP_BYTES = 512 << 10
"""So many bytes are on their way back at most before transmission waits."""


class PortMac:
    """One port; the wire that the transmit path sees.

    :param receive: where frames that come back go.
    :ivar link: decides which PAUSE frames count; there is none while the card is being built.
    :ivar loopback: what PORT_MAC_CFG set; that of the PHY is the link's.
    :ivar address: source address of PAUSE frames.
    :ivar on_room: called when transmission may go on.
    """

    def __init__(
        self,
        wire: Wire,
        clock: Clock,
        trace: Trace,
        mac: Mac,
        receive: Callable[[Sequence[Frame]], None],
    ) -> None:
        self.link: Link | None = None
        self.loopback = Loopback.NONE
        self.address = bytes(6)
        self.on_room: Callable[[], None] = lambda: None
        self.counters: Counter[str] = wire.counters
        self._wire = wire
        self._clock = clock
        self._trace = trace
        self._mac = mac
        self._receive = receive
        self._pause: Timer | None = None
        self._looped: list[Frame] = []
        self._looped_bytes = 0
        wire.on_room = self._room

    @property
    def congested(self) -> bool:
        """The transmit path has to wait."""
        if self._pause is not None:
            return True
        if self._returns_frames:
            return self._looped_bytes >= _LOOP_BYTES
        return self._wire.congested

    @property
    def send_train(self) -> SendTrain | None:
        """The wire's; what comes back are frames."""
        return None if self._returns_frames else self._wire.send_train

    @property
    def _returns_frames(self) -> bool:
        phy = Loopback.NONE if self.link is None else self.link.settings.loopback
        return Loopback.LOCAL in (self.loopback, phy)

    @property
    def is_plain(self) -> bool:
        """What arrives goes to the host as it is: there is no loopback."""
        return not self._returns_frames and self.loopback is Loopback.NONE

    def reset(self) -> None:
        """No loopback, no pause, nothing on its way."""
        self.loopback = Loopback.NONE
        self._looped.clear()
        self._looped_bytes = 0
        self._end_pause()

    # -- frames -------------------------------------------------------------------------------
    def send(self, frames: Sequence[bytes]) -> None:
        """Onto the wire, or back."""
        if not self._returns_frames:
            self._wire.send(frames)
            return
        if not self._looped:
            self._clock.call_later(0, self._return)
        self._looped += frames
        self._looped_bytes += sum(map(len, frames))

    def receive(self) -> Sequence[Frame]:
        """What the wire has."""
        return self._wire.receive()

    def arrived(self, frames: Sequence[Frame]) -> Sequence[Frame]:
        """What of frames from the wire goes to the host; those of remote loopback go back."""
        if self._returns_frames:
            self._trace.counters["rx_drop_loopback"] += len(frames)
            return ()
        if self.loopback is Loopback.REMOTE:
            self._wire.send([bytes(frame) for frame in frames])
            return ()
        return frames

    def _return(self) -> None:
        frames, self._looped, self._looped_bytes = self._looped, [], 0
        if frames:
            self._receive(frames)
            self._room()

    def _room(self) -> None:
        if not self.congested:
            self.on_room()

    # -- MAC control --------------------------------------------------------------------------
    def control(self, frame: Frame) -> None:
        """A MAC control frame: none reaches the host."""
        others = self._mac.rx.others
        others["rx_ctrl_frames"] += 1
        opcode = int.from_bytes(frame[14:16], "big")
        if opcode == _OPCODE_PAUSE and frame[:6] != PAUSE_ADDRESS:
            others["rx_unsupported_da_pausepfc_frames"] += 1
        elif opcode == _OPCODE_PAUSE:
            others["rx_pause_frames"] += 1
            self._obey(int.from_bytes(frame[16:18], "big"))
        elif opcode == _OPCODE_PFC:
            others["rx_pfc_frames"] += 1
            enabled = int.from_bytes(frame[16:18], "big")
            for priority in range(_PRIORITIES):
                if enabled >> priority & 1:
                    others[f"rx_pfc_ena_frames_pri{priority}"] += 1
        else:
            others["rx_unsupported_opcode_frames"] += 1

    def _obey(self, quanta: int) -> None:
        outcome = None if self.link is None else self.link.outcome
        if outcome is None or not outcome.pause & PauseBits.RX:
            return
        self._trace.emit("pause", quanta=quanta)
        self._end_pause()
        if quanta:
            pause_ns = quanta * _QUANTUM_NS // outcome.mode.speed
            self._pause = self._clock.call_later(pause_ns, self._resume)
        else:
            self._room()

    def _end_pause(self) -> None:
        if self._pause is not None:
            self._pause.cancel()
            self._pause = None

    def _resume(self) -> None:
        self._pause = None
        self._room()

    def ask_to_wait(self, wait: bool) -> None:
        """Frames have begun to wait for buffers, or none waits any more."""
        outcome = None if self.link is None else self.link.outcome
        if outcome is None or not outcome.pause & PauseBits.TX:
            return
        quanta = _ALL_QUANTA if wait else 0
        words = (ETHERTYPE_MAC_CONTROL, _OPCODE_PAUSE, quanta)
        body = b"".join(word.to_bytes(2, "big") for word in words)
        frame = (PAUSE_ADDRESS + self.address + body).ljust(_MIN_FRAME_BYTES, b"\0")
        sent = self._mac.tx
        sent.lengths[len(frame)] += 1
        sent.casts[_MULTICAST] += 1
        sent.others["tx_pause_frames"] += 1
        sent.others["tx_control_frames"] += 1
        self._wire.send([frame])
