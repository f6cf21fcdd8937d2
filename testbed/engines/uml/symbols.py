# SPDX-License-Identifier: GPL-2.0-only
"""Names of a kernel's functions: of its System.map, or of the program itself."""

from __future__ import annotations

import bisect
import re
import struct
import zlib
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from io import BytesIO

from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile

_START = "__binary_start"
_SYMBOL = struct.Struct("<IBBHQQ")
_FUNCTION = 2
"""Elf64_Sym, and STT_FUNC (include/uapi/linux/elf.h)."""
_NAME = re.compile(r"[A-Za-z_][\w.]{0,127}", re.ASCII)
_BROKEN = (
    struct.error, zlib.error, OverflowError, MemoryError, IndexError, KeyError, AttributeError,
    TypeError, AssertionError,
)  # fmt: skip


class Symbols:
    """Names of text addresses.

    :ivar start: where the program begins, from which a kernel counts edges.
    """

    def __init__(self, system_map: str) -> None:
        found, self.start = [], 0
        for line in system_map.splitlines():
            address, kind, name = line.split(maxsplit=2)
            if kind in "tTwW":
                found.append((int(address, 16), name))
            elif name == _START:
                self.start = int(address, 16)
        found.sort()
        self._starts = [start for start, _ in found]
        self._names = [name for _, name in found]

    def name(self, address: int) -> str | None:
        """``function+0xoffset``, or None outside the kernel's text."""
        if not self._starts or not self._starts[0] <= address < self._starts[-1]:
            return None
        i = bisect.bisect_right(self._starts, address) - 1
        return f"{self._names[i]}+{address - self._starts[i]:#x}"

    def __iter__(self) -> Iterator[tuple[str, int, int]]:
        """Name of each function, its first address, and that of the next one."""
        return zip(self._names, self._starts, self._starts[1:], strict=False)

    def range(self, name: str) -> tuple[int, int] | None:
        """The first address of function ``name`` and that of the next; None if there is none.

        The compiler may have left only a part or a copy of it, ``name.part.0``, or of another
        number.
        """
        parts = self._parts.get(name.partition(".")[0], ())
        found = min(parts, key=lambda one: (one[0] != name, len(one[0]), one), default=None)
        return None if found is None else found[1:]

    @cached_property
    def _parts(self) -> dict[str, list[tuple[str, int, int]]]:
        """By name of a function what the compiler left of it, but for what is hardly run."""
        found = defaultdict[str, list[tuple[str, int, int]]](list)
        for one in self:
            if ".cold" not in one[0]:
                found[one[0].partition(".")[0]].append(one)
        return found


def system_map(program: bytes) -> str:
    """The text of a System.map, as far as :class:`Symbols` reads it. Raises ValueError."""
    with no_program():
        elf = ELFFile(BytesIO(program))
        table = elf.get_section_by_name(".symtab")
        if table is None:
            return ""
        names = elf.get_section(table["sh_link"]).data()
        found = (
            ("T" if info & 0xF == _FUNCTION else "r", value, _text(names, at))
            for at, info, _, _, value, _ in _SYMBOL.iter_unpack(table.data())
            if info & 0xF in (_FUNCTION, 0) and names[at]
        )
        return "\n".join(
            f"{value:016x} {kind} {name}" for kind, value, name in found if _NAME.fullmatch(name)
        )


@contextmanager
def no_program() -> Iterator[None]:
    """Raises ValueError for all that a file which is none may have pyelftools raise."""
    try:
        yield
    except (ELFError, *_BROKEN) as err:
        raise ValueError(f"no program: {err}") from err


def _text(names: bytes, at: int) -> str:
    return names[at : names.index(b"\0", at)].decode()
