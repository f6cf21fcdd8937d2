# SPDX-License-Identifier: GPL-2.0-only
"""What is wrong with a run of which the kernel says nothing: the card's and the machine's word."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from testbed.fuzz.oracles import excused
from testbed.fuzz.recovery import BOUND_AGAIN, Recovery
from testbed.fuzz.rings import BufferRing
from testbed.fuzz.schedule import Companion, Packet, Schedule
from testbed.workloads.judge import NOT_AGAIN
from tests.unit.testbed.fuzz.judged import (
    FINDINGS,
    KERNEL,
    LIE,
    REFUSED,
    UNPLUGGED,
    WILD,
    complaints,
    run_of,
    signatures,
    violation,
)


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


PAGES: Mapping[str, Any] = {"id": 3, "detached": True, "io_uring": False, "dmabuf": 0}
OF_DEVMEM, OF_ZCRX = {**PAGES, "id": 4, "dmabuf": 1}, {**PAGES, "id": 5, "io_uring": True}


@pytest.mark.parametrize(
    ("pools", "which"),
    [
        ([PAGES], "page pool"), ([OF_DEVMEM], "page pool of devmem"),
        ([OF_ZCRX], "page pool of zcrx"), ([OF_ZCRX, PAGES], "page pool"),
        ([OF_ZCRX, OF_DEVMEM], "page pool of devmem and zcrx"),
    ],
)  # fmt: skip
def test_pools_are_left(pools: list[Mapping[str, Any]], which: str) -> None:
    left = Recovery(pools=pools)
    assert signatures(LIE, recovery=left) == [f"leak: {which} outlives its driver"]


def test_a_dma_buffer_is_left() -> None:
    left = Recovery(dmabufs=1)
    assert signatures(LIE, recovery=left) == ["leak: DMA buffer outlives all programs"]
    for because in (replace(left, bound=True), replace(left, pools=[PAGES])):
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


@pytest.mark.parametrize(
    "lost", ["the guest hangs: nothing for 5 s of CPU time", "the guest is busy without end, so"]
)
def test_a_run_without_a_fault_that_does_not_end(lost: str) -> None:
    assert signatures(lost=lost) == ["trace: stream hangs without a fault"]
    for known in ({"lost": lost, "disturbed": True}, {"lost": "the run takes longer than 60 s"}):
        assert signatures(**known) == []
    assert signatures(REFUSED, lost=lost) == []
    in_driver = signatures(**{**HANGS, "lost": lost})
    assert in_driver == ["liveness: the kernel hangs in bnxt_rx_pkt"]


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


def test_pieces_of_a_dump_end_if_there_is_something_in_them() -> None:
    command = "DBG_COREDUMP_RETRIEVE"
    asked = {"k": "hwrm", "cmd": command, "req": {}, "error": "SUCCESS"}

    def told(count: int) -> dict[str, object]:
        event, changed = {"cmd": command}, {"out.data_len": count, "out.flags": 1}
        return {**REFUSED, "point": "hwrm.answer", "event": event, "changed": changed}

    endless = [f"liveness: {command} is sent without end"]
    assert signatures(*[asked, told(1)] * 2000) == []
    assert signatures(*[asked, told(0)] * 2000) == endless
    assert signatures(LIE, *[asked] * 1000) == endless
    assert signatures(*[asked, told(1)] * 0x10000) == []
    assert signatures(*[asked, told(1)] * 0x10001) == endless
