# SPDX-License-Identifier: GPL-2.0-only
"""Text from the guest made harmless: nothing it prints may drive a terminal."""

from __future__ import annotations

import codecs
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


# Final characters of CSI sequences that only move, erase, scroll, colour or set modes. What is
# left out makes a terminal answer (c, n), resizes it (t), prints (i) or reprograms it (p, q).
_CSI_ALLOWED = frozenset("@ABCDEFGHIJKLMPSTXZ`abdefghlmrsu")
_ESC_ALLOWED = frozenset("78=>DEHM")
_STRINGS = frozenset("]PX^_")  # OSC, DCS, SOS, PM, APC: titles, clipboard, key definitions
_PLAIN = frozenset("\r\n\t\b\a")
_SEQUENCE_CAP = 64


class TerminalFilter:
    """Lets an interactive guest program draw, and nothing else.

    Feed it what the guest writes; it returns what may go to the terminal. Control strings (OSC,
    DCS ...), reports and 8-bit controls are dropped.
    """

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._sequence = ""
        self._in_string = False

    def feed(self, data: bytes) -> str:
        """Return the harmless part of the next bytes."""
        return "".join(map(self._take, self._decoder.decode(data)))

    def _take(self, character: str) -> str:
        if self._in_string:
            if character == "\a" or (character == "\\" and self._sequence == "\x1b"):
                self._in_string, self._sequence = False, ""
            else:
                self._sequence = character
            return ""
        if self._sequence:
            return self._continue(character)
        if character == "\x1b":
            self._sequence = character
            return ""
        if character in _PLAIN or (character >= " " and not "\x7f" <= character <= "\x9f"):
            return character
        return ""

    def _continue(self, character: str) -> str:
        self._sequence += character
        sequence, kind = self._sequence, self._sequence[1]
        if kind in _STRINGS:
            self._in_string, self._sequence = True, ""
            return ""
        if kind == "[":
            if len(sequence) == 2 or (" " <= character <= "?" and len(sequence) < _SEQUENCE_CAP):
                return ""
            self._sequence = ""
            return sequence if character in _CSI_ALLOWED else ""
        if kind in "()*+":  # choice of a character set: one more character
            if len(sequence) == 2:
                return ""
            self._sequence = ""
            return sequence if character in "0AB" else ""
        self._sequence = ""
        return sequence if kind in _ESC_ALLOWED else ""
