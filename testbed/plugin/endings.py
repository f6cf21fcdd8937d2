# SPDX-License-Identifier: GPL-2.0-only
"""What ends a machine in the midst of a test, and whether that says anything of the test."""

from __future__ import annotations

import pytest

from testbed.errors import EnvironmentProblem, LostVM, ModelFailure, TestbedError
from testbed.plugin.watch import LOST, TestWatch, property_of

NO_FAILURES = (LostVM, ModelFailure, EnvironmentProblem)


def end_of_machine(error: BaseException) -> TestbedError | None:
    """Of ``error``, or of several that fixtures and undo have raised: what says nothing of the
    test. The card's failure and the host's go before a lost guest, which may come of them.
    """
    if isinstance(error, BaseExceptionGroup):
        found = [end for one in error.exceptions if (end := end_of_machine(one)) is not None]
        return next((one for one in found if not isinstance(one, LostVM)), next(iter(found), None))
    return error if isinstance(error, NO_FAILURES) else None


def panicked_in_undo(
    report: pytest.TestReport, watch: TestWatch | None, lost: TestbedError
) -> bool:
    """The kernel itself ended what takes the test back, and says why: a failure with its splat.

    One whose card has died panics, too, and that says nothing of it.
    """
    panics = watch is not None and any(one.panicked for one in watch.seen)
    return report.when == "teardown" and panics and isinstance(lost, LostVM)


def fault_of(report: pytest.TestReport) -> str:
    """Of a failure: the fault of the error that took the machine away, or nothing."""
    return property_of(report, LOST) if report.failed else ""
