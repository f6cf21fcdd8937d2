# SPDX-License-Identifier: GPL-2.0-only
"""One name for one bug: the logs of the findings on record, and what compilers and engines vary."""

from __future__ import annotations

from pathlib import Path

import pytest

from testbed.findings.kernel_log import KernelLogWatcher, Splat
from testbed.findings.load import FOLDER
from testbed.findings.splat_report import reports
from testbed.fuzz.signature import in_scope, names_of, path_of, signature, with_place

KASAN = """\
BUG: KASAN: slab-out-of-bounds in bnxt_rx_pkt+0x382b/0x87d0
Write of size 8 at addr 0000000066cbc898 by task stream_tx/52

CPU: 0 UID: 0 PID: 52 Comm: stream_tx Not tainted 7.2.12-testbed-uml-san #1
Call Trace:
 bnxt_rx_pkt+0x382b/0x87d0
 __bnxt_poll_work+0x1ab/0x1100
==================================================================
"""
PANIC = """\
[    0.000000] Kernel panic - not syncing: Kernel mode fault at addr 0x8, ip 0x603e2511
[    0.000000] CPU: 0 UID: 0 PID: 26 Comm: ping Not tainted 7.2.12-testbed-uml #1 VOLUNTARY
[    0.000000] Call Trace:
[    0.000000]  [<60067b20>] ? um_set_signals+0x0/0x60
[    0.000000]  [<60068373>] ? sig_handler_common+0x53/0xc0
[    0.000000]  [<603e9000>] ? bnxt_tx_int+0x0/0x60
[    0.000000]  [<603e8f9b>] ? bnxt_poll_p5+0xeb/0x400
"""

# head and data of sent packets that were lost, one from a cache that others have filled
LOST_PACKETS = """\
[  338.950000] kmemleak: unreferenced object 0x665e18c0 (size 576):
[  338.950000] kmemleak:   comm "ptp_echo", pid 49, jiffies 4294937326
[  338.950000] kmemleak:   backtrace (crc d3b3cf4):
[  338.950000] kmemleak:     kmemleak_alloc+0x31/0x40
[  338.950000] kmemleak:     kmem_cache_alloc_node_noprof+0x29c/0x620
[  338.950000] kmemleak:     kmalloc_reserve+0x125/0x360
[  338.950000] kmemleak:     __alloc_skb+0x1b5/0x7e0
[  338.950000] kmemleak:     alloc_skb_with_frags+0xbd/0x7e0
[  338.950000] kmemleak: unreferenced object 0x6459a140 (size 208):
[  338.950000] kmemleak:   comm "kworker/u4:0", pid 8, jiffies 4294937324
[  338.950000] kmemleak:   backtrace (crc d42ff45a):
[  338.950000] kmemleak:     kmem_cache_alloc_node_noprof+0x29c/0x620
[  338.950000] kmemleak:     __alloc_skb+0x169/0x7e0
[  338.950000] kmemleak:     ndisc_alloc_skb+0xe8/0x5b0
[  338.950000] kmemleak: unreferenced object 0x6459a500 (size 208):
[  338.950000] kmemleak:   comm "softirq", pid 0, jiffies 4294937326
[  338.950000] kmemleak:   backtrace (crc 4bea2a6c):
[  338.950000] kmemleak:     kmem_cache_alloc_bulk_noprof+0x477/0x860
[  338.950000] kmemleak:     napi_skb_cache_get+0x3b2/0x7e0
[  338.950000] kmemleak:     __alloc_skb+0x509/0x7e0
"""


def signatures(log: str) -> list[str]:
    watcher = KernelLogWatcher()
    watcher.feed(log.encode())
    said = (Splat.HWRM_FAILURE, Splat.DRIVER_ERROR)
    found = (one for one in reports(watcher.events) if one.sanitizer not in said)
    return list(dict.fromkeys(map(signature, found)))


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        ("tpa-agg-id-unchecked/evidence/7.2.12-uml-san", ["memory: bnxt_rx_pkt"]),
        ("tpa-agg-bug-on/evidence/7.3.4-uml", ["BUG: bnxt_tpa_agg"]),
        ("rx-length-unchecked/evidence/7.2.12-uml", ["BUG: skb_panic < bnxt_rx_skb"]),
        ("split-header-too-short/evidence/7.2.12-uml-san", ["BUG: __skb_pull < bnxt_rx_pkt"]),
        ("coalescing-timer-zero/evidence/7.3.4-uml", ["arithmetic: bnxt_hwrm_set_coal_params"]),
        (
            "pool-pages-mapped-after-unbind/evidence/7.2.12-uml-san",
            ["DMA-API: has pending DMA allocations while released from device: phy"],
        ),
    ],
)
def test_findings_on_record(place: str, expected: list[str]) -> None:
    """UBSAN, KASAN and the panic that follows are one; a value of one run is no part of it."""
    assert signatures((FOLDER / place / "kernel.log").read_text()) == expected


def test_sizes_offsets_and_ways_to_fault_do_not_matter() -> None:
    oops = KASAN.replace("slab-out-of-bounds", "null-ptr-deref").replace("0x382b", "0x17")
    assert signatures(KASAN) == signatures(oops) == ["memory: bnxt_rx_pkt"]


@pytest.mark.parametrize("kind", ["double-free", "invalid-free"])
def test_what_is_freed_twice_is_another_bug_than_what_is_used(kind: str) -> None:
    freed = KASAN.replace("slab-out-of-bounds", kind)
    assert signatures(freed) == ["memory: freed twice: bnxt_rx_pkt"]


def test_a_guess_is_where_a_call_returns_and_no_trap() -> None:
    assert signatures(PANIC) == ["memory: bnxt_poll_p5"]


def test_the_address_in_the_headline_says_more_than_guesses() -> None:
    watcher = KernelLogWatcher()
    watcher.feed(PANIC.encode())
    (event,) = watcher.events
    (named,) = reports([with_place(event, {0x603E2511: "bnxt_rx_pkt.cold+0x81"}.__getitem__)])
    assert signature(named) == "memory: bnxt_rx_pkt"
    assert named.went_through("bnxt_rx_pkt")
    assert with_place(event, lambda _address: "") is event


def test_the_address_in_the_headline_comes_before_true_frames() -> None:
    """They begin with its caller: two bugs of functions that one calls would be one."""
    log = PANIC.replace("] ? bnxt_poll_p5", "] bnxt_poll_p5")
    assert signatures(log) == ["memory: bnxt_poll_p5"]
    watcher = KernelLogWatcher()
    watcher.feed(log.encode())
    (event,) = watcher.events
    for name, said in {
        "__bnxt_poll_work+0x372": "memory: __bnxt_poll_work",
        "memcpy+0x9": "memory: bnxt_poll_p5",
        "maybe_map+0x177": "memory: bnxt_poll_p5",
    }.items():
        (named,) = reports([with_place(event, {0x603E2511: name}.__getitem__)])
        assert signature(named) == said


def test_names_come_from_the_map_beside_the_program(tmp_path: Path) -> None:
    program = tmp_path / "linux"
    assert names_of(program)(0x1010) == ""
    other = tmp_path / "other"
    other.mkdir()
    (other / "System.map").write_text("0000000000001000 T bnxt_open\n0000000000002000 T _etext\n")
    assert names_of(other / "linux")(0x1010) == "bnxt_open+0x10"
    assert names_of(other / "linux")(0x9999) == ""


@pytest.mark.parametrize("name", ["bnxt_poll", "__bnxt_poll_work", "page_pool_put", "io_zcrx_recv"])
def test_scope(name: str) -> None:
    assert in_scope(name)
    assert not in_scope("tcp_v4_rcv")


def test_what_is_on_record_of_one_that_sleeps_hides_nothing_else() -> None:
    said = "BUG: sleeping function called from invalid context\nCall Trace:\n bnxt_frob+0x1/0x2\n"
    watcher = KernelLogWatcher()
    watcher.feed(said.encode())
    (report,) = reports(watcher.events)
    assert len({path_of(report), path_of(report, "known"), path_of(report, "another")}) == 3


def test_packets_that_nothing_points_to_are_one_bug() -> None:
    """Who allocated them has not lost them; other memory is called after who did."""
    kind = "kmemleak: unreferenced object"
    assert signatures(LOST_PACKETS) == [f"{kind}: skb"]
    other = LOST_PACKETS.replace("kmalloc_reserve", "bnxt_alloc_mem")
    assert signatures(other) == [f"{kind}: bnxt_alloc_mem", f"{kind}: skb"]
