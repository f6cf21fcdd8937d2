# SPDX-License-Identifier: GPL-2.0-only
"""One kernel of the matrix, in processes of its own: does it boot, and what the suite reports.

A kernel that cannot be had, built or booted is a verdict about that kernel, and the others go on.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from testbed import ROOT
from testbed.engines.open import engine_named
from testbed.errors import ExitCode
from testbed.host.child import run_python
from testbed.matrix.columns import Column
from testbed.report.blamed import BlamedOutcome
from testbed.report.rundir import LATEST
from testbed.report.summary import FILE_NAME

SUITES = ROOT / "tests" / "suite"
RESULT = "column.json"
_TEARDOWN, _SETUP = " (teardown)", " (setup)"


class ColumnVerdict(StrEnum):
    """What became of a kernel; results of tests exist only for the first."""

    RAN = "ran"
    NOT_AVAILABLE = "cannot be had"
    NOT_BUILT = "unknown, or does not build"
    NO_BOOT = "does not boot"
    NO_NIC = "the NIC does not come up"
    MODEL = "the card failed"
    NO_RESULT = "the suite gave no result"

    @property
    def blames_kernel(self) -> bool:
        """Whether another kernel may do better in the same place."""
        return self in (ColumnVerdict.NO_BOOT, ColumnVerdict.NO_NIC)


_BY_EXIT_CODE: Mapping[int, ColumnVerdict] = {
    ExitCode.TEST_FAILURE: ColumnVerdict.NO_NIC,
    ExitCode.USAGE: ColumnVerdict.NOT_BUILT,
    ExitCode.ENVIRONMENT: ColumnVerdict.NOT_AVAILABLE,
    ExitCode.MODEL: ColumnVerdict.MODEL,
    ExitCode.LOST_VM: ColumnVerdict.NO_BOOT,
}


@dataclass(frozen=True)
class Cell:
    """One test on one kernel: ``reason`` says why it is no pass."""

    outcome: BlamedOutcome
    reason: str = ""
    title: str = ""
    findings: tuple[str, ...] = ()


@dataclass(frozen=True)
class ColumnResult:
    """One kernel: its verdict, and by test id what the suite reported. Seconds are wall time."""

    label: str
    verdict: ColumnVerdict
    reason: str = ""
    release: str = ""
    seconds: float = 0.0
    commit: str = ""
    cells: Mapping[str, Cell] = field(default_factory=dict)

    def save(self, folder: Path) -> None:
        """Write it, whole or not at all."""
        temporary = folder / f".{RESULT}"
        temporary.write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf-8")
        temporary.replace(folder / RESULT)

    @classmethod
    def load(cls, folder: Path) -> ColumnResult | None:
        """What an earlier run found, or None."""
        try:
            document = json.loads((folder / RESULT).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        cells = {
            name: Cell(
                BlamedOutcome(cell["outcome"]),
                cell["reason"],
                cell["title"],
                tuple(cell["findings"]),
            )
            for name, cell in document.pop("cells").items()
        }
        verdict = ColumnVerdict(document.pop("verdict"))
        return cls(verdict=verdict, cells=cells, **document)


@dataclass(frozen=True)
class MatrixRequest:
    """What runs on every kernel: folders of ``tests/suite``, and options as ``testbed run`` has.

    ``limit_s`` ends the suite of one kernel.
    """

    suites: tuple[str, ...]
    keyword: str = ""
    iommu: str = "off"
    cpus: int | None = None
    seed: int = 1
    limit_s: float = 3600.0

    def arguments(self, column: Column) -> list[str]:
        """Name after name and value, for this column."""
        words = [*column.arguments, "seed", str(self.seed)]
        if "iommu" not in engine_named(column.engine).lacks:
            words += ["iommu", self.iommu]
        return [*words, "cpus", str(self.cpus)] if self.cpus else words


def folder_name(label: str) -> str:
    """The folder of a kernel in that of the matrix."""
    return label.replace(":", "-")


def options(words: Sequence[str], prefix: str) -> list[str]:
    """``["kernel", "7.2"]`` as ``["--kernel", "7.2"]``."""
    return [f"{prefix}{word}" if number % 2 == 0 else word for number, word in enumerate(words)]


def run_column(
    column: Column, request: MatrixRequest, folder: Path, say: Callable[[str], None]
) -> ColumnResult:
    """Boot the kernel; if it does, run the suite on it. Logs go to ``folder``.

    Raises EnvironmentProblem if a process cannot be started, Interrupted if a signal ended one: of
    its kernel nothing is known then.
    """
    began = time.monotonic()
    words = request.arguments(column)
    say(f"{column.label}: does it boot?")
    command = ["-m", "testbed", "exec", *options(words, "--"), "--run-dir", str(folder / "boot")]
    booted = run_python([*command, "--", "uname", "-r"], folder / "boot.log", request.limit_s)
    if booted.returncode != 0:
        verdict = _BY_EXIT_CODE.get(booted.returncode, ColumnVerdict.NO_BOOT)
        if booted.returncode < 0:  # killed, as for want of memory
            verdict = ColumnVerdict.NOT_AVAILABLE
        return ColumnResult(column.label, verdict, booted.reason, seconds=time.monotonic() - began)
    say(f"{column.label}: {booted.last_line}, running {', '.join(request.suites)}")
    tests = [str(SUITES / suite) for suite in request.suites]
    if request.keyword:
        tests += ["-k", request.keyword]
    command = ["-m", "pytest", "-q", "-p", "no:cacheprovider", *tests]
    command += [*options(words, "--testbed-"), "--testbed-run-dir", str(folder / "suite")]
    ran = run_python(command, folder / "suite.log", request.limit_s)
    seconds = time.monotonic() - began
    try:
        text = (folder / "suite" / LATEST / FILE_NAME).read_text(encoding="utf-8")
    except OSError:
        return ColumnResult(
            column.label, ColumnVerdict.NO_RESULT, ran.reason, booted.last_line, seconds
        )
    summary = json.loads(text)
    return ColumnResult(
        column.label, ColumnVerdict.RAN,
        f"ended after {request.limit_s:.0f} s" if ran.timed_out else "",
        summary["kernel_release"] or booted.last_line, seconds,
        str(summary["provenance"].get("repository commit") or ""), cells_of(summary["checks"]),
    )  # fmt: skip


def cells_of(checks: Sequence[Mapping[str, Any]]) -> dict[str, Cell]:
    """By test id, the worst of what a summary says of set-up, test and teardown."""
    cells: dict[str, Cell] = {}
    for check in checks:
        name = str(check["name"]).removesuffix(_TEARDOWN).removesuffix(_SETUP)
        test = f"{Path(check['group']).relative_to('tests/suite')}::{name}"
        cell = Cell(
            BlamedOutcome.of(check["outcome"], check["fault"]),
            check["reason"],
            check["title"],
            tuple(check["findings"]),
        )
        if test not in cells or cell.outcome.is_worse_than(cells[test].outcome):
            cells[test] = cell
    return cells
