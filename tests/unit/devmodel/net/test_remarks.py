# SPDX-License-Identifier: GPL-2.0-only
"""Remarks on frames: each is on the frame it is about, and there are not too many."""

from __future__ import annotations

from devmodel.net.remarks import Batch

FIRST, SECOND = bytes(60), bytes(300)


def test_a_remark_is_on_its_frame_whoever_holds_a_copy() -> None:
    batch = Batch([memoryview(FIRST), memoryview(SECOND)], 7)
    batch.remark(bytes(SECOND), "queue 1")
    batch.remark(memoryview(SECOND), "late")
    batch.remark(b"never came", "lost")
    assert batch.comments == {1: "queue 1; late"}


def test_equal_frames_are_told_in_turn() -> None:
    batch = Batch([FIRST, SECOND, FIRST], 0)
    for text in ("a", "b", "c"):
        batch.remark(FIRST, text)
    assert batch.comments == {0: "a; c", 2: "b"}


def test_frames_that_differ_behind_what_is_compared_are_told_apart_by_length() -> None:
    batch = Batch([bytes(1000), bytes(1001)], 0)
    batch.remark(bytes(1001), "longer")
    assert batch.comments == {1: "longer"}


def test_a_frame_has_a_few_remarks_at_most() -> None:
    batch = Batch([FIRST], 0)
    for number in range(100):
        batch.remark(FIRST, str(number))
    assert batch.comments == {0: "0; 1; 2; 3; 4; 5; 6; 7"}
