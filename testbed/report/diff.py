# SPDX-License-Identifier: GPL-2.0-only
"""Two runs side by side: what went otherwise, and what of that a lacking capability explains."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from testbed.errors import UsageProblem
from testbed.report.results import REQUIRES, Outcome
from testbed.report.summary import FILE_NAME

ABSENT = "absent"
DECLARED = (REQUIRES, "lacks capability: ")
"""How a skip for want of a capability begins; the latter in reports of version 0.1."""


class Kind(StrEnum):
    """How a check of one run stands to the same check of the other."""

    SAME = "same"
    DECLARED = "declared"
    OTHERWISE = "otherwise"


@dataclass(frozen=True)
class Result:
    """One check of one run; ``outcome`` is a word of the summary, or ABSENT."""

    outcome: str
    reason: str = ""

    @property
    def lacks(self) -> bool:
        """Skipped, because that set-up declared that it lacks a capability."""
        return self.outcome == Outcome.SKIP.value and self.reason.startswith(DECLARED)


@dataclass(frozen=True)
class Difference:
    """One check in both runs."""

    group: str
    name: str
    left: Result
    right: Result

    @property
    def kind(self) -> Kind:
        """Same outcome; or one side declares that it cannot; or neither."""
        if self.left.outcome == self.right.outcome:
            return Kind.SAME
        if self.left.lacks or self.right.lacks:
            return Kind.DECLARED
        return Kind.OTHERWISE

    @property
    def reason(self) -> str:
        """Why one side skipped, or failed."""
        return self.left.reason if self.left.lacks else self.right.reason or self.left.reason


def read_results(path: Path) -> Mapping[tuple[str, str], Result]:
    """The checks of a run, given its directory or its summary.json. Raises UsageProblem."""
    file = path / FILE_NAME if path.is_dir() else path
    try:
        checks = json.loads(file.read_text(encoding="utf-8"))["checks"]
        return {
            (one["group"], one["name"]): Result(one["outcome"], one["reason"]) for one in checks
        }
    except OSError as err:
        raise UsageProblem(f"{file} cannot be read: {err.strerror}") from err
    except (ValueError, KeyError, TypeError, RecursionError) as err:
        raise UsageProblem(f"{file} is no summary of a run") from err


def compare(
    left: Mapping[tuple[str, str], Result], right: Mapping[tuple[str, str], Result]
) -> list[Difference]:
    """Every check of either run, in the order of ``left``, then those only ``right`` has."""
    absent = Result(ABSENT)
    return [
        Difference(*key, left.get(key, absent), right.get(key, absent)) for key in {**left, **right}
    ]
