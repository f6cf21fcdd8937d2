# SPDX-License-Identifier: GPL-2.0-only
"""Undo: order, failures, and forgetting."""

from __future__ import annotations

import pytest

from testbed.dut.defer import DeferStack, UndoFailed


def test_unwinds_newest_first() -> None:
    done: list[int] = []
    stack = DeferStack()
    for number in range(3):
        stack(done.append, number)
    stack.unwind()
    assert done == [2, 1, 0]
    assert len(stack) == 0


def test_failing_step_does_not_stop_the_others() -> None:
    done: list[str] = []
    stack = DeferStack()
    stack(done.append, "first change")
    stack(lambda: [][0])
    stack(int, "not a number")
    with pytest.raises(UndoFailed) as failed:
        stack.unwind()
    assert [type(err) for err in failed.value.exceptions] == [ValueError, IndexError]
    assert done == ["first change"]
