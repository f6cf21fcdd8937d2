# SPDX-License-Identifier: GPL-2.0-only
"""`testbed ksft`: build the selftests, run the requested files, write a run directory."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from images.ksft import Selftests, selftests
from testbed.artifacts.prepare import Artifacts, Prepared
from testbed.artifacts.translated import translated
from testbed.engines.qemu.engine import ENGINE as QEMU
from testbed.host import interrupt
from testbed.job.main import Tell
from testbed.job.progress import Progress, final_table
from testbed.ksft.ktap import KtapResult
from testbed.ksft.results import FileResult
from testbed.ksft.run import SelftestPlan, run_all
from testbed.ksft.select import TestFile, parse_list, select
from testbed.options import RunOptions
from testbed.report.outcome import conclude, last_words
from testbed.report.provenance import flatten, host, repository_commit
from testbed.report.results import RunReport
from testbed.report.rundir import RunDirectory, now_utc

JOB = "ksft"
_STYLES = {
    KtapResult.PASS: "green",
    KtapResult.FAIL: "bold red",
    KtapResult.SKIP: "yellow",
    KtapResult.XFAIL: "cyan",
}


@dataclass(frozen=True, kw_only=True)
class SelftestRequest:
    """What the command line asks for; ``limit_s`` is per file, ``runs`` None the default place."""

    paths: Sequence[str]
    options: RunOptions
    limit_s: float
    runs: Path | None = None
    command: Sequence[str] = ()


def installed_tests(options: RunOptions, report: Callable[[str], None]) -> tuple[TestFile, ...]:
    """Every selftest file of the requested kernel. Raises UsageProblem, EnvironmentProblem."""
    prepared = Artifacts(report=report).prepare(options.kernel)
    return parse_list(build(prepared, report).listing)


def build(prepared: Prepared, report: Callable[[str], None]) -> Selftests:
    """The selftests of the kernel of a run, from the cache. Raises EnvironmentProblem."""
    artifacts = Artifacts(report=report)
    version = next(iter(prepared.kernel.packages.values()))
    with translated():
        return selftests(
            artifacts.store, lambda: artifacts.archive, lambda: artifacts.tools, version
        )


def run(request: SelftestRequest, console: Console, tell: Tell | None = None) -> int:
    """Run the selftests; the exit code of the verdict.

    ``tell`` says how it ended, given the report and the run directory; without it tables on
    ``console`` do. Raises UsageProblem for a path that names nothing, EnvironmentProblem before
    anything ran.
    """
    started = time.monotonic()
    report = RunReport(job=JOB, started_at=now_utc(), command=tuple(request.command))
    results: list[FileResult] = []
    with Progress(console) as progress:
        progress.say("preparing kernel, guest and QEMU")
        options, prepared = QEMU.prepare(request.options, progress.say)
        progress.say("building the selftests")
        built = build(prepared, progress.say)
        tests = select(request.paths, parse_list(built.listing))
        plan = SelftestPlan(
            options=options, prepared=prepared, image=built.image, tests=tests,
            limit_s=request.limit_s,
        )  # fmt: skip
        _describe(report, options, prepared, built)
        directory = RunDirectory.named(request.runs)
        progress.note("selftests", f"{built.source.name} {built.source.version}")
        progress.note("running", f"{len(tests)} files on {options.nic.value}")
        code = conclude(
            report, directory, lambda: _collect(plan, directory, report, progress, results),
            began=started,
        )  # fmt: skip
    with last_words():
        if tell is not None:
            tell(report, directory.path)
            return code
        console.print(results_table(results, options.nic.value))
        console.print(final_table(report, str(directory.path)))
    return code


def _collect(
    plan: SelftestPlan, directory: RunDirectory, report: RunReport, progress: Progress,
    results: list[FileResult],
) -> None:  # fmt: skip
    """Run every file and take each result into the report; a lost guest does not end the run."""

    def on_start(test: TestFile) -> None:
        interrupt.check()
        progress.say(f"{test.short}  {len(results) + 1}/{len(plan.tests)}")

    for result, problem in run_all(plan, directory.path, on_start):
        interrupt.check()  # what a file reports after a signal says nothing of the kernel
        results.append(result)
        report.checks.extend(result.checks())
        if result.boot_seconds is not None:
            report.boot_seconds = report.boot_seconds or result.boot_seconds
        if result.account is not None:
            result.account.add_to(report)
        if problem is not None:
            report.end_with(problem)
        progress.note(_verdict(result), _summary(result))


def _verdict(result: FileResult) -> str:
    if not result.passed:
        return "FAIL"
    return "pass" if result.counts[KtapResult.PASS] else "skip"


def _summary(result: FileResult) -> str:
    counts = ", ".join(
        f"{number} {outcome.value}" for outcome, number in result.counts.items() if number
    )
    found = f", {len(result.complaints)} complaints" if result.complaints else ""
    found += f", {len(result.findings)} findings" if result.findings else ""
    return f"{result.test.short:<24} {counts}{found}  {result.seconds:.1f} s"


def results_table(results: Sequence[FileResult], nic: str) -> Table:
    """Cases by file and outcome, with the seconds each file took."""
    table = Table(title=f"selftests on {nic}", title_justify="left")
    table.add_column("file")
    for outcome in KtapResult:
        table.add_column(outcome.value, justify="right")
    table.add_column("complaints", justify="right")
    table.add_column("findings", justify="right")
    table.add_column("seconds", justify="right")
    for result in results:
        cells = [
            Text(str(number), style=_STYLES[outcome] if number else "dim")
            for outcome, number in result.counts.items()
        ]
        for found, style in ((result.complaints, "bold red"), (result.findings, "yellow")):
            cells.append(Text(str(len(found)), style=style if found else "dim"))
        table.add_row(Text(result.test.short), *cells, f"{result.seconds:.1f}")
    return table


def _describe(report: RunReport, options: RunOptions, prepared: Prepared, built: Selftests) -> None:
    report.seed = options.seed
    report.accelerator = options.accel.value
    report.iommu = options.iommu.value
    report.cpus = options.cpus
    report.timing = options.timing.value
    report.kernel_release = prepared.kernel.release
    report.module_sha256 = prepared.kernel.module_sha256
    report.provenance = {
        "commit": repository_commit(), **host(), **dict(flatten(prepared.provenance)),
        "nic": options.nic.value, "selftests source": f"{built.source.name} {built.source.version}",
        "selftests source sha256": built.source.sha256,
        "selftests image sha256": built.image_sha256,
    }  # fmt: skip
