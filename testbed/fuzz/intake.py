# SPDX-License-Identifier: GPL-2.0-only
"""What becomes of a run that ended: store, corpus, complaints, and the comparison with a second."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from testbed.errors import EnvironmentProblem
from testbed.fuzz.corpus import Corpus, Novelty
from testbed.fuzz.covered_kernel import facts_of
from testbed.fuzz.outcome import Ended, Outcome
from testbed.fuzz.parts import Made, Reply
from testbed.fuzz.schedule import Schedule
from testbed.fuzz.search import LEAKS
from testbed.fuzz.shares import DRAWN, MUTATION, SEED, SWEEP
from testbed.fuzz.store import Store, row_of

MOST_SPOILED = 10
"""So many runs one after the other that this host spoiled end a campaign."""
LOOKED_AT, MOST_SUSPECTED = 32, 0.25
"""If more than that share of the last runs in used guests had to be decided, they do not pay: a
fresh run costs little more than one in a used guest."""
STILL_USED = 8
"""One in so many is then done in a used guest all the same, to see whether that changes."""
_NOT_DONE_AGAIN = (Ended.ILLEGAL, Ended.TIMED_OUT)


@dataclass
class Issued:
    """A run that is under way. ``first``: number and outcome of the run that it is compared with.
    ``decides``: number of a run in a used guest, and its outcome if that is still at hand.
    ``since``: when it was given out, by ``time.monotonic()``."""

    made: Made
    mode: str
    first: tuple[int, Outcome] | None = None
    decides: tuple[int, Outcome | None] | None = None
    attempts: int = 0
    since: float = 0.0


@dataclass
class Intake:
    """Takes runs in, within a batch of the store. ``counted``: the runs that count, of all starts.
    ``checks``: runs to be done again, next; before them ``decisions``, in a fresh guest."""

    store: Store
    corpus: Corpus
    check_every: int
    tell: Callable[[str], None]
    counted: int = 0
    checks: deque[Issued] = field(default_factory=deque)
    decisions: deque[Issued] = field(default_factory=deque)
    _kernel: str = ""
    _known: set[str] = field(default_factory=set)
    _spoiled: int = 0
    _suspected: deque[bool] = field(default_factory=lambda: deque(maxlen=LOOKED_AT))

    def __post_init__(self) -> None:
        self.counted = self.store.totals().runs
        self._kernel = self.store.facts().get("kernel_key", "")
        self._known = {row[0] for row in self.store.rows("SELECT signature FROM complaints")}

    def take(self, reply: Reply, issued: Issued, at: float) -> bool:
        """Store a run that ended ``at``; False if the host has spoiled it.

        Raises EnvironmentProblem if that has become a habit.
        """
        if reply.error is not None:
            raise reply.error
        schedule = issued.made.schedule
        outcome = replace(self._of_our_kernel(reply), schedule=schedule.name)
        self.store.add_schedule(schedule, issued.made.parent, issued.made.mutation)
        if outcome.served and outcome.ended is not Ended.ENVIRONMENT:
            self._take_used(reply, issued, outcome, at)
            return True
        novelty = Novelty()
        if issued.first is None and issued.made.mutation != LEAKS:  # that one was counted
            novelty = self.corpus.take(self.store, reply.number, outcome, len(schedule.text))
            if outcome.ended is not Ended.ENVIRONMENT:
                new = novelty.edges + novelty.states
                self.corpus.shares.took(_kind_of(issued), new, outcome.cpu_s)
        row = row_of(
            reply.number, outcome, mode=issued.mode, worker=reply.worker, at=at,
            checks=issued.first and issued.first[0], edges_new=novelty.edges,
            states_new=novelty.states, decides=issued.decides and issued.decides[0],
        )  # fmt: skip
        self.store.add_run(row)
        if outcome.ended is Ended.ENVIRONMENT:
            self._note_spoiled(outcome)
            return False
        self._spoiled = 0
        self.counted += 1
        self._complain(reply.number, outcome, schedule)
        if issued.decides is not None:
            self._decide(*issued.decides, outcome)
        if issued.first is not None:
            self._compare(issued.first, outcome)
        elif reply.number % self.check_every == 0 and outcome.ended not in _NOT_DONE_AGAIN:
            self.checks.append(Issued(issued.made, "check", first=(reply.number, outcome)))
        return True

    def _take_used(self, reply: Reply, issued: Issued, outcome: Outcome, at: float) -> None:
        """A run in a used guest: what it shows is decided by a fresh run, one in so many anyhow."""
        number = reply.number
        new = self.corpus.take_used(self.store, number, outcome)
        suspected = new or outcome.ended is not Ended.DONE or bool(outcome.complaints)
        self._suspected.append(suspected)
        if suspected or number % self.check_every == 0:
            suspected = True
            self.decisions.append(Issued(issued.made, issued.mode, decides=(number, outcome)))
        row = row_of(
            number, outcome, mode=issued.mode, worker=reply.worker, at=at, suspected=suspected
        )
        self.store.add_run(row)
        self._spoiled = 0
        self.counted += 1

    def used_pays(self, number: int) -> bool:
        """Whether run ``number`` is better done in a used guest, if there is one."""
        if number % STILL_USED == 0 or len(self._suspected) < LOOKED_AT:
            return True
        return sum(self._suspected) <= MOST_SUSPECTED * LOOKED_AT

    def _decide(self, number: int, used: Outcome | None, fresh: Outcome) -> None:
        if used is None:  # of an earlier start of the campaign
            return
        self.corpus.note_only_used(used, fresh)
        for shown, where in (
            (used.signatures - fresh.signatures, "only in a used guest"),
            (fresh.signatures - used.signatures, "not in a used guest"),
        ):
            for name in sorted(shown):
                self.tell(f"{where}: {name} (run {number}, {fresh.schedule})")

    def _of_our_kernel(self, reply: Reply) -> Outcome:
        """The outcome; worth nothing if it is of another kernel than those before."""
        program = reply.program
        if program is not None and not self._kernel:
            self._kernel = program.key
            self.store.note("release", program.release)
            for key, value in facts_of(program).items():
                self.store.note(key, value)
        if program is None or program.key == self._kernel:
            return reply.outcome
        problem = f"worker {reply.worker} has another kernel: {program.release} ({program.key})"
        return Outcome(schedule=reply.outcome.schedule, ended=Ended.ENVIRONMENT, problem=problem)

    def _note_spoiled(self, outcome: Outcome) -> None:
        last = outcome.problem.strip().splitlines()[-1:] or ["for no reason told"]
        self.tell(f"a run was spoiled: {last[0]}")
        self._spoiled += 1

    @property
    def problem(self) -> EnvironmentProblem | None:
        """What ends the campaign: this host spoils one run after the other."""
        if self._spoiled < MOST_SPOILED:
            return None
        return EnvironmentProblem(
            f"{MOST_SPOILED} runs in a row were spoiled",
            remedy="what ended before is stored; mend what is told above, and start it again",
        )

    def _complain(self, number: int, outcome: Outcome, schedule: Schedule) -> None:
        for one in outcome.complaints:
            self.store.add_complaint(number, schedule, one, outcome.log)
            if one.signature not in self._known:
                self._known.add(one.signature)
                kind = f"known as {one.finding}" if one.finding else "new"
                self.tell(f"{kind}: {one.signature} (run {number}, {schedule.name})")

    def _compare(self, first: tuple[int, Outcome], second: Outcome) -> None:
        number, outcome = first
        differs = difference(outcome, second)
        self.store.mark(outcome.schedule, differs)
        if differs:
            self.tell(f"not deterministic: {outcome.schedule} (run {number}): {differs}")


def _kind_of(issued: Issued) -> str:
    """Where its schedule came from."""
    if issued.mode in ("seed", "import"):
        return SEED
    made_by = issued.made.mutation
    if made_by.startswith(f"{SWEEP}:"):
        return SWEEP
    return DRAWN if made_by == DRAWN else MUTATION


def difference(first: Outcome, second: Outcome) -> str:
    """In what two runs of one schedule differ, in words; empty if in nothing, or if one of them
    was cut off."""
    if Ended.TIMED_OUT in (first.ended, second.ended):
        return ""
    if first.ended is not second.ended:
        return f"{first.ended.value}, then {second.ended.value}"
    if first.signatures != second.signatures:
        odd = sorted(first.signatures ^ second.signatures)
        return f"only one of two runs shows {', '.join(odd)}"
    if first.event_hash and second.event_hash and first.event_hash != second.event_hash:
        return f"event hash {first.event_hash[:16]}, then {second.event_hash[:16]}"
    return ""
