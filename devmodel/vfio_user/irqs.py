# SPDX-License-Identifier: GPL-2.0-only
"""Interrupt eventfds: DEVICE_GET_IRQ_INFO and DEVICE_SET_IRQS."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Callable

from devmodel.vfio_user.messages import IRQ_COUNT, Irq, IrqInfo, IrqSet, Refused, fixed_part

_DATA = IrqSet.DATA_NONE | IrqSet.DATA_BOOL | IrqSet.DATA_EVENTFD
_ACTIONS = IrqSet.ACTION_MASK | IrqSet.ACTION_UNMASK | IrqSet.ACTION_TRIGGER


class Irqs:
    """The eventfds connected to each interrupt of each index.

    :param msix_vectors: interrupts of the MSI-X index.
    :param connected: told each MSI-X vector that has just got an eventfd.
    :param signalled: called after each MSI-X message that was sent.
    """

    def __init__(
        self,
        msix_vectors: int,
        connected: Callable[[int], None],
        signalled: Callable[[], None] = lambda: None,
    ) -> None:
        self._counts = {Irq.INTX: 1, Irq.MSI: 0, Irq.MSIX: msix_vectors, Irq.ERR: 1, Irq.REQ: 1}
        self._eventfds: dict[Irq, dict[int, int]] = {index: {} for index in Irq}
        self._msix = self._eventfds[Irq.MSIX]
        self._connected = connected
        self._signalled = signalled

    def msix(self, vector: int) -> bool:
        """Signal an MSI-X vector. False if it has no eventfd."""
        fd = self._msix.get(vector)
        if fd is None:
            return False
        self._signal(fd)
        self._signalled()
        return True

    def info(self, body: memoryview) -> bytes:
        """DEVICE_GET_IRQ_INFO. Raises Refused."""
        requested = fixed_part(IrqInfo, body)
        count = self._counts[self._index(requested.index)]
        flags = IrqInfo.FLAG_EVENTFD if count else 0
        return IrqInfo(IrqInfo.SIZE, flags, requested.index, count).pack()

    def set(self, body: memoryview, fds: list[int]) -> bytes:
        """DEVICE_SET_IRQS; descriptors it keeps are removed from ``fds``. Raises Refused."""
        requested = fixed_part(IrqSet, body)
        index = self._index(requested.index)
        data, action = requested.flags & _DATA, requested.flags & _ACTIONS
        if requested.flags & ~(_DATA | _ACTIONS) or not _one_bit(data) or not _one_bit(action):
            raise Refused(errno.EINVAL, f"SET_IRQS flags {requested.flags:#x}")
        if requested.start + requested.count > self._counts[index]:
            raise Refused(
                errno.EINVAL, f"SET_IRQS {requested.start}+{requested.count} of {index.name}"
            )
        vectors = range(requested.start, requested.start + requested.count)
        wanted = body[IrqSet.SIZE :] if data == IrqSet.DATA_BOOL else b"\1" * requested.count
        if len(wanted) < requested.count:
            raise Refused(errno.EINVAL, f"SET_IRQS with {len(wanted)} of {requested.count} bytes")
        if fds and data != IrqSet.DATA_EVENTFD:
            raise Refused(errno.EINVAL, "SET_IRQS with descriptors it does not announce")
        if action != IrqSet.ACTION_TRIGGER:
            if index is not Irq.INTX or data == IrqSet.DATA_EVENTFD:
                raise Refused(errno.EINVAL, f"SET_IRQS cannot mask {index.name}")
        elif data == IrqSet.DATA_EVENTFD:
            self._connect(index, vectors, fds)
        elif not requested.count:
            self._disconnect(index, list(self._eventfds[index]))
        else:
            for vector, yes in zip(vectors, wanted, strict=False):
                if yes and vector in self._eventfds[index]:
                    self._signal(self._eventfds[index][vector])
        return b""

    def close(self) -> None:
        """Disconnect everything."""
        for index, eventfds in self._eventfds.items():
            self._disconnect(index, list(eventfds))

    def _connect(self, index: Irq, vectors: range, fds: list[int]) -> None:
        """One eventfd for each vector; none at all means "disconnect these"."""
        if fds and len(fds) != len(vectors):
            raise Refused(errno.EINVAL, f"SET_IRQS with {len(fds)} eventfds for {len(vectors)}")
        for fd in fds:
            _require_eventfd(fd)
        self._disconnect(index, vectors)
        for vector, fd in zip(vectors, fds, strict=False):
            self._eventfds[index][vector] = fd
        del fds[:]
        if index is Irq.MSIX:
            for vector in vectors:
                if vector in self._msix:
                    self._connected(vector)

    def _disconnect(self, index: Irq, vectors: range | list[int]) -> None:
        for vector in vectors:
            fd = self._eventfds[index].pop(vector, None)
            if fd is not None:
                os.close(fd)

    @staticmethod
    def _signal(fd: int) -> None:
        with contextlib.suppress(OSError):
            os.eventfd_write(fd, 1)

    @staticmethod
    def _index(index: int) -> Irq:
        if index >= IRQ_COUNT:
            raise Refused(errno.EINVAL, f"interrupt index {index}")
        return Irq(index)


def _require_eventfd(fd: int) -> None:
    """Nothing but an eventfd is certain not to block. Raises Refused.

    Of an eventfd the kernel tells only that it has no place in a file system.
    """
    try:
        if stat.S_IFMT(os.fstat(fd).st_mode):
            raise Refused(errno.EINVAL, "SET_IRQS with a descriptor that is no eventfd")
        os.set_blocking(fd, False)  # its count may be at the end
    except OSError as e:
        raise Refused(errno.EINVAL, f"SET_IRQS descriptor: {e}") from e


def _one_bit(flags: int) -> bool:
    return flags.bit_count() == 1
