# SPDX-License-Identifier: GPL-2.0-only
"""vhost-user back end for one virtio device; and the order in which several of them speak.

The guest waits for the answer to a kick with its interrupts off. Everything a kick causes, in
whichever device, happens before the answer goes out; the calls it causes are in their pipes by
then. So the guest sees every effect at the same point of its own execution, every time.
"""

from __future__ import annotations

import os
import socket
from collections import Counter
from collections.abc import Callable
from typing import Protocol

from devmodel.budget import Budget
from devmodel.trace import Trace
from devmodel.vhost_user.channel import Channel
from devmodel.vhost_user.memory import MemoryFiles, MemoryTable
from devmodel.vhost_user.messages import (
    F_EVENT_IDX,
    F_PROTOCOL_FEATURES,
    NEED_REPLY,
    PROTOCOL_FEATURES,
    U64,
    VERSION,
    VERSION_MASK,
    VIRTIO_F_VERSION_1,
    VRING_STATE,
    ConfigHead,
    Refused,
    VhostRequest,
    VringAddr,
)
from devmodel.vhost_user.vring import Vring

_KICK = VhostRequest.VRING_KICK.value
_QUEUE_INDEX_MASK = 0xFF
_MESSAGE_UNITS = 20


class VirtioDevice(Protocol):
    """What a device model offers a back end.

    :ivar name: for records.
    :ivar features: feature bits of its type, without VERSION_1.
    :ivar queue_count: virtqueues.
    :ivar buffer_queues: those that only hold buffers for what the device has to say.
    :ivar config: its configuration space.
    """

    name: str
    features: int
    queue_count: int
    buffer_queues: tuple[int, ...]
    config: bytes

    def attach(self, backend: Backend) -> None:
        """The guest has connected."""

    def memory_changed(self) -> None:
        """The guest has handed over its memory; or, with no region left, is gone."""

    def kicked(self, queue: int) -> bool:
        """Serve a queue. False: the answer to the kick must wait for :meth:`Backend.release`.

        Raises Refused for a request no driver makes; the queue is then dead.
        """


class Machine:
    """The back ends of one guest, whose calls go out together.

    :param budget: the work of the present entry.
    :ivar to_call: those that have something to interrupt the guest for.
    """

    def __init__(self, budget: Budget | None = None) -> None:
        self.budget = budget or Budget()
        self.backends: list[Backend] = []
        self.to_call: set[Backend] = set()
        self.files = MemoryFiles()

    def remove(self, backend: Backend) -> None:
        """A device is gone; with the last one the guest is."""
        self.backends.remove(backend)
        self.to_call.discard(backend)
        if not self.backends:
            self.files.forget()

    def send_calls(self) -> None:
        """Interrupt the guest for everything that is new in any device."""
        if self.to_call:
            for backend in self.backends:
                if backend in self.to_call:
                    backend.send_calls()
            self.to_call.clear()


class Backend:
    """Serves ``device`` on a connected socket.

    :param settle: called after each kick: lets all its effects happen.
    :ivar counters: ``kicks``, ``calls``, ``refused``.
    :ivar features: feature bits that the guest's driver has accepted.
    :cvar protocol_features: what it offers of the protocol.
    """

    protocol_features = PROTOCOL_FEATURES

    def __init__(
        self,
        device: VirtioDevice,
        sock: socket.socket,
        *,
        machine: Machine,
        trace: Trace,
        settle: Callable[[], None],
    ) -> None:
        self.device = device
        self.counters: Counter[str] = Counter()
        self.features = 0
        self.memory = MemoryTable(machine.files)
        self.vrings = [Vring(self.memory, machine.budget) for _ in range(device.queue_count)]
        self._channel = Channel(sock)
        self._machine = machine
        self._trace = trace
        self._settle = settle
        self._to_call: set[int] = set()
        self._held = 0
        self._pulled = False
        self._requests: dict[int, Callable[[bytes, list[int]], bytes | None]] = {
            VhostRequest.GET_FEATURES: self._get_features,
            VhostRequest.SET_FEATURES: self._set_features,
            VhostRequest.SET_OWNER: lambda body, fds: None,
            VhostRequest.SET_MEM_TABLE: self._set_mem_table,
            VhostRequest.SET_VRING_NUM: self._set_vring_num,
            VhostRequest.SET_VRING_ADDR: self._set_vring_addr,
            VhostRequest.SET_VRING_BASE: self._set_vring_base,
            VhostRequest.GET_PROTOCOL_FEATURES: self._get_protocol_features,
            VhostRequest.SET_PROTOCOL_FEATURES: self._set_protocol_features,
            VhostRequest.GET_QUEUE_NUM: lambda body, fds: U64.pack(device.queue_count),
            VhostRequest.SET_VRING_ENABLE: self._set_vring_enable,
            VhostRequest.SET_SLAVE_REQ_FD: self._set_slave_req_fd,
            VhostRequest.GET_CONFIG: self._get_config,
            VhostRequest.SET_CONFIG: self._set_config,
        }
        machine.backends.append(self)
        device.attach(self)

    def fileno(self) -> int:
        """Descriptor to wait on."""
        return self._channel.fileno()

    def serve(self) -> bool:
        """Handle everything that has arrived. False when the guest has closed.

        Raises ProtocolError if the framing is lost.
        """
        alive = self._channel.receive()
        if self._pulled:
            return False
        while (message := self._channel.next_message()) is not None:
            request, flags, body, fds = message
            try:
                if request == _KICK:
                    self._kick(flags, body)
                else:
                    self._request(request, flags, body, fds)
            finally:
                for fd in fds:
                    os.close(fd)
            self._machine.budget.left -= _MESSAGE_UNITS
            self._machine.budget.pause()
        return alive

    @property
    def wants_write(self) -> bool:
        """The guest does not take its answers: call :meth:`flush` when it does."""
        return self._channel.wants_write

    def flush(self) -> None:
        """Send what waits."""
        self._channel.flush()

    def pull(self) -> None:
        """Surprise removal: the guest's next message is not answered, the connection ends.

        UML notices a broken connection only while it waits for an answer.
        """
        self._pulled = True

    def close(self) -> None:
        """Drop the connection: to the guest the device is gone. Idempotent."""
        if self not in self._machine.backends:
            return
        self._channel.close()
        self.memory.forget()
        for vring in self.vrings:
            vring.forget()
        self.device.memory_changed()
        self._machine.remove(self)

    # -- for the device ---------------------------------------------------------------------
    def call(self, queue: int) -> None:
        """Interrupt the guest when the present kick is answered."""
        self._to_call.add(queue)
        self._machine.to_call.add(self)

    def refuse(self, queue: int, why: Refused) -> None:
        """What the device had to say outside of a kick met a malformed buffer in ``queue``."""
        self.vrings[queue].forget()
        self._refuse(VhostRequest.VRING_KICK, why)

    def release(self) -> None:
        """Answer the kicks that :meth:`VirtioDevice.kicked` has held back, if anybody waits."""
        if self not in self._machine.backends:
            return  # the guest died while it was the runner's turn
        self._settle()
        self._machine.send_calls()
        held, self._held = self._held, 0
        for _ in range(held):
            self._channel.acknowledge(VhostRequest.VRING_KICK)

    def send_calls(self) -> None:
        """Write the calls that are due; of Machine.send_calls."""
        for queue in sorted(self._to_call):
            if self.vrings[queue].wants_calls:
                self.counters["calls"] += 1
                self._interrupt(queue)
        self._to_call.clear()

    def _interrupt(self, queue: int) -> None:
        self._channel.call(queue)

    # -- requests ---------------------------------------------------------------------------
    def _kick(self, flags: int, body: bytes) -> None:
        self.counters["kicks"] += 1
        done, failed = True, False
        try:
            queue, _ = VRING_STATE.unpack_from(body.ljust(VRING_STATE.size, b"\0"))
            if self._vring(queue).ready:
                done = self.device.kicked(queue)
        except Refused as e:
            failed = True
            self._refuse(VhostRequest.VRING_KICK, e)
        self._settle()
        self._machine.send_calls()
        if not flags & NEED_REPLY:
            return
        if done:
            self._channel.acknowledge(_KICK, failed=failed)
        else:
            self._held += 1

    def _request(self, request: int, flags: int, body: bytes, fds: list[int]) -> None:
        answer: bytes | None = None
        failed = False
        try:
            if flags & VERSION_MASK != VERSION:
                raise Refused(f"message flags {flags:#x}")
            handler = self._requests.get(request)
            if handler is None:
                raise Refused(f"request {request} is not known")
            answer = handler(body, fds)
        except Refused as e:
            failed = True
            self._refuse(request, e)
        if answer is not None:
            self._channel.reply(request, answer)
        elif flags & NEED_REPLY:
            self._channel.acknowledge(request, failed=failed)

    def _refuse(self, request: int, why: Refused) -> None:
        self.counters["refused"] += 1
        self._trace.emit(
            "vhost_user_refused", device=self.device.name, request=request, why=str(why)
        )

    def _vring(self, index: int) -> Vring:
        if index >= len(self.vrings):
            raise Refused(f"virtqueue {index} of {len(self.vrings)}")
        return self.vrings[index]

    def _state(self, body: bytes) -> tuple[Vring, int]:
        if len(body) < VRING_STATE.size:
            raise Refused("virtqueue state too short")
        index, number = VRING_STATE.unpack_from(body)
        return self._vring(index & _QUEUE_INDEX_MASK), number

    def _get_features(self, body: bytes, fds: list[int]) -> bytes:
        return U64.pack(F_PROTOCOL_FEATURES | VIRTIO_F_VERSION_1 | self.device.features)

    def _set_features(self, body: bytes, fds: list[int]) -> None:
        wanted = self._u64(body)
        if wanted & ~(F_PROTOCOL_FEATURES | VIRTIO_F_VERSION_1 | self.device.features):
            raise Refused(f"features {wanted:#x}")
        self.features = wanted
        for vring in self.vrings:
            vring.event_index = bool(wanted & F_EVENT_IDX)

    def _get_protocol_features(self, body: bytes, fds: list[int]) -> bytes:
        return U64.pack(self.protocol_features)

    def _set_protocol_features(self, body: bytes, fds: list[int]) -> None:
        if self._u64(body) & ~self.protocol_features:
            raise Refused(f"protocol features {self._u64(body):#x}")

    @staticmethod
    def _u64(body: bytes) -> int:
        if len(body) < U64.size:
            raise Refused("integer too short")
        return int(U64.unpack_from(body)[0])

    def _set_mem_table(self, body: bytes, fds: list[int]) -> None:
        for vring in self.vrings:
            vring.forget()
        self.memory.replace(body, fds)
        self.device.memory_changed()

    def _set_vring_num(self, body: bytes, fds: list[int]) -> None:
        vring, size = self._state(body)
        vring.set_size(size)

    def _set_vring_base(self, body: bytes, fds: list[int]) -> None:
        vring, index = self._state(body)
        vring.set_base(index)

    def _set_vring_enable(self, body: bytes, fds: list[int]) -> None:
        vring, enabled = self._state(body)
        vring.enabled = bool(enabled)

    def _set_vring_addr(self, body: bytes, fds: list[int]) -> None:
        if len(body) < VringAddr.SIZE:
            raise Refused("virtqueue address too short")
        where = VringAddr.unpack(body)
        buffers = where.index in self.device.buffer_queues
        self._vring(where.index).set_addresses(where, buffers=buffers)

    def _set_slave_req_fd(self, body: bytes, fds: list[int]) -> None:
        if len(fds) != 1:
            raise Refused(f"call pipe with {len(fds)} descriptors")
        self._channel.take_call_pipe(fds[0])
        fds.clear()

    def _get_config(self, body: bytes, fds: list[int]) -> bytes:
        if len(body) < ConfigHead.SIZE:
            raise Refused("config access too short")
        head = ConfigHead.unpack(body)
        if head.offset + head.size > 256 or len(body) != ConfigHead.SIZE + head.size:
            raise Refused(f"config access of {head.size} bytes at {head.offset}")
        content = self.device.config[head.offset : head.offset + head.size]
        return head.pack() + content.ljust(head.size, b"\0")

    def _set_config(self, body: bytes, fds: list[int]) -> None:
        raise Refused("configuration space is read-only")
