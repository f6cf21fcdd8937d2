# SPDX-License-Identifier: GPL-2.0-only
"""How like what a finding needs the injections of a run are."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from testbed.findings.judge import Findings
from testbed.findings.load import load_findings
from testbed.fuzz.related import Likeness, likeness, refusals
from testbed.fuzz.schedule import read_schedule

FINDINGS = Findings(load_findings())


def injected(point: str, action: str = "set", **event: Any) -> dict[str, Any]:
    return {"point": point, "action": action, "event": event}


@pytest.mark.parametrize(
    ("finding", "record", "expected"),
    [
        ("rx-agg-opaque-unchecked", injected("cqe.write", type="RX_AGG"), Likeness.EVENT),
        ("rx-agg-opaque-unchecked", injected("cqe.write", type="RX_L2"), Likeness.POINT),
        ("rx-agg-opaque-unchecked", injected("nqe.write"), Likeness.NONE),
        ("queue-start-refused", injected("hwrm.request", cmd="RING_ALLOC"), Likeness.EVENT),
        ("queue-start-refused", injected("hwrm.answer", cmd="RING_ALLOC"), Likeness.EVENT),
        ("queue-start-refused", injected("hwrm.answer", cmd="VER_GET"), Likeness.POINT),
        ("queue-start-refused", injected("now", "func_reset"), Likeness.POINT),
        ("rx-length-unchecked", injected("now", "func_reset"), Likeness.NONE),
        ("rss-context-refused", injected("hwrm.request", cmd="VNIC_CFG"), Likeness.EVENT),
        ("rx-length-unchecked", injected("rx.place"), Likeness.POINT),
        ("zcrx-dma-segment", injected("nqe.write"), Likeness.EVENT),
        ("um-set-ptes-stride", injected("nqe.write"), Likeness.NONE),
    ],
)
def test_likeness(finding: str, record: dict[str, Any], expected: Likeness) -> None:
    assert likeness(FINDINGS[finding], [injected("irq.raise"), record]) is expected


def test_without_injection_only_what_needs_none_is_like() -> None:
    assert likeness(FINDINGS["queue-start-refused"], []) is Likeness.NONE
    assert likeness(FINDINGS["zcrx-dma-segment"], []) is Likeness.EVENT


def test_what_looks_as_much_else_does_explains_the_runs_of_its_own_schedule_only() -> None:
    finding = FINDINGS["rx-skb-memory-short"]
    its = read_schedule(finding.folder / "schedule.json")
    for kernel in (None, "7.3.4"):
        assert likeness(finding, [], replace(its, kernel=kernel)) is Likeness.EVENT
    for other in (replace(its, seed=2), replace(its, companions=()), None):
        assert likeness(finding, [], other) is Likeness.NONE
    assert likeness(FINDINGS["pool-pages-mapped-after-unbind"], [], its) is Likeness.NONE


def test_what_was_refused_while_armed_counts_as_injected() -> None:
    def asked(cmd: str, error: str) -> dict[str, Any]:
        return {"k": "hwrm", "cmd": cmd, "error": error, "req": {}}

    trace = [
        asked("VNIC_CFG", "FAIL"), {"k": "faults_armed"}, asked("VER_GET", "SUCCESS"),
        asked("RING_ALLOC", "RESOURCE_ALLOC_ERROR"),
    ]  # fmt: skip
    (one,) = refusals(trace)
    assert likeness(FINDINGS["queue-start-refused"], [one]) is Likeness.EVENT
