# SPDX-License-Identifier: GPL-2.0-only
"""What is read from the kernel's complaints: texts of 7.2.12 (uml-san), and the wording of x86."""

from __future__ import annotations

from pathlib import Path

import pytest

from testbed.findings.kernel_log import KernelLogWatcher
from testbed.findings.splat_report import SplatReport, reports

SPLATS = Path(__file__).parent / "splats"


def read(text: str) -> list[SplatReport]:
    watcher = KernelLogWatcher()
    watcher.feed(text.encode())
    return reports(watcher.events)


def stored(name: str) -> list[SplatReport]:
    return read((SPLATS / f"{name}.log").read_text())


@pytest.mark.parametrize(
    ("name", "signatures"),
    [
        (
            "tpa_start_id",
            [
                "UBSAN: array-index-out-of-bounds: bnxt_rx_pkt",
                "KASAN: slab-out-of-bounds write: bnxt_rx_pkt",
                "BUG: BUG_ON: eth_type_trans",
            ],
        ),
        ("tpa_agg_many", ["BUG: BUG_ON: bnxt_tpa_agg"]),
        ("rx_length", ["BUG: BUG_ON: bnxt_rx_skb"]),
        ("agg_buffers", ["UBSAN: array-index-out-of-bounds: __bnxt_rx_agg_netmems"]),
        ("leak", ["kmemleak: unreferenced object: bnxt_alloc_mem"]),
        ("short_unmap", ["DMA-API: frees DMA memory with different size: bnxt_tx_int"]),
        ("lock_in_poll", ["lockdep: inconsistent lock state: bnxt_poll_p5"]),
        (
            "zcrx_segment",
            [
                "DMA-API: mapping sg segment longer than device claims to support: "
                "io_zcrx_create_area"
            ],
        ),
    ],
)
def test_signature_names_the_function_at_fault(name: str, signatures: list[str]) -> None:
    assert [report.signature for report in stored(name)] == signatures


def test_memory_error_in_full() -> None:
    _, kasan, _ = stored("tpa_start_id")
    assert (kasan.access, kasan.access_bytes) == ("write", 2)
    assert kasan.task == "stream_tx/45"
    assert kasan.trace[:3] == ("bnxt_rx_pkt", "__bnxt_poll_work", "bnxt_poll_p5")
    assert not kasan.panicked


def test_place_in_the_source() -> None:
    ubsan, _, bug = stored("tpa_start_id")
    assert ubsan.location == "drivers/net/ethernet/broadcom/bnxt/bnxt.c:1549"
    assert bug.location == "include/linux/skbuff.h:2830"


def test_panic_belongs_to_the_complaint_it_follows_from() -> None:
    (bug,) = stored("tpa_agg_many")
    assert bug.panicked
    assert bug.task == "stream_tx/45"
    assert "__bnxt_poll_work" in bug.trace


def test_leak_has_the_size_of_the_object_and_who_allocated_it() -> None:
    (leak,) = stored("leak")
    assert leak.access_bytes == 256
    assert leak.task == "ip/46"
    assert "bnxt_open" in leak.trace


def test_two_leaks_are_two_reports() -> None:
    text = (SPLATS / "leak.log").read_text()
    assert len(read(text + text)) == 2


X86_OOPS = """\
[ 8.1] BUG: kernel NULL pointer dereference, address: 0000000000000032
[ 8.1] #PF: supervisor read access in kernel mode
[ 8.1] Oops: Oops: 0000 [#1] SMP PTI
[ 8.1] CPU: 1 UID: 0 PID: 22 Comm: ksoftirqd/1 Not tainted 7.2.12+deb13-amd64 #1 PREEMPT
[ 8.1] RIP: 0010:bnxt_poll_p5+0x1f0/0x3b0 [bnxt_en]
[ 8.1] Call Trace:
[ 8.1]  <IRQ>
[ 8.1]  __napi_poll+0x2b/0x1b0
[ 8.1]  ? srso_return_thunk+0x5/0x5f
[ 8.1]  net_rx_action+0x2c1/0x400
[ 8.1]  handle_softirqs+0xd9/0x2c0
[ 8.1] ---[ end trace 0000000000000000 ]---
[ 8.2] Kernel panic - not syncing: Fatal exception in interrupt
"""


def test_oops_of_x86() -> None:
    (oops,) = read(X86_OOPS)
    assert oops.signature == "oops: kernel NULL pointer dereference: bnxt_poll_p5"
    assert oops.trace == ("__napi_poll", "net_rx_action", "handle_softirqs")
    assert oops.task == "ksoftirqd/1/22"
    assert oops.panicked


def test_machine_that_ends_for_lack_of_memory() -> None:
    """It belongs to whoever took it all."""
    asks = (
        "[ 1.0] devlink invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0\n"
        "[ 1.0] Call Trace:\n[ 1.0]  dump_header+0x1/0x2\n"
        "[ 1.0]  oom_kill_process.cold+0x1/0x2\n[ 1.0]  out_of_memory+0x1/0x2\n"
        "[ 1.0]  __alloc_pages_slowpath.constprop.0+0x1/0x2\n[ 1.0]  bnxt_alloc_ring+0x1/0x2\n"
    )
    (oom,) = read(f"{asks}[ 1.1] Kernel panic - not syncing: System is deadlocked on memory\n")
    assert oom.panicked
    assert oom.signature == "OOM killer: bnxt_alloc_ring"


@pytest.mark.parametrize(
    ("text", "signature"),
    [
        (
            "[ 3.0] ------------[ cut here ]------------\n"
            "[ 3.0] refcount_t: underflow; use-after-free.\n"
            "[ 3.0] WARNING: CPU: 0 PID: 9 at lib/refcount.c:28 refcount_warn_saturate+0xbe/0x110\n"
            "[ 3.0] RIP: 0010:refcount_warn_saturate+0xbe/0x110\n"
            "[ 3.0] Call Trace:\n[ 3.0]  <TASK>\n[ 3.0]  io_zcrx_unregister+0x10/0x20\n"
            "[ 3.0] ---[ end trace 0000000000000000 ]---\n",
            "refcount: underflow; use-after-free: io_zcrx_unregister",
        ),
        (
            "[ 3.0] WARNING: net/core/page_pool.c:1034 at page_pool_put+0x1/0x2, CPU#1: ip/9\n",
            "WARNING: WARN: page_pool_put",
        ),
        (
            "[ 3.0] BUG: KFENCE: use-after-free read in bnxt_rx_pkt+0x1/0x2\n",
            "KFENCE: use-after-free read: bnxt_rx_pkt",
        ),
        (
            "[ 3.0] INFO: task ip:99 blocked for more than 120 seconds.\n"
            "[ 3.0] Call Trace:\n[ 3.0]  <TASK>\n[ 3.0]  __schedule+0x3d5/0x7a0\n"
            "[ 3.0]  bnxt_hwrm_send+0x10/0x20\n",
            "hung task: blocked task: bnxt_hwrm_send",
        ),
        (
            "[ 3.0] BUG: sleeping function called from invalid context at mm/slab.h:3\n"
            "[ 3.0] Call Trace:\n[ 3.0]  dump_stack_lvl+0x1/0x2\n[ 3.0]  __might_resched+0x1/0x2\n"
            "[ 3.0]  bnxt_open+0x1/0x2\n",
            "lockdep: sleeping function called from invalid context: bnxt_open",
        ),
        (
            "[ 3.0] Kernel panic - not syncing: Kernel mode fault at addr 0x1210, ip 0x60f1\n"
            "[ 3.0] Call Trace:\n[ 3.0]  [<60f1>] bnxt_queue_start+0x1/0x2\n",
            "panic: Kernel mode fault at addr N, ip N: bnxt_queue_start",
        ),
        (
            "[ 3.0] RIP: 0033:bnxt_open+0x1/0x2\n[ 3.0] RSP: 0\n[ 3.0] ip: an ordinary line\n"
            "[ 3.0] RIP: 0033:bnxt_msix+0x36/0x70\n[ 3.0] RSP: 00000000618f7190\n"
            "[ 3.0] Kernel panic - not syncing: Kernel mode fault at addr 0x0, ip 0x60f1\n"
            "[ 3.0] Call Trace:\n[ 3.0]  [<60f1>] handle_irq_event+0x1/0x2\n",
            "panic: Kernel mode fault at addr N, ip N: bnxt_msix",
        ),
        (
            "[ 3.0] RIP: 0033:bnxt_queue_mem_alloc+0x113/0x630\n[ 3.0] RSP: 0\n"
            "[ 3.0] Kernel panic - not syncing: Segfault with no mm\n"
            "[ 3.0] Call Trace:\n[ 3.0]  [<60f1>] netdev_rx_queue_restart+0x1/0x2\n",
            "panic: Segfault with no mm: bnxt_queue_mem_alloc",
        ),
    ],
    ids=[
        "refcount",
        "warning",
        "kfence",
        "hung task",
        "atomic sleep",
        "fault of uml",
        "where uml was",
        "where uml was, in a kernel thread",
    ],
)
def test_other_complaints(text: str, signature: str) -> None:
    (report,) = read(text)
    assert report.signature == signature


def test_signature_is_free_of_numbers() -> None:
    first, second = (
        read(f"[ 1.0] bnxt_en 0000:01:00.0 nut0: hwrm req_type 0x50 seq id {seq} error 0x4\n")[0]
        for seq in ("0x21", "0x1f")
    )
    assert first.signature == second.signature


def test_report_as_json() -> None:
    document = stored("tpa_start_id")[1].as_document()
    assert document["function"] == "bnxt_rx_pkt"
    assert document["trace"][0] == "bnxt_rx_pkt"


def test_what_a_complaint_went_through() -> None:
    (report,) = read(
        "[    1.0] WARNING: net/core/dev.c:7 at f+0x1/0x2\n"
        "[    1.0] Call Trace:\n"
        "[    1.0]  [<60000001>] ? netif_close+0x1/0x2\n"
        "[    1.0]  [<60000002>] bnxt_queue_start.cold+0x1/0x2\n"
    )
    assert report.went_through("netif_close")
    assert report.went_through("bnxt_queue_start")
    assert not report.went_through("bnxt_queue")
    assert not report.went_through("queue_start")
