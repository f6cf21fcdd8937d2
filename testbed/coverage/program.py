# SPDX-License-Identifier: GPL-2.0-only
"""The instrumented points of a kernel's program, and what source each stands for.

A point is a direct call of ``__sanitizer_cov_trace_pc`` (``kernels.flavours.COVERAGE_FLAGS`` see
to it), found by its bytes in the text of the functions that DWARF knows. DWARF says of each point
which function it is in, and into which others that one was inlined.
"""

from __future__ import annotations

import posixpath
import re
import struct
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from io import BytesIO
from pathlib import Path
from typing import Any

from elftools.common.exceptions import DWARFError, ELFError
from elftools.dwarf.ranges import BaseAddressEntry
from elftools.elf.elffile import ELFFile

from kernels.compile import BUILD_PLACE, SOURCE_PLACE
from testbed.errors import UsageProblem

HOOK = "__sanitizer_cov_trace_pc"
START = "__binary_start"
CALL = b"\xe8"
CALL_BYTES = 5
_DISPLACEMENT = struct.Struct("<i")
_NESTED = ("DW_TAG_inlined_subroutine", "DW_TAG_lexical_block", "DW_TAG_subprogram")

Ranges = list[tuple[int, int]]


@dataclass(frozen=True)
class Function:
    """A function of the source, however many copies of it the program has."""

    name: str
    file: str
    line: int


@dataclass(frozen=True)
class Frame:
    """A line of a function: of the innermost where a point is, of the others where they call."""

    function: Function
    file: str
    line: int


@dataclass(frozen=True)
class Point:
    """``place``: bytes from START to where the call returns, as in coverage.hits. ``frames``:
    the function it is in, then those it was inlined into, the last with a symbol of its own."""

    place: int
    frames: tuple[Frame, ...]


def calls_of(text: bytes, address: int, target: int) -> Iterator[int]:
    """Where direct calls (x86: e8 and a displacement) of ``target`` in ``text`` return to."""
    for match in re.finditer(re.escape(CALL), text[: -CALL_BYTES + 1]):
        after = address + match.start() + CALL_BYTES
        if _DISPLACEMENT.unpack_from(text, match.start() + 1)[0] == target - after:
            yield after


class Program:
    """The program ``path``. Raises UsageProblem for what is no instrumented kernel."""

    def __init__(self, path: Path) -> None:
        try:
            content = path.read_bytes()
        except OSError as err:
            raise UsageProblem(
                f"the kernel that was covered is gone: {path}: {err.strerror}", remedy="run again"
            ) from err
        try:
            self._elf = ELFFile(BytesIO(content))
            symbols = self._elf.get_section_by_name(".symtab")
            if symbols is None or not self._elf.has_dwarf_info():
                raise UsageProblem(f"{path} has no symbols or no DWARF")
            self._hook, self.start = (self._address(symbols, name) for name in (HOOK, START))
            self._dwarf = self._elf.get_dwarf_info()
        except ELFError as err:
            raise UsageProblem(f"{path} is no program: {err}") from err

    @staticmethod
    def _address(symbols: Any, name: str) -> int:
        found = symbols.get_symbol_by_name(name)
        if not found:
            raise UsageProblem(f"the kernel was not built with --coverage: it has no {name}")
        return int(found[0]["st_value"])

    @cached_property
    def _returns(self) -> list[int]:
        found: list[int] = []
        for section in self._elf.iter_sections():
            if section["sh_flags"] & 4 and section["sh_type"] == "SHT_PROGBITS":  # SHF_EXECINSTR
                found += calls_of(section.data(), section["sh_addr"], self._hook)
        return sorted(found)

    @cached_property
    def points(self) -> list[Point]:
        """All points by place, but for those in functions the compiler made up (KASAN's
        constructors). Raises UsageProblem for DWARF that cannot be read."""
        try:
            found = [
                Point(at - self.start, tuple(reversed(frames)))
                for unit in self._dwarf.iter_CUs()
                for at, frames in _Unit(self._dwarf, unit).frames(self._returns)
            ]
        except DWARFError as err:
            raise UsageProblem(f"the kernel's DWARF cannot be read: {err}") from err
        return sorted(found, key=lambda point: point.place)

    def unknown(self, places: Sequence[int]) -> list[int]:
        """Those of ``places`` at which there is no point: another program counted them."""
        known = {at - self.start for at in self._returns}
        return [place for place in places if place not in known]


class _Unit:
    """One compilation unit."""

    def __init__(self, dwarf: Any, unit: Any) -> None:
        self._dwarf = dwarf
        self._unit = unit
        self._top = unit.get_top_DIE()
        self._program = dwarf.line_program_for_CU(unit)
        self._functions: dict[int, Function] = {}
        self._files: dict[int, str] = {}

    def frames(self, returns: list[int]) -> Iterator[tuple[int, list[Frame]]]:
        """For each point of this unit its frames, outermost first."""
        inside = _within(returns, self._ranges(self._top))
        if not inside or self._program is None:
            return
        chains: dict[int, list[tuple[Function, str, int]]] = {at: [] for at in inside}
        for child in self._top.iter_children():
            self._walk(child, inside, chains)
        lines = self._lines(inside)
        for at, chain in chains.items():
            if not chain or at not in lines:
                continue
            # a frame's line is where the next one was called, the innermost's where the point is
            wheres = [(file, line) for _, file, line in chain[1:]] + [lines[at]]
            yield (
                at,
                [
                    Frame(function, *where)
                    for (function, _, _), where in zip(chain, wheres, strict=True)
                ],
            )

    def _walk(
        self, die: Any, points: list[int], chains: dict[int, list[tuple[Function, str, int]]]
    ) -> None:
        if die.tag not in _NESTED:
            return
        ranges = self._ranges(die)
        if ranges or die.tag != "DW_TAG_lexical_block":
            points = _within(points, ranges)
        if not points:
            return
        if die.tag != "DW_TAG_lexical_block":
            called = self._number(die, "DW_AT_call_file"), self._number(die, "DW_AT_call_line")
            entry = self._function(die), self._file(called[0]), called[1]
            for at in points:
                chains[at].append(entry)
        for child in die.iter_children():
            self._walk(child, points, chains)

    @staticmethod
    def _number(die: Any, name: str) -> int:
        attribute = die.attributes.get(name)
        return 0 if attribute is None else int(attribute.value)

    def _function(self, die: Any) -> Function:
        while True:
            for name in ("DW_AT_abstract_origin", "DW_AT_specification"):
                if name in die.attributes:
                    die = die.get_DIE_from_attribute(name)
                    break
            else:
                break
        if die.offset not in self._functions:
            name = die.attributes["DW_AT_name"].value.decode()
            file = self._file(self._number(die, "DW_AT_decl_file"))
            self._functions[die.offset] = Function(name, file, self._number(die, "DW_AT_decl_line"))
        return self._functions[die.offset]

    def _file(self, index: int) -> str:
        if index not in self._files:
            header = self._program.header
            entry = header["file_entry"][index]
            folder = header["include_directory"][entry["dir_index"]].decode()
            top = header["include_directory"][0].decode()
            self._files[index] = shortened(posixpath.join(top, folder, entry["name"].decode()))
        return self._files[index]

    def _lines(self, returns: list[int]) -> dict[int, tuple[str, int]]:
        """Of each point the file and line of the call itself."""
        found: dict[int, tuple[str, int]] = {}
        before = None
        for entry in self._program.get_entries():
            state = entry.state
            if state is None:
                continue
            if before is not None and before.address < state.address:
                where = self._file(before.file), before.line
                first = bisect_right(returns, before.address)
                for at in returns[first : bisect_right(returns, state.address)]:
                    found[at] = where
            before = None if state.end_sequence else state
        return found

    def _ranges(self, die: Any) -> Ranges:
        attributes = die.attributes
        if "DW_AT_ranges" in attributes:
            return self._listed(attributes["DW_AT_ranges"].value)
        if "DW_AT_low_pc" not in attributes or "DW_AT_high_pc" not in attributes:
            return []
        low, high = attributes["DW_AT_low_pc"].value, attributes["DW_AT_high_pc"]
        is_length = high.form != "DW_FORM_addr"
        return [(low, low + high.value if is_length else high.value)]

    def _listed(self, offset: int) -> Ranges:
        base = self._top.attributes["DW_AT_low_pc"].value
        found: Ranges = []
        lists = self._dwarf.range_lists()
        for entry in lists.get_range_list_at_offset(offset, cu=self._unit):
            if isinstance(entry, BaseAddressEntry):
                base = entry.base_address
                continue
            origin = 0 if entry.is_absolute else base
            found.append((origin + entry.begin_offset, origin + entry.end_offset))
        return found


def _within(returns: list[int], ranges: Ranges) -> list[int]:
    """The points whose call (the bytes before the place it returns to) is in ``ranges``."""
    found: list[int] = []
    for low, high in sorted(ranges):
        found += returns[bisect_right(returns, low) : bisect_right(returns, high)]
    return found


def shortened(path: str) -> str:
    """A path of the build as a person knows it: relative to the kernel's source."""
    path = posixpath.normpath(path)
    for place, name in ((SOURCE_PLACE, ""), (BUILD_PLACE, "build/")):
        if path.startswith(f"{place}/"):
            return name + path[len(place) + 1 :]
    return path
