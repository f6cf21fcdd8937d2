# SPDX-License-Identifier: GPL-2.0-only
"""Words for where the card has been."""

from __future__ import annotations

from typing import Any

from testbed.fuzz.states import states


def hwrm(cmd: str, error: str = "SUCCESS", **req: Any) -> dict[str, Any]:
    return {"k": "hwrm", "cmd": cmd, "error": error, "req": req}


def fault(point: str, action: str, **event: Any) -> dict[str, Any]:
    return {"k": "fault", "point": point, "action": action, "event": event}


ARMED, DISARMED = {"k": "faults_armed"}, {"k": "faults_disarmed"}


def test_commands_are_told_in_pairs_with_rings_by_kind() -> None:
    words = states([hwrm("VER_GET"), hwrm("RING_ALLOC", ring_type=2), hwrm("RING_FREE")])
    assert words == {
        "hwrm-:BOOT>VER_GET", "hwrm-:VER_GET>RING_ALLOC.RX", "hwrm-:RING_ALLOC.RX>RING_FREE.CQ",
    }  # fmt: skip


def test_timers_commands_say_nothing() -> None:
    trace = [hwrm("VER_GET"), hwrm("PORT_QSTATS"), hwrm("VNIC_CFG", "FAIL")]
    assert states(trace) == {"hwrm-:BOOT>VER_GET", "hwrm-:VER_GET>VNIC_CFG!"}


def test_the_same_path_is_another_one_behind_a_fault() -> None:
    fired = fault("cqe.write", "set", type="RX_L2")
    words = states([ARMED, hwrm("A"), fired, hwrm("B"), DISARMED, hwrm("C")])
    assert words == {
        "hwrm:BOOT>A", "fault:cqe.write/set/RX_L2@Ax1", "hwrm*:A>B", "hwrm*:B'>C",
    }  # fmt: skip


def test_faults_that_accumulate_are_few_words() -> None:
    words = states([ARMED, *[fault("irq.raise", "drop")] * 600])
    assert words == {f"fault:irq.raise/drop@BOOTx{n}" for n in (1, 2, 8, 64, 512)}


def test_what_the_driver_breaks_differs_from_what_the_fault_breaks() -> None:
    records = [
        {"k": "violation", "rule": "posted_twice"},
        {"k": "violation", "rule": "posted_twice", "caused_by": "a"},
    ]
    assert states(records) == {"violation:posted_twice@BOOT", "violation:posted_twice~@BOOT"}
