# SPDX-License-Identifier: GPL-2.0-only
"""A read-only virtio-blk disk whose requests are finished when their kick is answered.

UML's own disk (ubd) reads in a thread of the host, so simulated time would depend on the host's.
"""

from __future__ import annotations

import mmap
import os
import struct

from devmodel.vhost_user.backend import Backend
from devmodel.vhost_user.messages import Refused
from devmodel.vhost_user.vring import Chain

DEVICE_ID = 2
SECTOR_BYTES = 512
F_RO = 1 << 5
F_SEG_MAX = 1 << 2
_SEGMENTS = 126
_REQUEST = struct.Struct("<IIQ")
_T_IN, _T_GET_ID = 0, 8
_S_OK, _S_IOERR, _S_UNSUPPORTED = b"\0", b"\1", b"\2"
_ID_BYTES = 20


class Disk:
    """virtio-blk (virtio 1.2, section 5.2) over a file of whole sectors.

    :param fd: the image, open for reading; taken over.
    """

    name = "disk"
    features = F_RO | F_SEG_MAX
    queue_count = 1
    buffer_queues: tuple[int, ...] = ()

    def __init__(self, fd: int) -> None:
        size = os.fstat(fd).st_size
        self._file = mmap.mmap(fd, size, mmap.MAP_SHARED, mmap.PROT_READ)
        self._image = memoryview(self._file)
        os.close(fd)
        self.config = struct.pack("<QII", size // SECTOR_BYTES, 0, _SEGMENTS)
        self._backend: Backend | None = None

    def close(self) -> None:
        """Let go of the image."""
        self._image.release()
        self._file.close()

    def attach(self, backend: Backend) -> None:
        """The guest has connected."""
        self._backend = backend

    def memory_changed(self) -> None:
        """Nothing is kept between requests."""

    def kicked(self, queue: int) -> bool:
        """Serve every request. Raises Refused."""
        assert self._backend is not None
        vring = self._backend.vrings[0]
        for chain in vring.requests():
            vring.push(chain, self._serve(chain))
        self._backend.call(0)
        return True

    def _serve(self, chain: Chain) -> int:
        """Answer one request; the last writable byte is its status. Raises Refused."""
        head = chain.read()
        if len(head) < _REQUEST.size or not chain.writable:
            raise Refused("disk request without head or room for a status")
        kind, _, sector = _REQUEST.unpack_from(head)
        room = chain.room - 1
        if kind == _T_GET_ID:
            data: bytes | memoryview = b"bnxt-testbed".ljust(_ID_BYTES, b"\0")[:room]
            return chain.write(bytes(data).ljust(room, b"\0") + _S_OK)
        if kind != _T_IN:
            return chain.write(bytes(room) + _S_UNSUPPORTED)
        start = sector * SECTOR_BYTES
        data = self._image[start : start + room]
        if len(data) < room:
            return chain.write(bytes(room) + _S_IOERR)
        done = 0
        for part in chain.writable:
            n = min(len(part), room - done)
            part[:n] = data[done : done + n]
            done += n
        chain.writable[-1][-1:] = _S_OK
        return room + 1
