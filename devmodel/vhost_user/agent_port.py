# SPDX-License-Identifier: GPL-2.0-only
"""The guest agent's port: a virtio-serial port on which guest and runner take turns.

Messages are a length (4 bytes, little-endian) and as many bytes; those of the guest begin with
its monotonic time (8 bytes, nanoseconds), which the card's clock follows. With ``turns``, the
guest's kick that completes a message is answered only when the runner has replied with one: until
then the guest stands still, and with it its simulated time, however long the runner thinks.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable

from devmodel.errors import ProtocolError
from devmodel.outbox import Outbox
from devmodel.vhost_user.backend import Backend
from devmodel.vhost_user.messages import Refused

DEVICE_ID = 3
F_MULTIPORT = 1 << 1
MAX_MESSAGE_BYTES = 16 << 20
MAX_UNREAD_BYTES = 2 * MAX_MESSAGE_BYTES
RX, TX, CONTROL_RX, CONTROL_TX = range(4)
PORT = 0

_MAX_CONTROL = 32
_LENGTH = struct.Struct("<I")
_TIME = struct.Struct("<Q")
_CONTROL = struct.Struct("<IHH")
_DEVICE_READY, _PORT_ADD, _PORT_READY, _PORT_OPEN, _PORT_NAME = 0, 1, 3, 6, 7
NAME = b"org.bnxt-testbed.agent"


class AgentPort:
    """virtio-console (virtio 1.2, section 5.3) with one port and no console.

    :param sock: connected stream socket of the runner.
    :param turns: the guest waits for the runner's answer.
    :param tell_time: told the guest's time.
    """

    name = "agent"
    features = F_MULTIPORT
    queue_count = 4
    buffer_queues: tuple[int, ...] = (RX, CONTROL_RX)
    config = struct.pack("<HHII", 0, 0, 1, 0)

    def __init__(
        self, sock: socket.socket, *, turns: bool, tell_time: Callable[[int], None]
    ) -> None:
        self._socket = sock
        self._outbox = Outbox(sock, MAX_UNREAD_BYTES)
        self._tell_time = tell_time
        self._turns = turns
        self._backend: Backend | None = None
        self._control: list[bytes] = []
        self._from_guest = b""
        self._to_guest = bytearray()
        self._from_runner = bytearray()
        self._guest_waits = False

    def fileno(self) -> int:
        """Descriptor of the runner's side."""
        return self._socket.fileno()

    @property
    def wants_write(self) -> bool:
        """The runner does not take its messages: call :meth:`flush` when it does."""
        return self._outbox.is_waiting

    def flush(self) -> None:
        """Send what waits."""
        self._outbox.flush()

    def close(self) -> None:
        """Close our end of the runner's socket."""
        self._socket.close()

    def attach(self, backend: Backend) -> None:
        """The guest has connected."""
        self._backend = backend

    def memory_changed(self) -> None:
        """Nothing is kept between requests."""

    # -- the guest's side -------------------------------------------------------------------
    def kicked(self, queue: int) -> bool:
        """Serve a queue; False while it is the runner's turn. Raises Refused."""
        if queue == CONTROL_TX:
            self._take_control()
        if queue in (CONTROL_TX, CONTROL_RX):
            self._send_control()
        elif queue == RX:
            self._fill()
        else:
            return self._take_output()
        return True

    def _ready(self) -> Backend:
        assert self._backend is not None
        return self._backend

    def _take_control(self) -> None:
        backend = self._ready()
        vring = backend.vrings[CONTROL_TX]
        for chain in vring.requests():
            message = chain.read()
            vring.push(chain, 0)
            if len(message) < _CONTROL.size:
                raise Refused(f"control message of {len(message)} bytes")
            if len(self._control) >= _MAX_CONTROL:
                raise Refused("the guest asks and takes no answers")
            _, event, value = _CONTROL.unpack_from(message)
            if event == _DEVICE_READY and value:
                self._control.append(_CONTROL.pack(PORT, _PORT_ADD, 1))
            elif event == _PORT_READY and value:
                self._control.append(_CONTROL.pack(PORT, _PORT_NAME, 1) + NAME)
                self._control.append(_CONTROL.pack(PORT, _PORT_OPEN, 1))
        backend.call(CONTROL_TX)

    def _send_control(self) -> None:
        backend = self._ready()
        vring = backend.vrings[CONTROL_RX]
        while self._control and (chain := vring.pop_buffer()) is not None:
            vring.push(chain, chain.write(self._control.pop(0)))
            backend.call(CONTROL_RX)

    def _take_output(self) -> bool:
        backend = self._ready()
        vring = backend.vrings[TX]
        pieces = []
        for chain in vring.requests():
            pieces.append(chain.read())
            vring.push(chain, 0)
        backend.call(TX)
        self._from_guest += b"".join(pieces)
        complete = self._cut_output()
        if complete and self._turns:
            self._guest_waits = True
            return False
        return True

    def _cut_output(self) -> bool:
        """Pass whole messages on to the runner; True if there was one."""
        found = False
        while len(self._from_guest) >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._from_guest)
            if length > MAX_MESSAGE_BYTES:
                raise Refused(f"agent message of {length} bytes")
            end = _LENGTH.size + length
            if len(self._from_guest) < end:
                break
            if length >= _TIME.size:
                self._tell_time(*_TIME.unpack_from(self._from_guest, _LENGTH.size))
            try:
                self._outbox.send(self._from_guest[:end])
            except ProtocolError as e:
                raise Refused(f"more messages than the runner reads: {e}") from e
            self._from_guest = self._from_guest[end:]
            found = True
        return found

    def _fill(self) -> None:
        """Move bytes for the guest into its buffers."""
        backend = self._ready()
        vring = backend.vrings[RX]
        while self._to_guest and (chain := vring.pop_buffer()) is not None:
            done = chain.write(self._to_guest[: chain.room])
            del self._to_guest[:done]
            vring.push(chain, done)
            backend.call(RX)

    # -- the runner's side ------------------------------------------------------------------
    def serve(self) -> bool:
        """Take in what the runner sends. False when it has closed."""
        try:
            data = self._socket.recv(1 << 18, socket.MSG_DONTWAIT)
        except (BlockingIOError, InterruptedError):
            return True
        except ConnectionResetError:
            return False
        self._from_runner += data
        while len(self._from_runner) >= _LENGTH.size:
            end = _LENGTH.size + _LENGTH.unpack_from(self._from_runner)[0]
            if len(self._from_runner) < end:
                break
            self._to_guest += self._from_runner[:end]
            del self._from_runner[:end]
            self._answer()
        return bool(data)

    def _answer(self) -> None:
        backend = self._ready()
        try:
            self._fill()
        except Refused as e:
            backend.refuse(RX, e)
        if self._guest_waits:
            self._guest_waits = False
            backend.release()
        else:
            backend.send_calls()
