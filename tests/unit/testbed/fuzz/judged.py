# SPDX-License-Identifier: GPL-2.0-only
"""Runs as the oracles judge them: what was injected, what the kernel said."""

from __future__ import annotations

from typing import Any

from testbed.findings.judge import Findings
from testbed.findings.kernel import GuestKernel
from testbed.findings.kernel_log import KernelEvent, KernelLogWatcher
from testbed.findings.load import load_findings
from testbed.fuzz.oracles import RunRecord, judge
from testbed.fuzz.outcome import Complaint

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
UNPLUGGED = {**REFUSED, "point": "now", "action": "unplug", "event": {}, "changed": {}}
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
