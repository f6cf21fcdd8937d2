# SPDX-License-Identifier: GPL-2.0-only
"""Runs steps one after the other and turns each into a check of the report."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from testbed import ROOT
from testbed.dut.permissions import RequirementMissing
from testbed.errors import GuestCommandFailed, GuestTimeout, TestbedError
from testbed.host import interrupt
from testbed.report.results import REQUIRES, Check, Outcome, RunReport
from testbed.workloads.judge import CheckFailed, FindingShown

C = TypeVar("C")
"""What the steps of a job share: its context."""


@dataclass(frozen=True)
class Step(Generic[C]):
    """One named check: ``run`` returns what it measured, in words, and raises when it fails.

    ``needs`` names steps that must have passed; otherwise this one is skipped with their names.
    """

    name: str
    title: str
    group: str
    run: Callable[[C], str]
    needs: tuple[str, ...] = ()

    @property
    def place(self) -> tuple[str, int | None]:
        """File and line of ``run``; ("", None) of a callable that is no function."""
        code = getattr(self.run, "__code__", None)
        if code is None:
            return "", None
        file = Path(code.co_filename)
        inside = file.relative_to(ROOT) if file.is_relative_to(ROOT) else file
        return str(inside), code.co_firstlineno


class Listener(Protocol):
    """Learns how the run proceeds."""

    def began(self, group: str, title: str, number: int, total: int) -> None:
        """A step starts."""

    def ended(self, check: Check) -> None:
        """A step ended so."""


class Recorder:
    """Collects the checks of one run in ``report``.

    ``explain`` adds to a command that ran out of time what is known of why.
    """

    def __init__(
        self, report: RunReport, listener: Listener, total: int,
        explain: Callable[[GuestTimeout], GuestTimeout] = lambda late: late,
    ) -> None:  # fmt: skip
        self._report = report
        self._listener = listener
        self._total = total
        self._explain = explain

    def run(self, steps: Sequence[Step[C]], context: C) -> None:
        """Run ``steps`` in order; a failed one does not stop those that do not need it.

        A lost VM, a failed model or an environment problem ends the run: its check is recorded
        and the error raised.
        """
        for step in steps:
            self.run_one(step, context)

    def run_one(self, step: Step[C], context: C) -> None:
        """Run one step. Raises as :meth:`run` does.

        A step that a signal ended has no check, whatever failed on its way out: nothing is known.
        """
        interrupt.check()
        number = len(self._report.checks) + 1
        self._listener.began(step.group, step.title, number, self._total)
        missing = self._not_passed(step.needs)
        if missing:
            self._add(step, Outcome.SKIP, 0.0, reason=f"needs {', '.join(missing)}")
            return
        began = time.monotonic()

        def seconds() -> float:
            return time.monotonic() - began

        try:
            with interrupt.comes_first():
                measured = step.run(context)
        except RequirementMissing as lack:
            self._add(step, Outcome.SKIP, seconds(), reason=f"{REQUIRES}{lack}")
        except CheckFailed as err:
            outcome = Outcome.FINDING if isinstance(err, FindingShown) else Outcome.FAIL
            findings = err.findings if isinstance(err, FindingShown) else ()
            self._add(
                step, outcome, seconds(), reason=err.message, detail=err.detail, splats=err.splats,
                findings=findings,
            )  # fmt: skip
        except GuestTimeout as late:
            self._add(step, Outcome.FAIL, seconds(), reason=self._explain(late).message)
        except GuestCommandFailed as err:
            self._add(step, Outcome.FAIL, seconds(), reason=err.message)
        except TestbedError as err:
            detail = "\n".join(err.lines())
            self._add(
                step, Outcome.FAIL, seconds(), reason=err.message, detail=detail, fault=err.fault
            )
            raise
        else:
            self._add(step, Outcome.PASS, seconds(), measured=measured)

    def _not_passed(self, names: Sequence[str]) -> list[str]:
        passed = {check.name for check in self._report.checks if check.outcome is Outcome.PASS}
        return [name for name in names if name not in passed]

    def _add(self, step: Step[C], outcome: Outcome, seconds: float, **more: Any) -> None:
        file, line = step.place
        check = Check(
            name=step.name, title=step.title, group=step.group, outcome=outcome, seconds=seconds,
            file=file, line=line, **more,
        )  # fmt: skip
        self._report.checks.append(check)
        self._listener.ended(check)
