# SPDX-License-Identifier: GPL-2.0-only
"""Guest memory behind DMA_MAP and DMA_UNMAP, and DMA by message where none was shared."""

from __future__ import annotations

import errno
import mmap
import os
from collections.abc import Callable

from devmodel.dma import PAGE_SIZE, Access, DmaSpace, Mapping, MessageDma
from devmodel.errors import DmaFault
from devmodel.vfio_user.messages import (
    MAX_DATA_BYTES,
    MAX_DMA_MAPS,
    Command,
    DmaAccess,
    DmaMap,
    DmaUnmap,
    Refused,
    fixed_part,
)

_MAX_FILES = 16
_MAX_MAPPED = 64
"""Of files that grew and were mapped again: the kernel gives a process so many maps at most."""
_ALL_ACCESS = Access.READ | Access.WRITE


class GuestMemory:
    """Memory files of the client, each mapped once and whole, and the mappings made from them."""

    def __init__(self, dma: DmaSpace) -> None:
        self._dma = dma
        self._files: dict[tuple[int, int], memoryview] = {}
        self._mapped = 0

    def map(self, body: memoryview, fds: list[int]) -> bytes:
        """DMA_MAP. Takes no descriptor over. Raises Refused."""
        m = fixed_part(DmaMap, body)
        access = Access(m.flags & _ALL_ACCESS)
        if m.flags != access or not access:
            raise Refused(errno.EINVAL, f"DMA_MAP flags {m.flags:#x}")
        if m.size == 0 or (m.iova | m.size) & (PAGE_SIZE - 1) or m.iova + m.size > 1 << 64:
            raise Refused(errno.EINVAL, f"DMA_MAP of {m.size:#x} at {m.iova:#x}")
        if len(fds) > 1:
            raise Refused(errno.EINVAL, f"DMA_MAP with {len(fds)} descriptors")
        if self._dma.live_mappings >= MAX_DMA_MAPS:
            raise Refused(errno.ENOSPC, "too many live mappings")
        memory = self._memory(fds[0], m.offset + m.size) if fds else None
        try:
            self._dma.map(Mapping(m.iova, m.size, access, memory, m.offset))
        except ValueError as e:
            raise Refused(errno.EEXIST, f"DMA_MAP of {m.size:#x} at {m.iova:#x}: {e}") from e
        return b""

    def unmap(self, body: memoryview, fds: list[int]) -> bytes:
        """DMA_UNMAP; the answer echoes the command. Raises Refused."""
        m = fixed_part(DmaUnmap, body)
        if fds or m.flags & ~DmaUnmap.FLAG_ALL:
            raise Refused(errno.EINVAL, f"DMA_UNMAP flags {m.flags:#x}, {len(fds)} descriptors")
        if m.flags & DmaUnmap.FLAG_ALL:
            self._dma.unmap_all()
            return bytes(body)
        if m.size == 0 or (m.iova | m.size) & (PAGE_SIZE - 1) or m.iova + m.size > 1 << 64:
            raise Refused(errno.EINVAL, f"DMA_UNMAP of {m.size:#x} at {m.iova:#x}")
        for edge in (m.iova, m.iova + m.size):
            cut = self._dma.find(edge)
            if cut is not None and cut.iova < edge:
                raise Refused(errno.EINVAL, f"DMA_UNMAP would split a mapping at {edge:#x}")
        self._dma.unmap(m.iova, m.size)
        return bytes(body)

    def forget(self) -> None:
        """The client is gone: so are its mappings."""
        self._dma.unmap_all()
        self._files.clear()

    def _memory(self, fd: int, end: int) -> memoryview:
        """A file of at least ``end`` bytes. Raises Refused."""
        try:
            stat = os.fstat(fd)
            if end > stat.st_size:
                raise Refused(errno.EINVAL, f"DMA_MAP beyond its file of {stat.st_size:#x} bytes")
            key = (stat.st_dev, stat.st_ino)
            known = self._files.get(key)
            if known is None or len(known) < end:
                is_new = known is None
                if self._mapped >= _MAX_MAPPED or (is_new and len(self._files) >= _MAX_FILES):
                    raise Refused(errno.ENOSPC, "too many memory files")
                known = memoryview(mmap.mmap(fd, stat.st_size, mmap.MAP_SHARED))
                self._files[key] = known
                self._mapped += 1
        except (OSError, ValueError) as e:
            error = e.errno if isinstance(e, OSError) and e.errno else errno.EINVAL
            raise Refused(error, f"DMA_MAP descriptor: {e}") from e
        return known


class ClientDma(MessageDma):
    """DMA_READ and DMA_WRITE towards the client.

    :param ask: sends a command and returns the body of the reply; raises Refused.
    """

    def __init__(self, ask: Callable[[Command, bytes], memoryview]) -> None:
        self._ask = ask
        self.max_bytes = MAX_DATA_BYTES

    def read(self, iova: int, length: int) -> bytes:
        """Fetch ``length`` bytes at ``iova``. Raises DmaFault."""
        parts = []
        for at in range(0, length, self.max_bytes):
            n = min(self.max_bytes, length - at)
            head = DmaAccess(iova + at, n).pack()
            try:
                body = self._ask(Command.DMA_READ, head)
            except Refused as e:
                raise DmaFault(iova + at, n, is_write=False, reason="no_memory") from e
            if len(body) != DmaAccess.SIZE + n:
                raise DmaFault(iova + at, n, is_write=False, reason="no_memory")
            parts.append(bytes(body[DmaAccess.SIZE :]))
        return b"".join(parts)

    def write(self, iova: int, data: bytes | memoryview) -> None:
        """Store ``data`` at ``iova``. Raises DmaFault."""
        for at in range(0, len(data), self.max_bytes):
            part = bytes(data[at : at + self.max_bytes])
            try:
                self._ask(Command.DMA_WRITE, DmaAccess(iova + at, len(part)).pack() + part)
            except Refused as e:
                raise DmaFault(iova + at, len(part), is_write=True, reason="no_memory") from e
