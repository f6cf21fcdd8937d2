# SPDX-License-Identifier: GPL-2.0-only
"""What a card did last: the last of it, at its own time, and never in the digest."""

from __future__ import annotations

import io
import json
from itertools import count

import pytest

from devmodel.activity import Activity
from devmodel.budget import Budget
from devmodel.clock import Clock
from devmodel.dma import Access, Mapping, Who
from devmodel.faults.engine import FaultEngine
from devmodel.faults.points import FaultRegistry
from devmodel.noted_dma import NotedDma
from devmodel.trace import Trace

IOVA = 0x10000
RING = Who("cqe", "CQ", 3)


@pytest.fixture
def activity() -> Activity:
    times = count(10)
    return Activity(lambda: next(times))


def test_the_last_is_kept_and_taken_once(
    activity: Activity, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Activity, "KEPT", 2)
    few = Activity(lambda: 7)
    for vector in range(5):
        few.note("interrupt", vector)
    assert few.take() == [(7, "interrupt", {"vector": 3}), (7, "interrupt", {"vector": 4})]
    assert few.take() == []


def test_functions_sign_and_share_one_account(activity: Activity) -> None:
    first = activity.of_function("vf0")
    activity.note("interrupt", 1)
    first.note("doorbell", "SQ", 5, 17)
    assert activity.take() == [
        (10, "interrupt", {"vector": 1}),
        (11, "doorbell", {"function": "vf0", "type": "SQ", "ring_id": 5, "index": 17}),
    ]
    assert first.take() == []


def test_each_access_is_noted_once_and_carried_out(activity: Activity) -> None:
    engine = FaultEngine(Clock(0), Trace(), FaultRegistry())
    dma = NotedDma(activity, engine, Budget())
    dma.bus_master_enabled = True
    memory = memoryview(bytearray(4096))
    dma.map(Mapping(IOVA, 4096, Access.READ | Access.WRITE, memory, 0))
    dma.write(IOVA, b"abc", RING)
    assert dma.read(IOVA, 3, RING) == b"abc"
    dma.store(IOVA + 8, b"12345678", RING)
    dma.store(IOVA + 17, b"12345678", RING)  # not aligned: written as any other
    assert bytes(memory[8:16]) == bytes(memory[17:25]) == b"12345678"
    noted = [
        (fields["access"], fields["iova"], fields["length"]) for _, _, fields in activity.take()
    ]
    assert noted == [
        ("write", IOVA, 3), ("read", IOVA, 3), ("write", IOVA + 8, 8), ("write", IOVA + 17, 8),
    ]  # fmt: skip


def test_it_is_told_at_its_own_time_and_is_not_in_the_digest() -> None:
    sink, now = io.StringIO(), 5
    trace = Trace(sink, keeps_activity=True)
    trace.now = lambda: now
    trace.emit("hello")
    digest = trace.digest
    trace.of_function("vf1").activity.note("interrupt", 4)  # type: ignore[union-attr]
    now = 9
    trace.emit("bye")
    later = trace.digest
    trace.tell_activity()
    assert digest != later == trace.digest
    last = json.loads(sink.getvalue().splitlines()[-1])
    assert last == {"n": 2, "t": 5, "k": "interrupt", "function": "vf1", "vector": 4}
    trace.tell_activity()
    assert len(sink.getvalue().splitlines()) == 3
