# SPDX-License-Identifier: GPL-2.0-only
"""What a summary says of a test, with whose fault it is: one word, for kernels or nights beside
each other."""

from __future__ import annotations

from enum import StrEnum

from testbed.errors import EnvironmentProblem, LostVM, ModelFailure


class BlamedOutcome(StrEnum):
    """What became of a test; worst last. ``NONE``: it has said nothing, for want of something."""

    NONE = "none"
    SKIP = "skip"
    PASS = "pass"
    GONE = "gone"
    FINDING = "finding"
    FAIL = "fail"
    MODEL = "model"
    LOST_VM = "lost-vm"

    @classmethod
    def of(cls, outcome: str, fault: str | None) -> BlamedOutcome:
        """Of a check's ``outcome`` and ``fault`` in a summary. Raises ValueError if it has no such
        outcome."""
        return _BY_FAULT.get(fault or "") or cls(outcome)

    @property
    def is_good(self) -> bool:
        """Whether the promise was kept."""
        return self in (BlamedOutcome.PASS, BlamedOutcome.GONE)

    @property
    def is_bad(self) -> bool:
        """Whether it was broken."""
        return self in (BlamedOutcome.FAIL, BlamedOutcome.MODEL, BlamedOutcome.LOST_VM)

    @property
    def says_something(self) -> bool:
        """Whether the test ran."""
        return self not in (BlamedOutcome.NONE, BlamedOutcome.SKIP)

    def is_worse_than(self, other: BlamedOutcome) -> bool:
        """Whether this one stands when a test has said both, as in its set-up and its teardown."""
        return _RANK[self] > _RANK[other]


_RANK = {outcome: rank for rank, outcome in enumerate(BlamedOutcome)}
_BY_FAULT = {
    LostVM.fault: BlamedOutcome.LOST_VM, ModelFailure.fault: BlamedOutcome.MODEL,
    EnvironmentProblem.fault: BlamedOutcome.NONE,
}  # fmt: skip
