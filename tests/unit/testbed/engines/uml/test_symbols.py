# SPDX-License-Identifier: GPL-2.0-only
"""Names of addresses and addresses of names, of a System.map and of a program."""

from __future__ import annotations

import pytest

from testbed.engines.uml.symbols import Symbols, system_map
from tests.unit.testbed.program import TEXT_AT, program

SYSTEM_MAP = """\
0000000060000000 T _text
0000000060000100 T first
0000000060000200 t second
0000000060000280 t second.part.0
00000000600002c0 t third.cold
00000000600002d0 t third.isra.0
00000000600002f0 r __binary_start
0000000060000300 D data
0000000060000400 T _etext
"""


def test_addresses_have_names() -> None:
    symbols = Symbols(SYSTEM_MAP)
    assert symbols.name(0x60000100) == "first+0x0"
    assert symbols.name(0x600001FF) == "first+0xff"
    assert symbols.name(0x60000350) == "third.isra.0+0x80"
    assert symbols.name(0x60000400) is None
    assert symbols.name(0x10) is None
    assert Symbols("").name(0x60000100) is None


def test_names_have_addresses() -> None:
    symbols = Symbols(SYSTEM_MAP)
    assert symbols.range("first") == (0x60000100, 0x60000200)
    assert symbols.range("second") == (0x60000200, 0x60000280), "the whole, not the part"
    assert symbols.range("third") == (0x600002D0, 0x60000400), "what is left, not the cold part"
    assert symbols.range("second.part.0") == (0x60000280, 0x600002C0), "the part, if it is named"
    assert symbols.range("second.part.7") == (0x60000200, 0x60000280), "of another kernel"
    assert symbols.range("fourth") is None
    assert symbols.start == 0x600002F0
    assert [name for name, _, _ in symbols][:2] == ["_text", "first"]


def test_a_program_has_them_itself() -> None:
    symbols = Symbols(system_map(program(bytes(64), {"first": 0, "second": 32, "third": 48})))
    assert symbols.range("second") == (TEXT_AT + 32, TEXT_AT + 48)
    assert symbols.name(TEXT_AT + 40) == "second+0x8"


@pytest.mark.parametrize("content", [b"", b"\x7fELF", program(bytes(8), {})[:200]])
def test_what_is_no_program(content: bytes) -> None:
    with pytest.raises(ValueError, match="no program"):
        system_map(content)
