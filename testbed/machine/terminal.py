# SPDX-License-Identifier: GPL-2.0-only
"""Text from the guest made harmless: nothing it prints may drive a terminal."""

from __future__ import annotations

import unicodedata

_KEEP = "\t"
_UNSAFE = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def _escape_character(character: str) -> str:
    if character in _KEEP or unicodedata.category(character) not in _UNSAFE:
        return character
    code = ord(character)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def escape(line: str) -> str:
    """Return ``line`` with control and invisible characters spelt out; tabs stay."""
    if line.isascii() and line.isprintable():
        return line
    return "".join(map(_escape_character, line))


def escape_text(text: str) -> str:
    """Like :func:`escape`, but line feeds stay and a carriage return before one is dropped."""
    return "\n".join(escape(line) for line in text.replace("\r\n", "\n").split("\n"))
