# SPDX-License-Identifier: GPL-2.0-only
"""vhost-user messages as User Mode Linux speaks them (arch/um/drivers/vhost_user.h, virtio_uml.c),
and those that QEMU has besides (docs/interop/vhost-user.rst of QEMU).

UML asks for an acknowledgement of every message and waits for it with interrupts off. With the
protocol features below everything travels on two descriptors: the socket carries requests and
kicks, a pipe carries calls (interrupts) to the guest. QEMU hands over two eventfds for each
virtqueue, and waits for an answer where it needs one.
"""

from __future__ import annotations

import enum
import struct

from devmodel.layout import Layout, layout, le16, le32, le64, u8

VERSION = 1
VERSION_MASK = 3
REPLY = 1 << 2
NEED_REPLY = 1 << 3

F_EVENT_IDX = 1 << 29
F_PROTOCOL_FEATURES = 1 << 30
VIRTIO_F_VERSION_1 = 1 << 32

PROTOCOL_REPLY_ACK = 1 << 3
PROTOCOL_SLAVE_REQ = 1 << 5
PROTOCOL_CONFIG = 1 << 9
PROTOCOL_INBAND_NOTIFICATIONS = 1 << 14
PROTOCOL_FEATURES = (
    PROTOCOL_REPLY_ACK | PROTOCOL_SLAVE_REQ | PROTOCOL_CONFIG | PROTOCOL_INBAND_NOTIFICATIONS
)

VRING_NO_FD = 1 << 8
"""Of SET_VRING_KICK and its like: no descriptor comes with it."""

MAX_MESSAGE_BYTES = 4096
MAX_QUEUE_SIZE = 1024

HEADER = struct.Struct("<III")
"""request, flags, size of the body."""
U64 = struct.Struct("<Q")
VRING_STATE = struct.Struct("<II")
"""index, number."""


class VhostRequest(enum.IntEnum):
    """Front end to back end."""

    GET_FEATURES = 1
    SET_FEATURES = 2
    SET_OWNER = 3
    SET_MEM_TABLE = 5
    SET_VRING_NUM = 8
    SET_VRING_ADDR = 9
    SET_VRING_BASE = 10
    GET_VRING_BASE = 11
    SET_VRING_KICK = 12
    SET_VRING_CALL = 13
    SET_VRING_ERR = 14
    GET_PROTOCOL_FEATURES = 15
    SET_PROTOCOL_FEATURES = 16
    GET_QUEUE_NUM = 17
    SET_VRING_ENABLE = 18
    SET_SLAVE_REQ_FD = 21
    GET_CONFIG = 24
    SET_CONFIG = 25
    VRING_KICK = 35


class SlaveRequest(enum.IntEnum):
    """Back end to front end, on the pipe of SET_SLAVE_REQ_FD."""

    VRING_CALL = 4


@layout(size=32, c_name="vhost_user_mem_region")
class MemRegion(Layout):
    """One region of guest memory: guest-physical and front-end addresses, place in its file."""

    guest_addr: le64 = 0
    size: le64 = 0
    user_addr: le64 = 0
    mmap_offset: le64 = 0


@layout(size=40, c_name="vhost_user_vring_addr")
class VringAddr(Layout):
    """Where the three parts of a split virtqueue are, as front-end addresses."""

    index: le32 = 0
    flags: le32 = 0
    desc: le64 = 0
    used: le64 = 0
    avail: le64 = 0
    log: le64 = 0


@layout(size=12, c_name="vhost_user_config")
class ConfigHead(Layout):
    """GET_CONFIG and SET_CONFIG; the bytes of config space follow."""

    offset: le32 = 0
    size: le32 = 0
    flags: le32 = 0


class PcidevOp(enum.IntEnum):
    """virtio_pcidev_ops (include/uapi/linux/virtio_pcidev.h)."""

    CFG_READ = 1
    CFG_WRITE = 2
    MMIO_READ = 3
    MMIO_WRITE = 4
    MMIO_MEMSET = 5
    INT = 6
    MSI = 7
    PME = 8


@layout(size=16, c_name="virtio_pcidev_msg")
class PcidevMsg(Layout):
    """One access of the guest to the card, or one interrupt to the guest."""

    op: u8 = 0
    bar: u8 = 0
    reserved: le16 = 0
    size: le32 = 0
    addr: le64 = 0


class Refused(Exception):
    """A message is answered with an error; the connection goes on."""
