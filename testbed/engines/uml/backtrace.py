# SPDX-License-Identifier: GPL-2.0-only
"""Backtrace of a UML kernel that no longer responds, taken from outside.

gdb unwinds if the host has one. Else ptrace reads registers and stack, and each stack word that is
a text address is printed with its name in System.map: as in the kernel's own traces without frame
pointers, some are no frames.
"""

from __future__ import annotations

import bisect
import ctypes
import os
import shutil
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

GDB_TIMEOUT_S = 20
MAX_FRAMES = 40
STACK_BYTES = 16384
_SEIZE, _INTERRUPT, _DETACH, _GETREGS = 0x4206, 0x4207, 17, 12
_RIP, _RSP, _REGISTERS = 16, 19, 27
"""Indices in struct user_regs_struct (arch/x86/include/asm/user_64.h)."""


class Symbols:
    """Names of text addresses."""

    def __init__(self, system_map: str) -> None:
        found = []
        for line in system_map.splitlines():
            address, kind, name = line.split(maxsplit=2)
            if kind in "tTwW":
                found.append((int(address, 16), name))
        found.sort()
        self._starts = [start for start, _ in found]
        self._names = [name for _, name in found]

    def name(self, address: int) -> str | None:
        """``function+0xoffset``, or None outside the kernel's text."""
        if not self._starts or not self._starts[0] <= address < self._starts[-1]:
            return None
        i = bisect.bisect_right(self._starts, address) - 1
        return f"{self._names[i]}+{address - self._starts[i]:#x}"


def backtrace(pid: int, program: Path) -> str:
    """The trace as text, innermost function first; never raises, says what went wrong instead."""
    gdb = shutil.which("gdb")
    if gdb is not None:
        # nothing that the kernel under test brings along is run here
        command = [gdb, "-batch", "-nx", "-iex", "set auto-load no", "-p", str(pid)]
        command += ["-ex", "bt", str(program)]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, check=False, timeout=GDB_TIMEOUT_S
            )
        except (OSError, subprocess.TimeoutExpired) as err:
            return f"gdb failed: {err}\n"
        frames = [line for line in done.stdout.splitlines() if line.startswith("#")]
        if frames:
            return "\n".join(frames) + "\n"
    try:
        symbols = Symbols((program.parent / "System.map").read_text(encoding="utf-8"))
        return "".join(f"{line}\n" for line in _scan(pid, symbols))
    except (OSError, ValueError) as err:
        return f"no backtrace: {err}\n"


def _scan(pid: int, symbols: Symbols) -> Iterator[str]:
    registers, stack = _stop_and_read(pid)
    rip = registers[_RIP]
    yield f"in {symbols.name(rip) or hex(rip)}"
    shown = 0
    for (word,) in struct.iter_unpack("<Q", stack[: len(stack) & ~7]):
        name = symbols.name(word)
        if name is not None and not name.endswith("+0x0"):
            yield f"  ? {name}"
            shown += 1
            if shown == MAX_FRAMES:
                return


def _stop_and_read(pid: int) -> tuple[tuple[int, ...], bytes]:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    libc.ptrace.restype = ctypes.c_long

    def ptrace(request: int, data: object = None) -> None:
        if libc.ptrace(request, pid, None, data) < 0:
            error = ctypes.get_errno()
            raise OSError(error, f"ptrace: {os.strerror(error)}")

    ptrace(_SEIZE)
    try:
        ptrace(_INTERRUPT)
        os.waitpid(pid, 0)
        registers = (ctypes.c_uint64 * _REGISTERS)()
        ptrace(_GETREGS, ctypes.cast(registers, ctypes.c_void_p))
        with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
            memory.seek(registers[_RSP])
            stack = memory.read(STACK_BYTES)
        return tuple(registers), stack
    finally:
        libc.ptrace(_DETACH, pid, None, None)
