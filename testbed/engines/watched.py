# SPDX-License-Identifier: GPL-2.0-only
"""What every machine has, whatever it runs on: a kernel log, and an end that all waits notice."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from testbed.errors import LostVM, TestbedError, full_disk
from testbed.findings.kernel_log import KernelEvent, KernelLogWatcher, Splat
from testbed.findings.splat_report import reports

T = TypeVar("T")

KERNEL_LOG = "kernel.log"
KERNEL_LOG_CAP_BYTES = 64 << 20
PANIC_GRACE_S = 3.0  # for the rest of the trace to be printed
AGENT_GRACE_S = 2.0
BOOT_SILENCE_S = 90.0
SILENCES = 20  # so many times its silence a boot may take in all
BOOT_LOOK_S = 0.25


class WatchedMachine:
    """Base of the machines. Made and used in the session's loop.

    :ivar kernel_log: what the kernel has complained of; ``kernel_log_path``: all it has logged.
    """

    def __init__(
        self, run_dir: Path, on_kernel_event: Callable[[KernelEvent], None] | None
    ) -> None:
        self.kernel_log = KernelLogWatcher()
        self.kernel_log_path = run_dir / KERNEL_LOG
        self._on_kernel_event = on_kernel_event
        self._lost: asyncio.Future[TestbedError] = asyncio.get_running_loop().create_future()
        self._stopping = False

    @property
    def lost(self) -> TestbedError | None:
        """Why the machine is of no more use, or None while it lives."""
        return self._lost.result() if self._lost.done() else None

    def fail(self, error: TestbedError) -> None:
        """Make every wait for this machine raise ``error``; the first one counts."""
        if not self._lost.done() and not self._stopping:
            self._lost.set_result(error)

    async def guard(self, work: Awaitable[T]) -> T:
        """Await ``work`` unless the machine dies first. Raises what :meth:`fail` was given.

        Work that failed because the machine died raises that, too, not its own error.
        """
        task = asyncio.ensure_future(work)
        try:
            both: set[asyncio.Future[Any]] = {task, self._lost}
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            if task.done() and (task.exception() is None or not self._lost.done()):
                return task.result()
            raise self._lost.result()
        finally:
            if not task.done():
                task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def while_it_boots(self, work: Awaitable[T], silence_s: float) -> T:
        """Await ``work`` as long as the kernel's log goes on: a slow guest is no hanging one.

        Raises LostVM after ``silence_s`` without a line, or SILENCES times that in all.
        """
        task = asyncio.ensure_future(work)
        began = since = time.monotonic()
        lines = 0
        try:
            while not task.done():
                await asyncio.wait({task}, timeout=min(BOOT_LOOK_S, silence_s))
                now, count = time.monotonic(), self.kernel_log.line_count
                if count != lines:
                    lines, since = count, now
                if now - since > silence_s and not task.done():
                    raise self._lost_vm(
                        f"the guest did not boot: its log says nothing for {silence_s:g} s"
                    )
                if now - began > SILENCES * silence_s and not task.done():
                    raise self._lost_vm(f"the guest did not boot within {now - began:.0f} s")
            return task.result()
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def _lost_vm(self, message: str) -> LostVM:
        return LostVM(message, log_tail=self.kernel_log.tail(), log_path=self.kernel_log_path)

    def _lose(self, reason: str) -> None:
        self.fail(self._lost_vm(reason))

    def _lose_by_panic(self) -> None:
        if self.lost is None and (reason := panic_of(self.kernel_log.events)):
            self._lose(reason)

    async def _agent_lost(self, error: LostVM) -> TestbedError:
        """The agent is silent: give the true reason, if there is one, time to show."""
        await asyncio.wait({self._lost}, timeout=AGENT_GRACE_S)
        error.log_tail, error.log_path = self.kernel_log.tail(), self.kernel_log_path
        self.fail(error)
        return self._lost.result() if self._lost.done() else error

    def _take_kernel_log(self, data: bytes) -> list[KernelEvent]:
        """The next bytes of the log: tell of the complaints that begin in them, return those."""
        events = self.kernel_log.feed(data)
        for event in events:
            if self._on_kernel_event is not None:
                self._on_kernel_event(event)
        return events

    async def _record_kernel_log(self, parts: AsyncIterator[bytes]) -> None:
        """Write the log to its file as it comes, up to the cap; a panic ends the machine."""
        left = KERNEL_LOG_CAP_BYTES
        with self.kernel_log_path.open("wb", buffering=0) as file:
            async for data in parts:
                try:
                    file.write(data[:left])
                except OSError as err:
                    left = 0
                    self.fail(full_disk(self.kernel_log_path, err))
                left = max(0, left - len(data))
                for event in self._take_kernel_log(data):
                    if event.kind is Splat.PANIC:
                        loop = asyncio.get_running_loop()
                        loop.call_later(PANIC_GRACE_S, self._lose_by_panic)


def panic_of(events: Sequence[KernelEvent]) -> str | None:
    """The first panic in words, with the complaint that it follows from; None if there is none."""
    at = next((at for at, event in enumerate(events) if event.kind is Splat.PANIC), None)
    if at is None:
        return None
    # a guest may have complained a million times before
    report = reports(events[max(0, at - 1) : at + 1])[-1]
    said = str(report.events[-1])
    if len(report.events) > 1:
        said += f"; it follows from: {report.headline}"
        said += f" ({report.function})" if report.function else ""
    return said
