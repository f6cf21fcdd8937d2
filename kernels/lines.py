# SPDX-License-Identifier: GPL-2.0-only
"""File and line of places that a kernel log names as function+offset/length.

It does what the kernel's scripts/decode_stacktrace.sh does, with one addr2line for all of them: the
script starts one for each, which reads all of DWARF (5 s of a kernel with KASAN).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from images.buildroot import BuildRoot

VMLINUX = "/kernel/vmlinux"
SOURCE = "/kernel/source/"
"""Where builds see their source (kernels/compile.py)."""
DEADLINE_S = 600.0

_PLACE = re.compile(
    r"(?P<function>[A-Za-z_][\w.]*)\+0x(?P<offset>[0-9a-f]+)/0x(?P<length>[0-9a-f]+)"
)
_SYMBOL = re.compile(r"([0-9a-f]+) (?:([0-9a-f]+) )?[tTwW] (\S+)")

Symbols = Mapping[str, Sequence[tuple[int, int]]]
"""Function -> address and size of each of that name."""


def decoded(root: BuildRoot, vmlinux: Path, lines: Sequence[str]) -> list[str]:
    """The lines with `function (file:line)` where that is known; `root` has binutils.

    Of inlined functions the innermost comes first. Raises EnvironmentProblem.
    """
    read = {VMLINUX: vmlinux}
    symbols = parse_symbols(root.run(["nm", "-S", VMLINUX], read=read, deadline_s=DEADLINE_S))
    places: dict[tuple[int, str], int] = {}
    for number, line in enumerate(lines):
        for match in _PLACE.finditer(line):
            address = _address(match, symbols, is_return=line.startswith(" "))
            if address is not None:
                places[number, match[0]] = address
    if not places:
        return list(lines)
    asked = sorted(set(places.values()))
    words = ["addr2line", "-a", "-i", "-e", VMLINUX, *map(hex, asked)]
    found = parse_lines(root.run(words, read=read, deadline_s=DEADLINE_S))

    def replaced(number: int, match: re.Match[str]) -> str:
        where = found.get(places.get((number, match[0]), -1))
        return f"{match['function']} ({where})" if where else match[0]

    return [
        _PLACE.sub(lambda match, number=number: replaced(number, match), line)  # type: ignore[misc]
        for number, line in enumerate(lines)
    ]


def parse_symbols(text: str) -> Symbols:
    """Functions in the output of `nm -S`."""
    found: dict[str, list[tuple[int, int]]] = {}
    for address, size, name in _SYMBOL.findall(text):
        found.setdefault(name, []).append((int(address, 16), int(size or "0", 16)))
    return found


def parse_lines(text: str) -> dict[int, str]:
    """Address -> "file:line", several where functions are inlined, of `addr2line -a -i`."""
    found: dict[int, list[str]] = {}
    for line in text.splitlines():
        if line.startswith("0x"):
            current = found.setdefault(int(line, 16), [])
        elif "?" not in line.partition(" ")[0]:
            current.append(line.partition(" ")[0].removeprefix(SOURCE))
    return {address: " ".join(places) for address, places in found.items() if places}


def _address(match: re.Match[str], symbols: Symbols, *, is_return: bool) -> int | None:
    """Of several functions of a name that whose size is nearest: the log counts padding as well.

    Frames of a trace are where a call returns to; the call is the instruction before.
    """
    length = int(match["length"], 16)
    candidates = symbols.get(match["function"], ())
    if not candidates:
        return None
    start, _ = min(candidates, key=lambda one: abs(length - one[1]))
    offset = int(match["offset"], 16)
    return start + (offset - 1 if is_return and offset else offset)
