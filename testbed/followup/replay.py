# SPDX-License-Identifier: GPL-2.0-only
"""Runs a finding's reproducer, in processes of their own, and says what each run showed."""

from __future__ import annotations

import json
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from testbed.engines.watched import KERNEL_LOG
from testbed.errors import EnvironmentProblem, ModelFailure
from testbed.faults.judge import TrialVerdict
from testbed.faults.replay import FILE_NAME as REPLAY_FILE
from testbed.faults.replay import SEED
from testbed.findings.head import Reproducer
from testbed.findings.judge import NOT_SHOWN
from testbed.findings.kernel import GuestKernel
from testbed.findings.kernel_log import KernelLogWatcher
from testbed.findings.load import Finding
from testbed.host.child import Ended, run_python
from testbed.report.results import Outcome
from testbed.report.rundir import LATEST
from testbed.report.summary import FILE_NAME as SUMMARY

LIMIT_S = 1800.0
"""After so long one process is ended: the slowest trial there is, on a slow host, ten times."""

COMMAND_LIMIT_S = 300
"""For a script in the guest, which takes seconds."""

ABSENT, SHOWN, CANNOT_TELL = 0, 1, 4
"""How a script that stands alone ends (kselftest's PASS, FAIL, SKIP)."""

OUTCOMES = "outcomes.json"
"""In a run directory of a schedule: of each run how it ended, and its event hash."""

Summary = Mapping[str, Any]


@dataclass(frozen=True)
class Result:
    """One run: it has shown the finding, or else why nothing can be told, or what else was wrong.

    All empty: the finding is absent.
    """

    shown: bool = False
    problem: str = ""
    unknown: str = ""


@dataclass
class Replays:
    """All runs of a reproducer on one kernel.

    :ivar results: of each run.
    :ivar kernel: as it said itself; None if none booted.
    :ivar hashes: event hashes, where time is simulated.
    :ivar run_dir: run directory of one that showed it, or of the last.
    """

    results: list[Result] = field(default_factory=list)
    kernel: GuestKernel | None = None
    hashes: Counter[str] = field(default_factory=Counter)
    run_dir: Path | None = None
    model_failure: str = ""

    @property
    def told(self) -> int:
        """Runs that say whether the kernel has it."""
        return sum(not one.problem for one in self.results)

    @property
    def shown(self) -> int:
        """Runs that showed it."""
        return sum(one.shown for one in self.results)

    @property
    def problems(self) -> list[str]:
        """Why runs say nothing, each reason once."""
        return list(dict.fromkeys(one.problem for one in self.results if one.problem))

    @property
    def unknown(self) -> list[str]:
        """What else was wrong, each once."""
        return list(dict.fromkeys(one.unknown for one in self.results if one.unknown))


def replay(
    finding: Finding, options: Mapping[str, str], times: int, folder: Path,
    say: Callable[[str], None],
) -> Replays:  # fmt: skip
    """Run the reproducer of ``finding`` so many ``times`` with these options of a run.

    Logs and run directories go to ``folder``. Raises EnvironmentProblem if a process cannot be
    started, Interrupted.
    """
    done = Replays()
    shows = finding.reproducer
    for number in range(1, times + 1):
        runs = folder / str(number)
        at_once = times if shows.has_trials else 1
        words = command(finding, options, runs, at_once)
        ended = run_python(words, folder / f"{number}.log", LIMIT_S)
        summary = read_summary(runs / LATEST)
        found = list(_results(finding, summary, ended, at_once))
        done.results += found
        _note(done, runs / LATEST, summary, finding)
        if any(one.shown for one in found) or done.run_dir is None or not done.shown:
            done.run_dir = (runs / LATEST).resolve()
        if shows.has_trials:
            break
        if times > 1:
            say(f"{finding.id}: {done.shown} of {number} show it")
    return done


def command(
    finding: Finding, options: Mapping[str, str], runs: Path, at_once: int = 1
) -> list[str]:
    """What to give to Python: one process that runs the reproducer, a trial ``at_once`` times."""
    shows = finding.reproducer
    given = {**options, "seed": str(SEED if shows.seed is None else shows.seed)}
    words = [*_options(given, "--"), *shows.options, "--run-dir", str(runs)]
    if shows.fault is not None:
        return ["-m", "testbed", "faults", "run", *[shows.fault] * at_once, *words]
    if shows.test is not None:
        return pytest_command([shows.test], options=given, runs=runs, more=shows.options)
    if shows.schedule is not None:
        words = [*_options(options, "--"), *shows.options, "--run-dir", str(runs)]
        asked = ["--times", str(at_once), "--finding", finding.id]
        file = str(finding.folder / shows.schedule)
        return ["-m", "testbed", "fuzz", "confirm", file, *asked, *words]
    program = Path(shows.script or "")
    words += ["--push", str(finding.folder / program), "--timeout", str(COMMAND_LIMIT_S)]
    name = program.stem if program.suffix == ".c" else program.name
    return ["-m", "testbed", "exec", *words, "--", f"./{name}"]


def pytest_command(
    tests: Sequence[str], *, options: Mapping[str, str], runs: Path, more: Sequence[str] = ()
) -> list[str]:
    """What to give to Python to run tests with these options of a run; ``more`` as `run` has it."""
    words = [f"--testbed-{word[2:]}" if word.startswith("--") else word for word in more]
    return [
        "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests, *_options(options, "--testbed-"),
        *words, "--testbed-run-dir", str(runs),
    ]  # fmt: skip


def _options(given: Mapping[str, str], prefix: str) -> Iterator[str]:
    for name, value in given.items():
        yield from (f"{prefix}{name}", value)


def read_summary(run: Path) -> Summary | None:
    """summary.json of a run directory; None if there is none."""
    try:
        text = (run / SUMMARY).read_text(encoding="utf-8")
    except OSError:
        return None
    found: Summary = json.loads(text)
    return found


def read_outcomes(run: Path) -> list[Mapping[str, Any]]:
    """What `testbed fuzz confirm` wrote of each run into a run directory; none if it is none."""
    try:
        text = (run / OUTCOMES).read_text(encoding="utf-8")
    except OSError:
        return []
    found: list[Mapping[str, Any]] = json.loads(text)
    return found


def kernel_logs(run: Path) -> list[Path]:
    """The kernel logs of a run directory, of every machine it had."""
    return sorted(run.glob(f"**/{KERNEL_LOG}"))


def _note(done: Replays, run: Path, summary: Summary | None, finding: Finding) -> None:
    if summary is None:
        return
    release = summary["kernel_release"]
    if release and done.kernel is None:
        done.kernel = GuestKernel.of(release, _build(run))
    problem = summary["problem"]
    if problem is not None and problem["fault"] == ModelFailure.fault:
        done.model_failure = problem["message"]
    done.hashes.update(_hashes(run, summary, finding.reproducer))


def _build(run: Path) -> str:
    watcher = KernelLogWatcher()
    for path in kernel_logs(run)[:1]:
        watcher.feed(path.read_bytes())
    return watcher.build


def _hashes(run: Path, summary: Summary, shows: Reproducer) -> list[str]:
    """Of trials those that are kept, which are all that showed anything."""
    if not shows.has_trials:
        return [summary["event_hash"]] if summary["event_hash"] else []
    if shows.fault is None:
        digests = [one["event_hash"] for one in read_outcomes(run)]
        return [digest for digest in digests if digest]
    kept = (tomllib.loads(path.read_text()) for path in run.glob(f"faults/*/{REPLAY_FILE}"))
    return [one["event_hash"] for one in kept if one.get("event_hash")]


def _results(
    finding: Finding, summary: Summary | None, ended: Ended, wanted: int
) -> Iterator[Result]:
    name = finding.duplicate_of or finding.id  # a duplicate has no pattern of its own
    if summary is None:
        yield from [Result(problem=ended.reason)] * wanted
    elif _is_script(finding.reproducer):
        yield of_script(name, summary)
    elif finding.reproducer.has_trials:
        fault = finding.reproducer.fault
        trials = [one for one in summary["checks"] if fault in (None, one["name"])]
        yield from (of_trial(name, one) for one in trials)
        missing = wanted - len(trials)
        yield from [Result(problem=_ending(summary, ended))] * missing
    else:
        yield of_test(name, summary, ended)


def _is_script(shows: Reproducer) -> bool:
    return not shows.has_trials and shows.test is None


def _ending(summary: Summary, ended: Ended) -> str:
    problem = summary["problem"]
    return str(problem["message"]) if problem else ended.reason


def of_trial(name: str, check: Mapping[str, Any]) -> Result:
    """What a trial of a fault says of the finding ``name``."""
    if name in check["findings"]:
        return Result(shown=True)
    if check["outcome"] == Outcome.SKIP:
        return Result(problem=check["reason"])
    if check["outcome"] == Outcome.FAIL and not _is_gone(name, check):
        silent = TrialVerdict.NEVER_FIRED.value in check["reason"]
        return Result(problem=check["reason"]) if silent else Result(unknown=_what(check))
    return Result()


def of_test(name: str, summary: Summary, ended: Ended) -> Result:
    """What a run of the marked test says: its set-up, the test, its teardown."""
    checks = summary["checks"]
    if any(name in check["findings"] for check in checks):
        return Result(shown=True)
    for check in checks:
        if check["outcome"] == Outcome.FAIL and not _is_gone(name, check):
            host = check["fault"] in (EnvironmentProblem.fault, ModelFailure.fault)
            return Result(problem=check["reason"]) if host else Result(unknown=_what(check))
    skipped = [check["reason"] for check in checks if check["outcome"] == Outcome.SKIP]
    if skipped and len(skipped) == len(checks):
        return Result(problem=skipped[0])
    return Result() if checks else Result(problem=_ending(summary, ended))


def of_script(name: str, summary: Summary) -> Result:
    """What a script that stands alone says by its exit status; a lost guest by its log."""
    status = summary["command_status"]
    if status == SHOWN or any(one["id"] == name for one in summary["findings"]):
        return Result(shown=True)
    wrong = [one["line"] for one in summary["seen"] if one["kind"] != Outcome.FINDING]
    if status == ABSENT:
        return Result(unknown=wrong[0]) if wrong else Result()
    if status == CANNOT_TELL:
        return Result(problem="the script cannot tell")
    if wrong:
        return Result(unknown=wrong[0])
    problem = summary["problem"]
    return Result(problem=problem["message"] if problem else f"the script ended with {status}")


def _is_gone(name: str, check: Mapping[str, Any]) -> bool:
    """Whether all that is wrong is that the finding does not show."""
    return f"{NOT_SHOWN} {name} " in check["reason"] and not check["splats"]


def _what(check: Mapping[str, Any]) -> str:
    """What is wrong with a check that failed: the kernel's first complaint says it shortest."""
    splats = check["splats"]
    return str(splats[0]["signature"] if splats else check["reason"])
