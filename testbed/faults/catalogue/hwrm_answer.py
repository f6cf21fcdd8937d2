# SPDX-License-Identifier: GPL-2.0-only
"""Firmware that answers late, not at all, or not what was asked; HWRM_DONE that is wrong."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from testbed.faults.entry import SURVIVES, Expect, FaultClass, Reaction, Repair, Work, entry
from testbed.faults.plans import fault, until_event, witness

VNIC_CFG = {"cmd": "VNIC_CFG"}
SEND = "__hwrm_send()"
PAGE_BYTES = 4096
STATUS_IN_BAR0 = fault(
    "place", "register.read", "set", match={"offset": 0x31F0}, fields={"value": 0}, times=0
)
"""No health block: the driver reads the status at 0x520 of BAR0, also after the probe."""
OPEN_FAILS = ("hwrm req_type", "nic open fail", "(hwrm|HWRM|vnic) .* failure", "cfg failure")


def _timed_out(*log: str, complaints: tuple[str, ...] = ()) -> Expect:
    """The open fails by a time-out."""
    return Expect(
        Reaction.FAILS_CLEANLY,
        work=Work.FAILS,
        repair=Repair.UP_DOWN,
        kernel_log=log,
        complaints=(*OPEN_FAILS, *complaints),
    )


answer = partial(entry, fault_class=FaultClass.HWRM, workload="up-down")

FAULTS = (
    answer("answer-late",
        "an answer comes after the driver has looked at the status register 50 times",
        STATUS_IN_BAR0,
        fault("late", "hwrm.answer", "hold", match=VNIC_CFG,
            until=until_event("register.read", {"offset": 0x520}, nth=50)),
        witness("looks", "register.read", "value", match={"offset": 0x520}),
        workload="reload", expect=Expect(Reaction.UNAFFECTED, fired={"looks": (50, None)}),
        source=f"bnxt_hwrm.c:597 {SEND}: waits on"),
    answer("answer-late-into-next",
        "an answer comes after its time-out, over that of the next command",
        fault("late", "hwrm.answer", "hold", match=VNIC_CFG, until=until_event("hwrm.request")),
        expect=_timed_out(r"Error \(timeout: \d+\) msg \{0x42 ",
            r"Discarding out of seq response: 0x[0-9a-f]+ for msg \{0x44\b",
            r"Error \(timeout: \d+\) msg \{0x44 "),
        source=f"bnxt_hwrm.c:641 {SEND}; bnxt_hwrm.c:615: discards another sequence number"),
    answer("answer-sequence-wrong", "an answer has another sequence number than its request",
        fault("seq", "hwrm.answer", "set", match=VNIC_CFG, fields={"seq_id": {"xor": 0x100}}),
        expect=_timed_out(r"Discarding out of seq response: 0x[0-9a-f]+ for msg \{0x42\b",
            r"Error \(timeout: \d+\) msg \{0x42 "),
        source=f"bnxt_hwrm.c:615 {SEND}"),
    answer("answer-twice", "an answer comes again, over that of the next command but one",
        fault("again", "hwrm.answer", "duplicate", match=VNIC_CFG,
            until=until_event("hwrm.answer", nth=2)),
        expect=Expect(Reaction.RECOVERS,
            kernel_log=(r"Discarding out of seq response: 0x[0-9a-f]+ for msg \{0x47\b",
                r"Error \(timeout: \d+\) msg \{0x47 ")),
        source=f"bnxt_hwrm.c:615 {SEND}: over the answer of VNIC_RSS_QCFG, which need not succeed"),
    answer("answer-never-valid", "the last byte of an answer never becomes valid",
        fault("valid", "hwrm.answer", "set", match=VNIC_CFG, fields={"valid": 0}),
        expect=_timed_out(r"Error \(timeout: \d+\) msg \{0x42 0x[0-9a-f]+\} len:16 v:0\b"),
        source=f"bnxt_hwrm.c:664 {SEND}"),
    answer("answer-length-zero", "an answer says that it has no bytes",
        fault("length", "hwrm.answer", "set", match=VNIC_CFG, fields={"resp_len": 0}),
        expect=_timed_out(r"Error \(timeout: \d+\) msg \{0x42 0x[0-9a-f]+\} len:0\b"),
        source=f"bnxt_hwrm.c:609 {SEND}: as long as it is zero there is no answer"),
    answer("answer-ring-id-none",
        "RING_ALLOC of a receive ring is answered with the id that stands for none",
        fault("id", "hwrm.answer", "set", match={"cmd": "RING_ALLOC", "req.ring_type": 2},
            fields={"out.ring_id": 0xFFFF}),
        expect=Expect(Reaction.FAILS_CLEANLY, work=Work.FAILS, repair=Repair.RELOAD,
            kernel_log=(r"hwrm_ring_alloc type 4 failed\. rc:ffffffea err:2\b",
                r"hwrm ring alloc failure rc: fffffffb\b"),
            complaints=OPEN_FAILS,
            violations=("hwrm_unknown_id", "stat_ctx_free_in_use", "fw_left_after_close",
                "fw_left_after_unregister", "unmap_of_ring")),
        source="bnxt.c:7358 hwrm_ring_alloc_send_msg() takes any id; the agg ring that names"
            " it is refused; bnxt.c:7687 bnxt_hwrm_rx_ring_free() frees it never, and its memory"
            " is unmapped all the same (an IOMMU sees that)"),
    answer("answer-length-beyond-buffer",
        "an answer says that it is longer than the memory it is in",
        fault("length", "hwrm.answer", "set", match=VNIC_CFG, fields={"resp_len": 0xFFFF}),
        expect=Expect(Reaction.FAILS_CLEANLY, work=Work.EITHER, repair=Repair.UP_DOWN,
            complaints=(*OPEN_FAILS, r"Error \(timeout: \d+\) msg \{0x42 "),
            finding="hwrm-response-length-unchecked",
            fixed=replace(SURVIVES, repair=Repair.UP_DOWN)),
        source=f"bnxt_hwrm.c:649 {SEND}: resp + len - 1 is read and written"),
    answer("done-lost", "RING_FREE is answered, but its HWRM_DONE never comes",
        fault("silent", "hwrm.answer", "set", match={"cmd": "RING_FREE"}, fields={"cmpl": False}),
        expect=Expect(Reaction.RECOVERS,
            kernel_log=(r"Resp cmpl intr err msg: 0x51\b", "hwrm_ring_free type [0-9] failed")),
        source=f"bnxt_hwrm.c:584 {SEND}; bnxt.c:7654 hwrm_ring_free_send_msg() logs it"),
    answer("done-sequence-wrong", "HWRM_DONE names a command that nobody sent",
        fault("seq", "cqe.write", "set", match={"type": "HWRM_DONE"},
            fields={"sequence_id": {"xor": 0x100}}),
        expect=Expect(Reaction.RECOVERS,
            kernel_log=("Invalid hwrm seq id", r"Resp cmpl intr err msg: 0x51\b"),
            complaints=("hwrm_ring_free type",)),
        source="bnxt_hwrm.c:418 hwrm_update_token()"),
    answer("done-spurious", "HWRM_DONE comes five times without any command",
        fault("spurious", "rx.frame", "card", nth=5, every=5, times=5, do="cqe",
            params={"type": "HWRM_DONE", "fields": {"sequence_id": 0xFFF0}}),
        workload="stream",
        expect=Expect(Reaction.UNAFFECTED, kernel_log=(r"Invalid hwrm seq id 65520\b",)),
        source="bnxt_hwrm.c:418 hwrm_update_token()"),
    answer("done-length-beyond-buffer",
        "the answer that HWRM_DONE announces says that it is longer than its memory",
        fault("length", "hwrm.answer", "set", match={"cmd": "RING_FREE"},
            fields={"resp_len": {"random": [PAGE_BYTES + 1, 0xFFFF]}},
            every=1, times=6),  # several: what shows depends on whose memory that is
        expect=Expect(Reaction.RECOVERS, work=Work.EITHER,
            complaints=(r"Error \(timeout: \d+\) msg \{0x51 ", "hwrm_ring_free type"),
            finding="hwrm-response-length-unchecked", fixed=SURVIVES),
        source=f"bnxt_hwrm.c:590 {SEND}: resp + len - 1 is written",
        engines=("uml",)),  # on QEMU with Debian's kernel nothing shows: a byte of free memory
    answer("firmware-silent", "the firmware answers nothing any more",
        fault("silent", "hwrm.request", "drop", times=0),
        expect=Expect(Reaction.FAILS_CLEANLY, work=Work.FAILS, repair=Repair.RELOAD,
            kernel_log=(r"Error \(timeout: \d+\) msg \{0x", r"Resp cmpl intr err msg: 0x51\b"),
            complaints=(*OPEN_FAILS, "hwrm_ring_free type", "hwrm_ring_alloc", "HWRM", "hwrm"),
            violations=("fw_left_after_unregister",)),
        source=f"bnxt_hwrm.c:641 {SEND}, command by command",
        engines=("uml",)),  # a time-out after the other takes minutes of real time
    answer("firmware-status-bad",
        "an answer is missing and the status register says that the firmware has crashed",
        STATUS_IN_BAR0,
        fault("silent", "hwrm.answer", "drop", match=VNIC_CFG),
        fault("crashed", "hwrm.answer", "card", match=VNIC_CFG, do="health",
            params={"fw_status": 0xDEAD}),
        fault("well", "hwrm.answer", "card", match=VNIC_CFG, do="health",
            params={"fw_status": 0x8000}, until=until_event("hwrm.request", before=True)),
        workload="reload",
        expect=_timed_out(r"Abandoning msg \{0x42 .* due to firmware status: 0xdead\b"),
        source=f"bnxt_hwrm.c:629 {SEND}"),
)  # fmt: skip
