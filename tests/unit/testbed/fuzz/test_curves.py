# SPDX-License-Identifier: GPL-2.0-only
"""What a campaign's curves count, and that the pictures are of them."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path

from testbed.fuzz.curves import Curve, plots
from testbed.fuzz.outcome import Ended
from tests.unit.testbed.fuzz.campaigns import LEAK, MEMORY, MadeUp, schedule


def curve(tmp_path: Path) -> Curve:
    made = MadeUp(tmp_path)
    made.run(schedule(seed=1), edges=10, states=2, at=60)
    made.run(schedule(seed=2), edges=5, at=180, mode="seed")
    made.run(schedule(seed=3), MEMORY, LEAK, edges=1, states=1, at=120)
    made.run(schedule(seed=4), MEMORY, at=240)
    made.run(schedule(seed=5), edges=100, at=250, ended=Ended.ENVIRONMENT)
    made.run(schedule(seed=1), edges=100, at=260, mode="check")
    return Curve.of("night", made.store.runs())


def test_in_the_order_in_which_runs_ended(tmp_path: Path) -> None:
    """What the host spoiled and what was done again is no search."""
    one = curve(tmp_path)
    assert one.minutes == [1, 2, 3, 4]
    assert (one.edges, one.states) == ([10, 11, 16, 16], [2, 3, 3, 3])
    assert list(one.numbers) == [1, 2, 3, 4]


def test_a_signature_counts_when_it_shows_first(tmp_path: Path) -> None:
    assert curve(tmp_path).signatures == ([2, 2, 4], [1, 2, 2])


def test_speed_is_of_all_runs(tmp_path: Path) -> None:
    made = MadeUp(tmp_path)
    for number in range(600):
        made.run(schedule(seed=number), at=1 + number / 5)
    minutes, speeds = Curve.of("night", made.store.runs()).speed
    assert len(minutes) == 60
    assert abs(sum(speeds) / len(speeds) - 5) < 0.2
    assert max(speeds) < 6


def test_nothing_has_run_yet() -> None:
    empty = Curve.of("night", [])
    assert empty.speed == ([], [])
    assert all("<svg" in one.picture.drawing for one in plots([empty]))


def test_a_picture_for_each_and_words_for_each(tmp_path: Path) -> None:
    one = curve(tmp_path)
    pictures = plots([one, Curve.of("<blind>", [])])
    assert "At the end night: 16, <blind>: 0." in pictures[0].picture.text
    for picture in pictures:
        root = ElementTree.fromstring(picture.picture.drawing)
        texts = [text.text for text in root.iter("{http://www.w3.org/2000/svg}text")]
        assert {"night", "<blind>"} <= set(texts), "a legend, escaped"
    assert plots([one])[0].picture.drawing == plots([one])[0].picture.drawing
    assert "night" not in plots([one])[0].picture.drawing, "one campaign needs no legend"
