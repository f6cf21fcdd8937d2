# SPDX-License-Identifier: GPL-2.0-only
"""Backtrace of a UML kernel that no longer responds, taken from outside.

ptrace reads registers and stack. gdb unwinds them if the host has one; the program is somebody
else's, so gdb is in the jail and gets a core file of ours. Else each stack word that is a text
address is printed with its name in System.map: as in the kernel's own traces without frame
pointers, some are no frames.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import struct
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from images.buildroot import HOST
from images.errors import EnvironmentProblem
from testbed.engines.uml.symbols import Symbols

GDB_TIMEOUT_S = 20
MAX_FRAMES = 40
STACK_BYTES = 16384
_GDB = "gdb -batch -nx -iex 'set auto-load off' -ex bt /program /tmp/core"
_ET_CORE, _EM_X86_64, _PT_LOAD, _PT_NOTE, _NT_PRSTATUS = 4, 62, 1, 4, 1
_ELF_HEADER, _PROGRAM_HEADER = 64, 56
_PRSTATUS_REGISTERS = 112
"""Bytes before the registers in struct elf_prstatus (include/linux/elfcore.h)."""
_SEIZE, _INTERRUPT, _DETACH, _GETREGS, _CONT = 0x4206, 0x4207, 17, 12, 7
_FAULT_S = 0.2
"""A kernel that repeats an access for ever faults at once."""
_RIP, _RSP, _REGISTERS = 16, 19, 27
"""Indices in struct user_regs_struct (arch/x86/include/asm/user_64.h)."""


def backtrace(pid: int, program: Path) -> str:
    """The trace as text, innermost function first; never raises, says what went wrong instead."""
    try:
        registers, stack = _stop_and_read(pid)
        if shutil.which("gdb") is not None and (frames := _unwind(program, registers, stack)):
            return "\n".join(frames) + "\n"
        symbols = Symbols((program.parent / "System.map").read_text(encoding="utf-8"))
        return "".join(f"{line}\n" for line in _scan(registers, stack, symbols))
    except (OSError, ValueError) as err:
        return f"no backtrace: {err}\n"


def _unwind(program: Path, registers: Sequence[int], stack: bytes) -> list[str]:
    """The frames that gdb finds; none if it cannot be run."""
    argv = ["sh", "-c", f"cat > /tmp/core && exec {_GDB}"]
    core = core_file(registers, stack)
    try:
        said = HOST.run(argv, read={"/program": program}, input=core, deadline_s=GDB_TIMEOUT_S)
    except EnvironmentProblem:
        return []
    frames = [line for line in said.splitlines() if line.startswith("#")]
    outer = [number for number, frame in enumerate(frames) if frame.startswith("#0 ")]
    return frames[outer[-1] :] if outer else []  # it shows the first one twice


def core_file(registers: Sequence[int], stack: bytes) -> bytes:
    """An ELF core file (elf(5)) of a process of which only this much is known."""
    status = bytes(_PRSTATUS_REGISTERS) + struct.pack(f"<{_REGISTERS}Q", *registers) + bytes(8)
    note = struct.pack("<III8s", 5, len(status), _NT_PRSTATUS, b"CORE") + status
    notes_at = _ELF_HEADER + 2 * _PROGRAM_HEADER
    stack_at = notes_at + len(note)
    head = struct.pack(
        "<16sHHIQQQIHHHHHH", b"\x7fELF\x02\x01\x01", _ET_CORE, _EM_X86_64, 1, 0, _ELF_HEADER, 0, 0,
        _ELF_HEADER, _PROGRAM_HEADER, 2, 0, 0, 0,
    )  # fmt: skip
    loaded = (registers[_RSP], 0, len(stack), len(stack), 1)
    headers = struct.pack("<IIQQQQQQ", _PT_NOTE, 0, notes_at, 0, 0, len(note), 0, 4)
    headers += struct.pack("<IIQQQQQQ", _PT_LOAD, 6, stack_at, *loaded)
    return head + headers + note + stack


def _scan(registers: Sequence[int], stack: bytes, symbols: Symbols) -> Iterator[str]:
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

    due = 0
    ptrace(_SEIZE)
    try:
        due = _run_to_fault(pid, ptrace)
        if not due:
            ptrace(_INTERRUPT)
            due = _signal_due(os.waitpid(pid, 0)[1])
        registers = (ctypes.c_uint64 * _REGISTERS)()
        ptrace(_GETREGS, ctypes.cast(registers, ctypes.c_void_p))
        with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
            memory.seek(registers[_RSP])
            stack = memory.read(STACK_BYTES)
        return tuple(registers), stack
    finally:
        libc.ptrace(_DETACH, pid, None, due)


def _run_to_fault(pid: int, ptrace: Callable[[int, object], None]) -> int:
    """SIGSEGV if the process has stopped where it faults, 0 if it goes on without faulting.

    Its handler has a stack of its own, from which gdb finds no way back to the one that faulted.
    """
    end = time.monotonic() + _FAULT_S
    while time.monotonic() < end:
        stopped, status = os.waitpid(pid, os.WNOHANG)
        if not stopped:
            time.sleep(_FAULT_S / 50)
        elif (due := _signal_due(status)) == signal.SIGSEGV:
            return due
        else:
            ptrace(_CONT, due)
    return 0


def _signal_due(status: int) -> int:
    """The signal that a stopped process is about to be given, 0 if it stopped for another reason.

    Raises OSError if it has ended.
    """
    if not os.WIFSTOPPED(status):
        raise OSError("it has ended")
    return 0 if status >> 16 else os.WSTOPSIG(status)
