# SPDX-License-Identifier: GPL-2.0-only
"""What a rule or a table that did not stay is told by."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from testbed.dut.defer import DeferStack
from testbed.dut.protocols import Capability
from testbed.workloads import steering
from testbed.workloads.judge import CheckFailed
from testbed.workloads.workload import WorkloadContext

PLACES = {port: set(queues) for port, queues in steering.CONTEXTS.items()}
PLACES[steering.QUEUE_PORT] = {1}


@pytest.fixture
def context(monkeypatch: pytest.MonkeyPatch) -> WorkloadContext:
    """A guest whose rules are what the test says, and whose flows go where they say."""
    dut: Any = SimpleNamespace(capabilities={Capability.NTUPLE}, said=["rules"], goes=dict(PLACES))
    monkeypatch.setattr(steering, "_said", lambda _context: list(dut.said))
    monkeypatch.setattr(steering, "_busy", lambda _context, port: dut.goes[port])
    monkeypatch.setattr(steering.traffic, "require_echo", lambda _context, **_: None)
    return WorkloadContext(dut, dut, DeferStack())


def test_what_stays_is_told(context: WorkloadContext) -> None:
    steering._stays(context, "nothing", lambda: None)
    assert context.output == ["as before after nothing"]


def test_a_rule_that_is_lost_is_a_failure(context: WorkloadContext) -> None:
    guest: Any = context.dut
    with pytest.raises(CheckFailed, match="other rules or tables after it"):
        steering._stays(context, "it", lambda: guest.said.clear())


@pytest.mark.parametrize("port", PLACES)
def test_flows_that_go_elsewhere_are_a_failure(context: WorkloadContext, port: int) -> None:
    guest: Any = context.dut
    with pytest.raises(CheckFailed, match=rf"port {port} goes to queues \[0, 1\] after it"):
        steering._stays(context, "it", lambda: guest.goes.update({port: {0, 1}}))


@pytest.mark.parametrize(("counts", "fails"), [((3, 3), False), ((3, 2), True)])
def test_as_many_as_before_have_to_go(
    context: WorkloadContext, monkeypatch: pytest.MonkeyPatch, counts: tuple[int, int], fails: bool
) -> None:
    left = list(counts)
    monkeypatch.setattr(steering, "_contexts", lambda _context: left.pop(0))
    monkeypatch.setattr(steering, "_rules", lambda _context: 12)
    if fails:
        with pytest.raises(CheckFailed, match="3 contexts cannot be done again: 2"):
            steering.fill(context)
    else:
        steering.fill(context)
        assert context.output == ["3 contexts", "12 rules"]
