# SPDX-License-Identifier: GPL-2.0-only
"""What every machine does with its kernel's log and with its own end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from testbed.engines import watched
from testbed.engines.watched import WatchedMachine, panic_of
from testbed.errors import LostVM, UsageProblem
from testbed.findings.kernel_log import KernelEvent, KernelLogWatcher, Splat
from testbed.findings.splat_report import SplatReport, reports

PANIC = b"[    1.0] Kernel panic - not syncing: Fatal exception\n"


async def logged(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


async def test_work_ends_when_the_machine_does(tmp_path: Path) -> None:
    machine = WatchedMachine(tmp_path, None)
    asyncio.get_running_loop().call_soon(machine.fail, LostVM("gone"))
    with pytest.raises(LostVM, match="gone"):
        await machine.guard(asyncio.sleep(60))
    machine.fail(LostVM("gone again"))
    assert "gone again" not in str(machine.lost)


async def test_work_that_fails_of_it_tells_the_cause(tmp_path: Path) -> None:
    machine = WatchedMachine(tmp_path, None)

    async def work(lost: bool) -> None:
        if lost:
            machine.fail(LostVM("gone"))
        raise UsageProblem("of its own")

    with pytest.raises(UsageProblem):
        await machine.guard(work(lost=False))
    with pytest.raises(LostVM):
        await machine.guard(work(lost=True))


async def test_a_panic_is_written_told_and_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watched, "PANIC_GRACE_S", 0.0)
    reported: list[KernelEvent] = []
    machine = WatchedMachine(tmp_path, reported.append)
    await machine._record_kernel_log(logged(b"[    0.5] hello\n", PANIC))
    await asyncio.sleep(0.01)
    assert str(machine.lost).startswith("panic: ")
    assert [event.kind for event in reported] == [Splat.PANIC]
    assert (tmp_path / "kernel.log").read_bytes().endswith(PANIC)


def test_a_panic_says_what_it_follows_from() -> None:
    log = KernelLogWatcher()
    log.feed(
        b"[    4.1] bnxt_en 0000:01:00.0: Error (timeout: 500015) msg {0x20 0x0} len:0\n"
        b"[    4.1] Oops: int3: 0000 [#1] SMP NOPTI\n"
        b"[    4.1] CPU: 1 UID: 0 PID: 0 Comm: swapper/1 Not tainted 7.2.12\n"
        b"[    4.1] RIP: 0010:igb_poll+0x55/0x900 [igb]\n"
        b"[    4.1] Kernel panic - not syncing: Fatal exception in interrupt\n"
    )
    said = panic_of(log.events)
    assert said is not None
    assert said.startswith("panic: [    4.1] Kernel panic - not syncing: Fatal exception")
    assert said.endswith("; it follows from: Oops: int3: 0000 [#1] SMP NOPTI (igb_poll)")
    assert panic_of(log.events[:-1]) is None


def test_a_panic_of_its_own_follows_from_nothing() -> None:
    log = KernelLogWatcher()
    last = "[    1.0] Kernel panic - not syncing: VFS: Unable to mount root fs"
    log.feed(
        f"[    1.0] Oops: Oops: 0000 [#1] SMP\n[    1.0] ---[ end trace 0 ]---\n{last}\n".encode()
    )
    assert panic_of(log.events) == f"panic: {last}"


def test_many_complaints_before_a_panic_cost_little(monkeypatch: pytest.MonkeyPatch) -> None:
    log = KernelLogWatcher()
    log.feed(
        b"[    0.9] Oops: Oops: 0000 [#1] SMP\n[    0.9] ---[ end trace 0 ]---\n" * 1000 + PANIC
    )
    taken = list[int]()

    def counted(events: Sequence[KernelEvent]) -> list[SplatReport]:
        taken.append(len(events))
        return reports(events)

    monkeypatch.setattr(watched, "reports", counted)
    assert "it follows from: Oops" in str(panic_of(log.events))
    assert len(log.events) == 1001
    assert taken == [2]


async def test_the_file_has_a_limit_and_the_watch_has_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watched, "KERNEL_LOG_CAP_BYTES", 8)
    machine = WatchedMachine(tmp_path, None)
    await machine._record_kernel_log(logged(b"12345\n", b"67890\n", PANIC))
    assert len(machine.kernel_log.events) == 1
    assert (tmp_path / "kernel.log").read_bytes() == b"12345\n67"


async def test_a_boot_goes_on_as_long_as_the_kernel_logs(tmp_path: Path) -> None:
    machine = WatchedMachine(tmp_path, None)

    async def boot() -> str:
        for line in range(6):
            machine._take_kernel_log(b"[    0.%d] line\n" % line)
            await asyncio.sleep(0.03)
        return "up"

    assert await machine.while_it_boots(boot(), 0.1) == "up"


async def test_a_boot_that_logs_nothing_is_lost(tmp_path: Path) -> None:
    machine = WatchedMachine(tmp_path, None)
    with pytest.raises(LostVM, match=r"did not boot: its log says nothing for 0\.05 s"):
        await machine.while_it_boots(asyncio.sleep(60), 0.05)


async def test_a_boot_that_logs_for_ever_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watched, "SILENCES", 3)
    machine = WatchedMachine(tmp_path, None)

    async def chatter() -> None:
        while True:
            machine._take_kernel_log(b"[    1.0] once more\n")
            await asyncio.sleep(0.01)

    with pytest.raises(LostVM, match=r"did not boot within \d+ s"):
        await machine.while_it_boots(chatter(), 0.1)


async def test_why_a_boot_failed_is_told_as_it_is(tmp_path: Path) -> None:
    async def fail() -> None:
        raise LostVM("the guest shut itself down")

    with pytest.raises(LostVM, match="shut itself down"):
        await WatchedMachine(tmp_path, None).while_it_boots(fail(), 5.0)
