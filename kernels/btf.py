# SPDX-License-Identifier: GPL-2.0-only
"""BTF: what the kernel and its modules say of the layout of their C structures.

Source: Documentation/bpf/btf.rst. A module's BTF is *split*: its type ids and string offsets go on
where those of vmlinux end.
"""

from __future__ import annotations

import io
import lzma
import struct
from collections.abc import Iterator
from dataclasses import dataclass

import zstandard
from elftools.elf.elffile import ELFFile

_HEADER = struct.Struct("<HBBIIIII")
_MAGIC = 0xEB9F
_TYPE = struct.Struct("<III")
_MEMBER = struct.Struct("<III")
_ARRAY = struct.Struct("<III")
_ELF_MAGIC = b"\x7fELF"
_SETUP_SECTS_AT, _PAYLOAD_AT = 0x1F1, 0x248
_SECTOR_BYTES = 512
_POINTER_BYTES = 8

INT, PTR, ARRAY, STRUCT, UNION, ENUM, FWD, TYPEDEF, VOLATILE, CONST, RESTRICT = range(1, 12)
FUNC, FUNC_PROTO, VAR, DATASEC, FLOAT, DECL_TAG, TYPE_TAG, ENUM64 = range(12, 20)
_TRAILER = {INT: 4, ARRAY: 12, VAR: 4, DECL_TAG: 4}
_PER_ITEM = {STRUCT: 12, UNION: 12, ENUM: 8, FUNC_PROTO: 8, DATASEC: 12, ENUM64: 12}


class BtfError(Exception):
    """The data is not BTF, or there is none."""


@dataclass(frozen=True, slots=True)
class Member:
    """A member of a structure: byte offset and size; bit-fields have the size of their unit."""

    name: str
    offset: int
    size: int


class Btf:
    """One BTF section, on top of the base it was split from.

    :param base: the BTF of vmlinux, for a module's.
    """

    def __init__(self, data: bytes, base: Btf | None = None) -> None:
        magic, _, _, header, type_at, type_size, string_at, string_size = _HEADER.unpack_from(data)
        if magic != _MAGIC:
            raise BtfError(f"magic {magic:#x}")
        self._base = base
        self._types = data[header + type_at : header + type_at + type_size]
        self._strings = data[header + string_at : header + string_at + string_size]
        self._first_id = base.end_id if base else 1
        self._first_string = base.end_string if base else 0
        self._offsets = list(self._walk())
        self._structs = {
            self._name(name): self._first_id + i
            for i, at in enumerate(self._offsets)
            for name, info, _ in [_TYPE.unpack_from(self._types, at)]
            if name and info >> 24 & 0x1F in (STRUCT, UNION)
        }

    @property
    def end_id(self) -> int:
        """First type id after those of this section."""
        return self._first_id + len(self._offsets)

    @property
    def end_string(self) -> int:
        """First string offset after those of this section."""
        return self._first_string + len(self._strings)

    def structs(self) -> frozenset[str]:
        """Names of the structures and unions that can be looked up."""
        return frozenset(self._structs) | (self._base.structs() if self._base else frozenset())

    def struct(self, name: str) -> tuple[int, list[Member]]:
        """Size in bytes and members of a structure, anonymous ones flattened. Raises KeyError."""
        type_id = self._structs.get(name)
        if type_id is None:
            if self._base is None:
                raise KeyError(name)
            return self._base.struct(name)
        return self._size(type_id), list(self._members(type_id, 0))

    def _walk(self) -> Iterator[int]:
        at = 0
        while at < len(self._types):
            yield at
            info = _TYPE.unpack_from(self._types, at)[1]
            kind, count = info >> 24 & 0x1F, info & 0xFFFF
            if not INT <= kind <= ENUM64:
                raise BtfError(f"kind {kind}")
            at += _TYPE.size + _TRAILER.get(kind, 0) + _PER_ITEM.get(kind, 0) * count

    def _name(self, offset: int) -> str:
        if offset < self._first_string:
            assert self._base is not None
            return self._base._name(offset)
        start = offset - self._first_string
        return self._strings[start : self._strings.index(b"\0", start)].decode()

    def _find(self, type_id: int) -> tuple[Btf, int, int, int, int]:
        """(section, offset of the type in it, kind, info, size or type)."""
        if type_id < self._first_id:
            assert self._base is not None
            return self._base._find(type_id)
        at = self._offsets[type_id - self._first_id]
        _, info, size = _TYPE.unpack_from(self._types, at)
        return self, at, info >> 24 & 0x1F, info, size

    def _size(self, type_id: int) -> int:
        section, at, kind, _, size = self._find(type_id)
        if kind in (INT, STRUCT, UNION, ENUM, ENUM64, FLOAT):
            return size
        if kind == PTR:
            return _POINTER_BYTES
        if kind == ARRAY:
            element, _, count = _ARRAY.unpack_from(section._types, at + _TYPE.size)
            return self._size(element) * int(count)
        if kind in (TYPEDEF, VOLATILE, CONST, RESTRICT, TYPE_TAG):
            return self._size(size)
        raise BtfError(f"type {type_id} of kind {kind} has no size")

    def _members(self, type_id: int, base_offset: int) -> Iterator[Member]:
        section, at, _, info, _ = self._find(type_id)
        for i in range(info & 0xFFFF):
            name, member_type, bits = _MEMBER.unpack_from(
                section._types, at + _TYPE.size + i * _MEMBER.size
            )
            if info >> 31:
                bits &= 0xFF_FFFF
            offset = base_offset + bits // 8
            if name:
                yield Member(section._name(name), offset, self._size(member_type))
            else:
                yield from self._members(member_type, offset)


def read_btf(elf: bytes, base: Btf | None = None) -> Btf:
    """The BTF of an ELF object (vmlinux, or a module with ``base``). Raises BtfError."""
    section = ELFFile(io.BytesIO(elf)).get_section_by_name(".BTF")
    if section is None:
        raise BtfError("no .BTF section")
    return Btf(section.data(), base)


def extract_vmlinux(vmlinuz: bytes) -> bytes:
    """The ELF image inside an x86 bzImage (Documentation/arch/x86/boot.rst). Raises BtfError."""
    offset, length = struct.unpack_from("<II", vmlinuz, _PAYLOAD_AT)
    start = (vmlinuz[_SETUP_SECTS_AT] + 1) * _SECTOR_BYTES + offset
    payload = vmlinuz[start : start + length]
    if payload.startswith(b"\x28\xb5\x2f\xfd"):
        image = zstandard.ZstdDecompressor().decompressobj().decompress(payload)
    elif payload.startswith(b"\xfd7zXZ\0"):
        image = lzma.LZMADecompressor().decompress(payload)
    else:
        image = payload
    if not image.startswith(_ELF_MAGIC):
        raise BtfError(f"payload begins with {payload[:4].hex()}")
    return image
