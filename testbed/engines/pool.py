# SPDX-License-Identifier: GPL-2.0-only
"""One session for many tests, replaced when it is lost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from images.jail.start import describe
from testbed.dut.stuck import stuck_tasks
from testbed.engines.engine import Prepared
from testbed.engines.open import engine_of, new_session, prepare_run
from testbed.engines.session import Session
from testbed.errors import (
    UNKILLED,
    EnvironmentProblem,
    LostVM,
    NotPutBack,
    TestbedError,
    UsageProblem,
)
from testbed.findings.kernel import GuestKernel
from testbed.findings.kernel_log import KernelEvent
from testbed.host import interrupt
from testbed.host.terminal import escape
from testbed.options import RunOptions, Switch
from testbed.report import provenance
from testbed.report.results import RunReport

_MOST_STUCK = 20_000
"""Characters that a guest may have a report say of where its tasks wait: some ten stacks."""


@dataclass(frozen=True)
class LogPosition:
    """Where kernel log and card stood when a test began."""

    kernel_events: int
    violations: dict[str, int]
    verdicts: int = 0


@dataclass(frozen=True)
class LogWindow:
    """What came after a mark.

    Kernel complaints, violations by rule, what ended the session, the card's records of the
    violations, and where it ends: None if the session has ended.
    """

    events: list[KernelEvent]
    violations: dict[str, int]
    lost: TestbedError | None = None
    verdicts: list[dict[str, Any]] = field(default_factory=list)
    end: LogPosition | None = None


class SessionPool:
    """Boots when the first test asks, and again after a lost VM that somebody was told of.

    Each machine's logs go to a folder ``vm-<n>`` of ``folder``.

    :ivar unavailable: why there can be no machine at all: nothing gets one from then on.
    :ivar has_card: whether one of the machines had the emulated card, which counts violations.
    :ivar problem: the first error of a machine's end that no test was told of; one that was not put
        back goes before all others.
    """

    def __init__(self, options: RunOptions, folder: Path, say: Callable[[str], None]) -> None:
        self.options = options
        self.prepared: Prepared | None = None
        self.boots = 0
        self.last_boot_seconds: float | None = None
        self.kernel: GuestKernel | None = None
        self.has_oracle = self.has_card = False
        self.unavailable: TestbedError | None = None
        self.violations = 0
        self.unknown_hwrm: Counter[str] = Counter()
        self.refused_hwrm: Counter[str] = Counter()
        self.missing_hwrm: Counter[str] = Counter()
        self.event_hashes: list[str] = []
        self.problem: TestbedError | None = None
        self._folder = folder
        self._say = say
        self._session: Session | None = None
        self._told = False
        self._stack = ExitStack()

    @property
    def event_hash(self) -> str | None:
        """That of the machine that was up; of several, the hash of all. None without meaning."""
        if not engine_of(self.options).simulated_time(self.options) or not self.event_hashes:
            return None
        if len(self.event_hashes) == 1:
            return self.event_hashes[0]
        return sha256(" ".join(self.event_hashes).encode()).hexdigest()

    def describe(self, report: RunReport) -> None:
        """Write into ``report`` which machines these were, whence, and what the card counted."""
        engine_of(self.options).describe(self.options, report)
        report.kernel_release = None if self.kernel is None else self.kernel.release
        report.boot_seconds = self.last_boot_seconds
        report.note("repository commit", provenance.repository_commit())
        report.note("jail", describe())
        if self.prepared is not None:
            report.note_all(self.prepared.provenance)
        if self.has_card:
            report.violations = self.violations
            report.unknown_hwrm = sum(self.unknown_hwrm.values())
            report.refused_hwrm, report.missing_hwrm = self.refused_hwrm, self.missing_hwrm

    @property
    def log_folder(self) -> Path:
        """Where the logs of the machine are that is up, or was last."""
        return self._folder / f"vm-{self.boots}"

    @property
    def is_up(self) -> bool:
        """Whether a session is up and has lost neither guest nor card."""
        return self._session is not None and self._end_of(self._session) is None

    @staticmethod
    def _end_of(session: Session) -> TestbedError | None:
        try:
            session.check()
        except TestbedError as error:
            return error
        return None

    @property
    def loss(self) -> TestbedError | None:
        """Why the session that was up is of no more use, until it is discarded; else None."""
        if self._session is None:
            return None
        end = self._end_of(self._session)
        return None if end is None else _cause(self._session, end)

    def tell(self, error: TestbedError) -> TestbedError:
        """What a test that met ``error`` is told: that, or the card's failure that it came of.

        From now on somebody knows that the session has ended.
        """
        self._told = True
        return error if self._session is None else _cause(self._session, error)

    def tell_stuck(self, error: TestbedError) -> None:
        """Of a machine lost to a process that stays in its kernel: where its tasks wait.

        That is for whoever reads of it. Judge the kernel's log first: to look may add to it.
        """
        if self._session is not None and isinstance(error, LostVM) and UNKILLED in error.message:
            said = (stuck_tasks(self._session.dut) or "")[:_MOST_STUCK]
            error.stuck = "\n".join(map(escape, said.splitlines()))

    def current(self) -> Session:
        """The session that is up; boots if there is none.

        Raises TestbedError; also once what the session has been lost of, if nobody was told.
        """
        loss = self.loss
        if loss is not None and not self._told:
            raise self.tell(loss)
        if loss is not None:
            self.discard()
        if self._session is None:
            self._session, self._told = self._boot(), False
        return self._session

    def choose_card(self, card_options: Mapping[str, object]) -> None:
        """From now on tests get a machine with this card; another one ends.

        A real card is as it is: whoever needs another one needs ``Capability.CHOSEN_CARD``.
        """
        if not engine_of(self.options).owns_machine:
            return
        if card_options != self.options.card_options:
            self.discard()
            self.options = replace(self.options, card_options=dict(card_options))

    def _boot(self) -> Session:
        if self.unavailable is not None:
            raise self.unavailable
        try:
            if self.prepared is None:
                self.options, self.prepared = prepare_run(self.options, self._say)
            session = self._enter(self.prepared)
        except (EnvironmentProblem, UsageProblem) as error:
            self.unavailable = error
            raise
        self.last_boot_seconds = session.boot_seconds
        self.kernel = session.kernel
        self.has_card = self.has_card or session.has_card
        self.has_oracle = session.has_card and self.options.oracle is Switch.ON
        return session

    def _enter(self, prepared: Prepared) -> Session:
        """A new machine. Its folder goes again if there was nothing to log."""
        self.boots += 1
        folder = self.log_folder
        try:
            folder.mkdir()
        except OSError as err:
            raise EnvironmentProblem(f"{folder} cannot be made: {err.strerror}") from err
        try:
            return self._stack.enter_context(new_session(self.options, folder, prepared))
        except BaseException:
            with suppress(OSError):
                folder.rmdir()
            raise

    def let_kernel_warn_again(self) -> None:
        """What it logs once per boot (WARN_ON_ONCE) it may have logged during an earlier test.

        A machine that is not ours keeps its memory.
        """
        if engine_of(self.options).owns_machine:
            script = ["sh", "-c", "echo 1 >/sys/kernel/debug/clear_warn_once"]
            self.current().dut.run(script, check=False)  # a kernel without debugfs has no way

    def mark(self) -> LogPosition:
        """Remember where logs and card stand."""
        session = self.current()
        return _position(session, *self._violations(session))

    @staticmethod
    def _violations(session: Session) -> tuple[dict[str, int], list[dict[str, Any]]]:
        if not session.has_card:
            return {}, []
        violations = session.card.state()["violations"]
        return dict(violations["counts"]), list(violations["kept"])

    def since(self, mark: LogPosition) -> LogWindow:
        """What came after ``mark``, also if that was the end of the session."""
        session = self._session
        if session is None:
            return LogWindow([], {})
        lost, after = self._end_of(session), mark.violations
        kept: list[dict[str, Any]] = []
        if lost is None:
            try:
                session.catch_up()
                after, kept = self._violations(session)
            except TestbedError as error:
                lost = error
        end = _position(session, after, kept)
        new = {rule: n - mark.violations.get(rule, 0) for rule, n in after.items()}
        return LogWindow(
            list(session.kernel_log.events[mark.kernel_events : end.kernel_events]),
            {rule: count for rule, count in new.items() if count},
            None if lost is None else self.tell(lost), kept[mark.verdicts :],
            end if lost is None else None,
        )  # fmt: skip

    def discard(self, *, told: bool = False) -> None:
        """End the session that is up, if any; the next test gets a fresh one.

        ``told``: somebody knows why, if it was lost.
        """
        session = self._session
        if session is None:
            return
        with interrupt.held():
            told = told or self._told
            loss = self.loss
            self._session = None
            if loss is not None and not told:
                self.problem = self.problem or loss
            if session.has_card:
                with suppress(TestbedError):  # then its end says so, too
                    self._add_account(session.card.state())
            try:
                self._stack.close()
            except TestbedError as error:
                if isinstance(error, NotPutBack) and not isinstance(self.problem, NotPutBack):
                    self.problem = error
                elif not told:
                    self.problem = self.problem or error

    def _add_account(self, state: dict[str, Any]) -> None:
        self.violations += sum(state["violations"]["counts"].values())
        self.unknown_hwrm.update(state["unknown_commands"])
        self.refused_hwrm.update(state["refused_commands"])
        self.missing_hwrm.update(state["missing_commands"])
        self.event_hashes.append(state["digest"])


def _cause(session: Session, error: TestbedError) -> TestbedError:
    """A card that has died takes the guest along, or what a test waits for."""
    if not isinstance(error, LostVM) or not session.has_card:
        return error
    return session.card.cause_of_loss() or error


def _position(session: Session, counts: dict[str, int], kept: list[dict[str, Any]]) -> LogPosition:
    return LogPosition(len(session.kernel_log.events), counts, len(kept))
