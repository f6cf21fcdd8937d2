# SPDX-License-Identifier: GPL-2.0-only
"""Places in functions become lines of files: by name and length, calls and not returns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast

from images.buildroot import BuildRoot
from kernels.lines import decoded

NM = """\
0000000000001000 0000000000000020 T outer
0000000000002000 0000000000000040 t twice
0000000000003000 0000000000000200 t twice
0000000000004000 0000000000000008 D data
0000000000005000 w unsized
                 U elsewhere
"""
LINES = {
    0x100F: "0x000000000000100f\n/kernel/source/net/a.c:7 (discriminator 2)\n",
    0x1000: "0x0000000000001000\n/kernel/source/net/a.c:6\n",
    0x1010: "0x0000000000001010\n/kernel/source/net/a.c:8\n",
    0x4000: "0x0000000000004000\n/kernel/source/net/data.c:1\n",
    0x5001: "0x0000000000005001\n/kernel/source/net/c.c:1\n",
    0x3003: "0x0000000000003003\n/kernel/source/include/in.h:1\n/kernel/source/net/b.c:9\n",
}


class Binutils:
    """nm and addr2line of a kernel of ours."""

    def __init__(self) -> None:
        self.runs = 0
        self.asked: list[str] = []

    def run(self, argv: Sequence[str], *, read: Mapping[str, Path], deadline_s: float) -> str:
        self.runs += 1
        if argv[0] == "nm":
            return NM
        self.asked += argv[argv.index("-e") + 2 :]
        assert "-i" in argv, "without it inlined functions are not told"
        asked = [int(word, 16) for word in self.asked]
        return "".join(LINES.get(one, f"{one:#x}\n??:0\n") for one in asked)


def decode(*lines: str) -> list[str]:
    return decoded(cast("BuildRoot", Binutils()), Path("vmlinux"), lines)


def test_frame_is_the_call_and_a_headline_the_instruction() -> None:
    assert decode(" outer+0x10/0x30", "BUG in outer+0x10/0x30") == [
        " outer (net/a.c:7)",
        "BUG in outer (net/a.c:8)",
    ]


def test_what_returns_to_the_first_instruction_is_that_instruction() -> None:
    assert decode(" outer+0x0/0x30") == [" outer (net/a.c:6)"]


def test_a_weak_function_without_a_size_is_a_function() -> None:
    assert decode(" unsized+0x2/0x8") == [" unsized (net/c.c:1)"]


def test_of_several_functions_of_a_name_the_length_tells_and_inlined_ones_come_first() -> None:
    assert decode(" ? twice+0x4/0x210") == [" ? twice (include/in.h:1 net/b.c:9)"]


def test_what_is_not_known_stays() -> None:
    lines = [" elsewhere+0x1/0x2", " data+0x0/0x8", "plain text", " twice+0x4/0x40"]
    assert decode(*lines) == lines


def test_one_addr2line_is_asked_for_all_and_none_for_nothing() -> None:
    binutils = Binutils()
    lines = [" twice+0x4/0x210", " outer+0x10/0x30", " ? twice+0x4/0x210"]
    decoded(cast("BuildRoot", binutils), Path("v"), lines)
    assert (binutils.runs, binutils.asked) == (2, ["0x100f", "0x3003"])
    binutils = Binutils()
    decoded(cast("BuildRoot", binutils), Path("v"), ["nothing"])
    assert binutils.runs == 1
