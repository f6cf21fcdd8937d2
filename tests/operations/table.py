# SPDX-License-Identifier: GPL-2.0-only
"""The operations, what became of them here, and the page of both."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path

from testbed import ROOT
from testbed.findings.kernel_log import KernelLogWatcher
from testbed.findings.load import FOLDER, Finding, read_finding
from testbed.findings.splat_report import reports
from testbed.schema import read_json, read_text, read_toml

OPERATIONS = Path(__file__).with_name("operations.toml")
RESULTS = Path(__file__).with_name("results.json")
PAGE = ROOT / "docs" / "operations.md"
SOURCES = ("driver", "log", "vendor", "kernel", "guess")
LONGEST = 90
_LEVELS = 8
_WARNING = 4
_BEGIN = re.compile(r"operation (\w+) begins")
_ANY_LINE = "jackdaws love my big sphinx of quartz 0123456789"
_RAW = re.compile(r"<(\d+)>\[[^]]*\] ?(.*)")


class Real(StrEnum):
    """What a real card does."""

    WORKS = "works"
    REFUSED = "refused"


@dataclass(frozen=True)
class Operation:
    """One command.

    ``log`` is a pattern of kernel lines that have to come with it, ``why``; ``finding`` the id of
    the bug of the kernel (docs/findings) whose splats come with it.
    """

    run: str
    real: Real
    source: str
    undo: str = ""
    log: str = ""
    why: str = ""
    finding: str = ""


@dataclass(frozen=True)
class Group:
    """Operations of one tool."""

    title: str
    operations: tuple[Operation, ...]


@dataclass(frozen=True)
class Table:
    """operations.toml."""

    group: tuple[Group, ...]

    def operations(self) -> list[Operation]:
        """All, in order."""
        return [one for group in self.group for one in group.operations]


@dataclass(frozen=True)
class Result:
    """What became of one here: exit status, first line, kernel lines from warnings up."""

    run: str
    code: int
    said: str
    log: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Results:
    """results.json: one for each operation, in its order."""

    kernel: str
    results: list[Result]

    def by_command(self) -> dict[str, Result]:
        """Command -> what became of it."""
        return {one.run: one for one in self.results}

    def text(self) -> str:
        """The file."""
        return json.dumps(asdict(self), indent=1) + "\n"


def read_table() -> Table:
    """The operations. Raises ConfigProblem."""
    return read_toml(Table, OPERATIONS)


def read_results() -> Results:
    """What the last run left. Raises ConfigProblem."""
    return read_json(Results, RESULTS, read_text(RESULTS))


def to_do(operations: Sequence[Operation]) -> str:
    """The input of guest.sh."""
    return "".join(f"{n}\t{one.run}\t{one.undo}\n" for n, one in enumerate(operations))


def results_of(operations: Sequence[Operation], printed: str, kernel: str) -> Results:
    """Out of the output of guest.sh."""
    parts = re.split(r"(?m)^=== (\w+) (\d+)\n", printed)
    said = {parts[i]: (int(parts[i + 1]), parts[i + 2]) for i in range(1, len(parts), 3)}
    lines = _by_operation(said["log"][1])
    return Results(kernel, [
        Result(one.run, code, _first_line(text), lines.get(str(n), []))
        for n, one in enumerate(operations) for code, text in [said[str(n)]]
    ])  # fmt: skip


def _first_line(text: str) -> str:
    line = next((line.strip() for line in text.splitlines() if line.strip()), "")
    return " ".join(line.split())[:LONGEST]


def _by_operation(log: str) -> dict[str, list[str]]:
    """Lines of the kernel from warnings up, by the operation they came with."""
    found: dict[str, list[str]] = {}
    number = ""
    for line in log.splitlines():
        raw = _RAW.match(line)
        if raw is None:
            continue
        begin = _BEGIN.match(raw[2])
        if begin is not None:
            number = begin[1]
        elif number and int(raw[1]) % _LEVELS <= _WARNING:
            found.setdefault(number, []).append(raw[2][:200])
    return found


def unlisted(one: Operation, result: Result) -> list[str]:
    """Kernel lines that the operation does not say come with it.

    Raises ConfigProblem if the file of the operation's finding cannot be read.
    """
    told = set(_of_finding(_finding(one.finding), result.log) if one.finding else ())
    return [
        line
        for number, line in enumerate(result.log)
        if number not in told and not (one.log and re.search(one.log, line))
    ]


def _finding(name: str) -> Finding:
    return read_finding(FOLDER / f"{name}.md")


def _of_finding(finding: Finding, log: Sequence[str]) -> Iterator[int]:
    """Which lines are in a splat that the finding explains."""
    watcher = KernelLogWatcher()
    watcher.feed("".join(f"{line}\n" for line in log).encode())
    for report in reports(watcher.events):
        for event in report.events if finding.explains(report) else ():
            yield from range(event.line_number - 1, event.line_number - 1 + len(event.excerpt))


def agrees(one: Operation, result: Result) -> bool:
    """Whether it ended here as on the real card."""
    return (result.code == 0) == (one.real is Real.WORKS)


def problems(table: Table, results: Results) -> Iterator[str]:
    """What is wrong with the table, or missing."""
    operations = table.operations()
    names = [one.run for one in operations]
    yield from (f"twice: {name}" for name in sorted({n for n in names if names.count(n) > 1}))
    for one in operations:
        if one.source.partition(":")[0] not in SOURCES:
            yield f"{one.run}: source: allowed: {', '.join(SOURCES)}"
        if bool(one.log) != bool(one.why):
            yield f"{one.run}: log and why belong together"
        if one.log and re.search(one.log, _ANY_LINE):
            yield f"{one.run}: log is of every line: name a finding, or words of the line"
        if one.finding and not (FOLDER / f"{one.finding}.md").is_file():
            yield f"{one.run}: {one.finding} is not in docs/findings"
    if [one.run for one in results.results] != names:
        yield "results.json is of other operations: python -P -m tests.operations"


_HEAD = """\
# What can be asked of the device

You want to know what a command of ethtool, devlink, ip, tc, dcb or phc_ctl does here, and on a
real BCM57508. This page is generated by `python -P -m tests.operations`, which runs the commands of
`tests/operations/operations.toml` in one guest of QEMU (kernel {kernel}).

{summary}

*Here* is the exit status and the first line; *kernel log* has the lines from warnings up that came
with it. *Real card* is what a BCM57508 does, with its source: `driver` (bnxt_en of 7.2 decides it
in that function), `kernel` (the driver is not asked), `log` (a public log of a card of the family),
`vendor` (Broadcom's own text), or `guess`.
"""


def page(table: Table, results: Results) -> str:
    """docs/operations.md."""
    operations = table.operations()
    found = results.by_command()
    differ = [one for one in operations if not agrees(one, found[one.run])]
    loud = [one for one in operations if unlisted(one, found[one.run])]
    guessed = sum(one.source.startswith("guess") for one in operations)
    expected = sum(bool(one.log or one.finding) for one in operations)
    summary = (
        f"Of {len(operations)} operations {len(operations) - len(differ)} end as on a real card,"
        f" {len(differ)} do not; {guessed} of the real card's answers are guesses."
        f" {len(loud)} leave an error or a warning in the kernel log that a real card does not,"
        f" besides {expected} where the driver or the kernel has one of its own."
    )
    lines = [_HEAD.format(kernel=results.kernel, summary=summary)]
    lines += [*_list("End otherwise here", differ), *_list("Leave lines here", loud)]
    for group in table.group:
        lines += ["", f"## {group.title}", ""]
        lines += ["| command | here | kernel log | real card | source |", "|---|---|---|---|---|"]
        lines += [_row(one, found) for one in group.operations]
    return "\n".join(lines).rstrip() + "\n"


def _list(title: str, some: Sequence[Operation]) -> Iterator[str]:
    if some:
        yield from ("", f"## {title}", "")
        yield from (f"- {_code(one.run)}" for one in some)


def _row(one: Operation, found: Mapping[str, Result]) -> str:
    result = found[one.run]
    lines = unlisted(one, result)
    log = "<br>".join(_text(line) for line in lines)
    if result.log and not lines:
        bug = f"[{one.finding}](findings/{one.finding}.md)" if one.finding else ""
        log = f"as there: {'; '.join(part for part in (bug, _text(one.why)) if part)}"
    cells = (_code(one.run), f"{result.code}: {_text(result.said)}", log, one.real, one.source)
    return f"| {' | '.join(cells)} |"


def _code(text: str) -> str:
    return f"`{text.replace('|', chr(92) + '|')}`"


def _text(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*")
