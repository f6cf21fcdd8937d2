# SPDX-License-Identifier: GPL-2.0-only
"""Firmware images and update packages as the card takes them.

An image begins with struct bnxt_fw_header and ends with a CRC-32 of all before it, as the driver
checks it (bnxt_fw_hdr.h, bnxt_flash_firmware). The format of a vendor's package is not published,
and its signature could not be checked: a package for this card has a format of its own.
"""

from __future__ import annotations

import enum
import zlib
from collections.abc import Sequence
from typing import Annotated

from devmodel.bnxt.hsi.nvm import PROBLEM_PACKAGE, InstallResult
from devmodel.bnxt.nvm.media import NVM_BYTES
from devmodel.bnxt.nvm.store import Item
from devmodel.layout import Layout, layout, le16, le32, u8

CRC_BYTES = 4
MAX_ITEMS = 16


class DirType(enum.IntEnum):
    """BNX_DIR_TYPE_*."""

    PKG_LOG = 1
    UPDATE = 2
    CHIMP_PATCH = 3
    BOOTCODE = 4
    VPD = 5
    APE_FW = 10
    APE_PATCH = 11
    KONG_FW = 12
    KONG_PATCH = 13
    BONO_FW = 14
    BONO_PATCH = 15
    BOOTCODE_2 = 18
    SHARED_CFG = 40
    PORT_CFG = 41
    FUNC_CFG = 42


CODE_TYPES = {
    DirType.BOOTCODE: 5,
    DirType.BOOTCODE_2: 5,
    DirType.CHIMP_PATCH: 21,
    DirType.APE_FW: 7,
    DirType.APE_PATCH: 15,
    DirType.KONG_FW: 17,
    DirType.KONG_PATCH: 18,
    DirType.BONO_FW: 19,
    DirType.BONO_PATCH: 20,
}
"""Items that a processor executes -> CODE_* that their header must have (bnxt_flash_firmware)."""

_FIRMWARE_SIGNATURE = 0x1A4D4342
_CUMULUS_FAMILY = 19
_PACKAGE_SIGNATURE = int.from_bytes(b"TbPk", "little")


@layout(size=28, c_name="")
class FirmwareHeader(Layout):
    """struct bnxt_fw_header."""

    signature: le32 = _FIRMWARE_SIGNATURE
    flags: u8 = 0
    code_type: u8 = 0
    device: u8 = _CUMULUS_FAMILY
    media: u8 = 0
    version: Annotated[bytes, "16s"] = b""
    build: u8 = 0
    revision: u8 = 0
    minor_ver: u8 = 0
    major_ver: u8 = 0


@layout(size=64, c_name="")
class PackageHeader(Layout):
    """Begins a package; ``length`` is that of all of it, in bytes."""

    signature: le32 = _PACKAGE_SIGNATURE
    length: le32 = 0
    device_id: le16 = 0
    items: le16 = 0
    version: Annotated[bytes, "16s"] = b""
    description: Annotated[bytes, "32s"] = b""
    chksum: le32 = 0


@layout(size=20, c_name="")
class PackageItem(Layout):
    """Where an item of a package is: offset from its beginning, length, in bytes."""

    type: le16 = 0
    ordinal: le16 = 0
    ext: le16 = 0
    attr: le16 = 0
    offset: le32 = 0
    length: le32 = 0
    chksum: le32 = 0


class BadPackage(Exception):
    """A package cannot be installed: what NVM_INSTALL_UPDATE says of it."""

    def __init__(self, result: InstallResult, item: int = PROBLEM_PACKAGE) -> None:
        super().__init__(result.name)
        self.result = result
        self.item = item


# -- images ---------------------------------------------------------------------------------------
def firmware_image(kind: DirType, version: str, code_bytes: int = 4096) -> bytes:
    """An image whose code is a pattern. ``version`` has up to 15 characters of ASCII."""
    header = FirmwareHeader(code_type=CODE_TYPES[kind], version=version.encode("ascii")).pack()
    pattern = f"{kind.name} {version} ".encode("ascii")
    code = (pattern * (code_bytes // len(pattern) + 1))[:code_bytes]
    return header + code + zlib.crc32(header + code).to_bytes(CRC_BYTES, "little")


def image_version(kind: int, image: bytes) -> str | None:
    """The version an executable says it is, or None if the processor would not take it."""
    if kind not in CODE_TYPES or len(image) < FirmwareHeader.SIZE + CRC_BYTES:
        return None
    header = FirmwareHeader.unpack(image)
    expected = (_FIRMWARE_SIGNATURE, CODE_TYPES[DirType(kind)], _CUMULUS_FAMILY)
    checksum = zlib.crc32(image[:-CRC_BYTES]).to_bytes(CRC_BYTES, "little")
    if (header.signature, header.code_type, header.device) != expected:
        return None
    if image[-CRC_BYTES:] != checksum:
        return None
    return header.version.partition(b"\0")[0].decode("ascii", "replace")


# -- packages -------------------------------------------------------------------------------------
def make_package(
    version: str, items: Sequence[Item], *, device_id: int, description: str = "emulated"
) -> bytes:
    """A package that installs ``items``."""
    at = PackageHeader.SIZE + len(items) * PackageItem.SIZE
    table, body = b"", b""
    for item in items:
        kind, ordinal, ext = item.key
        place = PackageItem(kind, ordinal, ext, item.attr, at + len(body), len(item.data))
        place.chksum = zlib.crc32(item.data)
        table += place.pack()
        body += item.data
    header = PackageHeader(
        length=at + len(body), device_id=device_id, items=len(items),
        version=version.encode("ascii"), description=description.encode("ascii"),
    )  # fmt: skip
    header.chksum = zlib.crc32(header.pack()[:-4] + table)
    return header.pack() + table + body


def read_package(data: bytes, device_id: int) -> tuple[PackageHeader, list[Item]]:
    """What the package installs. Raises BadPackage."""
    header = PackageHeader.unpack(data)
    if len(data) < PackageHeader.SIZE or header.signature != _PACKAGE_SIGNATURE:
        raise BadPackage(InstallResult.INVALID_FILE_HEADER)
    end = PackageHeader.SIZE + header.items * PackageItem.SIZE
    if header.length > len(data) or end > header.length or not 0 < header.items <= MAX_ITEMS:
        raise BadPackage(InstallResult.INVALID_DATA_LENGTH)
    table = data[PackageHeader.SIZE : end]
    if header.chksum != zlib.crc32(data[: PackageHeader.SIZE - 4] + table):
        raise BadPackage(InstallResult.INVALID_CHECKSUM)
    if header.device_id != device_id:
        raise BadPackage(InstallResult.UNSUPPORTED_DEVICE_ID)
    items: list[Item] = []
    for number in range(header.items):
        item = _read_item(data[: header.length], table, number)
        if any(item.key == other.key for other in items):
            raise BadPackage(InstallResult.DUPLICATE_ITEM, number + 1)
        items.append(item)
    return header, items


def _read_item(data: bytes, table: bytes, number: int) -> Item:
    place = PackageItem.unpack(table, number * PackageItem.SIZE)
    if not place.length:
        raise BadPackage(InstallResult.ZERO_LENGTH_ITEM, number + 1)
    if place.offset + place.length > len(data) or place.length > NVM_BYTES:
        raise BadPackage(InstallResult.INVALID_DATA_LENGTH, number + 1)
    content = data[place.offset : place.offset + place.length]
    if zlib.crc32(content) != place.chksum:
        raise BadPackage(InstallResult.INVALID_ITEM_CHECKSUM, number + 1)
    if place.type in CODE_TYPES and image_version(place.type, content) is None:
        raise BadPackage(InstallResult.INVALID_SIGNATURE, number + 1)
    return Item((place.type, place.ordinal, place.ext), content, attr=place.attr)
