# SPDX-License-Identifier: GPL-2.0-only
"""A program of a few bytes of text, with a table of symbols: a kernel for tests."""

from __future__ import annotations

import struct
from collections.abc import Mapping

TEXT_AT = 0x60000000
_HEADER, _SECTION, _SYMBOL = 64, 64, struct.Struct("<IBBHQQ")
_PROGBITS, _SYMTAB, _STRTAB = 1, 2, 3
_EXECUTED = 6  # SHF_ALLOC | SHF_EXECINSTR


def program(text: bytes, functions: Mapping[str, int]) -> bytes:
    """An ELF file for x86-64 with ``text`` at TEXT_AT; ``functions``: name -> place in it."""
    names, table = b"\0", _SYMBOL.pack(0, 0, 0, 0, 0, 0)
    for name, place in functions.items():
        table += _SYMBOL.pack(len(names), 0x12, 0, 1, TEXT_AT + place, 0)
        names += name.encode() + b"\0"
    strings = b"\0.text\0.symtab\0.strtab\0"
    parts = (text, table, names, strings)
    places = [_HEADER + sum(map(len, parts[:at])) for at in range(len(parts))]
    sections = b"".join((
        bytes(_SECTION),
        _section(1, _PROGBITS, _EXECUTED, TEXT_AT, places[0], len(text), 0, 0),
        _section(7, _SYMTAB, 0, 0, places[1], len(table), 3, _SYMBOL.size),
        _section(15, _STRTAB, 0, 0, places[2], len(names), 0, 0),
        _section(15, _STRTAB, 0, 0, places[3], len(strings), 0, 0),
    ))  # fmt: skip
    head = struct.pack(
        "<16sHHIQQQIHHHHHH", b"\x7fELF\2\1\1", 2, 62, 1, TEXT_AT, 0,
        places[3] + len(strings), 0, _HEADER, 0, 0, _SECTION, 5, 4,
    )  # fmt: skip
    return head + b"".join(parts) + sections


def _section(*values: int) -> bytes:
    name, kind, flags, address, place, size, link, entry = values
    return struct.pack("<IIQQQQIIQQ", name, kind, flags, address, place, size, link, 0, 1, entry)


def call(at: int, target: int) -> bytes:
    """A direct call, at one place of the text, of another."""
    return b"\xe8" + struct.pack("<i", target - at - 5)


def load(target: int) -> bytes:
    """An address that is loaded into a register to be called (movabs)."""
    return b"\x49\xbb" + struct.pack("<Q", TEXT_AT + target)
