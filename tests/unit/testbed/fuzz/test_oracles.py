# SPDX-License-Identifier: GPL-2.0-only
"""What is wrong with a run, and what a lying card, short memory or a known bug excuse."""

from __future__ import annotations

from typing import Any

import pytest

from testbed.fuzz.oracles import DAMAGED, GONE, KEPT, VECTORS, WRITTEN, RunRecord, excused, judge
from testbed.fuzz.recovery import Recovery
from tests.unit.testbed.fuzz.judged import (
    FINDINGS,
    KASAN,
    KERNEL,
    LIE,
    REFUSED,
    UNPLUGGED,
    WILD,
    allocator_called_by,
    complaints,
    events,
    run_of,
    signatures,
    violation,
    warn,
)


def test_nothing_is_wrong() -> None:
    assert complaints(REFUSED, recovery=Recovery()) == ()


def test_a_new_complaint_has_no_finding() -> None:
    (one,) = complaints(REFUSED, logs=[KASAN.format(scope="bnxt_open_nic")])
    assert (one.signature, one.oracle, one.finding) == ("memory: bnxt_open_nic", "kernel", "")
    assert "slab-out-of-bounds in bnxt_open_nic" in one.text


def test_a_finding_is_recognised_where_its_kind_of_fault_was_injected() -> None:
    log = KASAN.format(scope="__bnxt_rx_agg_netmems")
    found = [complaints(fault, logs=[log])[0].finding for fault in (LIE, REFUSED)]
    assert found == ["rx-agg-opaque-unchecked", ""]


def test_what_the_driver_said_counts_behind_long_reports_too() -> None:
    """Of the log a run has the end: one report drives out what was said before."""
    unread = {
        "k": "fault", "id": "1", "point": "dma.read", "action": "drop", "changed": {},
        "event": {"purpose": "hwrm"},
    }  # fmt: skip
    given_up = "bnxt_en 0000:00:00.0 nut0: Error (timeout: 100015) msg {0x51 0x8a} len:0\n"
    logs = [allocator_called_by("bnxt_remove_one")]
    assert signatures(unread, logs=logs, log="its end") == ["memory: bnxt_remove_one"]
    assert signatures(unread, logs=[given_up, *logs], log="its end") == []


def test_a_command_that_is_not_answered_is_as_good_as_refused() -> None:
    logs = [warn("__dev_close_many", "bnxt_queue_start")]
    timed_out = "Error (timeout: 500015) msg {0x50 0x3} len:0"
    found = [complaints(LIE, logs=logs, log=log)[0].finding for log in ("", timed_out)]
    assert [bool(one) for one in found] == [False, True]


def test_warnings_of_one_path_are_one() -> None:
    logs = [warn("fib_event", "bnxt_frob"), warn("inet_event", "bnxt_frob")]
    assert signatures(REFUSED, logs=logs) == ["WARN: fib_event < bnxt_frob"]
    other = [*logs, warn("inet_event", "bnxt_other")]
    assert len(signatures(REFUSED, logs=other)) == 2


def test_sleeping_where_one_must_not_is_one_complaint_of_a_path() -> None:
    def sleeps(said: str, inner: str, outer: str) -> str:
        frames = "".join(f" {name}+0x1/0x2\n" for name in (inner, "bnxt_send", outer))
        return f"{said}\nCall Trace:\n{frames}---[ end trace 0000000000000000 ]---\n"

    locked, slept = "[ BUG: Invalid wait context ]", "BUG: sleeping function called from invalid"
    logs = [sleeps(locked, "__mutex_lock", "bnxt_frob"), sleeps(slept, "bnxt_alloc", "bnxt_frob")]
    (first,) = signatures(REFUSED, logs=logs)
    assert first.startswith("lockdep: Invalid wait context: ")
    assert len(signatures(REFUSED, logs=[*logs, sleeps(slept, "bnxt_alloc", "bnxt_other")])) == 2


def test_what_follows_from_written_memory_is_no_complaint_of_its_own() -> None:
    first, later = KASAN.format(scope="bnxt_frob"), warn("inet_event", "page_pool_put")
    assert signatures(LIE, logs=[first, later]) == ["memory: bnxt_frob"]
    assert len(signatures(LIE, logs=[later, first])) == 2


@pytest.mark.parametrize(
    "said",
    [
        "list_del corruption. prev->next should be 0000000062349430, but was 0000000000000000.",
        "page_pool_empty_ring() page_pool refcnt 2 violation",
        "BUG: Bad page state in process stream_rx  pfn:05f2b",
    ],
)
def test_a_page_with_two_owners_is_one_complaint(said: str) -> None:
    """Of the list it was in, of the one it is in now, and of whoever comes across them."""
    logs = [f"{said}\n", warn("__list_del_entry", "page_pool_put"), warn("free_page", "bnxt_frob")]
    (first,) = signatures(REFUSED, logs=logs)
    assert "free_page" not in first
    written, elsewhere = KASAN.format(scope="bnxt_frob"), KASAN.format(scope="do_getname")
    assert signatures(REFUSED, logs=[*logs, written]) == [first, "memory: bnxt_frob"]
    assert signatures(REFUSED, logs=[*logs, elsewhere]) == [first]
    assert len(signatures(REFUSED, logs=[elsewhere])) == 1


@pytest.mark.parametrize(
    ("said", "finding"),
    [
        ("nut0: RESET_DONE not set during FW reset.", "reset-not-done-rings-kept"),
        ("nut0: bnxt_open() failed during FW reset", ""),
        ("nut0: Error (timeout: 100015) msg {0x50 0x5c} len:0", "ring-alloc-unanswered"),
        ("nut0: Error (timeout: 100015) msg {0x51 0x5c} len:0", ""),
    ],
)
def test_whoever_uses_memory_that_the_card_was_left_with_complains_of_that(
    said: str, finding: str
) -> None:
    before = f"bnxt_en 0000:00:00.0 {said}\n"
    victim, driver = KASAN.format(scope="do_getname"), KASAN.format(scope="bnxt_frob")
    assert [one.finding for one in complaints(LIE, logs=[before, victim])] == [finding]
    assert [one.finding for one in complaints(LIE, logs=[before, driver])] == [""]
    called = allocator_called_by("bnxt_frob")
    assert signatures(LIE, logs=[before, called]) == ["memory: bnxt_frob"]
    assert [one.finding for one in complaints(LIE, logs=[before, called])] == [finding]
    for late in (victim, called):
        assert [one.finding for one in complaints(LIE, logs=[late, before])] == [""]
    misuse = warn("free_irq", "bnxt_free_irq")
    assert [one.finding for one in complaints(LIE, logs=[before, misuse])] == [""]


NOT_FREED = {**REFUSED, "event": {"cmd": "RING_FREE"}}
POINTER = """\
Kernel panic - not syncing: Kernel mode fault at addr 0x56, ip 0x60f1ad8b
 [<60f1ad8b>] ? bnxt_frob+0x8db
Call Trace:
 [<60f774a3>] __bnxt_close_nic+0x333/0x770
"""
BROKEN_LIST = warn("__list_del_entry_valid_or_report", "__remove_object").replace(
    "Call Trace", "list_del corruption. next->prev should be 682dfe28, but was 0.\nCall Trace"
).replace("---[ end", " bnxt_frob+0x17/0x40\n---[ end")  # fmt: skip


@pytest.mark.parametrize(
    ("log", "judged"),
    [
        (KASAN.format(scope="do_getname"), []),
        (allocator_called_by("bnxt_frob"), []),
        (POINTER, []),
        (BROKEN_LIST, []),
        (BROKEN_LIST.replace("__remove_object", "list_del_rcu"), None),
        (KASAN.format(scope="bnxt_frob"), ["memory: bnxt_frob"]),
        (warn("free_irq", "bnxt_free_irq"), ["WARN: free_irq < bnxt_free_irq"]),
    ],
)
def test_a_ring_that_may_not_be_freed_excuses_nothing_of_the_drivers_own(
    log: str, judged: list[str] | None
) -> None:
    """Its bug is what it does with memory; what was written over may be any list or pointer."""
    found = signatures(REFUSED, logs=[log])
    assert len(found) == 1
    assert signatures(NOT_FREED, logs=[log]) == (found if judged is None else judged)


NO_MEMORY = "sh invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL)\nCall Trace:\n {called}+0x1/0x2\n"
MORE_VECTORS = {
    "k": "fault", "id": "f", "point": "config.read", "action": "set",
    "event": {"offset": 0xA2, "length": 2, "value": 0x801F}, "changed": {"value": 0x7FF},
}  # fmt: skip
LOCKUP = "watchdog: BUG: soft lockup - CPU#0 stuck for 26s! [ip:54]\n"


@pytest.mark.parametrize(
    ("fault", "logs", "judged", "why"),
    [
        (WILD, [KASAN.format(scope="bnxt_frob")], 0, WRITTEN),
        (LIE, [KASAN.format(scope="bnxt_frob"), warn("inet_event", "pool_put")], 1, DAMAGED),
        (UNPLUGGED, [LOCKUP], 0, GONE),
        (NOT_FREED, [POINTER], 0, KEPT),
        (MORE_VECTORS, [NO_MEMORY.format(called="mq_init")], 0, VECTORS),
    ],
)
def test_what_is_excused_is_told_and_why(
    fault: Any, logs: list[str], judged: int, why: str
) -> None:
    assert len(complaints(fault, logs=logs)) == judged
    (one,) = excused(run_of(fault, logs=logs), FINDINGS, KERNEL)
    assert one.why == why
    assert one.headline in logs[-1].replace("\n", " ")
    assert excused(run_of(REFUSED, logs=logs[:1]), FINDINGS, KERNEL) == ()


@pytest.mark.parametrize(
    ("error", "finding"), [("fffffff4", "ring-free-memory-short"), ("fffffffb", "")]
)
def test_a_ring_that_stays_for_lack_of_memory_is_on_record(error: str, finding: str) -> None:
    said = f"bnxt_en 0000:00:00.0 nut0: hwrm_ring_free type 1 failed. rc:{error} err:0\n"
    (one,) = complaints(violation("ring_free_in_use", kind="NQ"), logs=[said])
    assert (one.signature, one.finding) == ("dma: ring_free_in_use", finding)


PENDING = """\
------------[ cut here ]------------
WARNING: kernel/dma/debug.c:889 at dma_debug_device_change+0x3a0/0x660, CPU#0: sh/61
DMA-API: pci 0000:00:00.0: device driver has pending DMA allocations while released from device [count=2]
One of leaked entries details: [device address=0x6312000] [size=4096 bytes] [mapped with {}] [mapped as {}]
Call Trace:
 dma_debug_device_change+0x3a0/0x660
---[ end trace 0000000000000000 ]---
"""  # noqa: E501


UNTRACKED = """\
------------[ cut here ]------------
WARNING: kernel/dma/debug.c:1194 at check_sync+0x3a0/0x660, CPU#0: sh/61
DMA-API: bnxt_en 0000:00:00.0: device driver tries to sync DMA memory it has not allocated [device address=0x6312000] [size=4096 bytes]
Call Trace:
 check_sync+0x3a0/0x660
 {}+0x17/0x40
---[ end trace 0000000000000000 ]---
"""  # noqa: E501


def test_who_takes_for_mapped_what_is_not_is_one_complaint() -> None:
    """The next who does, and the mapping that is left instead."""
    first, second = UNTRACKED.format("io_pp_zc_alloc_netmems"), UNTRACKED.format("page_pool_put")
    left = PENDING.format("DMA_FROM_DEVICE", "scatter-gather")
    kind = "DMA-API: tries to sync DMA memory it has not allocated"
    assert signatures(logs=[first, second, left]) == [f"{kind}: io_pp_zc_alloc_netmems"]
    assert len(signatures(logs=[left, first])) == 2
    assert len(signatures(logs=[first, warn("free_irq", "bnxt_free_irq")])) == 2


def test_received_pages_that_come_back_later_are_no_leak() -> None:
    received = PENDING.format("DMA_FROM_DEVICE", "phy")
    late = Recovery(line=100)
    assert complaints(logs=[received], recovery=late) == ()
    orphan = Recovery(line=100, pools=[{"id": 1}])  # a page of it is lost
    at_the_end = Recovery(line=0)  # the driver went when the stack had had its time
    for recovery in (orphan, at_the_end, Recovery(line=100, bound=True), None):
        assert len(complaints(logs=[received], recovery=recovery)) == 1
    assert complaints(logs=[received], recovery=late, lost="the machine is gone")


@pytest.mark.parametrize(
    ("direction", "kind"), [("DMA_TO_DEVICE", "phy"), ("DMA_BIDIRECTIONAL", "coherent")]
)
def test_what_is_no_received_page_stays_a_complaint(direction: str, kind: str) -> None:
    log = PENDING.format(direction, kind)
    assert len(complaints(logs=[log], recovery=Recovery(line=100))) == 1


def test_a_page_that_was_lost_is_named_by_what_the_card_did_with_it_last() -> None:
    """Else all bugs that lose one are the same; an area has many buffers, and says no more."""
    steps = ["0.1 s posted in RX ring 4, index 5, opaque 0x5, 1536 bytes", "0.2 s RX ring 4 freed"]
    taken = [*steps[:1], "0.1 s taken in RX ring 4, index 5, opaque 0x5, 1536 bytes", *steps[1:]]
    log = PENDING.format("DMA_FROM_DEVICE", "phy")
    (event,) = events(log)
    kind = "DMA-API: has pending DMA allocations while released from device: phy"
    for lines, name in ((), kind), (steps, f"{kind}: posted in RX ring"), (
        taken, f"{kind}: taken in RX ring",
    ):  # fmt: skip
        (one,) = complaints(logs=[log], remembered={event.line_number: lines})
        assert one.signature == name
        assert all(line in one.text for line in lines)
    left = ["posted in RX_AGG ring", "taken in RX_AGG ring"]
    (one,) = complaints(logs=[log], remembered={event.line_number: steps}, left=left)
    assert one.signature == f"{kind}: taken in RX_AGG ring"
    sent = PENDING.format("DMA_TO_DEVICE", "phy")
    assert signatures(logs=[sent], left=left) == [kind]


def test_an_area_that_stays_mapped_is_named_by_the_pool_that_has_buffers_of_it() -> None:
    """A buffer that was lost, and a mapping that nobody knows of any more: two bugs."""
    log = PENDING.format("DMA_FROM_DEVICE", "scatter-gather")
    kind = "DMA-API: has pending DMA allocations while released from device: scatter-gather"
    pool = {"id": 1, "io_uring": True}
    zcrx, of_host = f"{kind}: page pool of zcrx", {"id": 2}
    for pools, name in (([], kind), ([of_host], kind), ([pool], zcrx), ([pool, of_host], zcrx)):
        assert signatures(logs=[log], recovery=Recovery(pools=pools)) == [name]
    page = PENDING.format("DMA_FROM_DEVICE", "phy")
    assert "zcrx" not in signatures(logs=[page], recovery=Recovery(pools=[pool]))[0]


RELOADED = """\
------------[ cut here ]------------
WARNING: net/devlink/dev.c:439 at devlink_reload+0x22c/0x240, CPU#0: devlink/54
Call Trace:
 devlink_reload+0x22c/0x240
 devlink_nl_reload_doit+0x17/0x40
---[ end trace 0000000000000000 ]---
"""


def test_a_firmware_that_says_it_knows_no_reservations_is_asked_for_none() -> None:
    """Refused anything else, the driver reserves before it allocates; and it frees what it has."""
    over, left = violation("hwrm_over_reservation"), violation("fw_left_after_close")
    told = {**REFUSED, "event": {"cmd": "FUNC_RESOURCE_QCAPS"}}
    assert signatures(told, over) == []
    assert signatures(REFUSED, over) == ["dma: hwrm_over_reservation"]
    assert signatures(told, over, left) == ["dma: fw_left_after_close"]


def test_a_warning_on_record_hides_nothing_that_does_not_come_of_it() -> None:
    over = violation("hwrm_over_reservation")
    first, second = complaints(over, logs=[RELOADED])
    assert (first.finding, second.signature) == (
        "devlink-reload-port-left", "dma: hwrm_over_reservation",
    )  # fmt: skip
    assert len(complaints(logs=[RELOADED])) == 1
    (new,) = complaints(over, logs=[warn("frob", "bnxt_open_nic")])
    assert new.oracle == "kernel"


def test_a_finding_that_is_mended_in_the_kernel_explains_nothing() -> None:
    log = KASAN.format(scope="__bnxt_rx_agg_netmems")
    run = RunRecord(workload="stream", events=events(log), trace=[LIE])
    for mended, finding in (
        ("rx-length-unchecked", "rx-agg-opaque-unchecked"),
        ("rx-agg-opaque-unchecked", ""),
    ):
        (one,) = judge(run, FINDINGS.without({mended}), KERNEL)
        assert one.finding == finding


def test_a_card_that_writes_anywhere_is_to_blame_for_all_of_it() -> None:
    assert signatures(WILD, logs=[KASAN.format(scope="bnxt_frob")]) == []


@pytest.mark.parametrize(
    "line",
    [
        "bnxt_en 0000:00:00.0: Error (timeout: 500015) msg {0x51 0x3} len:0\n",
        "bnxt_en 0000:00:00.0 nut0: hwrm vnic set rss failure rc: -5\n",
        "bnxt_en 0000:00:00.0 nut0: NETDEV WATCHDOG: CPU: 0: transmit queue 0 timed out 5000 ms\n",
        "swapper/0: page allocation failure: order:0, mode:0x820(GFP_ATOMIC)\n",
        "TCP: nut0: Driver has suspect GRO implementation, TCP performance may be compromised.\n",
        warn("bnxt_sched_reset_txr", "bnxt_sched_reset_txr"),
    ],
)
def test_what_is_rightly_said_of_a_card_that_lies(line: str) -> None:
    assert signatures(LIE, logs=[line]) == []


def test_a_reference_that_is_kept_is_never_rightly_said() -> None:
    line = "unregister_netdevice: waiting for nut0 to become free. Usage count = 2\n"
    assert len(signatures(LIE, logs=[line])) == 1


def test_memory_is_gone_for_the_one_who_takes_it() -> None:
    """Whoever comes first is chance, and no card may take all memory of a machine."""
    other, driver = (
        NO_MEMORY.format(called=called)
        for called in ("fork_idle", "__dma_direct_alloc_pages+0x1/0x2\n bnxt_alloc_ring")
    )
    for logs in ([other, driver], [driver, other], [driver]):
        assert signatures(LIE, logs=logs) == ["OOM killer: bnxt_alloc_ring"]
    assert signatures(LIE, logs=[other, other]) == ["OOM killer: fork_idle"]


@pytest.mark.parametrize("called", ["fork_idle", "bnxt_alloc_ring", "mq_init+0x1/0x2\n bnxt_open"])
def test_queues_for_vectors_excuse_nobody_else(called: str) -> None:
    assert len(signatures(MORE_VECTORS, logs=[NO_MEMORY.format(called=called)])) == 1


def test_where_the_kernel_complains_the_rest_follows() -> None:
    recovery = Recovery(silent="no echo", resources={"vnics": 1})
    logs = [warn("fib_event", "bnxt_frob")]
    assert len(signatures(REFUSED, logs=logs, recovery=recovery)) == 1
