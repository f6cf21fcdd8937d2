# SPDX-License-Identifier: GPL-2.0-only
"""Errors of the card, split by who is at fault.

DevModelError
├── ProtocolError   the transport's peer (QEMU) broke the vfio-user protocol
├── ModelBug        the card contradicts itself; never caught, ends the process with a traceback
└── DmaFault        a DMA the guest did not allow; caught in the card, answered like hardware

A guest that does something illegal never causes an exception to leave the card: it becomes a
violation record (:meth:`devmodel.trace.Trace.violation`).
"""

from __future__ import annotations


class DevModelError(Exception):
    """Root of everything the card raises on purpose."""


class ProtocolError(DevModelError):
    """The peer of the transport sent something the protocol does not allow."""


class ModelBug(DevModelError):
    """An invariant of the card itself is broken."""


class DmaFault(DevModelError):
    """A DMA access that the guest's mappings do not allow.

    :ivar iova: bus address of the first byte that is not allowed.
    :ivar length: length of the whole access, in bytes.
    :ivar is_write: True for device-to-host.
    :ivar reason: ``unmapped``, ``permission``, ``bus_master_off`` or ``no_memory``.
    """

    def __init__(self, iova: int, length: int, *, is_write: bool, reason: str) -> None:
        way = "write" if is_write else "read"
        super().__init__(f"DMA {way} of {length} bytes at {iova:#x}: {reason}")
        self.iova = iova
        self.length = length
        self.is_write = is_write
        self.reason = reason
