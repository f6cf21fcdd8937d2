# SPDX-License-Identifier: GPL-2.0-only
"""Edges of a store on the kernel's source."""

from __future__ import annotations

from pathlib import Path

import pytest

from testbed.coverage.program import Frame, Function, Point
from testbed.engines.uml.hits import CoveredKernel
from testbed.errors import UsageProblem
from testbed.fuzz import covered, features
from testbed.fuzz.covered import Covered

FUNCTION = Function("bnxt_poll", "bnxt.c", 17)
KERNEL = CoveredKernel("key", "7.2.12", "/nowhere/linux", "/nowhere")


@pytest.fixture(autouse=True)
def program(monkeypatch: pytest.MonkeyPatch) -> None:
    points = tuple(Point(place, (Frame(FUNCTION, "bnxt.c", place),)) for place in (18, 19, 20))
    monkeypatch.setattr(covered, "_points", lambda _image: points)


def test_the_largest_count_of_a_place(tmp_path: Path) -> None:
    found = Covered.of(KERNEL, [(18, 1, 5), (18, 6, 7), (18, 2, 7), (19, 8, 9)], 60)
    assert found.hits.counts == {18: 16, 19: 128}
    assert found.hits.guests == 60
    [(file, known)] = found.functions
    assert (file.name, known.function, known.tally.hit, known.tally.points) == (
        "bnxt.c", FUNCTION, 2, 3,
    )  # fmt: skip
    assert round(found.percent) == 67
    assert (found.write(tmp_path).parent / "bnxt.c.html").is_file()


def test_buckets_are_those_of_features() -> None:
    assert [features.bucket(least) for least in covered.LEAST] == list(range(1, 9))
    assert [features.bucket(least - 1) for least in covered.LEAST] == list(range(8))


def test_another_kernel_than_the_one_that_was_covered() -> None:
    with pytest.raises(UsageProblem, match="is no part of"):
        Covered.of(KERNEL, [(99, 1, 1)], 1)
    assert Covered.of(KERNEL, [], 0).percent == 0
