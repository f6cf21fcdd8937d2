# SPDX-License-Identifier: GPL-2.0-only
"""A spent slice is followed by a look at the control channel, and by no other."""

from __future__ import annotations

import pytest

from devmodel.budget import SLICE, Budget, EntryEnded


def test_only_a_spent_slice_pauses() -> None:
    budget, looks = Budget(), []
    budget.look_up = looks.append
    budget.left -= SLICE - 1
    budget.pause()
    assert looks == []
    budget.left -= 1
    budget.pause()
    budget.pause()
    assert (looks, budget.left) == ([True], SLICE)


def test_what_a_pause_does_is_not_paused() -> None:
    budget, looks = Budget(), []

    def look(is_whole: bool) -> None:
        looks.append(is_whole)
        budget.left = -1
        budget.pause()

    budget.look_up = look
    budget.left = 0
    budget.pause(is_whole=False)
    assert looks == [False]


def test_an_entry_that_was_ended_does_not_keep_later_ones_from_pausing() -> None:
    budget, looks = Budget(), []

    def end(is_whole: bool) -> None:
        raise EntryEnded

    budget.look_up = end
    with pytest.raises(EntryEnded):
        budget.wait()
    budget.look_up = looks.append
    budget.wait()
    assert looks == [False]
