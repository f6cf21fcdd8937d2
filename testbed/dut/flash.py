# SPDX-License-Identifier: GPL-2.0-only
"""Firmware in the card's flash: packages as docs/firmware.md describes them, and what is stored."""

from __future__ import annotations

import struct
import zlib

from testbed.dut.driver import pci_address
from testbed.dut.protocols import Dut

HWRM_TYPE, BOOT_CODE, FAMILY = 18, 5, 19
CODE_BYTES = 20_000
_FOLDER, _FILE = "/tmp", "bnxt.pkg"


def firmware(version: str, code_bytes: int = CODE_BYTES) -> bytes:
    """An image as bnxt_fw_hdr.h has it, with its CRC-32 at the end."""
    header = struct.pack("<IBBBB16s4x", 0x1A4D4342, 0, BOOT_CODE, FAMILY, 0, version.encode())
    image = header + bytes(code_bytes)
    return image + struct.pack("<I", zlib.crc32(image))


def package(version: str, of_image: str, code_bytes: int = CODE_BYTES) -> bytes:
    """An update package with one item: ``version`` is that of the package."""
    image = firmware(of_image, code_bytes)
    entry = struct.pack("<HHHHIII", HWRM_TYPE, 0, 0, 0, 84, len(image), zlib.crc32(image))
    header = struct.pack(
        "<4sIHH16s32s", b"TbPk", 84 + len(image), 0x1750, 1, version.encode(), b"suite"
    )
    return header + struct.pack("<I", zlib.crc32(header + entry)) + entry + image


def damaged(whole: bytes) -> bytes:
    """The package with other bytes at its end."""
    return whole[:-9] + b"x" + bytes(8)


def flash(dut: Dut, data: bytes, *, check: bool = True) -> str:
    """``devlink dev flash``; the file is where the kernel looks first. What devlink says.

    Raises GuestCommandFailed if it is refused, unless ``check`` is False.
    """
    dut.put(data, f"{_FOLDER}/{_FILE}")
    dut.run(["sh", "-ec", f"printf {_FOLDER} > /sys/module/firmware_class/parameters/path"])
    device = f"pci/{pci_address(dut)}"
    done = dut.run(["devlink", "dev", "flash", device, "file", _FILE], check=check)
    return done.text + done.error_text


def versions(dut: Dut) -> dict[str, str]:
    """``devlink dev info``: of ``fw``, ``fw.mgmt`` and ``fw.psid``, as "running fw" and so on."""
    found, section = {}, ""
    said = dut.run(["devlink", "dev", "info", f"pci/{pci_address(dut)}"]).text
    for line in said.splitlines():
        word, _, value = line.strip().partition(" ")
        section = word.removesuffix(":") if word in ("running:", "stored:") else section
        if word in ("fw", "fw.mgmt", "fw.psid"):
            found[f"{section} {word}"] = value
    return found
