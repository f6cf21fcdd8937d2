# SPDX-License-Identifier: GPL-2.0-only
"""What a process of a night has left: its run directory, read as somebody else's.

A guest may have written every text in there, and a killed process half a file: sizes are bounded,
types are checked, and text is escaped.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path
from statistics import median
from typing import Any

from testbed.host.terminal import escape
from testbed.nightly.cell import Cell
from testbed.nightly.work import TRACEFILE, retry_target
from testbed.report.blamed import BlamedOutcome
from testbed.report.limits import shorten_line
from testbed.report.summary import FILE_NAME

MOST_BYTES = 64 << 20
MOST_CHECKS = 20_000
NAME_CHARACTERS = 300
COMPARED = "compare.csv"
_PHASES = (" (teardown)", " (setup)")
_SUITE = "tests/suite/"


@dataclass(frozen=True, kw_only=True)
class Result:
    """One test in one attempt. ``target`` repeats it; ``evidence`` is the folder of its machine in
    the run directory, ``words`` are what to look for in its kernel log."""

    test: str
    outcome: BlamedOutcome
    seconds: float = 0.0
    reason: str = ""
    title: str = ""
    target: str = ""
    findings: tuple[str, ...] = ()
    evidence: str = ""
    words: str = ""


@dataclass(frozen=True, kw_only=True)
class Value:
    """A measurement; ``less`` says whether less of it is better."""

    name: str
    value: float
    unit: str
    less: bool = True


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One process of a cell, ended. ``verdict`` is that of its summary, or why there is none.

    ``reached``: whether it came to results. ``commit`` is of the testbed. ``source`` says for
    people what the kernel is made of, ``key`` is the same for one and the same kernel only.
    """

    verdict: str
    reason: str = ""
    reached: bool = True
    release: str = ""
    commit: str = ""
    source: str = ""
    key: str = ""
    seconds: float = 0.0
    results: tuple[Result, ...] = ()
    values: tuple[Value, ...] = field(default_factory=tuple)


def read_attempt(cell: Cell, folder: Path, *, reason: str, seconds: float) -> Attempt:
    """What the run directory ``folder`` says. ``reason``: why the process ended as it did."""
    try:
        document = _document(folder / FILE_NAME)
    except (OSError, ValueError, RecursionError):
        return Attempt(verdict="no result", reason=_line(reason), reached=False, seconds=seconds)
    results = {one.test: one for one in _results(cell, document)}
    verdict = _text(document, "verdict")
    problem = document.get("problem")
    told = _text(problem, "message") if isinstance(problem, dict) else ""
    if verdict in (BlamedOutcome.LOST_VM, BlamedOutcome.MODEL) and not any(
        one.outcome.is_bad for one in results.values()
    ):
        whole = f"{cell.work} ends"
        results[whole] = Result(
            test=whole,
            title="The run comes to its end",
            outcome=BlamedOutcome(verdict),
            reason=told,
        )
    return Attempt(
        verdict=verdict or "no result", reason=told,
        release=_text(document, "kernel_release") or _compared_kernel(folder / COMPARED),
        reached=any(one.outcome.says_something for one in results.values()) or verdict == "pass",
        commit=_provenance(document, "repository commit", "commit"),
        source=_provenance(document, "kernel source label"),
        key=_provenance(document, "kernel key", "kernel vmlinuz sha256"),
        seconds=seconds, results=tuple(results.values()), values=tuple(_values(cell, folder)),
    )  # fmt: skip


def _document(file: Path) -> Mapping[str, Any]:
    if file.stat().st_size > MOST_BYTES:
        raise ValueError("too large")
    found = json.loads(file.read_text(encoding="utf-8"))
    if not isinstance(found, dict):
        raise ValueError("no table")
    return found


def _results(cell: Cell, document: Mapping[str, Any]) -> Iterator[Result]:
    """The worst of what is said of each test: of set-up, call and teardown."""
    checks = document.get("checks")
    worst: dict[str, Result] = {}
    for check in (checks if isinstance(checks, list) else [])[:MOST_CHECKS]:
        if not isinstance(check, dict):
            continue
        one = _result(cell, check)
        if one is not None and (
            one.test not in worst or one.outcome.is_worse_than(worst[one.test].outcome)
        ):
            worst[one.test] = one
    yield from worst.values()


def _result(cell: Cell, check: Mapping[str, Any]) -> Result | None:
    name, group = _text(check, "name"), _text(check, "group")
    for phase in _PHASES:
        name = name.removesuffix(phase)
    outcome = _outcome(check)
    if outcome is None or not name:
        return None
    where = group.removeprefix(_SUITE)
    test = f"{cell.work} {where}::{name}" if where else f"{cell.work} {name}"
    findings = check.get("findings")
    timed = cell.kind != "fuzz"  # a campaign's are those of all nights
    return Result(
        test=test[:NAME_CHARACTERS], outcome=outcome, reason=_text(check, "reason"),
        seconds=_seconds(check) if timed else 0.0,
        title=_text(check, "title"), target=retry_target(cell.kind, group, name),
        findings=_names(findings),
        evidence=_text(check, "evidence"), words=_first_splat(check),
    )  # fmt: skip


def _seconds(check: Mapping[str, Any]) -> float:
    found = check.get("seconds")
    return float(found) if isinstance(found, float) and isfinite(found) else 0.0


def _outcome(check: Mapping[str, Any]) -> BlamedOutcome | None:
    try:
        return BlamedOutcome.of(_text(check, "outcome"), _text(check, "fault"))
    except ValueError:
        return None


def _names(found: object) -> tuple[str, ...]:
    names = found if isinstance(found, list) else []
    return tuple(_line(str(one))[:NAME_CHARACTERS] for one in names)


def _first_splat(check: Mapping[str, Any]) -> str:
    splats = check.get("splats")
    first = splats[0] if isinstance(splats, list) and splats else None
    return _text(first, "headline") if isinstance(first, dict) else ""


def _text(table: Mapping[str, Any], key: str) -> str:
    value = table.get(key)
    return _line(value) if isinstance(value, str) else ""


def _line(text: str) -> str:
    return shorten_line(escape(" ".join(text.split("\n"))))


def _provenance(document: Mapping[str, Any], *keys: str) -> str:
    """The first of ``keys`` that is told."""
    found = document.get("provenance")
    told = (_text(found, key) for key in keys) if isinstance(found, dict) else ()
    return next(filter(None, told), "")


def _values(cell: Cell, folder: Path) -> Iterator[Value]:
    read, file = {
        "compare": (_compared, folder / COMPARED),
        "page_pool": (_page_pool, folder / "bench.json"),
        "wire": (_wire, folder / "wire.json"),
        "coverage": (_covered, folder.parent / TRACEFILE),
    }.get(cell.kind, (None, folder))  # fmt: skip
    if read is None:
        return
    try:
        yield from (one for one in read(file) if isfinite(one.value))
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError, csv.Error):
        return


def _compared_kernel(file: Path) -> str:
    """Of a comparison, whose summary names none."""
    try:
        with file.open(encoding="utf-8", newline="") as stream:
            return _line(next(csv.DictReader(stream))["kernel"])
    except (OSError, ValueError, LookupError, TypeError, AttributeError, StopIteration, csv.Error):
        return ""


def _compared(file: Path) -> Iterator[Value]:
    """The median of the runs of each variant."""
    found: dict[str, list[float]] = {}
    with file.open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream):
            if row["group"] == "all":
                variant = _line(row["variant"].partition("@")[0])
                found.setdefault(variant, []).append(float(row["instructions_per_kib"]))
    for variant, values in found.items():
        yield Value(name=f"receive by {variant}", value=median(values), unit="insn/KiB")


def _page_pool(file: Path) -> Iterator[Value]:
    for name, one in _document(file)["paths"].items():
        yield Value(name=f"page_pool {_line(name)}", value=float(one["a"]), unit="insn/page")


def _wire(file: Path) -> Iterator[Value]:
    """The ratios that could be told."""
    for one in _document(file)["ratios"]:
        for what, about in (("rate", "speed"), ("cpu", "CPU time")):
            if "median" in one[what]:
                name = f"{about}, {_line(one['name'])}"
                yield Value(name=name, value=float(one[what]["median"]), unit="x", less=False)


def _covered(file: Path) -> Iterator[Value]:
    """Source: geninfo(1), LF and LH: lines that can be reached, lines that were."""
    sums = {"LF:": 0, "LH:": 0}
    with file.open(encoding="utf-8") as stream:
        for line in stream:
            if line[:3] in sums:
                sums[line[:3]] += int(line[3:])
    if sums["LF:"]:
        percent = 100.0 * sums["LH:"] / sums["LF:"]
        yield Value(name="lines covered", value=percent, unit="%", less=False)
