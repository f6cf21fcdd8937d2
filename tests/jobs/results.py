# SPDX-License-Identifier: GPL-2.0-only
"""What a job found, test by test: the JUnit files that tox.ini has pytest write."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from junitparser import Error, Failure, Skipped
from junitparser.xunit2 import JUnitXml, TestCase

from testbed.host.terminal import escape
from testbed.plugin.watch import FINDING

SUFFIX = ".xml"
MORE = "-2"
"""Ends the name of a job's second file: the job runs pytest twice."""

CUT_OFF = "cut off"
"""In the place of a node id: pytest was interrupted, and writes neither name nor result."""

WORDS = 1500
"""Characters of a failure that are shown: its last ones, which tell how it stood at the end."""


class Outcome(StrEnum):
    """How a test ended, as the glossary has it."""

    PASS = "pass"
    FINDING = "finding"
    FAIL = "fail"
    SKIP = "skip"


@dataclass(frozen=True)
class Case:
    """One test: its node id, how it ended, and why it was skipped or failed, if that is known."""

    node: str
    outcome: Outcome
    reason: str = ""


@dataclass(frozen=True)
class JobRun:
    """One run of one job. ``date``: of its end, as ISO has it; ``seconds``: of wall time."""

    job: str
    date: str
    seconds: float
    cases: Sequence[Case]


def read_results(folder: Path) -> list[JobRun]:
    """All jobs that left results in ``folder``. Raises ValueError for a file that is no JUnit."""
    runs: dict[str, JobRun] = {}
    for file in sorted(folder.glob(f"*{SUFFIX}")):
        job = file.stem.removesuffix(MORE)
        run = _read(file, job)
        if job in runs:
            first = runs[job]
            run = JobRun(
                job, max(first.date, run.date), first.seconds + run.seconds,
                [*first.cases, *run.cases],
            )  # fmt: skip
        runs[job] = run
    return list(runs.values())


def failures(runs: Iterable[JobRun], jobs: Container[str]) -> Iterator[str]:
    """Lines for each test of ``jobs`` that failed, with the end of what it says, which may be a
    guest's."""
    for run in runs:
        for case in run.cases if run.job in jobs else ():
            if case.outcome is Outcome.FAIL:
                yield escape(f"{run.job}: {case.node}")
                yield from (f"    {escape(line)}" for line in case.reason[-WORDS:].split("\n"))


def _read(file: Path, job: str) -> JobRun:
    try:
        suites = list(JUnitXml.fromfile(str(file)))
    except Exception as error:  # whatever the parser raises
        raise ValueError(f"{file} is no JUnit file: {error}") from error
    date = max(str(suite.timestamp)[:10] for suite in suites)
    cases = [case for suite in suites for case in _cases(suite)]
    return JobRun(job, date, sum(float(suite.time) for suite in suites), cases)


def _cases(suite: Sequence[TestCase]) -> Iterator[Case]:
    """One for each test, though a test with a bad teardown has two."""
    found: dict[str, Case] = {}
    for test in suite:
        node = _node(test)
        case = _case(node, test)
        if node not in found or case.outcome is Outcome.FAIL:
            found[node] = case
    yield from found.values()


def _node(test: TestCase) -> str:
    """Its node id. A file that could not be read has a name alone, an interrupted test none."""
    if not test.classname:
        return test.name or CUT_OFF
    return f"{test.classname.replace('.', '/')}.py::{test.name}"


def _case(node: str, test: TestCase) -> Case:
    kinds = {type(one): one for one in test.result}
    if Failure in kinds or Error in kinds or node == CUT_OFF:
        wrong = kinds.get(Failure) or kinds.get(Error)
        return Case(node, Outcome.FAIL, str(wrong.message) if wrong is not None else "")
    if Skipped in kinds and kinds[Skipped].type != FINDING:
        return Case(node, Outcome.SKIP, str(kinds[Skipped].message))
    if any(one.name.startswith(f"{FINDING}:") for one in test.properties()):
        return Case(node, Outcome.FINDING)
    return Case(node, Outcome.PASS)
