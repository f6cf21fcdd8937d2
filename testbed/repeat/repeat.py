# SPDX-License-Identifier: GPL-2.0-only
"""One scenario many times, each in a fresh guest: are all the same run, and how many a second?"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from multiprocessing import active_children
from multiprocessing.util import Finalize
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp

from testbed.engines.engine import Prepared
from testbed.engines.open import new_session
from testbed.engines.session import Session
from testbed.errors import EnvironmentProblem, TestbedError
from testbed.host import interrupt
from testbed.host.parent import die_with_parent
from testbed.options import RunOptions
from testbed.report.seen import Seen
from testbed.workloads.play import play
from testbed.workloads.scripts import cycles
from testbed.workloads.seen import SessionAccount
from testbed.workloads.table import SCENARIOS


@dataclass(frozen=True)
class Ended:
    """How one run ended: with its event hash or an error, and what card and kernel said of it."""

    event_hash: str = ""
    error: TestbedError | None = None
    seen: tuple[Seen, ...] = ()


@dataclass
class Repeats:
    """How many runs there were, how they ended and in how many wall seconds.

    ``seen`` is what card and kernel said in any of them, each different thing once.
    """

    hashes: Counter[str] = field(default_factory=Counter)
    failures: list[TestbedError] = field(default_factory=list)
    seconds: float = 0.0
    seen: list[Seen] = field(default_factory=list)

    def add(self, ended: Ended) -> None:
        """One more run; the same thing seen again is counted."""
        if ended.error is None:
            self.hashes[ended.event_hash] += 1
        else:
            self.failures.append(ended.error)
        for one in ended.seen:
            self._add_seen(one)

    def _add_seen(self, one: Seen) -> None:
        for place, old in enumerate(self.seen):
            if (old.kind, old.name) == (one.kind, one.name):
                self.seen[place] = replace(old, times=old.times + one.times)
                return
        self.seen.append(one)

    @property
    def runs(self) -> int:
        """Runs that ended well."""
        return self.hashes.total()

    @property
    def per_second(self) -> float:
        """Whole cycles a second, boot to end."""
        return self.runs / self.seconds if self.seconds else 0.0


def one_run(options: RunOptions, prepared: Prepared, name: str, folder: Path) -> str:
    """Boot, play, end; returns the event log's hash. Raises TestbedError."""
    with (
        TemporaryDirectory(prefix="run-", dir=folder, ignore_cleanup_errors=True) as run_dir,
        new_session(options, Path(run_dir), prepared) as session,
    ):
        return play(session, SCENARIOS[name])


class Worker:
    """Plays in one process, one guest after the other; card and runner stay while all is well.

    Its logs go to a folder ``worker-...`` of ``folder``.
    """

    def __init__(self, options: RunOptions, prepared: Prepared, folder: Path) -> None:
        self._options = options
        self._prepared = prepared
        self._folder = folder
        self._session: Session | None = None
        self._stack = ExitStack()

    def run(self, name: str) -> Ended:
        """A fresh guest plays."""
        try:
            digest = play(self._fresh(), SCENARIOS[name])
        except TestbedError as err:
            seen = self._seen()
            self.close()
            return Ended(error=err, seen=seen)
        return Ended(digest, seen=self._seen())

    def _seen(self) -> tuple[Seen, ...]:
        return () if self._session is None else SessionAccount.of(self._session).seen

    def _fresh(self) -> Session:
        if self._session is not None:
            self._session.restart()
            return self._session
        folder = Path(mkdtemp(prefix="worker-", dir=self._folder))
        session = new_session(self._options, folder, self._prepared)
        self._session = self._stack.enter_context(session)
        return session

    def close(self) -> None:
        """End the session, whatever state it is in."""
        self._session = None
        with suppress(TestbedError):
            self._stack.close()


_worker: Worker | None = None


def _start_worker(options: RunOptions, prepared: Prepared, folder: Path, parent: int) -> None:
    """In the worker's process. Signals are for who started it, which ends it after its run."""
    global _worker
    interrupt.ignore()
    die_with_parent(parent)
    _worker = Worker(options, prepared, folder)
    Finalize(_worker, _worker.close, exitpriority=10)


def _run(name: str) -> Ended:
    assert _worker is not None
    return _worker.run(name)


@dataclass(frozen=True)
class Cycles:
    """A scenario ``count`` times in one guest, in ``seconds`` of wall time.

    ``event_hash`` is that of all cycles together: each has another one, since time goes on.
    """

    count: int
    seconds: float
    event_hash: str
    seen: tuple[Seen, ...]


def cycle(options: RunOptions, prepared: Prepared, name: str, count: int, folder: Path) -> Cycles:
    """``count`` times scenario ``name``, unbind, bind in one guest. Raises TestbedError."""
    with new_session(options, folder, prepared) as session:
        started = time.monotonic()
        digest = play(session, cycles(SCENARIOS[name], count))
        seconds = time.monotonic() - started
        account = SessionAccount.of(session)
    return Cycles(count, seconds, digest, account.seen)


def repeat(
    options: RunOptions, prepared: Prepared, name: str, folder: Path, *, runs: int,
    workers: int | None = None,
) -> Iterator[Repeats]:  # fmt: skip
    """Run ``name`` ``runs`` times on ``workers`` cores; the account so far after each run.

    Logs go to ``folder``. An interrupt lets the runs that have begun end. Raises
    EnvironmentProblem if a worker is killed.
    """
    count = min(workers or os.cpu_count() or 1, runs)
    account = Repeats()
    with ProcessPoolExecutor(
        count, initializer=_start_worker, initargs=(options, prepared, folder, os.getpid())
    ) as pool:
        started = time.monotonic()
        left = runs
        pending: set[Future[Ended]] = set()
        try:
            while left or pending:
                while left and len(pending) < count:
                    pending.add(pool.submit(_run, name))
                    left -= 1
                done, pending = wait(pending, return_when=FIRST_COMPLETED)
                for future in done:
                    account.add(future.result())
                account.seconds = time.monotonic() - started
                yield account
        except BrokenProcessPool as err:
            for process in active_children():  # one killed while it held their queue's lock keeps
                process.kill()  # the others waiting for it, and they ignore SIGTERM
            raise EnvironmentProblem(
                "a process of this command was killed", remedy="run again"
            ) from err
        finally:
            with interrupt.held():
                pool.shutdown(cancel_futures=True)
