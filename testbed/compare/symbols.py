# SPDX-License-Identifier: GPL-2.0-only
"""The guest kernel's functions, from /proc/kallsyms."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

KERNEL_SPACE = 1 << 63
USER = "(user)"
UNKNOWN = "(unknown)"
_CODE = frozenset("tTwW")
_SUFFIX = re.compile(r"\.(?:isra|constprop|part|cold|llvm)\b.*|\.\d+$")


@dataclass(frozen=True)
class Symbol:
    """A function; ``module`` is empty for the kernel itself."""

    name: str
    module: str = ""


class Symbols:
    """Looks addresses up."""

    def __init__(self, kallsyms: str) -> None:
        """Read the text of /proc/kallsyms as root sees it.

        Compiler suffixes are cut off: ``.constprop.0`` and ``.cold`` belong to the function.
        """
        found: list[tuple[int, Symbol]] = []
        for line in kallsyms.splitlines():
            words = line.split()
            if len(words) < 3 or words[1] not in _CODE:
                continue
            module = words[3].strip("[]") if len(words) > 3 else ""
            found.append((int(words[0], 16), Symbol(_SUFFIX.sub("", words[2]), module)))
        found.sort(key=lambda item: (item[0], item[1].name.startswith("__pfx_")))
        self._starts = np.array([address for address, _ in found], dtype=np.uint64)
        self._symbols = [symbol for _, symbol in found]

    def is_entry(self, addresses: npt.NDArray[np.uint64]) -> npt.NDArray[np.bool_]:
        """Which of the addresses are the first of a function."""
        return np.isin(addresses, self._starts)

    def lookup(self, addresses: npt.NDArray[np.uint64]) -> list[Symbol]:
        """The function of each address; all of user space is one."""
        places = np.searchsorted(self._starts, addresses, side="right") - 1
        return [self._one(int(a), int(p)) for a, p in zip(addresses, places, strict=True)]

    def _one(self, address: int, place: int) -> Symbol:
        if address < KERNEL_SPACE:
            return Symbol(USER)
        return Symbol(UNKNOWN) if place < 0 else self._symbols[place]
