# SPDX-License-Identifier: GPL-2.0-only
"""The BTF reader on sections written out by hand."""

from __future__ import annotations

import struct

import pytest
import zstandard

from kernels.btf import (
    ARRAY,
    CONST,
    INT,
    PTR,
    STRUCT,
    TYPEDEF,
    UNION,
    Btf,
    BtfError,
    Member,
    extract_vmlinux,
)


class Builder:
    """Types and strings of one section; ids and offsets go on from those of a base."""

    def __init__(self, first_string: int = 0) -> None:
        self.types = b""
        self.strings = b"\0" if first_string == 0 else b""
        self._first_string = first_string

    def name(self, text: str) -> int:
        at = self._first_string + len(self.strings)
        self.strings += text.encode() + b"\0"
        return at

    def add(self, name: str, kind: int, size: int, *items: bytes) -> None:
        offset = self.name(name) if name else 0
        count = len(items) if kind in (STRUCT, UNION) else 0
        self.types += struct.pack("<III", offset, kind << 24 | count, size) + b"".join(items)

    def member(self, name: str, type_id: int, bits: int) -> bytes:
        return struct.pack("<III", self.name(name) if name else 0, type_id, bits)

    def data(self) -> bytes:
        header = struct.pack(
            "<HBBIIIII", 0xEB9F, 1, 0, 24, 0, len(self.types), len(self.types), len(self.strings)
        )
        return header + self.types + self.strings


def base_section() -> Btf:
    b = Builder()
    b.add("u32", INT, 4, struct.pack("<I", 32))  # 1
    b.add("__le32", TYPEDEF, 1)  # 2
    b.add("", ARRAY, 0, struct.pack("<III", 2, 1, 3))  # 3: __le32[3]
    b.add("pair", STRUCT, 16, b.member("a", 2, 0), b.member("b", 3, 32))  # 4
    return Btf(b.data())


def test_struct_of_one_section() -> None:
    assert base_section().struct("pair") == (16, [Member("a", 0, 4), Member("b", 4, 12)])


def test_split_section_uses_types_and_strings_of_its_base() -> None:
    base = base_section()
    b = Builder(first_string=base.end_string)
    b.add("", CONST, 4)  # 5: const struct pair
    b.add("", PTR, 5)  # 6
    b.add("", UNION, 8, b.member("x", 2, 0), b.member("p", 6, 0))  # 7
    b.add("outer", STRUCT, 24, b.member("inner", 4, 0), b.member("", 7, 128))  # 8
    split = Btf(b.data(), base)
    assert split.struct("outer") == (
        24,
        [Member("inner", 0, 16), Member("x", 16, 4), Member("p", 16, 8)],
    )
    assert split.struct("pair") == base.struct("pair")
    assert split.structs() == {"outer", "pair"}


def test_bit_fields_have_byte_offsets() -> None:
    b = Builder()
    b.add("u32", INT, 4, struct.pack("<I", 32))
    b.types += struct.pack("<III", b.name("flags"), 1 << 31 | STRUCT << 24 | 1, 8)
    b.types += b.member("high", 1, 4 << 24 | 36)
    assert Btf(b.data()).struct("flags") == (8, [Member("high", 4, 4)])


def test_unknown_struct_and_wrong_magic() -> None:
    with pytest.raises(KeyError):
        base_section().struct("nothing")
    with pytest.raises(BtfError):
        Btf(bytes(24))


def vmlinuz(payload: bytes) -> bytes:
    image = bytearray(2 * 512 + 64)
    image[0x1F1] = 1
    struct.pack_into("<II", image, 0x248, 64, len(payload))
    return bytes(image) + payload + b"\x11\x22\x33\x44"


def test_vmlinux_out_of_a_compressed_image() -> None:
    elf = b"\x7fELF" + bytes(100_000)
    compressed = zstandard.ZstdCompressor().compress(elf) + struct.pack("<I", len(elf))
    assert extract_vmlinux(vmlinuz(compressed)) == elf
    with pytest.raises(BtfError):
        extract_vmlinux(vmlinuz(b"garbage"))
