# SPDX-License-Identifier: GPL-2.0-only
"""What a trial on QEMU says of a bug that UML showed, and what it cannot say."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest

from testbed.findings.kernel_log import KernelLogWatcher
from testbed.fuzz.outcome import Complaint
from testbed.fuzz.qemu import OnQemu, Where, complaints, is_same, label, obstacle
from testbed.fuzz.schedule import Companion, Packet
from tests.unit.testbed.fuzz.campaigns import LEAK, LOST, MEMORY, WARN, schedule

SANITIZED = Complaint(
    signature="WARN: f", oracle="kernel",
    text="[    0.000000] WARNING: net/core/dev.c:1 at f+0x1/0x2, CPU#0: sh/31\n"
    "[    0.000000]  [<6084c81b>] ? __kasan_check_write+0x1b/0x20\n"
    "[    0.000000]  [<602e0497>] ? lockdep_hardirqs_on_prepare+0xc7/0x320\n",
)  # fmt: skip
"""A kernel with sanitizers has them in each trace."""

LOG = """[    1.000000] BUG: kernel NULL pointer dereference, address: 0000000000000032
[    1.000000] CPU: 0 PID: 77 Comm: sh
[    1.000000] RIP: 0010:bnxt_rx_pkt+0x1f0/0x3b0
[    1.000000] Call Trace:
[    1.000000]  bnxt_poll_p5+0x1f0/0x3b0
[    1.000000] ---[ end trace 0000000000000000 ]---
"""


@pytest.mark.parametrize(
    ("uml", "qemu", "complaint", "where"),
    [
        (True, OnQemu(shown=1, tried=1), MEMORY, Where.BOTH),
        (False, OnQemu(shown=1, tried=1), MEMORY, Where.QEMU),
        (True, OnQemu(tried=1), WARN, Where.UML),
        (True, OnQemu(tried=1), SANITIZED, Where.UML),
        (True, OnQemu(tried=1), LEAK, Where.UML),
        (True, OnQemu(tried=1), MEMORY, Where.UNKNOWN),  # KASAN saw it
        (True, OnQemu(tried=1, else_seen=("WARN: f",)), WARN, Where.UNKNOWN),
        (True, OnQemu(problem="no fault fired"), WARN, Where.UNKNOWN),
        (True, OnQemu(), WARN, Where.UNKNOWN),
        (False, OnQemu(tried=1), WARN, Where.UNKNOWN),
    ],
)
def test_labels(uml: bool, qemu: OnQemu, complaint: Complaint, where: Where) -> None:
    found, why = label(uml, qemu, complaint)
    assert found is where
    assert bool(why) == (found is Where.UNKNOWN), "whoever cannot tell says why"


def trial(log: str = "", *reasons: str) -> SimpleNamespace:
    watcher = KernelLogWatcher()
    watcher.feed(log.encode())
    return SimpleNamespace(
        events=watcher.events, judgement=SimpleNamespace(reasons=list(reasons))
    )  # fmt: skip


def test_an_oops_is_what_kasan_saw() -> None:
    """The stock kernel says it in other words, at the same place."""
    [seen] = complaints(trial(LOG))  # type: ignore[arg-type]
    assert seen.signature == MEMORY.signature
    assert is_same(seen, MEMORY)
    where = seen.signature.partition(": ")[2]
    hung = Complaint(signature=f"liveness: the kernel hangs in {where}", oracle="liveness")
    assert is_same(seen, hung)
    assert not is_same(seen, replace(hung, signature="liveness: the kernel hangs in bnxt_frob"))
    assert not is_same(seen, WARN)


def test_reasons_of_a_trial() -> None:
    made = trial(
        "", "no traffic afterwards: no echo", "violation posted_twice (x3)", "the work failed: x"
    )
    silent, rule = complaints(made)  # type: ignore[arg-type]
    assert is_same(silent, Complaint(signature="liveness: no echo", oracle="liveness"))
    assert is_same(rule, Complaint(signature="dma: posted_twice: RX", oracle="dma"))
    assert not is_same(rule, Complaint(signature="dma: posted_twice_more", oracle="dma"))
    assert not is_same(rule, LEAK)


def test_what_a_trial_cannot_do() -> None:
    assert obstacle(schedule(LOST)) == ""
    assert "failslab" in obstacle(schedule(LOST, companions=(Companion(kind="failslab"),)))
    assert "packets" in obstacle(schedule(LOST, packets=(Packet(after=1, data="00" * 60),)))
    assert "your own" in obstacle(schedule(LOST, kernel="/home/me/linux"))
    assert obstacle(schedule(LOST, kernel="7.3")) == ""
    assert obstacle(schedule()) == "there is no fault to inject"
