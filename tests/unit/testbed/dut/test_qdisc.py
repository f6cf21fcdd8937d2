# SPDX-License-Identifier: GPL-2.0-only
"""What `tc -json` prints of the queues in front of rings, and what else an end may print."""

from __future__ import annotations

from typing import Any

import pytest

from testbed.dut.qdisc import Queued, drop_nothing_that_waits, queued
from testbed.errors import GuestCommandFailed
from tests.unit.testbed.dut.test_streams import End, completed

COUNTS = {"packets": 22, "requeues": 1, "qlen": 4}


def seen(out: Any) -> dict[int, Queued]:
    return queued(End({"tc": completed(["tc"], out=out)}))


def test_each_ring_is_a_class_of_mq() -> None:
    shown = [
        {"kind": "mq", "root": True, **COUNTS},
        {"kind": "pfifo_fast", "parent": ":a", **COUNTS},
        {"kind": "pfifo", "parent": "1:1", **COUNTS, "qlen": 0},
        {"kind": "clsact", "parent": "ffff:fff1", **COUNTS},
    ]
    assert seen(shown) == {9: Queued(22, 1, 4), 0: Queued(22, 1, 0)}


def test_one_program_sets_up_as_many_rings_as_there_are() -> None:
    """A card that offers 74 has 592, eight classes of each."""
    of_ring = completed(["ip"], out=[{"num_tx_queues": 592}])
    end = End({"ip": of_ring, "tc": completed(["tc"])})
    undo: list[object] = []
    drop_nothing_that_waits(end, lambda *what, **_: undo.append(what))
    assert [argv[0] for argv in end.commands] == ["ip", "tc"]
    assert len(undo) == 1


@pytest.mark.parametrize(
    "wrong",
    [
        "no JSON",
        "{}",
        [{"parent": 3}],
        [{"parent": ":1"}],
        [{"parent": ":1", **COUNTS, "qlen": "x"}],
    ],
)
def test_what_makes_no_sense_fails_the_test(wrong: Any) -> None:
    with pytest.raises(GuestCommandFailed, match="tc printed"):
        seen(wrong)


@pytest.mark.parametrize("parent", ["", ":", "1:", ":xy", "::1", ":12345"])
def test_what_is_no_class_is_no_ring(parent: str) -> None:
    assert not seen([{"parent": parent, **COUNTS}])
