# SPDX-License-Identifier: GPL-2.0-only
"""PCI over virtio (include/uapi/linux/virtio_pcidev.h): a function behind two virtqueues.

Queue 0 carries the guest's accesses, queue 1 the interrupts to the guest. UML takes no lock
between adding an access and kicking, so an interrupt that came by itself could corrupt its queue:
interrupts are written while a kick is handled, never else.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Callable

from devmodel.dma import Access, Mapping
from devmodel.pci.config import CONFIG_SPACE_SIZE
from devmodel.pci.function import Function, ResetKind
from devmodel.vhost_user.backend import Backend
from devmodel.vhost_user.messages import F_EVENT_IDX, PcidevMsg, PcidevOp, Refused
from devmodel.vhost_user.vring import Chain

DEVICE_ID = 1234
"""CONFIG_UML_PCI_OVER_VIRTIO_DEVICE_ID of our kernels."""

COMMANDS, INTERRUPTS = 0, 1
MAX_ACCESS_BYTES = 4096
_HEAD = struct.Struct("<BBHIQ")
_MSI = struct.Struct("<BBHIQI")
_MAX_MMIO_BYTES = 8
_BUFFERS = 20
"""Of UML for posted writes; without one free it waits for the answer to a write."""
_MAX_UNCOLLECTED = 8
_HEAD_BYTES = _HEAD.size
_MMIO_WRITE, _MMIO_READ = PcidevOp.MMIO_WRITE.value, PcidevOp.MMIO_READ.value
_OPERATIONS = {op.value: op.name for op in PcidevOp}
_ALL_ACCESS = Access.READ | Access.WRITE


class Pcidev:
    """The virtio device that carries ``function``; is the function's Host.

    :param record: gets the bytes of every access and interrupt, for the event log's hash.
    :param gather: let the guest hold back the writes that it is bound to make together, and kick
        for the last one. For guests of one CPU: another one's read would wait for the kick.
    :param name: for records.
    :ivar counters: accesses by name of their operation, and ``msi``.
    """

    queue_count = 2
    buffer_queues: tuple[int, ...] = (INTERRUPTS,)
    config = b""
    keeps_msix_table = False

    def __init__(
        self,
        function: Function,
        record: Callable[[bytes], object],
        *,
        gather: bool = False,
        name: str = "card",
    ) -> None:
        self.name = name
        self.features = F_EVENT_IDX if gather else 0
        self.function = function
        self.counters: Counter[str] = Counter()
        self._record = record
        self._backend: Backend | None = None
        self._pending: dict[int, None] = {}
        self._uncollected = 0
        self._to_come = 0

    def attach(self, backend: Backend) -> None:
        """The guest has connected, for the first time or after the card was pulled out."""
        self._backend = backend
        self._pending.clear()
        self._uncollected = 0
        self.function.attach(self)

    def memory_changed(self) -> None:
        """Guest memory is the function's DMA space, one to one: UML has no IOMMU.

        Without any, the card is out of its slot: it loses all it had been told, like the rest.
        """
        assert self._backend is not None
        dma = self.function.dma
        if dma.live_mappings and not self._backend.memory.regions:
            self.function.reset(ResetKind.TRANSPORT)
        dma.unmap_all()
        for region in self._backend.memory.regions:
            dma.map(Mapping(region.guest_addr, region.size, _ALL_ACCESS, region.view, 0))

    def msix(self, vector: int) -> bool:
        """Queue an interrupt. False if the guest has not set up its queue."""
        backend = self._backend
        if backend is None or not backend.vrings[INTERRUPTS].ready:
            return False
        self._pending[vector] = None
        try:
            self._send_interrupts(backend)
        except Refused as e:
            backend.refuse(INTERRUPTS, e)
        return True

    def kicked(self, queue: int) -> bool:
        """Carry out accesses, or use the buffers that have come back. Raises Refused."""
        backend = self._backend
        assert backend is not None
        if queue == INTERRUPTS:
            self._send_interrupts(backend)
            return True
        vring = backend.vrings[COMMANDS]
        for chain in vring.requests():
            vring.push(chain, self._access(chain))
            # Whoever waits for an answer looks for it in the queue and so collects all buffers.
            self._uncollected = 0 if chain.writable else self._uncollected + 1
        if vring.event_index:
            self._uncollected = vring.uncollected
            if self._to_come and self._uncollected + self._to_come <= _BUFFERS:
                vring.kick_after(self._to_come)
        if self._uncollected >= _MAX_UNCOLLECTED:
            self._uncollected = 0
            backend.call(COMMANDS)
        return True

    # -- interrupts -------------------------------------------------------------------------
    def _send_interrupts(self, backend: Backend) -> None:
        vring = backend.vrings[INTERRUPTS]
        while self._pending:
            chain = vring.pop_buffer()
            if chain is None:
                return
            vector = next(iter(self._pending))
            del self._pending[vector]
            address, data = self.function.msix.message(vector)
            message = _MSI.pack(PcidevOp.MSI, 0, 0, 4, address, data)
            self._record(message)
            vring.push(chain, chain.write(message))
            self.counters["msi"] += 1
            backend.call(INTERRUPTS)

    # -- accesses ---------------------------------------------------------------------------
    def _access(self, chain: Chain) -> int:
        """Carry out one access; returns the bytes answered. Raises Refused."""
        request = chain.read()
        self._record(request)
        self._to_come = 0
        if len(request) < PcidevMsg.SIZE:
            raise Refused(f"access of {len(request)} bytes")
        op, bar, _, size, address = _HEAD.unpack_from(request)
        data = memoryview(request)[_HEAD_BYTES:]
        if op not in _OPERATIONS or not 0 < size <= MAX_ACCESS_BYTES:
            raise Refused(f"operation {op} on {size} bytes")
        self.counters[_OPERATIONS[op]] += 1
        if op == _MMIO_WRITE:
            self._check(bar, address, size)
            data = self._given(data, size)
            self._mmio_write(bar, address, data)
            self._to_come = self.function.writes_to_follow(bar, address, data)
        elif op == _MMIO_READ:
            self._check(bar, address, size)
            return chain.write(self._mmio_read(bar, address, size))
        elif op == PcidevOp.CFG_READ:
            self._check_config(address, size)
            return chain.write(self.function.config_read(address, size))
        elif op == PcidevOp.CFG_WRITE:
            self._check_config(address, size)
            self.function.config_write(address, self._given(data, size))
        elif op == PcidevOp.MMIO_MEMSET:
            self._check(bar, address, size)
            self._mmio_write(bar, address, memoryview(bytes(self._given(data, 1)) * size))
        else:
            raise Refused(f"operation {op} from the guest")
        return 0

    @staticmethod
    def _given(data: memoryview, size: int) -> memoryview:
        if len(data) < size:
            raise Refused(f"write of {size} bytes carries {len(data)}")
        return data[:size]

    def _check(self, bar: int, address: int, size: int) -> None:
        if address + size > self.function.bar_sizes.get(bar, 0):
            raise Refused(f"{size} bytes at {address:#x} of BAR {bar}")

    @staticmethod
    def _check_config(address: int, size: int) -> None:
        if address + size > CONFIG_SPACE_SIZE:
            raise Refused(f"{size} bytes at {address:#x} of configuration space")

    def _mmio_read(self, bar: int, address: int, size: int) -> bytes:
        read = self.function.mmio_read
        return b"".join(read(bar, at, n) for at, n in _pieces(address, size))

    def _mmio_write(self, bar: int, address: int, data: memoryview) -> None:
        if len(data) <= _MAX_MMIO_BYTES - address % _MAX_MMIO_BYTES:
            self.function.mmio_write(bar, address, data)
            return
        for at, n in _pieces(address, len(data)):
            self.function.mmio_write(bar, at, data[at - address : at - address + n])


def _pieces(address: int, size: int) -> list[tuple[int, int]]:
    """A long access as naturally aligned ones of at most 8 bytes."""
    pieces = []
    end = address + size
    while address < end:
        n = min(_MAX_MMIO_BYTES - address % _MAX_MMIO_BYTES, end - address)
        pieces.append((address, n))
        address += n
    return pieces
