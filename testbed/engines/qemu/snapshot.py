# SPDX-License-Identifier: GPL-2.0-only
"""A guest that has booted and has no NIC yet, kept so that others go on from there.

Under emulation a boot takes four seconds, going on with one a quarter of a second. What is kept is
the guest's memory, without pages that are all zeroes, and all else as a migration of QEMU's with
"x-ignore-shared". The card and the peer are plugged in afterwards, as into a PC that runs, so that
none of their state is in it. Each machine gets a copy of the memory, which it shares with the card.
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import json
import logging
import os
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import images.errors
from images.store import Json, Store
from testbed.artifacts.prepare import Prepared
from testbed.engines.qemu.argv import STATE_FILE, Descriptors, MachineSpec, build_argv
from testbed.errors import EnvironmentProblem
from testbed.host.cpu import cpu_name

_log = logging.getLogger("testbed.engines")

Qmp = Callable[[str, dict[str, object] | None], Awaitable[object]]

POLL_S = 0.005
PIECE_BYTES = 1 << 20
PAGE_BYTES = 4096
KIND = "guest-snapshot"
FORMAT = 3
"""Raised when other things are done to a guest before it is kept, or kept of it."""
MOST_KEPT = 12
"""Those go that nobody used for longest."""
NEEDS_BYTES = 512 << 20
TSC_STEP_KHZ = 10_000
"""Two measurements of one counter differ by less."""
_BLANK = bytes(PAGE_BYTES)


@dataclass(frozen=True)
class Snapshot:
    """The files in ``folder``: guest memory, all else, and what its kernel had logged."""

    folder: Path

    @property
    def memory(self) -> Path:
        """The content of each of :attr:`runs`, one after the other."""
        return self.folder / "memory"

    @property
    def runs(self) -> Path:
        """JSON: offset and length in bytes of each part of the guest's memory that is stored."""
        return self.folder / "runs.json"

    @property
    def state(self) -> Path:
        """QEMU's migration stream."""
        return self.folder / "state"

    @property
    def refusal(self) -> Path:
        """There instead of all others if such a guest cannot be woken: why."""
        return self.folder / "refusal"

    @property
    def kernel_log(self) -> Path:
        """The kernel's log up to then."""
        return self.folder / "kernel.log"


def ensure_snapshot(
    prepared: Prepared, store: Store, spec: MachineSpec, build: Callable[[Path], None]
) -> Snapshot | None:
    """The snapshot of the guest that ``spec`` and ``prepared`` give; ``build`` fills its folder.

    None where a guest has to boot: the cache takes no more, or the kernel cannot have the NICs
    plugged in. Raises what ``build`` raises.
    """
    none = Descriptors(
        qmp=0, serial=0, keys=0, agent=0, console=0, kernel=0, initrd=0, memory=0, state=0,
        disks=[0 for _ in prepared.disks],
    )  # fmt: skip
    kernel = prepared.kernel
    inputs: dict[str, Json] = {
        "format": FORMAT,
        # entries of the cache, each named after what is in it: a report may name another kernel
        "boots": [str(file) for file in (kernel.vmlinuz, kernel.initramfs, *prepared.disks)],
        "argv": list(build_argv([], replace(spec, tsc_khz=None), none)),
        "made of": dict(prepared.provenance),
        # the guest's clock is the host's counter, at the frequency that this had
        "counter": [cpu_name(), round((spec.tsc_khz or 0) / TSC_STEP_KHZ)],
    }
    try:
        entry = store.ensure(KIND, inputs, build, needs_bytes=NEEDS_BYTES, most=MOST_KEPT)
    except images.errors.EnvironmentProblem as problem:
        _log.info("no snapshot: %s", problem)
        return None
    snapshot = Snapshot(entry.path)
    if snapshot.refusal.exists():
        _log.info("no snapshot: %s", snapshot.refusal.read_text(encoding="utf-8"))
        return None
    return snapshot


def guest_memory(size_bytes: int, snapshot: Snapshot | None) -> int:
    """The descriptor of a new memfd of that size, filled from ``snapshot``.

    Raises EnvironmentProblem if the snapshot cannot be read, or memory is short.
    """
    memory = os.memfd_create("guest", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        os.ftruncate(memory, size_bytes)
        # the card has it mapped: a hole where memory was would kill it
        fcntl.fcntl(memory, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW)
        if snapshot is not None:
            _fill(memory, snapshot)
    except OSError as err:
        os.close(memory)
        raise EnvironmentProblem(f"no memory for a guest: {err.strerror or err}") from err
    return memory


def _fill(memory: int, snapshot: Snapshot) -> None:
    runs: list[tuple[int, int]] = json.loads(snapshot.runs.read_bytes())
    with snapshot.memory.open("rb") as stored:
        for start, length in runs:
            os.lseek(memory, start, os.SEEK_SET)
            while length:
                copied = os.sendfile(memory, stored.fileno(), None, length)
                if copied == 0:
                    raise OSError(errno.EIO, "the snapshot is shorter than it was")
                length -= copied


def _store(memory: int, snapshot: Snapshot) -> None:
    runs: list[list[int]] = []
    with snapshot.memory.open("wb") as file:
        for start, data in _filled(memory):
            file.write(data)
            if runs and sum(runs[-1]) == start:
                runs[-1][1] += len(data)
            else:
                runs.append([start, len(data)])
    snapshot.runs.write_text(json.dumps(runs), encoding="ascii")


def _filled(memory: int) -> Iterator[tuple[int, bytes]]:
    """Pages with anything in them: where, and what; neighbours within a piece together."""
    for first, end in _data_of(memory):
        for at in range(first, end, PIECE_BYTES):
            piece = os.pread(memory, min(PIECE_BYTES, end - at), at)
            start = 0
            for page in range(0, len(piece), PAGE_BYTES):
                if piece[page : page + PAGE_BYTES] == _BLANK:
                    if start < page:
                        yield at + start, piece[start:page]
                    start = page + PAGE_BYTES
            if start < len(piece):
                yield at + start, piece[start:]


def _data_of(file: int) -> Iterator[tuple[int, int]]:
    """Where a sparse file is no hole: first byte, and the one behind the last."""
    end = 0
    while True:
        try:
            start = os.lseek(file, end, os.SEEK_DATA)
        except OSError as err:
            if err.errno == errno.ENXIO:  # no more data
                return
            raise
        end = os.lseek(file, start, os.SEEK_HOLE)
        yield start, end


async def take(qmp: Qmp, memory: int, state: int, kernel_log: bytes, into: Snapshot) -> None:
    """Stop a machine and keep it. Raises LostVM, EnvironmentProblem.

    ``memory`` and ``state`` are the descriptors its command line had.
    """
    await qmp("stop", None)
    await _ignore_shared(qmp)
    await qmp("migrate", {"uri": STATE_FILE})
    await _migrated(qmp)
    into.state.write_bytes(os.pread(state, os.fstat(state).st_size, 0))
    await asyncio.to_thread(_store, memory, into)
    into.kernel_log.write_bytes(kernel_log)


async def wake(qmp: Qmp) -> None:
    """Have a QEMU that waits for a migration go on with the one it was given. Raises LostVM,
    EnvironmentProblem.
    """
    await _ignore_shared(qmp)
    await qmp("migrate-incoming", {"uri": STATE_FILE})
    await _migrated(qmp)
    await qmp("cont", None)


async def _ignore_shared(qmp: Qmp) -> None:
    capability = {"capability": "x-ignore-shared", "state": True}
    await qmp("migrate-set-capabilities", {"capabilities": [capability]})


async def _migrated(qmp: Qmp) -> None:
    while True:
        answer = await qmp("query-migrate", None)
        status = answer.get("status") if isinstance(answer, dict) else None
        if status == "completed":
            return
        if status in ("failed", "cancelled"):
            raise EnvironmentProblem(f"QEMU's migration {status}: {answer}")
        await asyncio.sleep(POLL_S)
