# SPDX-License-Identifier: GPL-2.0-only
"""A campaign: gives out runs, has what came of them taken in, until it is over."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from testbed.fuzz.corpus import Corpus
from testbed.fuzz.intake import Intake, Issued
from testbed.fuzz.outcome import Ended, Outcome
from testbed.fuzz.outdated import leave_out
from testbed.fuzz.parts import RUN_S, Job, Lost, Made, Pool, Reply, Search
from testbed.fuzz.reading import Totals
from testbed.fuzz.store import Store
from testbed.host import interrupt
from testbed.host.interrupt import Interrupted

STOP = "stop"
"""A file of this name in the campaign's folder asks it to end."""
WAIT_S = 0.2
SHOW_S = 1.0
RATE_S = 60.0
MOST_ATTEMPTS = 3
_INTERRUPTED = "interrupted"


@dataclass(frozen=True, kw_only=True)
class Limits:
    """``seconds``: of this start. ``runs``: of the whole campaign. ``check_every``: one run in so
    many is done again, and compared. ``per_guest``: schedules that a guest serves, at most.
    ``run_s``: seconds of real time that a run may take."""

    seconds: float | None = None
    runs: int | None = None
    check_every: int = 20
    per_guest: int = 1
    run_s: float = RUN_S


@dataclass(frozen=True, kw_only=True)
class View:
    """How a campaign is doing. ``doing``: worker -> name of its schedule, and for how long."""

    totals: Totals
    per_second: float
    seconds: float
    left_s: float | None
    waiting: int
    ending: str
    doing: Mapping[str, tuple[str, float]]
    workers: int


class Campaign:
    """Leads one. ``tell`` is given a line for a person, ``show`` how things are, once a second.

    ``busy_s`` are the seconds in which this process worked, and did not wait for runs.
    """

    def __init__(
        self, store: Store, pool: Pool, search: Search, limits: Limits,
        tell: Callable[[str], None], show: Callable[[View], None] = lambda _view: None,
    ) -> None:  # fmt: skip
        self.busy_s = 0.0
        self._store = store
        self._pool = pool
        self._search = search
        self._limits = limits
        self._tell = tell
        self._show = show
        self._left_out = leave_out(store, search.read, tell)
        self._corpus = Corpus.of(store)
        self._intake = Intake(store, self._corpus, limits.check_every, tell)
        self._numbers = store.free_numbers()
        self._waiting = deque(self._queued())
        self._intake.decisions.extend(self._undecided())
        self._issued: dict[int, Issued] = {}
        self._lost: deque[tuple[int, Issued]] = deque()
        self._ending = ""
        self._size: int | None = None
        self._shown_at = 0.0
        self._before = store.totals().at
        self._began = time.monotonic()
        self._rates: deque[tuple[float, int]] = deque()

    def run(self) -> None:
        """Until it is over: a limit, ``STOP``, a signal. Raises TestbedError, Interrupted.

        A first signal lets the runs end that are under way; a second ends it at once.
        """
        self._began = time.monotonic()
        self._stop_file.unlink(missing_ok=True)
        while self._issued or not self._ending:
            try:
                with interrupt.held():
                    self._step()
            except Interrupted:
                if self._ending == _INTERRUPTED:
                    raise
                self._end(_INTERRUPTED)
        self._display()
        if self._intake.problem is not None:
            raise self._intake.problem
        interrupt.check()

    def _step(self) -> None:
        started = time.monotonic()
        if started - self._shown_at >= SHOW_S:
            self._shown_at = started
            self._look_around()
        self._fill()
        waits = time.monotonic()
        replies = self._pool.collect(WAIT_S)
        waited = time.monotonic() - waits
        if replies:
            with self._store.batch():
                for reply in replies:
                    self._take(reply)
        self.busy_s += time.monotonic() - started - waited

    @property
    def _stop_file(self) -> Path:
        return self._store.path.with_name(STOP)

    def _queued(self) -> Iterator[Issued]:
        for name in self._store.waiting():
            row = self._store.schedule(name)
            made = Made(self._search.read(row.text), row.parent, row.mutation)
            yield Issued(made, row.mutation)

    def _undecided(self) -> Iterator[Issued]:
        for number, name, mode in self._store.undecided():
            if name in self._left_out:
                continue
            row = self._store.schedule(name)
            made = Made(self._search.read(row.text), row.parent, row.mutation)
            yield Issued(made, mode, decides=(number, None))

    def _end(self, why: str) -> None:
        if self._ending and why != _INTERRUPTED:
            return
        self._ending = why
        more = "; once more to end at once" if why == _INTERRUPTED else ""
        count = len(self._issued)  # the next one of a worker, too
        runs = "1 run" if count == 1 else f"{count} runs"
        self._tell(why + (f"; the workers finish {runs} first{more}" if count else ""))

    def _look_around(self) -> None:
        """Whether it is over, how many workers there are, what there is to show."""
        size = self._pool.size()
        if size != self._size:
            self._tell("1 worker" if size == 1 else f"{size} workers")
            self._size = size
        seconds = self._limits.seconds
        if self._stop_file.exists():
            self._end("asked to stop")
        elif seconds is not None and time.monotonic() - self._began >= seconds:
            self._end("the time is over")
        self._display()

    def _fill(self) -> None:
        """Give out runs: one for each worker, and a few so that none waits for us."""
        wanted = self._size + max(1, self._size // 4) if self._size else 0
        while not self._ending and len(self._issued) < wanted:
            if self._limits.runs is not None:
                left = self._limits.runs - self._intake.counted - len(self._issued)
                if left <= 0:
                    if not self._issued:
                        self._end(f"{self._intake.counted} runs are done")
                    return
            number, issued = self._next()
            issued.attempts += 1
            issued.since = time.monotonic()
            self._issued[number] = issued
            # what is done again says more in a fresh guest, and of a seed nearly all is new
            made_up = issued.mode == self._search.mode and issued.decides is None
            used = made_up and self._intake.used_pays(number)
            most = self._limits.per_guest if used else 1
            self._pool.give(Job(number, issued.made.schedule, most, self._limits.run_s))

    def _next(self) -> tuple[int, Issued]:
        if self._lost:
            return self._lost.popleft()
        number = next(self._numbers)
        for queue in (self._intake.decisions, self._intake.checks):
            if queue:
                return number, queue.popleft()
        if self._waiting and self._search.prefers_seed(number, self._corpus):
            return number, self._waiting.popleft()
        made = self._search.make(number, self._corpus, self._store)
        return number, Issued(made, self._search.mode)

    def _take(self, reply: Reply | Lost) -> None:
        issued = self._issued.pop(reply.number, None)
        if issued is None:
            return
        if isinstance(reply, Lost):
            if not reply.fatal and issued.attempts < MOST_ATTEMPTS:
                self._tell(f"run {reply.number} is done again: {reply.reason}")
                self._lost.append((reply.number, issued))
                return
            reply = _given_up(reply, issued)
        good = self._intake.take(reply, issued, self._before + time.monotonic() - self._began)
        if not good and issued.mode != self._search.mode and issued.attempts < MOST_ATTEMPTS:
            self._waiting.append(issued)
        if self._intake.problem is not None:
            self._end("too many runs were spoiled")

    def _display(self) -> None:
        now = time.monotonic()
        self._rates.append((now, self._intake.counted))
        while now - self._rates[0][0] > RATE_S:
            self._rates.popleft()
        (then, before), seconds = self._rates[0], now - self._began
        doing = {
            worker: (issued.made.schedule.name, now - issued.since)
            for worker, numbers in self._pool.doing().items()
            if numbers and (issued := self._issued.get(numbers[0])) is not None
        }
        limit = self._limits.seconds
        self._show(
            View(
                totals=self._store.totals(), seconds=seconds, ending=self._ending, doing=doing,
                per_second=(self._intake.counted - before) / (now - then) if now > then else 0.0,
                left_s=None if limit is None else max(0.0, limit - seconds),
                waiting=len(self._waiting), workers=self._size or 0,
            )
        )  # fmt: skip


def _given_up(lost: Lost, issued: Issued) -> Reply:
    outcome = Outcome(
        schedule=issued.made.schedule.name, ended=Ended.ENVIRONMENT,
        problem=f"no worker lived to its end: {lost.reason}",
    )  # fmt: skip
    return Reply(number=lost.number, outcome=outcome, worker="")
