# SPDX-License-Identifier: GPL-2.0-only
"""What the benchmark of latency times does happen: answers, interrupts, frames each way."""

from __future__ import annotations

from tests.bench.latency import measure


def test_each_is_timed_as_often_as_asked() -> None:
    found = measure(140)  # completions of two times 140 frames: the ring of 128 wraps twice
    assert {name: len(values) for name, values in found.items()} == {
        "register read": 140, "firmware request": 140, "doorbell to interrupt": 140,
        "wire to interrupt": 140,
    }  # fmt: skip
