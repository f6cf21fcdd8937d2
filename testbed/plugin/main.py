# SPDX-License-Identifier: GPL-2.0-only
"""pytest plugin: fixtures for the device under test, the remote endpoint, capabilities and undo.

See docs/writing-a-test.md. The machine boots when the first test asks for it and serves them all;
a test that loses it is reported as "lost VM", not as failed, and the next one gets a new machine.
"""

from __future__ import annotations

import logging
import sys
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from testbed.dut.defer import Defer, DeferStack
from testbed.dut.permissions import RequirementMissing
from testbed.dut.protocols import Capability, Dut, Endpoint
from testbed.engines.open import build_options
from testbed.engines.pool import SessionPool
from testbed.errors import (
    NotPutBack,
    TestbedError,
    UsageProblem,
)
from testbed.findings.judge import Findings
from testbed.findings.load import load_findings
from testbed.findings.splat_report import SplatReport
from testbed.host import interrupt
from testbed.host.terminal import escape
from testbed.options import RunOptions, settings
from testbed.plugin.endings import NO_FAILURES, end_of_machine, fault_of, panicked_in_undo
from testbed.plugin.watch import (
    FINDING,
    GONE,
    LOST,
    TestWatch,
    findings_of,
    property_of,
    skip_reason,
)
from testbed.report import runlog
from testbed.report.outcome import conclude, end_report
from testbed.report.results import NO_ORACLE, REQUIRES, Check, Outcome, RunReport
from testbed.report.rundir import RunDirectory, now_utc

TRAFFIC_SECONDS = 3
_log = logging.getLogger("testbed.suite")

pytest_plugins = ("testbed.plugin.faults", "testbed.plugin.junit")

"""Errors that say nothing of what is tested; each has a category of its own."""

_NOT_RED = (Outcome.PASS, Outcome.FINDING, Outcome.GONE)
_NOT_WITNESSED = "not witnessed"
_NOT_HERE = ("watchdog_s", "memory_mib", "icount", "share", "nic")
_OPTIONS = {name: one for name, one in settings().items() if name not in _NOT_HERE}
_pool_key = pytest.StashKey[SessionPool]()
_report_key = pytest.StashKey[RunReport]()
_directory_key = pytest.StashKey[RunDirectory]()
_lacking_key = pytest.StashKey["Counter[str]"]()
_log_key = pytest.StashKey[ExitStack]()
_began_key = pytest.StashKey[float]()
_spent_key = pytest.StashKey[bool]()
_over_key = pytest.StashKey[bool]()
_findings_key = pytest.StashKey[Findings]()
_watch_key = pytest.StashKey[TestWatch]()
_splats_key = pytest.StashKey[dict[str, list[SplatReport]]]()
_lost_key = pytest.StashKey[dict[str, TestbedError]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options ``--testbed-*``; those of ``testbed run``."""
    group = parser.getgroup("testbed")
    for name, setting in _OPTIONS.items():
        more: dict[str, Any] = {"type": setting.kind}
        if setting.choices:
            more = {"metavar": "|".join(setting.choices), "choices": setting.choices}
        if setting.kind is bool:
            more = {"action": "store_true", "default": None}
        flag, text = f"--testbed-{setting.flag}", setting.option.help
        group.addoption(flag, dest=f"testbed_{name}", help=text, **more)
    group.addoption("--testbed-run-dir", dest="testbed_run_dir", help="parent of the run directory")
    group.addoption(
        "--testbed-traffic-seconds", dest="testbed_traffic_seconds", type=int,
        default=TRAFFIC_SECONDS, help="how long tests of throughput send (%(default)s)",
    )  # fmt: skip


def pytest_configure(config: pytest.Config) -> None:
    """Markers, and the report the results are collected in."""
    for marker in (
        "needs(*capabilities): skip where the set-up lacks one",
        "finding(id): the test shows this bug of the kernel, on the kernels its file lists",
        "expect_violation(*rules): the card must record these violations, and no other",
        "expect_complaint(*words, of=None): the driver must say what matches these, for the test"
        " has it so; with `of`, where the test shows that finding",
        "only_oracle(what): part of what the test promises, which nobody but the oracle can see",
        "new_machine: boot before, where memory that was used says something else",
    ):
        config.addinivalue_line("markers", marker)
    signals = ExitStack()
    signals.enter_context(interrupt.installed())
    config.add_cleanup(signals.close)
    config.stash[_report_key] = RunReport("suite", now_utc(), tuple(config.invocation_params.args))
    config.stash[_lacking_key] = Counter()
    config.stash[_splats_key] = {}
    config.stash[_lost_key] = {}


def _options(config: pytest.Config) -> RunOptions:
    given = {}
    for name, setting in _OPTIONS.items():
        value = config.getoption(f"testbed_{name}")
        given[name] = None if value is None else setting.kind(value)
    return build_options(given)


def _pool(config: pytest.Config) -> SessionPool:
    if _pool_key not in config.stash:
        parent = config.getoption("testbed_run_dir")
        directory = RunDirectory.named(Path(parent) if parent else None)
        pool = SessionPool(_options(config), directory.path, print)
        with interrupt.held():  # as conclude() does: from now on there will be reports
            directory.make()
            config.stash[_directory_key], config.stash[_pool_key] = directory, pool
            config.stash[_log_key] = log = ExitStack()
            log.enter_context(runlog.kept_in(directory.path))
    return config.stash[_pool_key]


@pytest.fixture(scope="session")
def traffic_seconds(request: pytest.FixtureRequest) -> int:
    """How long a test of throughput sends, in seconds."""
    seconds: int = request.config.getoption("testbed_traffic_seconds")
    return seconds


@pytest.fixture(scope="session")
def session_pool(pytestconfig: pytest.Config) -> Iterator[SessionPool]:
    """The machine all tests share."""
    yield _pool(pytestconfig)
    pytestconfig.stash[_over_key] = True  # it ends once the undo of the last test is judged


@pytest.fixture(scope="session")
def findings_on_file(pytestconfig: pytest.Config) -> Findings:
    """The bugs of the kernel in docs/findings."""
    return pytestconfig.stash.setdefault(_findings_key, Findings(load_findings()))


def _lacking(item: pytest.Item, capabilities: frozenset[Capability]) -> Capability | None:
    """The first capability a test ``needs`` that is not there."""
    for marker in reversed(list(item.iter_markers("needs"))):  # the file's, then its own
        for capability in marker.args:
            if capability not in capabilities:
                return Capability(capability)
    return None


@pytest.fixture
def watched_session(
    request: pytest.FixtureRequest, session_pool: SessionPool, findings_on_file: Findings
) -> SessionPool:
    """The machine, watched: what card and kernel complain of during a test is that test's."""
    if (
        request.node.get_closest_marker("new_machine")
        and session_pool.is_up
        and _lacking(request.node, session_pool.current().dut.capabilities) is None
    ):
        session_pool.discard()
    request.node.stash[_watch_key] = TestWatch(request.node, session_pool, findings_on_file)
    return session_pool


@pytest.fixture
def capabilities(watched_session: SessionPool) -> frozenset[Capability]:
    """What the set-up is able to do."""
    return watched_session.current().dut.capabilities


@pytest.fixture
def dut(
    request: pytest.FixtureRequest,
    watched_session: SessionPool,
    capabilities: frozenset[Capability],
) -> Dut:
    """The end with the NIC under test. Skips a test that ``needs`` what is not there."""
    lacking = _lacking(request.node, capabilities)
    if lacking is not None:
        pytest.skip(f"{REQUIRES}{lacking.value}")
    return watched_session.current().dut


@pytest.fixture
def remote(watched_session: SessionPool, dut: Dut) -> Endpoint:
    """The other end of the wire."""
    return watched_session.current().remote


@pytest.fixture
def card_state(watched_session: SessionPool, dut: Dut) -> Callable[[], dict[str, Any]]:
    """The card's own account, asked anew at each call. Skips where the card does not give one."""
    if Capability.CARD_STATE not in dut.capabilities:
        pytest.skip(f"{REQUIRES}{Capability.CARD_STATE.value}")
    return watched_session.current().card.state


@pytest.fixture
def defer(watched_session: SessionPool, dut: Dut) -> Iterator[Defer]:
    """``defer(function, *arguments)`` right after a change undoes it, also after a failure.

    A failing undo fails the test.
    """
    stack = DeferStack()
    yield stack
    if watched_session.is_up:
        stack.unwind()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, None, None]:
    """What is not allowed on this machine is skipped, also in the middle of a test.

    What fails after a signal is no failure of the test: pytest ends, as on Ctrl-C.
    """
    try:
        with interrupt.comes_first():
            yield
    except RequirementMissing as lack:
        pytest.skip(f"{REQUIRES}{lack}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Judge what card and kernel reported; tell a lost VM and a finding from a failure.

    A test that failed may leave anything behind, some findings do, and a lost machine is of no use:
    the next test gets a new one.
    """
    report = yield
    pool = item.config.stash.get(_pool_key, None)
    lost = None if call.excinfo is None else end_of_machine(call.excinfo.value)
    if lost is not None and pool is not None:
        lost = pool.tell(lost)
    if pool is not None and pool.unavailable is not None and report.failed:
        lost = pool.unavailable  # no other test would get one
        item.session.shouldfail = f"there is no machine: {escape(lost.message.splitlines()[0])}"
    watch = item.stash.get(_watch_key, None)
    if watch is not None and report.skipped:
        watch.expect_nothing()
    elif watch is not None and report.when != "setup":
        lost = watch.judge(report, lost)
        item.config.stash[_splats_key].setdefault(item.nodeid, []).extend(watch.seen)
        _note_witness(item, report)
    if lost is not None and report.failed and not panicked_in_undo(report, watch, lost):
        report.user_properties.append((LOST, lost.fault))
        if pool is not None:
            pool.tell_stuck(lost)
        item.config.stash[_lost_key][item.nodeid] = lost
        item.config.stash[_report_key].end_with(lost)
    if lost is not None and pool is not None:
        pool.discard()
    lasting = any(item.config.stash[_findings_key][name].lasting for name in findings_of(report))
    item.stash[_spent_key] = item.stash.get(_spent_key, False) or report.failed or lasting
    over = item.stash[_spent_key] or item.config.stash.get(_over_key, False)
    if report.when == "teardown" and over and pool is not None:
        pool.discard()
    return report


@pytest.hookimpl(tryfirst=True)
def pytest_report_teststatus(report: pytest.TestReport) -> tuple[str, str, str] | None:
    """Categories of their own for a lost VM, the card's or the host's failure, and a finding."""
    fault = fault_of(report)
    if fault:
        return fault, fault[0].upper(), fault.upper()
    found, missed = findings_of(report), findings_of(report, GONE)
    if found and report.passed:
        return FINDING, "f", f"FINDING {', '.join(found)}"
    if missed and report.passed:
        return GONE, "g", f"GONE {', '.join(missed)}"
    return None


class _Results:
    """Turns pytest's reports into checks of the run report."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._titles: dict[str, str] = {}

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Remember each test's first docstring line as its title."""
        for item in items:
            text = getattr(getattr(item, "obj", None), "__doc__", None) or item.name
            self._titles[item.nodeid] = text.strip().splitlines()[0]

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """Ctrl-C, whoever took it."""
        if isinstance(excinfo.value, KeyboardInterrupt):
            end_report(self._config.stash[_report_key], excinfo.value)

    def pytest_internalerror(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """A bug, of a plugin or of a test's undo after the last test, is no result of a test."""
        end_report(self._config.stash[_report_key], excinfo.value)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """One check per test; an error in set-up or teardown is one more."""
        found, missed = findings_of(report), findings_of(report, GONE)
        _log.info("%s %s: %s (%.1f s)", report.when, report.outcome, report.nodeid, report.duration)
        if report.when == "teardown" and report.passed and found:
            self._found_by_undo(report, found)
        if report.when != "call" and report.passed:
            return
        outcome, reason, detail = Outcome.PASS, "", ""
        if report.skipped:
            outcome, reason = Outcome.SKIP, skip_reason(report)
            if reason.startswith(REQUIRES):
                self._config.stash[_lacking_key][reason.removeprefix(REQUIRES)] += 1
        elif found and report.passed:
            outcome, reason = Outcome.FINDING, self._titles_of(found)
        elif missed and report.passed:
            outcome, reason = Outcome.GONE, f"did not show: {self._titles_of(missed)}"
        elif report.failed:
            outcome, detail = Outcome.FAIL, report.longreprtext
            crash = getattr(report.longrepr, "reprcrash", None)
            message = crash.message if crash else detail.strip()
            reason = message.splitlines()[0] if message else "failed"
        suffix = "" if report.when == "call" or report.skipped else f" ({report.when})"
        path, _, name = report.nodeid.partition("::")
        file, line, _ = report.location
        self._config.stash[_report_key].checks.append(
            Check(
                name=f"{name}{suffix}", title=self._titles.get(report.nodeid, name), group=path,
                outcome=outcome, seconds=report.duration, reason=reason, detail=detail,
                findings=found, gone=missed,
                splats=tuple(self._config.stash[_splats_key].pop(report.nodeid, ())),
                fault=fault_of(report), not_witnessed=property_of(report, _NOT_WITNESSED),
                file=file, line=None if line is None else line + 1, evidence=self._machine(),
            )
        )  # fmt: skip

    def _machine(self) -> str:
        """The folder of the machine that the test had, within the run directory."""
        stash = self._config.stash
        if _pool_key not in stash or not stash[_pool_key].boots:
            return ""
        folder, run = stash[_pool_key].log_folder, stash[_directory_key].path
        return str(folder.relative_to(run)) if folder.is_dir() else ""

    def _titles_of(self, found: tuple[str, ...]) -> str:
        on_file = self._config.stash[_findings_key]
        return "; ".join(f"{name}: {on_file[name].title}" for name in found)

    def _found_by_undo(self, report: pytest.TestReport, found: tuple[str, ...]) -> None:
        """The test passed, but taking back what it had set showed a finding."""
        checks = self._config.stash[_report_key].checks
        name = report.nodeid.partition("::")[2]
        for number, check in enumerate(checks):
            if check.name == name and check.outcome in _NOT_RED:
                ids = tuple(dict.fromkeys((*check.findings, *found)))
                splats = self._config.stash[_splats_key].pop(report.nodeid, [])
                checks[number] = replace(
                    check, outcome=Outcome.FINDING, reason=self._titles_of(ids), findings=ids,
                    gone=tuple(one for one in check.gone if one not in ids),
                    splats=(*check.splats, *splats),
                )  # fmt: skip


def _note_witness(item: pytest.Item, report: pytest.TestReport) -> None:
    """A stale table, a page written after its end: what only the oracle sees, and there is none."""
    marker = item.get_closest_marker("only_oracle")
    if marker is None or report.when != "call" or not report.passed:
        return
    if not _pool(item.config).has_oracle:
        report.user_properties.append((_NOT_WITNESSED, f"{NO_ORACLE}: {marker.args[0]}"))


@pytest.hookimpl(trylast=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Start collecting."""
    before = sys.unraisablehook  # of pytest itself, which will put back what it found
    session.config.add_cleanup(lambda: setattr(sys, "unraisablehook", before))
    interrupt.hear_what_is_ignored()
    session.config.pluginmanager.register(_Results(session.config), "testbed-results")
    session.config.stash[_began_key] = time.monotonic()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtestloop() -> Generator[None, object, object]:
    """From the end of the tests on pytest has nothing that a signal could end: it would go without
    its reports.
    """
    try:
        return (yield)
    finally:
        if interrupt.received() is None:
            interrupt.too_late()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> Generator[None, None, None]:
    """Write the run directory, if a machine was requested: pytest ends with its exit code."""
    stash = session.config.stash
    try:
        yield  # fixtures are put away; after an interrupt that may fail
    except BaseException as error:  # noqa: BLE001 - it is in the report, as what it is
        end_report(stash[_report_key], error)
    if _directory_key in stash:
        session.exitstatus = _conclude(stash[_pool_key], stash)


def _conclude(pool: SessionPool, stash: pytest.Stash) -> int:
    report, directory = stash[_report_key], stash[_directory_key]
    stash[_log_key].close()  # conclude() goes on with it

    def put_away() -> None:
        pool.discard()
        pool.describe(report)
        report.event_hash = pool.event_hash
        if pool.problem is not None:
            raise pool.problem

    return conclude(report, directory, put_away, began=stash[_began_key])


def _count_once(stats: dict[str, list[Any]]) -> None:
    """A test whose undo showed a finding has not passed as well."""
    found = {report.nodeid for report in stats.get(FINDING, ())}
    for category in ("passed", GONE):
        if found and category in stats:
            stats[category] = [one for one in stats[category] if one.nodeid not in found]


@pytest.hookimpl(tryfirst=True)
def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Findings, what was lacking, and where the report is."""
    _count_once(terminalreporter.stats)
    found = terminalreporter.stats.get(FINDING, ())
    if found:
        terminalreporter.section("findings: bugs of this kernel on record")
        for report in found:
            terminalreporter.line(f"{', '.join(findings_of(report))}: {report.nodeid}")
    missed = terminalreporter.stats.get(GONE, ())
    if missed:
        terminalreporter.section("gone: bugs on record that this kernel did not show")
        for report in missed:
            terminalreporter.line(f"{', '.join(findings_of(report, GONE))}: {report.nodeid}")
    for fault in (one.fault for one in (*NO_FAILURES, UsageProblem)):
        for report in terminalreporter.stats.get(fault, ()):
            terminalreporter.section(f"{fault}: {report.nodeid}")
            for line in config.stash[_lost_key][report.nodeid].lines():
                terminalreporter.line(escape(line))
    pool = config.stash.get(_pool_key, None)
    if pool is not None and pool.problem is not None:
        not_put_back = isinstance(pool.problem, NotPutBack)
        terminalreporter.section("NOT PUT BACK" if not_put_back else pool.problem.fault)
        for line in pool.problem.lines():
            terminalreporter.line(escape(line))
    if pool is not None and pool.has_card:
        refused = config.stash[_report_key].refused_text
        terminalreporter.line(f"firmware requests refused: {refused}")
    for lack, count in config.stash[_report_key].not_witnessed.items():
        terminalreporter.line(f"not witnessed: {lack}, in {count} tests")
    lacking = config.stash[_lacking_key]
    if lacking:
        terminalreporter.section("skipped for lack of")
        for capability, count in sorted(lacking.items()):
            terminalreporter.line(f"{count:4} x {capability}")
    if _directory_key in config.stash:
        terminalreporter.line(f"testbed run directory: {config.stash[_directory_key].path}")
