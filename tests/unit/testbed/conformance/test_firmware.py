# SPDX-License-Identifier: GPL-2.0-only
"""What the firmware told, out of a trace."""

from __future__ import annotations

from typing import Any

from testbed.conformance.firmware import firmware_values
from testbed.report.trace import Record


def answer(cmd: str, error: str = "SUCCESS", req: Any = None, **resp: Any) -> Record:
    return Record(0, 0, "hwrm", {"cmd": cmd, "error": error, "req": req or {}, "resp": resp})


def test_the_first_answer_of_what_asks() -> None:
    found = firmware_values([
        answer("VER_GET", chip_num=5968),
        answer("FUNC_QCFG", fid=1),
        answer("FUNC_QCFG", fid=1, alloc_vnics=3),
        answer("RING_ALLOC", ring_id=3),
        Record(0, 0, "reset", {"cmd": "FUNC_QCAPS"}),
    ])  # fmt: skip
    assert found == {
        "hwrm/VER_GET/error": "SUCCESS",
        "hwrm/VER_GET/chip_num": "5968",
        "hwrm/FUNC_QCFG/error": "SUCCESS",
        "hwrm/FUNC_QCFG/fid": "1",
    }


def test_one_of_several_is_named_by_its_type() -> None:
    asked = "FUNC_BACKING_STORE_QCAPS_V2"
    found = firmware_values([answer(asked, req={"type": n}, entry_size=n) for n in (1, 2)])
    assert found[f"hwrm/{asked} 2/entry_size"] == "2"


def test_what_is_refused_is_told_whatever_it_asks() -> None:
    found = firmware_values([answer("RING_ALLOC", "CMD_NOT_SUPPORTED"), answer("X_QCAPS", "FAIL")])
    assert found == {
        "hwrm/RING_ALLOC/error": "CMD_NOT_SUPPORTED",
        "hwrm/X_QCAPS/error": "FAIL",
    }


def test_a_damaged_record_is_no_answer() -> None:
    assert firmware_values([Record(0, 0, "hwrm", {"resp": 3})]) == {"hwrm/None/error": "None"}
