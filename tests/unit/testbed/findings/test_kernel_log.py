# SPDX-License-Identifier: GPL-2.0-only
"""The kernel log watcher against texts in the kernel's wording."""

from __future__ import annotations

import pytest

from testbed.findings.kernel_log import EXCERPT_LINES, KernelLogWatcher, Splat

STAMP = "[   12.345678] "


@pytest.mark.parametrize(
    ("kind", "line"),
    [
        (Splat.PANIC, "Kernel panic - not syncing: VFS: Unable to mount root fs"),
        (Splat.OOPS, "BUG: kernel NULL pointer dereference, address: 0000000000000048"),
        (Splat.OOPS, "Oops: general protection fault, probably for non-canonical address: 0000"),
        (Splat.OOPS, "kernel BUG at net/core/skbuff.c:2100!"),
        (Splat.BUG, "BUG: Bad page state in process iperf3  pfn:1234"),
        (Splat.BUG, "list_del corruption. prev->next should be ffff, but was 0"),
        (Splat.KASAN, "BUG: KASAN: slab-use-after-free in bnxt_rx_pkt+0x1/0x2"),
        (Splat.UBSAN, "UBSAN: array-index-out-of-bounds in drivers/net/x.c:12:3"),
        (Splat.LOCKDEP, "WARNING: possible circular locking dependency detected"),
        (Splat.LOCKDEP, "WARNING: suspicious RCU usage"),
        (Splat.LOCKDEP, "BUG: sleeping function called from invalid context at mm/slab.h:3"),
        (Splat.WARNING, "WARNING: CPU: 1 PID: 77 at net/core/page_pool.c:1034 f+0x1/0x2"),
        (Splat.WARNING, "WARNING: net/core/dev.c:700 at netif_napi_del+0x1/0x2, CPU#1: ip/9"),
        (Splat.HUNG_TASK, "INFO: task ip:99 blocked for more than 120 seconds."),
        (Splat.SOFT_LOCKUP, "watchdog: BUG: soft lockup - CPU#1 stuck for 26s! [ksoftirqd/1:21]"),
        (Splat.OOM, "devlink invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0"),
        (Splat.RCU_STALL, "rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:"),
        (Splat.RCU_STALL, "rcu: INFO: rcu_preempt self-detected stall on CPU"),
        (
            Splat.DMAR_FAULT,
            "DMAR: [DMA Write NO_PASID] Request device [01:00.0] fault addr 0xfffdf000 "
            "[fault reason 0x05] PTE Write access is not set",
        ),
        (Splat.TX_TIMEOUT, "bnxt_en 0000:01:00.0 nut0: NETDEV WATCHDOG: CPU: 0: timed out 5000 ms"),
        (Splat.HWRM_FAILURE, "bnxt_en 0000:01:00.0 nut0: hwrm req_type 0x50 seq id 0x21 error 0x4"),
        (Splat.HWRM_FAILURE, "bnxt_en 0000:01:00.0: Error (timeout: 500000) msg {0x41 0x9} len:0"),
        (Splat.HWRM_FAILURE, "bnxt_en 0000:01:00.0 nut0: hwrm_ring_alloc type 2 failed. rc:fff"),
        (Splat.DRIVER_ERROR, "bnxt_en 0000:01:00.0: Unable to read VPD"),
    ],
)
def test_name_the_complaint(kind: Splat, line: str) -> None:
    (event,) = KernelLogWatcher().feed(f"{STAMP}{line}\n".encode())
    assert event.kind is kind
    assert event.uptime_s == 12.345678
    assert event.line.endswith(line)


@pytest.mark.parametrize(
    "line",
    [
        "page_pool_create_percpu() gave up with errno -12",
        "page_pool_init() mem-provider init failed -22",
        "bnxt_en 0000:01:00.0 nut0: init'ed rx ring 0 with 12/511 skbs only",
        "bnxt_en 0000:01:00.0 nut0: RX ring size reduced from 511 to 256",
        "bnxt_en 0000:01:00.0 nut0: XDP is disallowed when HDS is enabled.",
        "software IO TLB: mapped [mem 0x0000000073fd6000-0x0000000077fd6000] (64MB)",
        "DMAR: IOMMU feature fl1gp_support inconsistent",
        "iommu: Default domain type: Translated (set via kernel command line)",
        "bnxt_en 0000:01:00.0 nut0: NIC Link is Up, 100000 Mbps full duplex, Flow control: none",
        "bnxt_en 0000:01:00.0 eth0: Broadcom BCM57508 NetXtreme-E found at mem c0000000",
        "bnxt_en 0000:01:00.0 nut0: NIC Link is Down",
        "DMAR: IOMMU batching disallowed due to virtualization",
        "rcu: INFO: this is only a note",
        "Kernel command line: console=ttyS0 panic=-1 iommu.strict=1",
        "pci 0000:00:01.0: BAR 0: failed is not our driver's word",
        "debugging is on",
        "..MP-BIOS bug: 8254 timer not connected to IO-APIC",
    ],
)
def test_leave_ordinary_lines_alone(line: str) -> None:
    watcher = KernelLogWatcher()
    assert watcher.feed(f"{STAMP}{line}\n".encode()) == []
    assert watcher.line_count == 1


def test_collect_one_event_from_a_whole_warning() -> None:
    log = (
        "[    3.0] ------------[ cut here ]------------\n"
        "[    3.1] WARNING: CPU: 0 PID: 12 at net/core/page_pool.c:1 page_pool_put+0x1/0x2\n"
        "[    3.2] Modules linked in: bnxt_en\n"
        "[    3.3] RIP: 0010:page_pool_put+0x1/0x2\n"
        "[    3.4] ---[ end trace 0000000000000000 ]---\n"
        "[    3.5] nut0: link becomes ready\n"
    )
    watcher = KernelLogWatcher()
    watcher.feed(log.encode())
    (event,) = watcher.events
    assert event.kind is Splat.WARNING
    assert "page_pool.c:1" in event.line
    assert len(event.excerpt) == 5
    assert "end trace" in event.excerpt[-1]


def test_count_a_panic_after_an_oops_as_its_own_event() -> None:
    log = (
        "[ 1.0] BUG: kernel NULL pointer dereference, address: 0\n"
        "[ 1.0] #PF: supervisor read access in kernel mode\n"
        "[ 1.0] Oops: Oops: 0000 [#1] SMP PTI\n"
        "[ 1.1] Kernel panic - not syncing: Fatal exception in interrupt\n"
    )
    watcher = KernelLogWatcher()
    watcher.feed(log.encode())
    assert [event.kind for event in watcher.events] == [Splat.OOPS, Splat.PANIC]
    assert len(watcher.events[0].excerpt) == 3


def test_another_cpu_does_not_end_a_trace() -> None:
    watcher = KernelLogWatcher()
    for text in (
        "BUG: kernel NULL pointer dereference, address: 0000000000000010",
        "bnxt_en 0000:01:00.0 nut0: RX cons 9 != expected cons 8",
        "RIP: 0010:bnxt_rx_pkt+0xfe/0x1b20 [bnxt_en]",
    ):
        watcher.feed(f"{STAMP}{text}\n".encode())
    oops, error = watcher.events
    assert (oops.kind, error.kind) == (Splat.OOPS, Splat.DRIVER_ERROR)
    assert "bnxt_rx_pkt" in oops.excerpt[-1]


def test_find_a_line_that_comes_in_pieces() -> None:
    watcher = KernelLogWatcher()
    text = b"[ 1.0] Kernel panic - not syncing: x\r\n"
    found = [event for byte in text for event in watcher.feed(bytes([byte]))]
    assert [event.kind for event in found] == [Splat.PANIC]
    assert not found[0].line.endswith("\r")


def test_bound_what_a_guest_can_make_us_keep() -> None:
    watcher = KernelLogWatcher()
    watcher.feed(b"A" * 1_000_000)
    assert len(watcher.tail()) < 200_000
    watcher.feed(b"\n[ 1.0] BUG: x\n" + b"[ 1.0]  trace line\n" * 5000)
    assert len(watcher.events) == 1
    assert len(watcher.events[0].excerpt) == EXCERPT_LINES


def test_escape_what_would_drive_a_terminal() -> None:
    watcher = KernelLogWatcher()
    watcher.feed(b"[ 1.0] WARNING: possible recursive locking \x1b]0;owned\x07\n")
    assert "\x1b" not in watcher.tail()
    assert "\\x1b]0;owned\\x07" in watcher.events[0].line


def test_build_is_that_of_the_banner_and_of_nothing_later() -> None:
    watcher = KernelLogWatcher()
    assert watcher.build == ""
    watcher.feed(
        b"[    0.000000] Linux version 7.3-amd64 (debian-kernel@lists.debian.org) (gcc 15)"
        b" #1 SMP PREEMPT_DYNAMIC Debian 7.3~rc7-1~exp1 (2026-11-15)\r\n"
        b"[    9.000000] Linux version 1.0 (me) #2 mine\n"
    )
    assert watcher.build == "#1 SMP PREEMPT_DYNAMIC Debian 7.3~rc7-1~exp1 (2026-11-15)"
