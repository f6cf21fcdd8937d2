# SPDX-License-Identifier: GPL-2.0-only
"""One scenario many times, each in a fresh guest: are all the same run, and how many a second?"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from multiprocessing import active_children
from multiprocessing.util import Finalize
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp
from typing import TypeVar

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

T = TypeVar("T")

CYCLES_AT_ONCE = 10
"""What a guest is asked for at once, so that an interrupt is heard."""


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

    def boot(self) -> None:
        """A fresh guest. Raises TestbedError."""
        self._fresh()

    def go_on(self, name: str, count: int) -> Ended:
        """``count`` cycles more in the guest that was booted; the hash is of all it has done."""
        session = self._session
        assert session is not None
        return self._end(lambda: play(session, cycles(SCENARIOS[name], count)))

    def run(self, name: str) -> Ended:
        """A fresh guest plays."""
        return self._end(lambda: play(self._fresh(), SCENARIOS[name]))

    def _end(self, work: Callable[[], str]) -> Ended:
        try:
            digest = work()
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


def _boot() -> None:
    assert _worker is not None
    _worker.boot()


def _go_on(name: str, count: int) -> Ended:
    assert _worker is not None
    return _worker.go_on(name, count)


@dataclass(frozen=True)
class Cycles:
    """A scenario ``count`` times in each of several guests at once, in ``seconds`` of wall time.

    ``event_hashes`` has one for each guest, of all its cycles together: each cycle has another
    one, since time goes on.
    """

    count: int
    seconds: float
    event_hashes: Counter[str]
    seen: tuple[Seen, ...]

    @property
    def per_second(self) -> float:
        """Cycles a second in all guests together."""
        return self.count * self.event_hashes.total() / self.seconds


def cycle(
    options: RunOptions, prepared: Prepared, name: str, folder: Path, *, runs: int,
    workers: int | None = None,
) -> Cycles:  # fmt: skip
    """``name``, unbind, bind at least ``runs`` times in all of ``workers`` guests together,
    equally often in each, until the guests differ.

    An interrupt lets the cycles that have begun end. Raises the first TestbedError of a guest, and
    EnvironmentProblem if a worker is killed.
    """
    guests = min(workers or os.cpu_count() or 1, runs)
    account, left, seconds = Repeats(), -(-runs // guests), 0.0
    count = left
    arguments = (options, prepared, folder, os.getpid())
    pools = [
        ProcessPoolExecutor(1, initializer=_start_worker, initargs=arguments) for _ in range(guests)
    ]
    try:
        _all(pools, _boot)
        started = time.monotonic()
        while left and len(account.hashes) <= 1:
            now = min(CYCLES_AT_ONCE, left)
            account = Repeats()  # what a guest tells is of all it has done
            for ended in _all(pools, _go_on, name, now):
                account.add(ended)
            left -= now
            seconds = time.monotonic() - started
            if account.failures:
                raise account.failures[0]
    except BrokenProcessPool as err:
        raise _worker_killed() from err
    finally:
        with interrupt.held():
            for pool in pools:
                pool.shutdown(cancel_futures=True)
    return Cycles(count - left, seconds, account.hashes, tuple(account.seen))


def _all(pools: Sequence[ProcessPoolExecutor], work: Callable[..., T], *words: object) -> list[T]:
    """``work`` in all of them at once; their results when all have ended."""
    return [one.result() for one in [pool.submit(work, *words) for pool in pools]]


def _worker_killed() -> EnvironmentProblem:
    for process in active_children():  # one killed while it held their queue's lock keeps
        process.kill()  # the others waiting for it, and they ignore SIGTERM
    return EnvironmentProblem("a process of this command was killed", remedy="run again")


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
            raise _worker_killed() from err
        finally:
            with interrupt.held():
                pool.shutdown(cancel_futures=True)
