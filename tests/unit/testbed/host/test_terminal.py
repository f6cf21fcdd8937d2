# SPDX-License-Identifier: GPL-2.0-only
"""Guest text on its way to a terminal."""

from __future__ import annotations

import pytest

from testbed.host.terminal import TerminalFilter, escape, escape_text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain\ttext", "plain\ttext"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("a\rb", "a\\x0db"),
        ("\x9b2J", "\\x9b2J"),
        ("\u202eabc", "\\u202eabc"),
        ("Grüße", "Grüße"),
    ],
)
def test_escape_spells_out_controls(text: str, shown: str) -> None:
    assert escape(text) == shown


def test_escape_text_keeps_lines() -> None:
    assert escape_text("a\r\nb\n") == "a\nb\n"


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        (b"\x1b[1;32mok\x1b[0m\r\n", "\x1b[1;32mok\x1b[0m\r\n"),
        (b"\x1b[?2004h$ ", "\x1b[?2004h$ "),
        (b"\x1b]0;title\x07after", "after"),
        (b"\x1b]52;c;ZXZpbA==\x1b\\after", "after"),
        (b"\x1bP+q544e\x1b\\after", "after"),
        (b"\x1b[6n\x1b[c\x1b[21tafter", "after"),
        (b"\xc2\x9b31mafter", "31mafter"),
        (b"\x1b(Bx", "\x1b(Bx"),
        (b"\x1b[" + b"1;" * 100 + b"mafter", None),
    ],
)
def test_filter_lets_a_program_draw_and_nothing_else(sent: bytes, shown: str | None) -> None:
    whole = TerminalFilter().feed(sent)
    pieces = TerminalFilter()
    assert "".join(pieces.feed(bytes([byte])) for byte in sent) == whole
    if shown is None:
        assert "\x1b" not in whole
    else:
        assert whole == shown
