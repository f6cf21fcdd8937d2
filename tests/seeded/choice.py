# SPDX-License-Identifier: GPL-2.0-only
"""Which seeded bugs a run builds a kernel for: the sample, one of several parts, or all."""

from __future__ import annotations

from collections.abc import Sequence

from testbed.plugin.part import Part
from tests.seeded.record import Benchmark, Seeded
from tests.seeded.table import SEEDED

TRIED: Sequence[Seeded] = [one for one in SEEDED if not isinstance(one.caught_by, Benchmark)]
"""All but what the benchmark catches, which boots two kernels (tests/driver/test_bench.py)."""


def chosen(*, engine: str | None, part: Part | None, everything: bool) -> list[Seeded]:
    """Of ``engine`` (None: of each): what is in the sample, and of the others the part.

    The parts are of one engine, so that each has as many of those that take long.
    """
    asked_for = [bug for bug in TRIED if engine in (None, bug.engine)]
    if everything:
        return asked_for
    others = {}
    for name in sorted({bug.engine for bug in asked_for}):
        rest = [bug for bug in asked_for if bug.engine == name and not bug.in_sample]
        others[name] = part.of_all(rest) if part is not None else []
    return [bug for bug in asked_for if bug.in_sample or bug in others[bug.engine]]
