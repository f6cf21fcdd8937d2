# SPDX-License-Identifier: GPL-2.0-only
"""vhost-user back end for QEMU: each virtqueue has an eventfd for kicks and one for calls.

The guest runs on while it is served. Source: docs/interop/vhost-user.rst of QEMU.
"""

from __future__ import annotations

import contextlib
import os
import socket
import stat
from collections.abc import Callable

from devmodel.sources import Sources
from devmodel.trace import Trace
from devmodel.vhost_user.backend import Backend, Machine, VirtioDevice
from devmodel.vhost_user.messages import (
    PROTOCOL_REPLY_ACK,
    VRING_NO_FD,
    VRING_STATE,
    Refused,
    VhostRequest,
)

_QUEUE_INDEX_MASK = 0xFF


class _Kick:
    """The eventfd of a virtqueue that the guest writes."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def fileno(self) -> int:
        """Descriptor to wait on."""
        return self._fd


class EventfdBackend(Backend):
    """As its base, without anybody who waits for the answer to a kick.

    :param sources: where its eventfds are waited for.
    """

    protocol_features = PROTOCOL_REPLY_ACK

    def __init__(
        self,
        device: VirtioDevice,
        sock: socket.socket,
        *,
        machine: Machine,
        trace: Trace,
        settle: Callable[[], None],
        sources: Sources,
    ) -> None:
        super().__init__(device, sock, machine=machine, trace=trace, settle=settle)
        self._sources = sources
        self._kicks: dict[int, int] = {}
        self._calls: dict[int, int] = {}
        self._requests |= {
            VhostRequest.SET_VRING_KICK: self._set_vring_kick,
            VhostRequest.SET_VRING_CALL: self._set_vring_call,
            VhostRequest.SET_VRING_ERR: lambda body, fds: None,
            VhostRequest.GET_VRING_BASE: self._get_vring_base,
        }

    def close(self) -> None:
        """Drop the connection and the eventfds. Idempotent."""
        for queue in list(self._kicks):
            self._forget_kick(queue)
        for queue in list(self._calls):
            os.close(self._calls.pop(queue))
        super().close()

    def _interrupt(self, queue: int) -> None:
        fd = self._calls.get(queue)
        if fd is not None:
            with contextlib.suppress(OSError):
                os.eventfd_write(fd, 1)

    def _kicked(self, queue: int) -> None:
        with contextlib.suppress(OSError):
            os.eventfd_read(self._kicks[queue])
        self._kick(0, VRING_STATE.pack(queue, 0))

    # -- requests ---------------------------------------------------------------------------
    def _eventfd(self, body: bytes, fds: list[int]) -> tuple[int, int | None]:
        """The virtqueue, and its new eventfd, which is ours. Raises Refused."""
        wanted = self._u64(body)
        queue = wanted & _QUEUE_INDEX_MASK
        self._vring(queue)
        if wanted & VRING_NO_FD:
            return queue, None
        if len(fds) != 1:
            raise Refused(f"eventfd of virtqueue {queue} with {len(fds)} descriptors")
        try:
            # Of an eventfd the kernel tells only that it has no place in a file system.
            if stat.S_IFMT(os.fstat(fds[0]).st_mode):
                raise Refused(f"virtqueue {queue}: a descriptor that is no eventfd")
            os.set_blocking(fds[0], False)
        except OSError as e:
            raise Refused(f"eventfd of virtqueue {queue}: {e}") from e
        return queue, fds.pop()

    def _set_vring_kick(self, body: bytes, fds: list[int]) -> None:
        queue, fd = self._eventfd(body, fds)
        self._forget_kick(queue)
        if fd is not None:
            self._kicks[queue] = fd
            self._sources.watch(_Kick(fd), lambda _can_write: self._kicked(queue))

    def _set_vring_call(self, body: bytes, fds: list[int]) -> None:
        queue, fd = self._eventfd(body, fds)
        if queue in self._calls:
            os.close(self._calls.pop(queue))
        if fd is not None:
            self._calls[queue] = fd

    def _forget_kick(self, queue: int) -> None:
        fd = self._kicks.pop(queue, None)
        if fd is not None:
            self._sources.forget(fd)
            os.close(fd)

    def _set_vring_enable(self, body: bytes, fds: list[int]) -> None:
        super()._set_vring_enable(body, fds)
        vring, _ = self._state(body)
        if vring.ready:  # it may have been kicked before
            self._kick(0, body)

    def _get_vring_base(self, body: bytes, fds: list[int]) -> bytes:
        """The virtqueue stops; where it is to go on."""
        vring, _ = self._state(body)
        index = VRING_STATE.unpack_from(body)[0] & _QUEUE_INDEX_MASK
        vring.forget()
        return VRING_STATE.pack(index, vring.base)

    def _set_mem_table(self, body: bytes, fds: list[int]) -> None:
        """Memory may change under virtqueues in use, which stay where they are."""
        self.memory.replace(body, fds)
        for index, vring in enumerate(self.vrings):
            try:
                vring.find_again()
            except Refused as e:
                self._refuse(VhostRequest.SET_MEM_TABLE, e)
            if vring.ready:
                self._kick(0, VRING_STATE.pack(index, 0))
