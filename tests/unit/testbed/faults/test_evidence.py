# SPDX-License-Identifier: GPL-2.0-only
"""What is read of card, trace and kernel, also of a card that ends while it is asked."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from testbed.errors import EnvironmentProblem, ModelFailure, TestbedError
from testbed.faults.evidence import (
    Evidence,
    TrialBaseline,
    describe_injections,
    gather,
    grown,
    protocol_counts,
    read_trace,
    summed,
)
from testbed.findings.kernel_log import KernelLogWatcher

DEAD = ModelFailure("the card died: card ended with signal 9")
NOTHING_YET = TrialBaseline(0, 0, 0, {}, {}, {}, {})


def gathered(folder: Path, *, guest: bool, cause: TestbedError | None) -> Evidence:
    """Of a card that does not answer, and ``cause`` is why."""

    def state() -> Any:
        raise cause or ModelFailure("the card does not answer (state): closed")

    trace = folder / "trace.jsonl"
    trace.write_text('{"k": "fault", "id": "a"}\n')
    card = SimpleNamespace(state=state, cause_of_loss=lambda: cause, trace_path=trace)
    session: Any = SimpleNamespace(card=card, dut=None, kernel_log=KernelLogWatcher())
    return gather(session, NOTHING_YET, guest=guest)


@pytest.mark.parametrize("guest", [True, False])
def test_dead_card_is_no_evidence(tmp_path: Path, guest: bool) -> None:
    """What it did not say would be held against the driver."""
    with pytest.raises(ModelFailure, match="died"):
        gathered(tmp_path, guest=guest, cause=DEAD)


def test_card_that_ended_with_its_guest_has_left_a_trace(tmp_path: Path) -> None:
    found = gathered(tmp_path, guest=False, cause=None)
    assert [record["id"] for record in found.injections] == ["a"]


def test_counters() -> None:
    assert summed({"[0]: a": 1, "[1]: a": 2, "b": 3}) == {"a": 3, "b": 3}
    assert grown({"a": 3, "b": 3}, {"a": 1, "b": 3}) == {"a": 2}


def test_a_torn_trace_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    path = tmp_path / "trace.jsonl"
    path.write_text('{"k": "a"}\n{"k": "fault"}\n{"k": ')
    assert [record["k"] for record in read_trace(path)] == ["a", "fault"]
    assert [record["k"] for record in read_trace(path, 11)] == ["fault"]


def test_injections_are_described() -> None:
    injected = {
        "k": "fault", "injection": 1, "id": "a", "action": "drop", "point": "irq.raise",
        "changed": {},
    }  # fmt: skip
    lines = describe_injections([injected] * 10, most=3)
    assert lines[0] == "(7 earlier injections)"
    assert lines[1] == "injected #1 a: drop at irq.raise"


def test_counters_of_the_kernel_are_those_of_the_end_that_is_named() -> None:
    def end(resent: int) -> Any:
        text = f"Tcp: RetransSegs InErrs\nTcp: {resent} 0\n"
        return SimpleNamespace(run=lambda _: SimpleNamespace(text=text))

    session: Any = SimpleNamespace(dut=end(1), remote=end(2))
    both = ("dut TcpRetransSegs", "remote TcpRetransSegs")
    assert protocol_counts(session, both) == {both[0]: 1, both[1]: 2}
    session.dut = None  # is not asked
    assert protocol_counts(session, both[1:]) == {both[1]: 2}
    with pytest.raises(EnvironmentProblem, match="the kernel of remote has no counter TcpMoo"):
        protocol_counts(session, ("remote TcpMoo",))


def test_interrupts_are_read_of_the_end_that_is_asked_for_them() -> None:
    texts = {
        "/proc/net/snmp": "Tcp: RetransSegs\nTcp: 3\n",
        "/proc/interrupts": "CPU0\n129: 241 MSIX nut0-TxRx-0\n",
    }
    asked: list[str] = []

    def run(argv: list[str]) -> Any:
        asked.append(argv[1])
        return SimpleNamespace(text=texts[argv[1]])

    session: Any = SimpleNamespace(dut=SimpleNamespace(run=run, netdev="nut0"), remote=None)
    assert protocol_counts(session, ("dut TcpRetransSegs",)) == {"dut TcpRetransSegs": 3}
    assert asked == ["/proc/net/snmp"]
    assert protocol_counts(session, ("dut Interrupts",)) == {"dut Interrupts": 241}
