# SPDX-License-Identifier: GPL-2.0-only
"""What an administrator sets is set back, also where asking fails while faults are armed."""

from __future__ import annotations

import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from testbed.dut.protocols import Completed
from testbed.workloads import administer
from testbed.workloads.table import WORKLOADS

SAID = {
    "ip": json.dumps([{"address": "00:10:18:20:aa:01"}]),
    "-c": json.dumps([{"rx-usecs": 6}]),
    "--show-fec": "Configured FEC encodings: RS\n",
    "nut0": "Speed: 100000Mb/s\nAuto-negotiation: off\n",
}


def test_what_is_set_back_is_asked_before_anything_can_fail(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told: list[list[str]] = []
    failing = False
    absent = 0
    waited: list[float] = []

    def run(argv: list[str], **_: Any) -> Any:
        nonlocal absent
        told.append(list(argv))
        if absent and argv[0] == "ethtool":
            absent -= 1
            error = b"Operation not supported\n" if absent % 2 else b"No such device\n"
            return Completed(tuple(argv), 75, b"", error, 0.0)
        if failing and argv[0] == "ethtool":
            return Completed(tuple(argv), 1, b"", b"", 0.0)
        text = next((said for word, said in SAID.items() if word in argv), "")
        return Completed(tuple(argv), 0, text.encode(), b"", 0.0)

    undo: list[Callable[[], object]] = []
    context: Any = SimpleNamespace(
        dut=SimpleNamespace(run=run, netdev="nut0"), output=[],
        defer=lambda what, *words, **more: undo.append(lambda: what(*words, **more)),
    )  # fmt: skip
    monkeypatch.setattr(administer, "require_echo", lambda *_, **__: None)
    monkeypatch.setattr(administer, "await_carrier", lambda *_, **__: None)
    workload = WORKLOADS["administer"]
    workload.prepare(context)
    failing = True
    workload.work(context)
    failing = False
    told.clear()
    absent = 2
    monkeypatch.setattr(administer, "pause", lambda _dut, seconds: waited.append(seconds))
    for one in reversed(undo):
        one()
    assert waited == [1.0, 1.0], "the driver resets its firmware, or was told of no FEC"
    absent = 10
    administer._insist(context.dut, "-r", "nut0")
    assert len(waited) == 12, "and may never come back"
    assert ["ethtool", "--set-fec", "nut0", "encoding", "rs"] in told
    assert ["ethtool", "-s", "nut0", "speed", "100000", "autoneg", "off"] in told
    assert ["ethtool", "-C", "nut0", "rx-usecs", "6"] in told
