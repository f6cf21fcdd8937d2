# SPDX-License-Identifier: GPL-2.0-only
"""What is wrong with a run, and what a lying card, short memory or a known bug excuse."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from testbed.findings.judge import Findings
from testbed.findings.kernel import GuestKernel
from testbed.findings.kernel_log import KernelEvent, KernelLogWatcher
from testbed.findings.load import load_findings
from testbed.fuzz.oracles import DAMAGED, GONE, KEPT, WRITTEN, RunRecord, excused, judge
from testbed.fuzz.outcome import Complaint
from testbed.fuzz.recovery import BOUND_AGAIN, Recovery
from testbed.fuzz.rings import BufferRing
from testbed.fuzz.schedule import Companion, Packet, Schedule
from testbed.workloads.judge import NOT_AGAIN

FINDINGS = Findings(load_findings())
KERNEL = GuestKernel.of("7.2.12-testbed-uml-san")
REFUSED = {
    "k": "fault", "id": "no", "point": "hwrm.request", "action": "set",
    "event": {"cmd": "VNIC_CFG"}, "changed": {"refuse": 4},
}  # fmt: skip
LIE = {
    "k": "fault", "id": "lie", "point": "cqe.write", "action": "set",
    "event": {"type": "RX_L2"}, "changed": {"len": 4},
}  # fmt: skip
WILD = {**LIE, "point": "dma.write", "changed": {"iova": 4}, "event": {"length": 8}}
WARN = """\
------------[ cut here ]------------
WARNING: net/core/dev.c:1762 at {inner}+0x22c/0x240, CPU#0: ip/54
Call Trace:
 {inner}+0x22c/0x240
 {scope}+0x17/0x40
---[ end trace 0000000000000000 ]---
"""
KASAN = """\
BUG: KASAN: slab-out-of-bounds in {scope}+0x382b/0x87d0
Write of size 8 at addr 0000000066cbc898 by task stream_tx/52
Call Trace:
 {scope}+0x382b/0x87d0
==================================================================
"""


def events(*logs: str) -> list[KernelEvent]:
    watcher = KernelLogWatcher()
    for log in logs:
        watcher.feed(log.encode())
    return watcher.events


def warn(inner: str, scope: str) -> str:
    return WARN.format(inner=inner, scope=scope)


def allocator_called_by(scope: str) -> str:
    """KASAN's quarantine finds its list broken."""
    found = KASAN.format(scope="qlist_free_all")
    return found.replace("====", f" {scope}+0x17/0x40\n====", 1)


def violation(rule: str, **more: Any) -> dict[str, Any]:
    return {"k": "violation", "rule": rule, "t": 0, "culprit": "driver", **more}


def run_of(*trace: Any, log: str = "", **record: Any) -> RunRecord:
    return RunRecord(
        workload="stream", events=events(*record.pop("logs", ())), trace=trace, log=log, **record
    )


def complaints(*trace: Any, **record: Any) -> tuple[Complaint, ...]:
    return judge(run_of(*trace, **record), FINDINGS, KERNEL)


def signatures(*trace: Any, **record: Any) -> list[str]:
    return [one.signature for one in complaints(*trace, **record)]


def test_nothing_is_wrong() -> None:
    assert complaints(REFUSED, recovery=Recovery()) == ()


# -- the kernel's word -----------------------------------------------------------------------------
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
    written = KASAN.format(scope="bnxt_frob")
    assert signatures(REFUSED, logs=[*logs, written]) == [first, "memory: bnxt_frob"]


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


LOCKUP = "watchdog: BUG: soft lockup - CPU#0 stuck for 26s! [ip:54]\n"
UNPLUGGED = {**REFUSED, "point": "now", "action": "unplug", "event": {}, "changed": {}}


@pytest.mark.parametrize(
    ("fault", "logs", "judged", "why"),
    [
        (WILD, [KASAN.format(scope="bnxt_frob")], 0, WRITTEN),
        (LIE, [KASAN.format(scope="bnxt_frob"), warn("inet_event", "pool_put")], 1, DAMAGED),
        (UNPLUGGED, [LOCKUP], 0, GONE),
        (NOT_FREED, [POINTER], 0, KEPT),
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
        f"sh invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL)\nCall Trace:\n {called}+0x1/0x2\n"
        for called in ("fork_idle", "__dma_direct_alloc_pages+0x1/0x2\n bnxt_alloc_ring")
    )
    for logs in ([other, driver], [driver, other], [driver]):
        assert signatures(LIE, logs=logs) == ["OOM killer: bnxt_alloc_ring"]
    assert signatures(LIE, logs=[other, other]) == ["OOM killer: fork_idle"]


def test_where_the_kernel_complains_the_rest_follows() -> None:
    recovery = Recovery(silent="no echo", resources={"vnics": 1})
    logs = [warn("fib_event", "bnxt_frob")]
    assert len(signatures(REFUSED, logs=logs, recovery=recovery)) == 1


# -- the card's and the machine's ------------------------------------------------------------------
def test_the_driver_breaks_a_rule() -> None:
    broken = violation("posted_twice", ring="RX_AGG")
    assert signatures(REFUSED, broken) == ["dma: posted_twice: RX_AGG"]
    assert signatures(LIE, broken) == []
    assert signatures(REFUSED, {**broken, "caused_by": "no"}) == []
    assert signatures(REFUSED, {**broken, "culprit": "card model"}) == []


def test_the_first_rule_is_the_root() -> None:
    broken = [violation("hwrm_unknown_id", cmd="RING_FREE"), violation("posted_twice")]
    assert signatures(REFUSED, *broken) == ["dma: hwrm_unknown_id: RING_FREE"]


def test_firmware_is_left_behind() -> None:
    left = Recovery(resources={"vnics": 1, "rss_contexts": 2})
    assert signatures(REFUSED, recovery=left) == ["ledger: left after remove: rss_contexts, vnics"]
    timed_out = "Resp cmpl intr err msg: 0x51"
    assert signatures(REFUSED, recovery=left, log=timed_out) == []


def test_nothing_flows_any_more() -> None:
    silent = Recovery(silent="no echo comes back")
    assert signatures(LIE, recovery=silent) == ["liveness: no echo with an honest card"]
    gone = {**LIE, "point": "now", "action": "unplug"}
    assert signatures(gone, recovery=silent) == []


def test_up_and_down_has_to_do_unless_firmware_was_left_with_something() -> None:
    """A reset that was aborted, and a driver that refuses to open from then on."""
    back = Recovery(tried=["up and down", BOUND_AGAIN])
    assert signatures(REFUSED, recovery=back) == ["liveness: it takes binding again"]
    assert signatures(REFUSED, recovery=Recovery(tried=["up and down"])) == []
    assert signatures(REFUSED, recovery=back, log="Resp cmpl intr err msg: 0x51") == []
    assert signatures({**LIE, "point": "now", "action": "unplug"}, recovery=back) == []
    silent = Recovery(tried=back.tried, silent="no echo comes back")
    assert signatures(REFUSED, recovery=silent) == ["liveness: no echo with an honest card"]


def test_a_driver_that_does_not_let_go_says_nothing_of_the_ledger() -> None:
    bound = Recovery(bound=True, resources={"vnics": 1})
    assert signatures(REFUSED, recovery=bound) == ["liveness: the driver cannot be unbound"]


def test_pools_are_left() -> None:
    left = Recovery(pools=[{"id": 3, "detached": True}])
    assert signatures(LIE, recovery=left) == ["leak: page pool outlives its driver"]


def test_a_dma_buffer_is_left() -> None:
    left = Recovery(dmabufs=1)
    assert signatures(LIE, recovery=left) == ["leak: DMA buffer outlives all programs"]
    for because in (replace(left, bound=True), replace(left, pools=[{"id": 3, "detached": True}])):
        assert "leak: DMA buffer outlives all programs" not in signatures(LIE, recovery=because)


def test_data_differs_though_nobody_lied() -> None:
    failure = "data differs: byte 0"
    assert signatures(REFUSED, failure=failure) == ["data: stream"]
    assert signatures(LIE, failure=failure) == []


def test_a_fault_that_never_fired_leaves_no_trace() -> None:
    failure = "zcrx_rx returned 1"
    assert signatures(failure=failure) == ["trace: stream fails without a fault"]
    assert signatures(failure=failure, disturbed=True) == []
    assert signatures(REFUSED, failure=failure) == []


def test_buffers_that_are_not_posted_again_are_lost() -> None:
    short = [BufferRing("RX_AGG", 6, 199, 200), BufferRing("RX", 3, 40, 64),
             BufferRing("RX_AGG", 7, 0, 200)]  # fmt: skip
    named = ["dma: buffers lost: RX", "dma: buffers lost: RX_AGG"]
    found = complaints(short_rings=short, disturbed=True)
    assert [one.signature for one in found] == named[:1], "the first is all, as of any oracle"
    (one,) = complaints(short_rings=[short[0], short[2]])
    assert (one.signature, one.oracle) == (named[1], "dma")
    assert one.text.splitlines()[0] == "RX_AGG ring 6 has 199 buffers, and had 200"
    assert len(one.text.splitlines()) == 2


IN_TURN = Companion(kind="fail_nth", within="zcrx_register_netdev")


@pytest.mark.parametrize(
    ("companions", "more", "trace", "wanted"),
    [
        ((IN_TURN,), {}, (), ["liveness: stream cannot be done again"]),
        ((), {}, (), []),
        ((IN_TURN, Companion(kind="failslab")), {}, (), []),
        ((IN_TURN,), {"card": {"limits": {"vnics": 2}}}, (), []),
        ((IN_TURN,), {"packets": (Packet(after=1, data="00" * 14),)}, (), []),
        ((IN_TURN,), {}, (REFUSED,), []),
    ],
)
def test_what_failed_in_its_turn_can_be_done_again(
    companions: tuple[Companion, ...], more: dict[str, Any], trace: tuple[Any, ...],
    wanted: list[str],
) -> None:  # fmt: skip
    """Nobody else has the right to say no."""
    ran = Schedule(workload="zcrx-nth", seed=1, companions=companions, **more)
    record = {"disturbed": True, "schedule": ran}
    failure = f"zero-copy receive {NOT_AGAIN}: File exists"
    assert signatures(*trace, failure=failure, **record) == wanted
    assert signatures(*trace, failure="no echo comes back", **record) == []


def test_a_hang_is_named_by_its_function() -> None:
    assert signatures(LIE, **HANGS) == ["liveness: the kernel hangs in bnxt_rx_pkt"]
    assert signatures(LIE, lost="it hangs") == []


def test_a_task_that_cannot_be_killed_is_named_by_where_it_waits() -> None:
    assert signatures(LIE, **STUCK) == ["liveness: a task waits for ever in napi_disable"]
    assert signatures(UNPLUGGED, **STUCK) == ["liveness: a task waits for ever in napi_disable"]


def test_nor_does_a_card_that_is_gone_explain_a_task_that_hangs() -> None:
    """One that the kernel itself tells of, where it looks for them (khungtaskd)."""
    hung = "INFO: task devlink:26 blocked for more than 122 seconds.\n"
    assert len(complaints(UNPLUGGED, logs=[hung])) == 1


def test_what_a_finding_breaks_on_its_way_explains_nobody_who_waits() -> None:
    """Rules of function-reset-unheard explained a reload that never ends."""
    (one,) = complaints(REFUSED, violation("hwrm_unknown_id"), **STUCK)
    assert (one.signature, one.finding) == ("liveness: a task waits for ever in napi_disable", "")
    (other,) = complaints(REFUSED, violation("hwrm_unknown_id"))
    assert other.finding


HANGS = {"lost": "it hangs", "backtrace": "#0  0x1 in memcpy ()\n#1  0x2 in bnxt_rx_pkt ()\n"}
STUCK = {"lost": "it cannot be killed", "stuck": "in napi_disable\n"}


@pytest.mark.parametrize("record", [HANGS, STUCK, {"recovery": Recovery(silent="no echo in 3 s")}])
def test_what_stands_still_in_memory_that_was_written_over_is_excused(record: Any) -> None:
    (said,) = signatures(LIE, **record)
    assert signatures(WILD, **record) == []
    assert excused(run_of(LIE, **record), FINDINGS, KERNEL) == ()
    told = [one.headline for one in excused(run_of(WILD, **record), FINDINGS, KERNEL)]
    assert told == ([said] if "lost" in record else [])


def test_a_command_without_end() -> None:
    asked = {"k": "hwrm", "cmd": "FUNC_BACKING_STORE_QCAPS_V2", "req": {}, "error": "SUCCESS"}
    ended = {**REFUSED, "event": {"cmd": "FUNC_BACKING_STORE_QCAPS_V2"}}
    (one,) = complaints(*[asked] * 2001, ended)
    assert one.finding == "backing-store-endless"
    assert complaints(*[asked] * 999, ended) == ()


def test_as_many_segments_of_a_dump_as_the_firmware_said() -> None:
    asked = {"k": "hwrm", "cmd": "DBG_COREDUMP_INITIATE", "req": {}, "error": "SUCCESS"}
    assert complaints(LIE, *[asked] * 0xFFFF) == ()
    assert signatures(LIE, *[asked] * 0x10000) == [
        "liveness: DBG_COREDUMP_INITIATE is sent without end"
    ]
