# SPDX-License-Identifier: GPL-2.0-only
"""Which verdicts are left when the card has lied."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import pytest

from devmodel.bnxt import cmd
from devmodel.bnxt.config_space import MSIX_OFFSET
from devmodel.bnxt.hsi.cmds import Cmd
from testbed.fuzz.trust import (
    FULL,
    RESULTS_IN_MEMORY,
    TIMED_OUT,
    Trust,
    trust_in,
    without_late_answers,
    without_late_results,
    without_memory_kept,
    without_rings_kept,
    without_wild_writes,
)

_RING_1 = {"out.ring_id": 1}
_VECTORS = {"offset": 0xA2, "length": 2, "value": 0x801F}
"""The card's 32 vectors, and that they are used."""


def injected(point: str, action: str, changed: dict[str, Any] | None = None, **event: Any) -> Any:
    return {"point": point, "action": action, "event": event, "changed": changed or {}}


@pytest.mark.parametrize(
    "record",
    [
        injected("hwrm.request", "set", {"refuse": 4}, cmd="RING_ALLOC"),
        injected("rx.frame", "drop", length=60),
        injected("irq.raise", "duplicate", vector=1),
        injected("nqe.write", "hold", type="CQ_NOTIFICATION"),
        injected("rx.frame", "link"),
        injected("rx.frame", "frame"),
        injected("hwrm.request", "set"),  # another fault had dropped it
        injected("dma.write", "hold"),
    ],
)
def test_an_honest_card_leaves_every_verdict(record: Any) -> None:
    assert trust_in([record]) == FULL


def test_the_vectors_are_counted_where_the_card_has_them() -> None:
    assert _VECTORS["offset"] == MSIX_OFFSET + 2


@pytest.mark.parametrize(
    ("record", "lost"),
    [
        (injected("hwrm.request", "set", {"refuse": 4}, cmd="FUNC_RESOURCE_QCAPS"), "reserved"),
        (injected("hwrm.request", "set", {"refuse": 4}, cmd="VNIC_FREE"), "dma firmware"),
        (injected("hwrm.request", "set", {"refuse": 4}, cmd="RING_FREE"), "freed dma firmware"),
        (
            injected("hwrm.request", "set", {"skip": True}, cmd="STAT_CTX_FREE"),
            "freed dma firmware",
        ),
        (injected("hwrm.request", "duplicate", cmd="STAT_CTX_ALLOC"), "freed dma firmware"),
        (
            injected("hwrm.answer", "set", {"out.ring_id": 513}, cmd="RING_ALLOC", **_RING_1),
            "freed dma firmware",
        ),
        (
            injected("hwrm.answer", "set", {"out.ring_id": 1}, cmd="RING_ALLOC", **_RING_1),
            "dma firmware",
        ),
        (injected("hwrm.answer", "set", {"resp_len": 9}, cmd="RING_ALLOC"), "dma firmware"),
        (injected("hwrm.request", "duplicate", cmd="RING_ALLOC"), "dma firmware"),
        (injected("hwrm.request", "set", {"req.id": 4}, cmd="RING_FREE"), "dma firmware"),
        (injected("hwrm.request", "set", {"req.id": 4}, cmd="RING_ALLOC"), "dma firmware"),
        (injected("hwrm.answer", "drop", cmd="RING_ALLOC"), "dma firmware"),
        (
            injected("hwrm.answer", "set", {"out.error_code": 4}, cmd="STAT_CTX_ALLOC"),
            "freed dma firmware",
        ),
        (injected("hwrm.answer", "set", {"cmpl": False}, cmd="STAT_CTX_ALLOC"), "dma firmware"),
        (injected("hwrm.answer", "set", {"error_code": 4}, cmd="RING_ALLOC"), "dma firmware"),
        (injected("register.read", "set", {"value": 1}, offset=0), "dma firmware"),
        (injected("config.read", "set", {"value": 0x803F}, **_VECTORS), "dma firmware room"),
        (injected("config.read", "set", {"value": 0xFFFF_FFFF}, **_VECTORS), "dma firmware room"),
        (
            injected(
                "config.read",
                "set",
                {"value": 0x803F_0011},
                offset=0xA0,
                length=4,
                value=0x801F_0011,
            ),
            "dma firmware room",
        ),
        (injected("config.read", "set", **_VECTORS), "dma firmware"),  # to what it was
        (injected("config.read", "set", {"value": 0x001F}, **_VECTORS), "dma firmware"),
        (injected("config.read", "set", {"value": 0x800F}, **_VECTORS), "dma firmware"),
        (
            injected("config.read", "set", {"value": 0xFFFF_FFFF}, offset=4, length=2, value=6),
            "dma firmware",
        ),
        (injected("cqe.write", "drop", type="HWRM_DONE"), "dma firmware"),
        (injected("cqe.write", "hold", type="RX_L2"), "dma data"),
        (injected("rx.place", "set", {"length": 3}, length=60), "dma data"),
        (injected("tx.frame", "set", {"xor_at": 20}, length=60), "data"),
        (injected("dma.write", "drop", length=8), "dma firmware data"),
        (injected("dma.write", "set", {"length": 4}, length=8), "dma firmware data"),
        (injected("dma.write", "set", {"length": 9}, length=8), "memory dma firmware data"),
        (injected("dma.write", "set", {"iova": 9}, length=8), "memory dma firmware data"),
        (injected("dma.write", "hold", length=8), "memory dma firmware data"),
        (injected("now", "dma_write"), "memory dma firmware data"),
        (injected("now", "func_reset"), "dma firmware"),
        (injected("now", "unplug"), "dma firmware alive"),
        (injected("now", "cqe"), "dma data"),
    ],
)
def test_a_lie_takes_the_verdicts_it_is_about(record: Any, lost: str) -> None:
    left = trust_in([injected("rx.frame", "drop"), record])
    assert {name for name, is_left in vars(left).items() if not is_left} == set(lost.split())


def test_what_the_card_writes_astray_takes_the_verdicts_on_memory() -> None:
    assert without_wild_writes(FULL, ["tx_buffer"]) == FULL
    assert without_wild_writes(FULL, ["write_after_free"]) == Trust(memory=False, dma=False)


GIVEN_UP = "bnxt_en 0000:00:00.0 nut0: Error (timeout: 100015) msg {0x51 0x8a} len:0"
ABANDONED = (
    "bnxt_en 0000:00:00.0 nut0: Abandoning msg {0x51 0x8a} len: 0"
    " due to firmware status: 0xffffffff"
)
UNNAMED = "bnxt_en 0000:00:00.0 nut0: Resp cmpl intr err msg: 0x51"
UNNAMED_ABANDONED = (
    "bnxt_en 0000:00:00.0 nut0: Resp cmpl intr abandoning msg: 0x51"
    " due to firmware status: 0xffffffff"
)
UNREAD = injected("dma.read", "drop", purpose="hwrm", length=32)


@pytest.mark.parametrize("lost", [UNREAD, injected("hwrm.request", "drop", cmd="RING_FREE")])
def test_a_ring_that_the_card_was_never_told_to_free_takes_the_verdicts_on_memory(
    lost: Any,
) -> None:
    trace = [{"k": "hwrm", "cmd": "RING_FREE", "seq": 0x89}]
    for log in (GIVEN_UP, ABANDONED):
        assert without_memory_kept(FULL, [lost], trace, log) == Trust(memory=False, dma=False)


@pytest.mark.parametrize("log", [UNNAMED, UNNAMED_ABANDONED])
def test_one_of_those_that_was_never_read_may_be_the_ring_s(log: str) -> None:
    trace = [{"k": "hwrm", "cmd": "RING_FREE", "seq": 0x89}]
    assert without_memory_kept(FULL, [UNREAD], trace, log) == Trust(memory=False, dma=False)
    named = injected("hwrm.request", "drop", cmd="VNIC_FREE", seq_id=0x8A)
    assert without_memory_kept(FULL, [named], trace, log) == FULL


@pytest.mark.parametrize("log", [GIVEN_UP, ABANDONED, UNNAMED, UNNAMED_ABANDONED])
@pytest.mark.parametrize("action", ["hold", "drop"])
def test_so_does_one_that_is_told_when_the_driver_has_given_up(action: str, log: str) -> None:
    late = injected("hwrm.request", action, cmd="RING_FREE", seq_id=0x8A)
    trace = [{"k": "hwrm", "cmd": "RING_FREE", "seq": 0x8A}]
    assert without_memory_kept(FULL, [late], trace, log) == Trust(memory=False, dma=False)
    assert without_memory_kept(FULL, [late], trace, log.replace("0x51", "0x50")) == FULL
    other = injected("hwrm.request", action, cmd="VNIC_FREE", seq_id=0x8A)
    assert without_memory_kept(FULL, [other], trace, log) == FULL


@pytest.mark.parametrize(
    ("injection", "seq", "log"),
    [
        (UNREAD, 0x8A, GIVEN_UP),  # carried out, whatever became of the answer
        (UNREAD, 0x89, GIVEN_UP.replace("0x51", "0x20")),
        (UNREAD, 0x89, GIVEN_UP.replace("Error (timeout: 100015)", "Sent")),
        (UNREAD, 0x89, UNNAMED.replace("0x51", "0x50")),
        (injected("dma.read", "drop", purpose="bd"), 0x89, GIVEN_UP),
        (injected("hwrm.answer", "drop", cmd="RING_FREE"), 0x89, GIVEN_UP),
    ],
)
def test_a_ring_that_is_freed_or_not_lost_leaves_them(injection: Any, seq: int, log: str) -> None:
    trace = [{"k": "hwrm", "cmd": "RING_FREE", "seq": seq}]
    assert without_memory_kept(FULL, [injection], trace, log) == FULL


def asked(cmd: str, seq: int, error: str = "SUCCESS", **request: int) -> Any:
    return {"k": "hwrm", "cmd": cmd, "seq": seq, "error": error, "req": request, "resp": {}}


REFUSED = {**injected("hwrm.request", "set", {"refuse": 4}, seq_id=7), "k": "fault"}
KEPT = [REFUSED, asked("RING_FREE", 7, "0x4", ring_type=2, ring_id=19)]
REUSED = {"k": "violation", "rule": "descriptor_changed", "ring": "RX", "id": 19}


@pytest.mark.parametrize("what", ["refuse", "skip"])
def test_a_ring_that_the_firmware_keeps_and_whose_memory_is_another_s_takes_all(what: str) -> None:
    kept = [{**REFUSED, "changed": {what: 1}}, KEPT[1]]
    left = without_rings_kept(FULL, [*kept, REUSED])
    assert left == Trust(memory=False, dma=False, alive=False)


def test_a_reset_that_is_refused_frees_nothing() -> None:
    refused = [{**REFUSED, "event": {"seq_id": 8}}, asked("FUNC_RESET", 8, "0x11")]
    skipped = [{**refused[0], "changed": {"skip": True}}, asked("FUNC_RESET", 8)]
    for more in (refused, skipped):
        assert not without_rings_kept(FULL, [*KEPT, *more, REUSED]).alive


@pytest.mark.parametrize(
    "trace",
    [
        KEPT,
        [REUSED, *KEPT],
        [*KEPT, {**REUSED, "id": 20}],
        [*KEPT, {**REUSED, "ring": "RX_AGG"}],
        [*KEPT, {**REUSED, "rule": "bd_type"}],
        [KEPT[1], REUSED],  # the card itself refused: it is not this ring's number
        [{**REFUSED, "event": {"seq_id": 6}}, KEPT[1], REUSED],
        [{**REFUSED, "changed": {"req.ring_id": 3}}, KEPT[1], REUSED],
        [
            REFUSED,
            asked("VNIC_FREE", 7, "0x4"),
            asked("FUNC_RESET", 1),
            asked("RING_FREE", 7, ring_type=2, ring_id=19),
            REUSED,
        ],
        [
            REFUSED,
            asked("RING_FREE", 7, "0x4", ring_type=2),
            asked("RING_ALLOC", 8),
            {**REUSED, "id": 0},
        ],
        [*KEPT, asked("FUNC_RESET", 8), REUSED],
        [*KEPT, asked("RING_FREE", 8, ring_type=2, ring_id=19), REUSED],
        [*KEPT, {"k": "reset", "kind": "transport"}, REUSED],
        [*KEPT, {**asked("RING_ALLOC", 8), "resp": {"ring_id": 19}}, REUSED],
    ],
)
def test_any_other_ring_leaves_all(trace: Any) -> None:
    assert without_rings_kept(FULL, trace) == FULL


def test_a_command_that_timed_out_is_recognised() -> None:
    assert TIMED_OUT.search("bnxt_en 0000:00:00.0: Error (timeout: 500015) msg {0x51 0x3} len:0")
    assert not TIMED_OUT.search("bnxt_en 0000:00:00.0: hwrm req_type 0x51 seq id 0x3 error 0x2")


@pytest.mark.parametrize(
    ("changed", "is_smaller"),
    [
        ({"out.entries": 8}, True),
        ({"out.entry_length": 0}, True),
        ({"out.entries": 18, "out.entry_length": 12}, False),
        ({"out.entries": 0xFFFF_FFFF}, False),
        ({"error_code": 2}, False),
    ],
)
def test_a_directory_that_has_more_than_is_told_goes_beyond_its_memory(
    changed: dict[str, Any], is_smaller: bool
) -> None:
    told = {"cmd": "NVM_GET_DIR_INFO", "out.entries": 9, "out.entry_length": 24}
    assert trust_in([injected("hwrm.answer", "set", changed, **told)]).memory is not is_smaller
    other = {**told, "cmd": "NVM_GET_DEV_INFO"}
    assert trust_in([injected("hwrm.answer", "set", changed, **other)]).memory


HELD = {**injected("hwrm.answer", "hold", cmd="FUNC_DRV_IF_CHANGE"), "k": "fault", "id": "1"}
COMES_NOW = {"k": "fault_late", "id": "1", "events": 1}
GOES, COMES = asked("FUNC_DRV_UNRGTR", 8), asked("VER_GET", 0)


@pytest.mark.parametrize("point", ["hwrm.answer", "hwrm.request"])
@pytest.mark.parametrize("action", ["hold", "duplicate"])
@pytest.mark.parametrize("goes", [[GOES], []], ids=["goes", "what it says as it goes is lost"])
def test_an_answer_that_comes_when_its_driver_has_gone_may_go_anywhere(
    point: str, action: str, goes: list[Any]
) -> None:
    held = {**HELD, "point": point, "action": action}
    left = without_late_answers(FULL, [held, *goes, COMES, COMES_NOW])
    assert left == Trust(memory=False, dma=False)


def test_what_is_held_first_comes_first() -> None:
    trace = [HELD, GOES, COMES, HELD, COMES_NOW]
    assert without_late_answers(FULL, trace) == Trust(memory=False, dma=False)


@pytest.mark.parametrize(
    ("point", "action", "told"),
    [("hwrm.answer", "hold", 0), ("hwrm.answer", "duplicate", 0), ("hwrm.request", "duplicate", 1),
     ("hwrm.request", "hold", 0)],
)  # fmt: skip
def test_the_first_command_of_a_driver_is_not_that_of_the_next(
    point: str, action: str, told: int
) -> None:
    """Where it is the one that comes late, ``told`` times between the fault and its end."""
    event = {"event": {"cmd": "VER_GET", "seq_id": 0}, "point": point, "action": action}
    trace = [{**HELD, **event}, *[COMES] * told]
    assert without_late_answers(FULL, [*trace, COMES_NOW]) == FULL
    assert without_late_answers(FULL, [*trace, COMES, COMES_NOW]) != FULL
    again = {"event": {"cmd": "VER_GET", "seq_id": 253}, "point": point, "action": action}
    assert without_late_answers(FULL, [{**HELD, **again}, COMES, COMES_NOW]) != FULL


@pytest.mark.parametrize(
    "trace",
    [
        [HELD, COMES_NOW, GOES, COMES],
        [HELD, GOES, COMES_NOW, COMES],  # before another driver comes the card may not write
        [HELD, asked("VER_GET", 253), GOES, COMES_NOW],  # the same driver asks once more
        [HELD, GOES, COMES],  # it never came
        [HELD, GOES, COMES, {**COMES_NOW, "events": 0}],
        [GOES, COMES, HELD, COMES_NOW],
        [HELD, GOES, COMES, {**COMES_NOW, "id": "2"}],
        [{**HELD, "point": "hwrm.request", "action": "drop"}, GOES, COMES, COMES_NOW],
        [{**HELD, "point": "hwrm.request"}, COMES_NOW, GOES, COMES],
        [{**HELD, "action": "set"}, GOES, COMES, COMES_NOW],
        [HELD, COMES_NOW, {**HELD, "id": "2"}, GOES, COMES, COMES_NOW],
    ],
)
def test_until_then_its_memory_is_there(trace: Any) -> None:
    assert without_late_answers(FULL, trace) == FULL


READ = {"cmd": "NVM_READ", "seq_id": 9}
READ_GIVEN_UP = "bnxt_en 0000:00:00.0: Error (timeout: 500015) msg {0xfffd 0x9} len:0"


@pytest.mark.parametrize(
    ("action", "log"),
    [("duplicate", ""), ("hold", READ_GIVEN_UP), ("hold", "Resp cmpl intr err msg: 0xfffd")],
)
def test_a_result_that_comes_late_goes_to_memory_that_is_anybodys(action: str, log: str) -> None:
    """NVM_READ has the card write to a buffer that its caller frees (hwrm_req_drop())."""
    fault = {**HELD, "point": "hwrm.request", "action": action, "event": READ}
    left = without_late_results(FULL, [fault, COMES_NOW], log)
    assert left == Trust(memory=False, dma=False)


@pytest.mark.parametrize(
    ("changed", "log"),
    [
        ({"action": "hold"}, ""),  # the driver still waits
        ({"action": "hold"}, READ_GIVEN_UP.replace("0x9", "0x8")),
        ({"action": "hold"}, READ_GIVEN_UP.replace("0xfffd", "0xfffa")),
        ({"action": "hold"}, "Resp cmpl intr err msg: 0xfffa"),
        ({"action": "set"}, READ_GIVEN_UP),
        ({"event": {"cmd": "NVM_GET_DIR_INFO", "seq_id": 9}}, ""),
        ({"event": {"cmd": "PORT_QSTATS", "seq_id": 9}}, ""),  # while it is open
        ({"point": "hwrm.answer"}, ""),
        ({"id": "2"}, ""),
    ],
)
def test_any_other_result_is_written_where_it_belongs(changed: dict[str, Any], log: str) -> None:
    fault = {**HELD, "point": "hwrm.request", "action": "duplicate", "event": READ, **changed}
    assert without_late_results(FULL, [fault, COMES_NOW], log) == FULL


def _freed(ring_type: int) -> dict[str, Any]:
    return {"k": "hwrm", "cmd": "RING_FREE", "seq": 10, "req": {"ring_type": ring_type}}


NQ_FREED, RX_FREED = _freed(5), _freed(2)


@pytest.mark.parametrize("action", ["duplicate", "hold"])
@pytest.mark.parametrize("cmd", ["PORT_QSTATS", "PORT_QSTATS_EXT"])
def test_statistics_of_a_port_go_to_memory_of_an_interface_that_was_closed(
    cmd: str, action: str
) -> None:
    """A campaign (seed 66) had the command of a second come forty times behind a reopen."""
    event = {"cmd": cmd, "seq_id": 9, "req.rx_stat_host_addr": 4096}
    fault = {**HELD, "point": "hwrm.request", "action": action, "event": event}
    same, other_place = (
        {"k": "hwrm", "cmd": cmd, "seq": 11, "req": {"rx_stat_host_addr": at}}
        for at in (4096, 8192)
    )
    for trace in ([NQ_FREED, COMES_NOW], [RX_FREED, NQ_FREED, other_place, COMES_NOW],
                  [NQ_FREED, same, NQ_FREED, COMES_NOW]):  # fmt: skip
        left = without_late_results(FULL, [fault, *trace], "")
        assert left == Trust(memory=False, dma=False)
    for trace in ([fault, RX_FREED, COMES_NOW], [NQ_FREED, fault, COMES_NOW, NQ_FREED],
                  [fault, NQ_FREED, same, COMES_NOW]):  # fmt: skip
        assert without_late_results(FULL, trace, "") == FULL
    other = {**fault, "event": {"cmd": "FUNC_QSTATS", "seq_id": 9}}
    assert without_late_results(FULL, [other, NQ_FREED, COMES_NOW], "") == FULL


def test_a_result_that_never_comes_late_harms_nobody() -> None:
    fault = {**HELD, "point": "hwrm.request", "action": "duplicate", "event": READ}
    assert without_late_results(FULL, [fault, {**COMES_NOW, "events": 0}], "") == FULL


def test_all_commands_with_results_in_memory_are_known() -> None:
    """Those whose handlers write to it, in the card's sources."""
    writes = re.compile(r"fw\.write\(|_write_counters\(fw")
    handles = re.compile(r"handles\(Cmd\.(\w+)")
    found = set()
    for file in sorted(Path(cmd.__path__[0]).glob("*.py")):
        for one in ast.parse(file.read_text()).body:
            if (named := handles.search(text := ast.unparse(one))) and writes.search(text):
                found.add(named[1])
    assert found == {*RESULTS_IN_MEMORY.values()} | {"PORT_QSTATS", "PORT_QSTATS_EXT"}
    for code, name in RESULTS_IN_MEMORY.items():
        assert Cmd[name] == int(code, 16)
