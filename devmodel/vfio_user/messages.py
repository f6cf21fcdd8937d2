# SPDX-License-Identifier: GPL-2.0-only
"""vfio-user messages as QEMU speaks them (docs/interop/vfio-user.rst, hw/vfio-user/protocol.h).

Each message is a header and a body; the bodies below are the fixed parts. ``argsz`` is the largest
reply body the sender accepts.
"""

from __future__ import annotations

import enum
import errno
from typing import TypeVar

from devmodel.layout import Layout, layout, le16, le32, le64


class Command(enum.IntEnum):
    """Header field ``command``."""

    VERSION = 1
    DMA_MAP = 2
    DMA_UNMAP = 3
    DEVICE_GET_INFO = 4
    DEVICE_GET_REGION_INFO = 5
    DEVICE_GET_REGION_IO_FDS = 6
    DEVICE_GET_IRQ_INFO = 7
    DEVICE_SET_IRQS = 8
    REGION_READ = 9
    REGION_WRITE = 10
    DMA_READ = 11
    DMA_WRITE = 12
    DEVICE_RESET = 13
    DIRTY_PAGES = 14
    REGION_WRITE_MULTI = 15
    DEVICE_FEATURE = 16


TYPE_MASK = 0xF
TYPE_COMMAND = 0
TYPE_REPLY = 1
NO_REPLY = 0x10
ERROR = 0x20

CONFIG_REGION = 7
REGION_COUNT = 9
IRQ_COUNT = 5
DEVICE_FLAGS_RESET = 1
DEVICE_FLAGS_PCI = 2

MAX_MESSAGE_FDS = 16
MAX_DATA_BYTES = 1 << 20
MAX_MULTI_WRITES = 200
PAGE_SIZES = 4096
MAX_DMA_MAPS = 65535


class Irq(enum.IntEnum):
    """VFIO_PCI_*_IRQ_INDEX."""

    INTX = 0
    MSI = 1
    MSIX = 2
    ERR = 3
    REQ = 4


@layout(size=16, c_name="")
class Header(Layout):
    """Start of each message. ``size`` counts the header."""

    message_id: le16 = 0
    command: le16 = 0
    size: le32 = 0
    flags: le32 = 0
    error: le32 = 0


@layout(size=4, c_name="")
class Version(Layout):
    """VERSION; NUL-terminated JSON follows."""

    major: le16 = 0
    minor: le16 = 0


@layout(size=32, c_name="")
class DmaMap(Layout):
    """DMA_MAP; at most one descriptor comes with it. flags: 1 readable, 2 writable."""

    argsz: le32 = 0
    flags: le32 = 0
    offset: le64 = 0
    iova: le64 = 0
    size: le64 = 0


@layout(size=24, c_name="")
class DmaUnmap(Layout):
    """DMA_UNMAP; the reply echoes it."""

    FLAG_DIRTY_BITMAP = 1
    FLAG_ALL = 2

    argsz: le32 = 0
    flags: le32 = 0
    iova: le64 = 0
    size: le64 = 0


@layout(size=16, c_name="")
class DeviceInfo(Layout):
    """DEVICE_GET_INFO, both ways (VFIO's structure without its capability chain)."""

    argsz: le32 = 0
    flags: le32 = 0
    num_regions: le32 = 0
    num_irqs: le32 = 0


@layout(size=32, c_name="vfio_region_info")
class RegionInfo(Layout):
    """DEVICE_GET_REGION_INFO, both ways; capabilities may follow the reply."""

    FLAG_READ = 1
    FLAG_WRITE = 2
    FLAG_MMAP = 4
    FLAG_CAPS = 8

    argsz: le32 = 0
    flags: le32 = 0
    index: le32 = 0
    cap_offset: le32 = 0
    size: le64 = 0
    offset: le64 = 0


@layout(size=16, c_name="")
class SparseMmapCap(Layout):
    """VFIO_REGION_INFO_CAP_SPARSE_MMAP (id 1); ``nr_areas`` areas follow."""

    cap_id: le16 = 1
    version: le16 = 1
    next: le32 = 0
    nr_areas: le32 = 0
    reserved: le32 = 0


@layout(size=16, c_name="vfio_region_sparse_mmap_area")
class SparseMmapArea(Layout):
    """One part of a region that can be mapped, in bytes from the region's start."""

    offset: le64 = 0
    size: le64 = 0


@layout(size=16, c_name="vfio_irq_info")
class IrqInfo(Layout):
    """DEVICE_GET_IRQ_INFO, both ways."""

    FLAG_EVENTFD = 1

    argsz: le32 = 0
    flags: le32 = 0
    index: le32 = 0
    count: le32 = 0


@layout(size=20, c_name="vfio_irq_set")
class IrqSet(Layout):
    """DEVICE_SET_IRQS; ``count`` bytes follow if DATA_BOOL, descriptors if DATA_EVENTFD."""

    DATA_NONE = 1
    DATA_BOOL = 2
    DATA_EVENTFD = 4
    ACTION_MASK = 8
    ACTION_UNMASK = 0x10
    ACTION_TRIGGER = 0x20

    argsz: le32 = 0
    flags: le32 = 0
    index: le32 = 0
    start: le32 = 0
    count: le32 = 0


@layout(size=16, c_name="")
class RegionAccess(Layout):
    """REGION_READ and REGION_WRITE; ``count`` bytes follow a write and a read's reply."""

    offset: le64 = 0
    region: le32 = 0
    count: le32 = 0


@layout(size=24, c_name="")
class MultiWrite(Layout):
    """One of the writes of REGION_WRITE_MULTI, which begins with a le64 number of them."""

    offset: le64 = 0
    region: le32 = 0
    count: le32 = 0
    data: le64 = 0


@layout(size=16, c_name="")
class DmaAccess(Layout):
    """DMA_READ and DMA_WRITE, server to client; data follows a write and a read's reply."""

    iova: le64 = 0
    count: le64 = 0


class Refused(Exception):
    """A command that is answered with an error.

    :ivar error: errno of the answer.
    """

    def __init__(self, error: int, why: str) -> None:
        super().__init__(why)
        self.error = error


L = TypeVar("L", bound=Layout)


def fixed_part(kind: type[L], body: memoryview) -> L:
    """Decode the fixed part of a body. Raises Refused if body or ``argsz`` are too short."""
    if len(body) < kind.SIZE:
        raise Refused(errno.EINVAL, f"{kind.__name__} of {len(body)} bytes")
    decoded = kind.unpack(body)
    if getattr(decoded, "argsz", kind.SIZE) < kind.SIZE:
        raise Refused(errno.EINVAL, f"{kind.__name__} with too small an argsz")
    return decoded
