# SPDX-License-Identifier: GPL-2.0-only
"""What the kernel's sanitizers catch on uml-san, and that it is reported with the right function.

The faults are a card that misbehaves. What sanitizers say of bugs in bnxt_en is in test_seeded.py.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from testbed.dut.defer import DeferStack
from testbed.dut.nic import set_mtu
from testbed.dut.streams import MIB, receive_by_socket
from testbed.engines.engine import Prepared as AnyPrepared
from testbed.engines.open import new_session, prepare_run
from testbed.engines.session import Session
from testbed.errors import LostVM, TestbedError
from testbed.faults.plans import fault
from testbed.findings.splat_report import SplatReport, reports
from testbed.options import RunOptions

OPTIONS = RunOptions(engine="uml", cpus=1, flavour="uml-san", seed=1, memory_mib=512, watchdog_s=20)

Prepared = tuple[RunOptions, AnyPrepared]
Work = Callable[[Session], None]
Document = Mapping[str, Any]


@pytest.fixture(scope="session")
def sanitized() -> Prepared:
    return prepare_run(OPTIONS, lambda _text: None)


def complaints(prepared: Prepared, folder: Path, work: Work) -> list[SplatReport]:
    """What the kernel says of ``work``, which may cost the guest."""
    options, artefacts = prepared
    session = new_session(options, folder, artefacts)
    with suppress(LostVM), session:
        work(session)
    return reports(session.kernel_log.events)


def ping(session: Session, size: int = 56) -> None:
    words = ["ping", "-c", "3", "-i", "0.2", "-s", str(size), "-M", "do", session.dut.ipv4]
    session.remote.run(words, check=False, timeout_s=60)


def jumbo_ping(session: Session) -> None:
    set_mtu(session.dut, session.remote, 4096, DeferStack())
    ping(session, 3000)


def stream(session: Session) -> None:
    with suppress(TestbedError):
        receive_by_socket(session.dut, session.remote, port=5401, total_bytes=MIB // 2, flows=1)


@dataclass(frozen=True)
class CardFault:
    """A misbehaviour of the card, the traffic that meets it, and the signatures it must give.

    ``expected`` are regular expressions of the first reports, in order.
    """

    plan: tuple[Document, ...]
    work: Work
    expected: tuple[str, ...]


MORE_BUFFERS = 24
CARD_FAULTS = {
    "aggregation of 19 buffers": CardFault(
        (fault("more", "cqe.write", "duplicate", match={"type": "RX_TPA_AGG"}, count=18),),
        stream, ("BUG: BUG_ON: bnxt_tpa_agg",),
    ),
    "aggregation id beyond the table": CardFault(
        (fault("id", "cqe.write", "set", match={"type": "RX_TPA_START"}, fields={"agg_id": 1100}),),
        stream,
        (
            "UBSAN: array-index-out-of-bounds: bnxt_rx_pkt",
            "KASAN: slab-out-of-bounds write: bnxt_rx_pkt",
        ),
    ),
    "packet longer than its buffer": CardFault(
        (fault("length", "cqe.write", "set", match={"type": "RX_L2"}, fields={"len": 60000}),),
        ping, ("BUG: BUG_ON: bnxt_rx_skb",),
    ),
    "packet of 25 buffers": CardFault(
        (
            fault(
                "count", "cqe.write", "set", match={"type": "RX_L2", "agg_bufs": {"ge": 1}},
                fields={"agg_bufs": MORE_BUFFERS + 1},
            ),
            fault(
                "buffers", "cqe.write", "duplicate", match={"type": "RX_AGG"}, count=MORE_BUFFERS,
                fields={"opaque": {"random": [64, 1800]}},
            ),
        ),
        jumbo_ping, ("UBSAN: array-index-out-of-bounds: __bnxt_rx_agg_netmems",),
    ),
    "notification for a ring that is not there": CardFault(
        (
            fault(
                "handle", "nqe.write", "set", match={"type": "CQ_NOTIFICATION"},
                fields={"cq_handle_low": {"or": 7}},
            ),
        ),
        ping,
        (r"KASAN: slab-(out-of-bounds|use-after-free) \w+: bnxt_poll_p5",),  # as the heap is
    ),
}  # fmt: skip


def test_a_report_says_who_allocated_the_object(sanitized: Prepared, tmp_path: Path) -> None:
    """By a stack trace that UML saved the short way (kernels/host/um_stacktrace.h)."""
    tried = CARD_FAULTS["aggregation id beyond the table"]

    def work(session: Session) -> None:
        session.card.faults_arm({"version": 1, "fault": list(tried.plan)})
        tried.work(session)

    complaints(sanitized, tmp_path, work)
    log = (tmp_path / "kernel.log").read_text(encoding="utf-8")
    _, _, trace = log.partition("Allocated by task")
    functions = re.findall(r"\] +(\w+)\+0x", trace)
    assert functions[0] == "stack_trace_save"
    path = [
        "bnxt_alloc_one_tpa_info",
        "bnxt_alloc_mem",
        "__bnxt_open_nic",
        "bnxt_open",
        "__dev_open",
    ]
    at = functions.index(path[0])
    assert functions[at : at + len(path)] == path


@pytest.mark.parametrize("name", sorted(CARD_FAULTS))
def test_misbehaving_card_is_caught(sanitized: Prepared, tmp_path: Path, name: str) -> None:
    tried = CARD_FAULTS[name]

    def work(session: Session) -> None:
        session.card.faults_arm({"version": 1, "fault": list(tried.plan)})
        tried.work(session)

    found = [report.signature for report in complaints(sanitized, tmp_path, work)]
    assert len(found) >= len(tried.expected)
    for pattern, signature in zip(tried.expected, found, strict=False):
        assert re.fullmatch(pattern, signature)
