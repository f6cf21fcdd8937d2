# SPDX-License-Identifier: GPL-2.0-only
"""Results of a run as data: checks, totals, verdict. The writers beside it only format them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from signal import Signals

from testbed.errors import ExitCode, NotPutBack, TestbedError
from testbed.findings.repeated import fold
from testbed.findings.splat_report import SplatReport
from testbed.host.terminal import escape, escape_text
from testbed.report.limits import SPLATS_KEPT, shorten, shorten_line
from testbed.report.provenance import flatten
from testbed.report.seen import Seen

REQUIRES = "requires "
"""How the reason of a skip begins that the set-up has declared."""

NO_ORACLE = "no oracle"
"""What a test had to do without; behind it stands what only the card's oracle could have seen."""


class Outcome(StrEnum):
    """What became of one check.

    ``FINDING``: all that went wrong is a bug of this kernel on record (docs/findings). It
    is counted and named, and does not fail the run. ``GONE``: nothing went wrong, although the
    check is about a bug on record that this kernel may have. It is counted and named likewise.
    """

    PASS = "pass"
    FAIL = "fail"
    SKIP = "skip"
    FINDING = "finding"
    GONE = "gone"


class RunVerdict(StrEnum):
    """The run in one word."""

    PASS = "pass"
    FAIL = "fail"
    USAGE = "usage"
    ENVIRONMENT = "environment"
    MODEL = "model"
    LOST_VM = "lost-vm"
    INTERRUPTED = "interrupted"
    CHANGED = "changed"


_EXIT_CODES = {
    RunVerdict.PASS: ExitCode.PASS,
    RunVerdict.FAIL: ExitCode.TEST_FAILURE,
    RunVerdict.USAGE: ExitCode.USAGE,
    RunVerdict.ENVIRONMENT: ExitCode.ENVIRONMENT,
    RunVerdict.MODEL: ExitCode.MODEL,
    RunVerdict.LOST_VM: ExitCode.LOST_VM,
    RunVerdict.CHANGED: ExitCode.CHANGED,
}
_VERDICT_OF_CODE = {int(code): verdict for verdict, code in _EXIT_CODES.items()}


@dataclass(frozen=True, kw_only=True)
class Check:
    """One named check. Texts may come from the guest: they are escaped here, once.

    ``reason`` is one line: why it failed or was skipped, what was found. ``detail`` is the rest,
    many lines. ``measured`` is shown behind a passed check ("64 MiB, 612 Mbit/s"). ``findings``
    are the ids of what is on record and has shown, ``gone`` of what was looked for and has not;
    ``splats`` are the kernel's complaints during the check, each different one once;
    ``splats_left_out`` counts those that are too many to keep. ``fault`` of a
    failure that is neither the test's nor an answer of the kernel: the error's own
    (:class:`testbed.errors.TestbedError`), as "lost VM". ``not_witnessed``: which witness a check
    that did not fail has done without. ``file`` and ``line`` (from 1) are where the check is
    written, relative to this tree where it is of it; empty and None if it is no function.
    ``evidence`` is the folder of the run directory with the logs of it, if not the run directory.
    """

    name: str
    title: str
    outcome: Outcome
    seconds: float = 0.0
    reason: str = ""
    detail: str = ""
    measured: str = ""
    group: str = ""
    findings: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()
    splats: tuple[SplatReport, ...] = ()
    splats_left_out: int = 0
    fault: str = ""
    not_witnessed: str = ""
    file: str = ""
    line: int | None = None
    evidence: str = ""

    def __post_init__(self) -> None:
        for name in ("name", "title", "reason", "measured", "group", "file", "evidence"):
            line = " ".join(getattr(self, name).split("\n"))
            object.__setattr__(self, name, shorten_line(escape(line)))
        object.__setattr__(self, "detail", shorten(escape_text(self.detail)))
        different = fold(self.splats)
        rest = sum(one.count for one in different[SPLATS_KEPT:])
        object.__setattr__(self, "splats", tuple(different[:SPLATS_KEPT]))
        object.__setattr__(self, "splats_left_out", self.splats_left_out + rest)

    @classmethod
    def of_seen(cls, seen: Seen, *, group: str = "") -> Check:
        """A failure, or a finding, that consists of what card or kernel said."""
        name = f"{seen.where} {seen.kind.value}: {seen.name}".lstrip()
        return cls(
            name=name, title=name, group=group, reason=seen.line, detail=seen.detail,
            outcome=Outcome.FAIL if seen.wrong else Outcome.FINDING,
            findings=() if seen.wrong else (seen.name,), splats=seen.splats,
        )  # fmt: skip


@dataclass(frozen=True)
class Totals:
    """How many checks ended how."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0
    findings: int = 0
    gone: int = 0

    @classmethod
    def of(cls, checks: Iterable[Check]) -> Totals:
        """Count ``checks``."""
        outcomes = [check.outcome for check in checks]
        return cls(
            passed=outcomes.count(Outcome.PASS), failed=outcomes.count(Outcome.FAIL),
            skipped=outcomes.count(Outcome.SKIP), findings=outcomes.count(Outcome.FINDING),
            gone=outcomes.count(Outcome.GONE),
        )  # fmt: skip


@dataclass(frozen=True)
class Problem:
    """What ended a run early, and whose fault it is (see :mod:`testbed.errors`)."""

    fault: str
    message: str
    lines: tuple[str, ...] = ()
    log: str | None = None

    @classmethod
    def of(cls, error: TestbedError) -> Problem:
        """Take over a testbed error, escaped."""
        return cls(
            fault=error.fault,
            message=escape(error.message.replace("\n", " ")),
            lines=tuple(escape(line) for line in error.lines()),
            log=str(error.log_path) if error.log_path else None,
        )


@dataclass
class ZcrxTotals:
    """Zero-copy receive over the whole run, without control runs.

    ``copied_bytes`` is the kernel's own count (``struct zcrx_stats.copy_bytes``), None where the
    kernel keeps none. ``sha256_equal`` is None until a stream was received.
    """

    bytes: int = 0
    copied_bytes: int | None = None
    sha256_equal: bool | None = None
    control_copied_bytes: int | None = None

    def add(self, received: int, copied: int | None, equal: bool) -> None:
        """Count one stream."""
        self.bytes += received
        if copied is not None:
            self.copied_bytes = (self.copied_bytes or 0) + copied
        self.sha256_equal = equal and self.sha256_equal is not False


@dataclass
class RunReport:
    """Everything summary.json holds. What a run did not get to stays None.

    ``event_hash`` is the SHA-256 over everything the card saw and did; only where the engine's
    time is simulated do two runs with one seed have the same. ``interrupted_by`` is the number of
    a signal. ``command_status`` is the exit status of a command that ran in the guest, of a job
    that hands it on (``testbed exec``). ``seen`` is what card and kernel said of all of it, where
    a command tells that at its end; in itself it decides nothing. ``unjudged`` is what of it no
    check has. ``changed``: no check failed, but a known issue is not as on record, or it cannot be
    told.
    """

    job: str
    started_at: str
    command: tuple[str, ...] = ()
    seed: int | None = None
    engine: str | None = None
    accelerator: str | None = None
    iommu: str | None = None
    cpus: int | None = None
    timing: str | None = None
    kernel_release: str | None = None
    module_sha256: str | None = None
    wall_seconds: float = 0.0
    boot_seconds: float | None = None
    checks: list[Check] = field(default_factory=list)
    zcrx: ZcrxTotals = field(default_factory=ZcrxTotals)
    queue_restarts: int = 0
    event_hash: str | None = None
    violations: int | None = None
    unknown_hwrm: int | None = None
    refused_hwrm: Counter[str] = field(default_factory=Counter)
    missing_hwrm: Counter[str] = field(default_factory=Counter)
    problem: Problem | None = None
    not_put_back: bool = False
    interrupted_by: int | None = None
    command_status: int | None = None
    seen: list[Seen] = field(default_factory=list)
    unjudged: list[Seen] = field(default_factory=list)
    provenance: dict[str, str | None] = field(default_factory=dict)
    problem_exit_code: int | None = None
    excerpts: dict[str, str] = field(default_factory=dict)
    changed: bool = False

    def note(self, key: str, value: str | None) -> None:
        """Record where something came from; None: not reached. Escaped, like an excerpt."""
        self.provenance[escape(key)] = None if value is None else escape(value)

    def note_all(self, values: Mapping[str, object]) -> None:
        """Record nested mappings as :func:`testbed.report.provenance.flatten` names them."""
        for key, value in flatten(values):
            self.note(key, value)

    def show(self, title: str, text: str) -> None:
        """Keep an excerpt of a log for the HTML page."""
        self.excerpts[escape(title)] = escape_text(text)

    def judge_seen(self, *, strict: bool) -> None:
        """What is on record becomes findings; with ``strict`` all else becomes failed checks."""
        self.unjudged = [one for one in self.seen if one.wrong and not strict]
        self.checks += [Check.of_seen(one) for one in self.seen if one not in self.unjudged]

    def end_with(self, error: TestbedError) -> None:
        """Record what ended the run. The first problem is the one that counts.

        A machine that was not put back counts before all others.
        """
        first = self.problem is None
        if isinstance(error, NotPutBack):
            first, self.not_put_back = not self.not_put_back, True
        if first:
            self.problem = Problem.of(error)
            self.problem_exit_code = int(error.exit_code)

    @property
    def refused_text(self) -> str:
        """How many firmware requests were refused, and for which of the two reasons."""
        refused, missing = self.refused_hwrm.total(), self.missing_hwrm.total()
        return f"{refused} as by the real card, {missing} not modelled"

    @property
    def totals(self) -> Totals:
        """The checks counted."""
        return Totals.of(self.checks)

    @property
    def not_witnessed(self) -> Counter[str]:
        """The checks that have done without a witness, counted by which."""
        return Counter(check.not_witnessed for check in self.checks if check.not_witnessed)

    def by_finding(self) -> dict[str, list[Check]]:
        """The checks that showed each finding, by its id."""
        return self._by_id(lambda check: check.findings)

    def by_gone(self) -> dict[str, list[Check]]:
        """The checks that looked for each finding and did not see it, by its id."""
        return self._by_id(lambda check: check.gone)

    def _by_id(self, ids: Callable[[Check], Iterable[str]]) -> dict[str, list[Check]]:
        found: dict[str, list[Check]] = {}
        for check in self.checks:
            for name in ids(check):
                found.setdefault(name, []).append(check)
        return found

    @property
    def verdict(self) -> RunVerdict:
        """Interrupted, else the problem's kind, else whether every check passed.

        A run in which no check passed or was about what is on record is no pass, unless a command
        was all it was to run.
        """
        if self.interruption:
            return RunVerdict.INTERRUPTED
        if self.problem_exit_code is not None:
            return _VERDICT_OF_CODE[self.problem_exit_code]
        totals = self.totals
        shown = totals.passed + totals.findings + totals.gone
        nothing_shown = self.command_status is None and not shown
        if totals.failed or self.command_status or (nothing_shown and not self.changed):
            return RunVerdict.FAIL
        return RunVerdict.CHANGED if self.changed else RunVerdict.PASS

    @property
    def exit_code(self) -> int:
        """The exit code of the process: 128 and the signal, the command's own, the verdict's."""
        verdict = self.verdict
        if verdict is RunVerdict.INTERRUPTED:
            return 128 + (self.interrupted_by or 0)
        if verdict is RunVerdict.FAIL and self.command_status:
            return self.command_status
        return int(_EXIT_CODES[verdict])

    @property
    def interruption(self) -> str:
        """Which signal ended the run, in words; empty if none did, or it left worse behind."""
        if self.interrupted_by is None or self.not_put_back:
            return ""
        return f"interrupted by {Signals(self.interrupted_by).name}"
