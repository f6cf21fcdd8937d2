# SPDX-License-Identifier: GPL-2.0-only
"""What a campaign covered, by function and line: the edges of its store on the kernel's source."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from testbed.coverage import html
from testbed.coverage.account import FileCoverage, FunctionCoverage, account, total
from testbed.coverage.program import Point, Program
from testbed.coverage.source import SourceText
from testbed.engines.uml.hits import CoveredKernel, Hits
from testbed.errors import UsageProblem

COVERAGE = "coverage"
"""Folder of the line pages, beside the campaign's page."""

LEAST = (1, 2, 3, 4, 8, 16, 32, 128)
"""The least count of each bucket, from bucket 1 on (:mod:`testbed.fuzz.features`)."""


@lru_cache(maxsize=2)
def _points(image: Path) -> tuple[Point, ...]:
    """Of a program; to read them takes seconds. Raises UsageProblem."""
    return tuple(Program(image).points)


@dataclass(frozen=True)
class Covered:
    """Files and functions, and how much of them some run has reached."""

    hits: Hits
    files: list[FileCoverage]

    @classmethod
    def of(cls, kernel: CoveredKernel, edges: Iterable[tuple[int, int, int]], runs: int) -> Covered:
        """Of edges as the store has them. Raises UsageProblem if the kernel is gone."""
        counts: Counter[int] = Counter()
        for place, bucket, _ in edges:
            counts[place] = max(counts[place], LEAST[bucket - 1])
        points = _points(Path(kernel.image))
        known = {point.place for point in points}
        if counts and not known & counts.keys():
            raise UsageProblem(
                f"what the campaign covered is no part of {kernel.image}",
                remedy="the kernel was built again since: start another campaign",
            )
        return cls(Hits(kernel, runs, counts), account(points, counts))

    @property
    def functions(self) -> list[tuple[FileCoverage, FunctionCoverage]]:
        """Those with points of their own, by file and line; headers last."""
        return [(file, known) for file in self.files for known in file.counted]

    @property
    def percent(self) -> float:
        """Of all points."""
        return total(file.tally for file in self.files).percent

    def write(self, folder: Path) -> Path:
        """A page for each file, with its lines; returns the index. Raises OSError."""
        source = SourceText(Path(self.hits.kernel.source), Path(self.hits.kernel.image))
        return html.write(folder, self.hits, self.files, source)
