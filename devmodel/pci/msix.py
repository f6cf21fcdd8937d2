# SPDX-License-Identifier: GPL-2.0-only
"""MSI-X table and pending bit array (PCIe Base Spec 7.7.2).

One class for both kinds of transport. Where the transport keeps the table (QEMU's vfio-user client
emulates it and hides the vector masks), only the pending bits here are live; where it does not, the
guest's table accesses reach :meth:`MsixTable.write`.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

ENTRY_SIZE = 16
_VECTOR_CONTROL = 12
_MASK_BIT = 1


class MsixTable:
    """Table of ``vectors`` entries at ``table_offset`` of its BAR, pending bits at ``pba_offset``.

    :ivar unmasked: called with a vector whose mask bit was just cleared while it was pending.
    """

    def __init__(self, vectors: int, table_offset: int, pba_offset: int) -> None:
        self.vectors = vectors
        self.table_offset = table_offset
        self.pba_offset = pba_offset
        self.table_size = vectors * ENTRY_SIZE
        self.pba_size = -(-vectors // 64) * 8
        self.unmasked: Callable[[int], None] = lambda vector: None
        self._table = bytearray(self.table_size)
        self._pending = bytearray(self.pba_size)
        self.reset()

    def reset(self) -> None:
        """All vectors masked, none pending."""
        entry = bytes(_VECTOR_CONTROL) + _MASK_BIT.to_bytes(4, "little")
        self._table[:] = entry * self.vectors
        self._pending[:] = bytes(self.pba_size)

    def holds(self, offset: int) -> bool:
        """True if ``offset`` of the BAR lies in the table or in the pending bit array."""
        return (
            0 <= offset - self.table_offset < self.table_size
            or 0 <= offset - self.pba_offset < self.pba_size
        )

    def read(self, offset: int, length: int) -> bytes:
        """Read table or pending bits at ``offset`` of the BAR."""
        at = offset - self.table_offset
        if 0 <= at < self.table_size:
            return bytes(self._table[at : at + length]).ljust(length, b"\0")
        at = offset - self.pba_offset
        return bytes(self._pending[at : at + length]).ljust(length, b"\0")

    def write(self, offset: int, data: bytes | memoryview) -> bool:
        """Write table entries. False where hardware ignores it (pending bits are read-only)."""
        at = offset - self.table_offset
        if at < 0 or at + len(data) > self.table_size:
            return False
        self._table[at : at + len(data)] = data
        for vector in range(at // ENTRY_SIZE, (at + len(data) - 1) // ENTRY_SIZE + 1):
            control = vector * ENTRY_SIZE + _VECTOR_CONTROL
            self._table[control : control + 4] = (self._table[control] & _MASK_BIT).to_bytes(
                4, "little"
            )
            if self.is_pending(vector) and not self.is_masked(vector):
                self.unmasked(vector)
        return True

    def is_masked(self, vector: int) -> bool:
        """Vector Control mask bit."""
        return bool(self._table[vector * ENTRY_SIZE + _VECTOR_CONTROL] & _MASK_BIT)

    def message(self, vector: int) -> tuple[int, int]:
        """(address, data) of the memory write that signals ``vector``."""
        address, data = struct.unpack_from("<QI", self._table, vector * ENTRY_SIZE)
        return address, data

    def is_pending(self, vector: int) -> bool:
        """Pending bit."""
        return bool(self._pending[vector >> 3] >> (vector & 7) & 1)

    def set_pending(self, vector: int, pending: bool) -> None:
        """Set or clear the pending bit."""
        if pending:
            self._pending[vector >> 3] |= 1 << (vector & 7)
        else:
            self._pending[vector >> 3] &= ~(1 << (vector & 7))

    def pending_vectors(self) -> list[int]:
        """Vectors whose pending bit is set."""
        return [v for v in range(self.vectors) if self.is_pending(v)]
