# SPDX-License-Identifier: GPL-2.0-only
"""The memory shared with the instruction counter, images/plugins/insn_count.c."""

from __future__ import annotations

import mmap
import os
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from testbed.compare.variants import MOST_RUNS

_MAGIC = 0x31544E434E534E49
_FIRST_BLOCK = 4096
_SLOTS = 1 << 20
_HEADER = np.dtype(
    [
        (name, "<u8")
        for name in (
            "interrupts", "magic", "capacity", "used", "lost", "opened", "closed", "progress",
            "waits",
        )
    ]
)  # fmt: skip
_BLOCK = np.dtype(
    [
        ("address", "<u8"),
        ("insns", "<u4"),
        ("locked", "<u2"),
        ("barriers", "<u2"),
        ("string_bytes", "<u4"),
        ("unused", "<u4"),
        ("executed", "<u8", (MOST_RUNS,)),
    ]
)

Array = npt.NDArray[np.uint64]


@dataclass(frozen=True)
class Window:
    """What was executed between an opening and a closing, by translation block.

    All arrays have one element per block that was executed at least once, on whichever vCPU.
    ``string_bytes``: width of the repeated string instruction the block ends in, or 0.
    """

    address: Array
    insns: Array
    locked: Array
    barriers: Array
    string_bytes: Array
    executed: Array


class CounterMemory:
    """The memory: the counter writes while a window is open, we read and clear while none is."""

    def __init__(self) -> None:
        self.fd = os.memfd_create("insn_count", os.MFD_CLOEXEC)
        size = _FIRST_BLOCK + _SLOTS * _BLOCK.itemsize
        os.ftruncate(self.fd, size)
        os.fchmod(self.fd, 0o666)  # QEMU opens nothing, but maps it as another user
        self._map = mmap.mmap(self.fd, size)
        self._header = np.frombuffer(self._map, _HEADER, count=1)
        self._blocks = np.frombuffer(self._map, _BLOCK, count=_SLOTS, offset=_FIRST_BLOCK)

    def _read(self, name: str) -> int:
        return int(self._header[name][0])

    @property
    def attached(self) -> bool:
        """The counter has been loaded."""
        return self._read("magic") == _MAGIC

    @property
    def closed(self) -> int:
        """Windows closed since :meth:`clear`."""
        return self._read("closed")

    @property
    def progress(self) -> int:
        """Blocks executed in windows; it stands still while nothing is being counted."""
        return self._read("progress")

    @property
    def lost(self) -> int:
        """Executions that could not be counted; if it is not 0, no window is of any use."""
        return self._read("lost")

    def clear(self) -> None:
        """Forget all windows; none may be open."""
        used = self._blocks["address"] != 0
        self._blocks["executed"][used] = 0
        for name in ("opened", "closed", "lost", "progress"):
            self._header[name] = 0

    def window(self, number: int) -> Window:
        """The window that was opened as the ``number``-th, from 0."""
        executed = self._blocks["executed"][:, number]
        rows = np.flatnonzero(executed)
        blocks = self._blocks[rows]

        def column(name: str) -> Array:
            return blocks[name].astype(np.uint64)

        return Window(
            address=column("address"), insns=column("insns"), locked=column("locked"),
            barriers=column("barriers"), string_bytes=column("string_bytes"),
            executed=executed[rows].copy(),
        )  # fmt: skip

    def close(self) -> None:
        """Give the memory back."""
        del self._header, self._blocks
        self._map.close()
        os.close(self.fd)
