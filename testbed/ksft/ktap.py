# SPDX-License-Identifier: GPL-2.0-only
"""Reading KTAP, the output format of the kernel's selftests.

Source: Documentation/dev-tools/ktap.rst, and ``net/lib/py/ksft.py``, which prints a case's
diagnostics before its result line and ends with a ``# Totals:`` line.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum

MAX_TEXT = 4000
"""Characters kept of one line: what a guest prints is not to be trusted with memory."""

MAX_CASES = 10_000
MAX_DIAGNOSTICS = 2000
"""Diagnostic lines kept per case (the last ones)."""

_RESULT = re.compile(r"^(?P<not>not )?ok(?: +(?P<number>\d+))?(?P<rest>(?: .*)?)$")
_PLAN = re.compile(r"^1\.\.(?P<count>\d+)(?:\s*#\s*(?P<directive>.*))?$")
_DIRECTIVE = re.compile(
    r"\s*(?<!\\)#\s*(?P<word>SKIP|TODO|XFAIL|XPASS|TIMEOUT|ERROR)\b(?P<reason>.*)$", re.IGNORECASE
)
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")

_EXCEPTION = re.compile(r"Exception\|\s*((?:\w+\.)*\w*(?:Error|Exception|Failure|Ex)\b.*)")

SKIP_EXIT_CODE = 4
"""KSFT_SKIP of ``tools/testing/selftests/kselftest.h``."""


class KtapResult(Enum):
    """What became of one case; ``XFAIL`` is a failure its author expects."""

    PASS = "pass"
    FAIL = "fail"
    SKIP = "skip"
    XFAIL = "xfail"


@dataclass(frozen=True, slots=True)
class Case:
    """One test case. ``reason`` is a skip's, or the first thing to read of a failure."""

    name: str
    outcome: KtapResult
    reason: str = ""
    diagnostics: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Document:
    """What one test program printed. ``planned`` is None without a plan line."""

    cases: tuple[Case, ...]
    planned: int | None = None
    plan_directive: str = ""
    trailing: tuple[str, ...] = ()


def clean(text: str) -> str:
    """Return ``text`` without control characters and of bounded length."""
    text = _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text)
    return text if len(text) <= MAX_TEXT else text[:MAX_TEXT] + " […]"


def parse(text: str) -> Document:
    """Read KTAP. Lines that are no KTAP count as diagnostics; nested results are diagnostics too.

    Never raises: a test that dies in the middle of a line has printed half a line.
    """
    cases: list[Case] = []
    pending: list[str] = []
    planned: int | None = None
    plan_directive = ""
    for raw in text.splitlines():
        line = clean(raw.rstrip())
        if line.startswith(("TAP version ", "KTAP version ")) or not line:
            continue
        if planned is None and (plan := _PLAN.match(line)):
            planned = min(int(plan["count"][:9]), MAX_CASES)
            plan_directive = plan["directive"] or ""
            continue
        result = _RESULT.match(line)
        if result and len(cases) < MAX_CASES:
            cases.append(_case(result, pending))
            pending = []
            continue
        pending.append(line.removeprefix("# ") if line != "#" else "")
        if len(pending) > MAX_DIAGNOSTICS:
            del pending[0]
    return Document(tuple(cases), planned, plan_directive, tuple(pending))


def _case(result: re.Match[str], diagnostics: Sequence[str]) -> Case:
    """``not ok … # SKIP`` is a failure: a skipped case whose undo failed is printed so."""
    rest = result["rest"]
    word, reason = "", ""
    if directive := _DIRECTIVE.search(rest):
        rest = rest[: directive.start()]
        word, reason = directive["word"].upper(), directive["reason"].strip()
    name = rest.strip().removeprefix("- ").strip() or f"case {result['number'] or '?'}"
    failed = result["not"] is not None
    if word == "SKIP" and not failed:
        outcome = KtapResult.SKIP
    elif word in ("XFAIL", "TODO"):
        outcome = KtapResult.XFAIL
    elif failed or word in ("TIMEOUT", "ERROR"):
        outcome = KtapResult.FAIL
    else:
        outcome = KtapResult.PASS
    if outcome is KtapResult.FAIL:
        reason = " ".join(filter(None, (word.lower(), reason))) or first_complaint(diagnostics)
    return Case(name, outcome, reason, tuple(diagnostics))


def first_complaint(diagnostics: Iterable[str]) -> str:
    """The line of ``ksft.py``'s diagnostics that says what was wrong, or an empty string."""
    exception = ""
    for line in diagnostics:
        if line.startswith("Check failed"):
            return line
        if match := _EXCEPTION.match(line):
            exception = match[1]
    return exception


def settle(
    document: Document, *, file: str, exit_code: int | None, lost: str = ""
) -> tuple[Case, ...]:
    """All cases of one file, the ones that never reported included.

    ``exit_code`` is the program's, None if it never ended; ``lost`` says why it did not (time
    limit, lost guest). A planned case without a result failed. A program that printed no result
    is one case of its own, judged by its exit code (0 pass, 4 skip) as kselftest does; so is one
    that failed although every case it reported passed.
    """
    cases = list(document.cases)
    why = lost or (f"exit code {exit_code}" if exit_code is not None else "did not end")
    complaint = first_complaint(document.trailing)
    if document.planned is not None and len(cases) < document.planned:
        reason = f"no result: {why}" + (f" ({complaint})" if complaint else "")
        diagnostics = document.trailing
        for number in range(len(cases) + 1, document.planned + 1):
            cases.append(Case(f"{file} case {number}", KtapResult.FAIL, reason, diagnostics))
            diagnostics = ()
        return tuple(cases)
    ended_well = not lost and exit_code == 0
    if not cases:
        if not lost and (exit_code == SKIP_EXIT_CODE or document.plan_directive):
            reason = document.plan_directive or _last(document.trailing)
            reason = re.sub(r"^SKIP:?\s*", "", reason, flags=re.IGNORECASE)
            return (Case(file, KtapResult.SKIP, reason, document.trailing),)
        outcome = KtapResult.PASS if ended_well else KtapResult.FAIL
        reason = "" if ended_well else complaint or why
        return (Case(file, outcome, reason, document.trailing),)
    if not ended_well and exit_code != SKIP_EXIT_CODE and not _any_failed(cases):
        cases.append(Case(f"{file} ending", KtapResult.FAIL, complaint or why, document.trailing))
    return tuple(cases)


def _any_failed(cases: Iterable[Case]) -> bool:
    return any(case.outcome is KtapResult.FAIL for case in cases)


def _last(lines: Sequence[str]) -> str:
    return lines[-1] if lines else ""


def count(cases: Iterable[Case]) -> dict[KtapResult, int]:
    """How many cases had each outcome; every outcome is a key."""
    counted = Counter(case.outcome for case in cases)
    return {outcome: counted[outcome] for outcome in KtapResult}
