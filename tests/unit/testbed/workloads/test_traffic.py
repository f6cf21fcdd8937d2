# SPDX-License-Identifier: GPL-2.0-only
"""What is wrong with segments that came, and rings on kernels that cut and on others."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from testbed.dut import nic, udp_segments
from testbed.dut.defer import DeferStack
from testbed.dut.udp_segments import FEATURE, Segments
from testbed.workloads import traffic
from testbed.workloads.judge import CheckFailed
from testbed.workloads.workload import WorkloadContext

WHOLE = Segments(sent=(9, 900), received=(9, 900), refused=1, kept=0, wrong=0)


def context() -> WorkloadContext:
    end: Any = SimpleNamespace(netdev="nut0")
    return WorkloadContext(end, end, DeferStack())


@pytest.mark.parametrize(
    ("said", "wrong"),
    [
        (replace(WHOLE, wrong=2), "data differs: in 2 segments"),
        (replace(WHOLE, kept=3), "the pages of 3 messages did not come back"),
        (replace(WHOLE, received=(8, 800)), r"\(9, 900\) segments and bytes were sent, \(8, 800\)"),
        (Segments((0, 0), (0, 0), refused=64, kept=0, wrong=0), "all 64 messages were refused"),
    ],
    ids=["bytes", "pages", "lost", "refused"],
)
def test_what_is_wrong_with_segments(
    said: Segments, wrong: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(traffic, "send_segments", lambda *_, **__: said)
    with pytest.raises(CheckFailed, match=wrong):
        traffic.segments(context())
    monkeypatch.setattr(traffic, "send_segments", lambda *_, **__: WHOLE)
    traffic.segments(context())


@pytest.mark.parametrize("able", [True, False])
def test_a_kernel_that_does_not_cut_is_not_asked_to(
    able: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ethtool fails where the feature is fixed, as before 7.2."""
    asked: list[str] = []
    shown = {"-k": {FEATURE: {"active": able}}, "-g": {"tx": 511}}
    for module in (traffic, udp_segments):
        monkeypatch.setattr(module, "ethtool_json", lambda _dut, option: shown[option])
    for module in (traffic, nic):
        monkeypatch.setattr(module, "ethtool", lambda _dut, *words: asked.append(" ".join(words)))
    monkeypatch.setattr(traffic, "segments", lambda _context: asked.append("segments"))
    one = context()
    traffic.segments_by_rings(one)
    one.defer.unwind()  # type: ignore[attr-defined]
    rings = [words for words in asked if words.startswith("-G")]
    assert rings == [f"-G nut0 tx {ring}" for ring in (420, 255, 1023, 511)]
    assert asked.count("segments") == 3
    on, off = f"-K nut0 {FEATURE} on", f"-K nut0 {FEATURE} off"
    assert (asked.count(on), asked.count(off)) == ((3, 4) if able else (0, 0))
    if able:
        assert asked[asked.index("-G nut0 tx 255") - 1] == off
        assert asked[-1] == on
