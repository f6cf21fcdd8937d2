# SPDX-License-Identifier: GPL-2.0-only
"""How many bugs of the bench a search finds in one kernel that has all of them. Run by hand:

    ./tb kernel build --flavour uml-san --coverage --series fixes \\
        --series tests/bug_bench/together/bugs.patch
    python -P -m tests.bench.together --kernel PROGRAM --out FOLDER [--seeds 5] [--minutes 30]
    python -P -m tests.bench.together ... --only guided-1 --workers 2
    python -P -m tests.bench.together ... --bugs PATCH

For each seed a guided and a blind campaign search side by side, one worker each, so that whatever
else the host does hits both; or one campaign alone. Where a run shows a signature that is no
finding on record, its schedule is tried again with fewer and fewer of the bugs, until is known
which one it takes. What was found is switched off from then on, as if it had been mended, and the
schedule is run once more without it: no bug hides others for long. The clock of a campaign stands
while it is told which bug it was.

PATCH is one of your own, as bugs.patch is: ``BUG_NAME`` of its enum is bit 0, 1, ... of bug_bench.

A campaign that is done in FOLDER is not done again; one that was interrupted begins anew. FOLDER
is one of `testbed fuzz bench`, with trials.csv: `fuzz bench-table FOLDER --svg FILE` plots it.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from statistics import median
from typing import Protocol

from kernels.mended import patches_of
from testbed.fuzz.bench import MODES, Results, Trial
from testbed.fuzz.campaign import STOP, Campaign, Limits, View
from testbed.fuzz.execute import Executor
from testbed.fuzz.folder import leading
from testbed.fuzz.outcome import Ended, Outcome
from testbed.fuzz.parts import RUN_S, Job
from testbed.fuzz.reading import RunRow
from testbed.fuzz.schedule import Schedule
from testbed.fuzz.search import read_text
from testbed.fuzz.start import Wanted, open_campaign, search_of
from testbed.fuzz.store import Store
from testbed.fuzz.workers import DaskPool, ExecutorSpec
from tests.bug_bench.table import TOGETHER

FLAVOUR = "uml-san"
NO_CHECKS = sys.maxsize
"""A run that is done again with fewer bugs would differ."""
TELL_S = 3 * RUN_S
"""For a run that tells bugs apart. The campaign's took less than RUN_S, but perhaps only just: one
that is cut off shows nothing, as if it had not been its bug."""
MOST = 64
_DECLARED = re.compile(r"^\+\tBUG_(\w+),$", re.M)


@dataclass(frozen=True)
class Switched:
    """The bugs of a patch that has a switch for each."""

    patch: Path = TOGETHER

    @cached_property
    def names(self) -> tuple[str, ...]:
        """In the order of their switches; none if it is no such patch. Raises OSError."""
        declared = _DECLARED.findall(self.patch.read_text(encoding="utf-8"))
        return tuple(name.replace("_", "-") for name in declared)

    def on(self, bugs: frozenset[str]) -> str:
        """What makes a kernel have those bugs, on its command line; always equally long.

        How long that is decides which allocations fail where each thirtieth does.
        """
        return f"bug_bench={sum(1 << self.names.index(one) for one in bugs):#010x}"


class Guests(Protocol):
    """Runs a schedule on the kernel with those bugs."""

    def __call__(self, schedule: Schedule, bugs: frozenset[str]) -> Outcome: ...


@dataclass
class UmlGuests:
    """Those of one kernel; logs go to ``folder``."""

    folder: Path
    kernel: str
    bugs: Switched

    def __post_init__(self) -> None:
        self._executor = Executor(self.folder, FLAVOUR, self.kernel)
        self._known: dict[tuple[str, frozenset[str]], Outcome] = {}

    def __call__(self, schedule: Schedule, bugs: frozenset[str]) -> Outcome:
        """In a fresh guest, if it was not run yet. Raises EnvironmentProblem."""
        key = (schedule.name, bugs)
        if key not in self._known:
            self._executor.append(self.bugs.on(bugs))
            self._known[key] = self._executor.run(schedule, limit_s=TELL_S)
        return self._known[key]

    def close(self) -> None:
        """End guest and card."""
        self._executor.close()


def cause(
    guests: Guests, schedule: Schedule, signature: str, there: frozenset[str], guess: str = ""
) -> str:
    """The bug that it takes for a schedule to show that signature; none where it shows without any,
    or only with several of those that were ``there``: that says nothing of either. ``guess`` is
    tried first.

    Raises EnvironmentProblem.
    """

    def shows(*some: str) -> bool:
        return signature in guests(schedule, frozenset(some)).signatures

    if guess in there and shows(guess):
        return "" if shows() else guess
    if shows():
        return ""
    some = sorted(there)
    while len(some) > 1:
        half = len(some) // 2
        some = some[:half] if shows(*some[:half]) else some[half:]
    return some[0] if some and shows(*some) else ""


class Switches(Protocol):
    """Who gives out runs on a kernel whose bugs become fewer."""

    @property
    def there(self) -> frozenset[str]:
        """The bugs of the runs that are given out now."""

    @property
    def given(self) -> Mapping[int, frozenset[str]]:
        """Number of a run -> the bugs its kernel had."""

    def have(self, bugs: frozenset[str]) -> None:
        """These, from now on."""


class SwitchedPool(DaskPool):
    """Its guests have the bugs of ``there``, which become fewer."""

    def __init__(
        self, spec: ExecutorSpec, bugs: Switched, *, campaign: str, workers: int, folder: Path
    ) -> None:
        super().__init__(spec, campaign=campaign, workers=workers, folder=folder)
        self.bugs = bugs
        self.given: dict[int, frozenset[str]] = {}
        self.have(frozenset(bugs.names))

    def have(self, bugs: frozenset[str]) -> None:
        """Of the runs that are given out from now on."""
        self.there = bugs
        self.spec = replace(self.spec, append=self.bugs.on(bugs))

    def give(self, job: Job) -> None:
        """Have it run; with which bugs is kept."""
        self.given[job.number] = self.there
        super().give(job)


@dataclass
class Hunt:
    """One campaign: which bugs were found by which run, and how long that took to tell.

    ``names``: of all bugs. ``found``: bug -> the trial that ends with it. ``guesses``: signature ->
    bug that showed so. ``pauses``: when its clock stood, and for how many seconds.
    """

    store: Store
    pool: Switches
    guests: Guests
    mode: str
    seed: int
    limit_s: float
    names: Sequence[str]
    guesses: dict[str, str] = field(default_factory=dict)
    found: dict[str, Trial] = field(default_factory=dict)
    tell: Callable[[str], None] = print
    pauses: list[tuple[float, float]] = field(default_factory=list)
    _seen: set[int] = field(default_factory=set)
    _nothing: set[tuple[str, str]] = field(default_factory=set)

    def look(self, view: View) -> None:
        """Tell bugs apart that runs showed since; end the campaign when its time is over."""
        began = time.monotonic()
        runs = [one for one in self.store.runs() if one.number not in self._seen]
        for run in runs:
            self._seen.add(run.number)
            self._judge(run)
        took = time.monotonic() - began
        if runs:
            self.pauses.append((view.seconds, took))
        if self._searched(view.seconds + took) >= self.limit_s or not self.pool.there:
            self.store.path.with_name(STOP).touch()

    def _judge(self, run: RunRow) -> None:
        """Whose its signatures are; and once it is mended what the schedule shows then, as anybody
        would ask who has mended it."""
        if not run.signatures:
            return
        had = self.pool.given[run.number]
        there = had.difference(self.found)
        schedule = read_text(self.store.schedule(run.schedule).text)
        signatures: Collection[str] = run.signatures
        while found := self._tell_apart(run, schedule, signatures, had, there):
            had = there = there - found
            signatures = self.guests(schedule, there).signatures

    def _tell_apart(
        self, run: RunRow, schedule: Schedule, signatures: Collection[str], had: frozenset[str],
        there: frozenset[str],
    ) -> frozenset[str]:  # fmt: skip
        """Those of ``there`` that a guest with the bugs ``had`` showed so."""
        known = {row.signature for row in self.store.complaints() if row.finding}
        found = frozenset[str]()
        for signature in signatures:
            if signature in known or (run.schedule, signature) in self._nothing:
                continue
            if not there - found or had & self._of(signature):
                continue  # that bug was there when the run was given out
            bug = cause(
                self.guests, schedule, signature, there - found, self.guesses.get(signature, "")
            )
            if bug:
                self._note(bug, run, signature, schedule)
                found |= {bug}
            else:
                self._nothing.add((run.schedule, signature))
                self.tell(f"{self.mode} {self.seed}: run {run.number}: of no one bug: {signature}")
        return found

    def _of(self, signature: str) -> frozenset[str]:
        return frozenset(bug for bug, one in self.found.items() if one.signature == signature)

    def _note(self, bug: str, run: RunRow, signature: str, schedule: Schedule) -> None:
        alone = self.guests(schedule, frozenset([bug])).signatures
        without = self.guests(schedule, frozenset()).signatures
        trial = self._trial(
            bug, run, signature=signature, schedule=schedule.name, faults=len(schedule.faults),
            signatures=max(1, len(alone - without)),
        )  # fmt: skip
        self.found[bug] = trial
        self.guesses.setdefault(signature, bug)
        self.pool.have(self.pool.there - {bug})
        self.tell(
            f"{self.mode} {self.seed}: {len(self.found)} found, in {trial.seconds:.0f} s, run "
            f"{trial.runs}: {bug}: {signature}"
        )

    def _trial(
        self, bug: str, until: RunRow | None, *, signature: str = "", schedule: str = "",
        faults: int = 0, signatures: int = 0,
    ) -> Trial:  # fmt: skip
        runs = [
            one for one in self.store.runs()
            if one.ended is not Ended.ENVIRONMENT and (until is None or one.at <= until.at)
        ]  # fmt: skip
        return Trial(
            bug=bug, mode=self.mode, seed=self.seed, runs=len(runs), limit_s=self.limit_s,
            seconds=max((self._searched(one.at) for one in runs), default=0.0),
            cpu_s=sum(one.cpu_s for one in runs), load=os.getloadavg()[0], signature=signature,
            schedule=schedule, faults=faults, signatures=signatures,
        )  # fmt: skip

    def _searched(self, at: float) -> float:
        return at - sum(took for began, took in self.pauses if began < at)

    def trials(self) -> Iterator[Trial]:
        """Of all bugs, when the campaign has ended."""
        for bug in self.names:
            yield self.found.get(bug) or self._trial(bug, None)


def hunt(
    out: Path, kernel: str, bugs: Switched, mode: str, seed: int, minutes: float, workers: int
) -> None:
    """One campaign from its beginning to its end. Raises TestbedError."""
    place = out / "campaigns" / f"{mode}-{seed}"
    shutil.rmtree(place, ignore_errors=True)
    (place / "told").mkdir(parents=True)
    results = Results(out)
    wanted = Wanted(flavour=FLAVOUR, kernel=kernel, seed=seed, mode=mode)
    with leading(place), open_campaign(place, wanted) as store:
        guests = UmlGuests(place / "told", kernel, bugs)
        pool = SwitchedPool(
            ExecutorSpec(factory=Executor, flavour=FLAVOUR, kernel=kernel), bugs,
            campaign=f"{store.facts()['started_at']}-{place.name}", workers=workers,
            folder=place / "workers",
        )  # fmt: skip
        one = Hunt(
            store, pool, guests, mode, seed, minutes * 60, bugs.names,
            guesses={trial.signature: trial.bug for trial in results.all() if trial.found},
            tell=lambda text: print(text, flush=True),
        )  # fmt: skip
        try:
            limits = Limits(check_every=NO_CHECKS)
            Campaign(store, pool, search_of(store), limits, lambda _text: None, one.look).run()
        finally:
            pool.close()
            guests.close()
        for trial in one.trials():
            results.add(trial)


def table(names: Sequence[str], trials: Sequence[Trial]) -> Iterator[str]:
    """A row for each bug: in how many campaigns it was found, after how many seconds of those that
    did (median), and how many faults and signatures it had then (most)."""
    yield "| bug | " + " | ".join(f"{mode} | s | faults | signatures" for mode in MODES) + " |"
    yield "|---|" + "---|" * 4 * len(MODES)
    for bug in names:
        cells = [bug]
        for mode in MODES:
            of_it = [one for one in trials if (one.bug, one.mode) == (bug, mode)]
            found = [one for one in of_it if one.found]
            cells.append(f"{len(found)} of {len(of_it)}")
            cells.append(f"{median(one.seconds for one in found):.0f}" if found else "-")
            cells.append(f"{max(one.faults for one in found)}" if found else "-")
            cells.append(f"{max(one.signatures for one in found)}" if found else "-")
        yield f"| {' | '.join(cells)} |"


def summary(names: Sequence[str], trials: Sequence[Trial]) -> Iterator[str]:
    """How many bugs the campaigns found: medians, least and most, and in how many pairs guided has
    more."""
    seeds = sorted({one.seed for one in trials})
    ends = {
        mode: [sum(one.found for one in trials if (one.mode, one.seed) == (mode, seed))
               for seed in seeds]
        for mode in MODES
    }  # fmt: skip
    yield f"| bugs of {len(names)} | guided | blind | guided has more |"
    yield "|---|---|---|---|"
    cells = [
        f"{median(values):.0f} ({min(values):.0f}-{max(values):.0f})" for values in ends.values()
    ]
    ahead = sum(ours > theirs for ours, theirs in zip(*ends.values(), strict=True))
    yield f"| found | {' | '.join(cells)} | {ahead} of {len(seeds)} seeds |"


def _is_done(out: Path, last: str, mode: str, seed: int) -> bool:
    return Results(out).get(last, mode, seed) is not None


def main(arguments: Sequence[str] | None = None) -> None:
    """What the module's docstring says."""
    parser = argparse.ArgumentParser(prog="python -P -m tests.bench.together", description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--kernel", required=True, metavar="PROGRAM", help="with all the bugs")
    parser.add_argument("--seeds", type=int, default=5, help="1 to so many (%(default)s)")
    parser.add_argument("--minutes", type=float, default=30.0, help="of each (%(default)s)")
    parser.add_argument("--workers", type=int, default=1, help="of each (%(default)s)")
    parser.add_argument("--bugs", type=Path, default=TOGETHER, metavar="PATCH",
                        help="that the kernel has (%(default)s)")  # fmt: skip
    parser.add_argument("--only", metavar="MODE-SEED", help="that campaign alone")
    given = parser.parse_args(arguments)
    bugs = Switched(given.bugs)
    try:
        if not bugs.names:
            parser.error(f"--bugs {given.bugs}: declares no BUG_NAME of `enum bug_bench`")
        if len(bugs.names) > MOST:
            parser.error(f"--bugs {given.bugs}: declares over {MOST} bugs, bits of unsigned long")
    except (OSError, UnicodeDecodeError) as err:
        parser.error(f"--bugs {given.bugs}: {err}")
    if not any(given.bugs.name in line for line in patches_of(Path(given.kernel))):
        parser.error(f"--kernel {given.kernel}: was not built with {given.bugs}")
    out = given.out.absolute()
    if given.only:
        mode, _, seed = given.only.partition("-")
        hunt(out, given.kernel, bugs, mode, int(seed), given.minutes, given.workers)
        return
    for seed in range(1, given.seeds + 1):
        words = ["--out", str(out), "--kernel", given.kernel, "--minutes", str(given.minutes)]
        words += ["--workers", str(given.workers), "--bugs", str(given.bugs)]
        both = [
            subprocess.Popen(
                [sys.executable, "-P", "-m", "tests.bench.together", *words, "--only",
                 f"{mode}-{seed}"], stdin=subprocess.DEVNULL,
            )
            for mode in MODES if not _is_done(out, bugs.names[-1], mode, seed)
        ]  # fmt: skip
        for process in both:
            process.wait()
        if any(process.returncode for process in both):
            sys.exit(1)
        print(f"seed {seed} is done, load {os.getloadavg()[0]:.1f}", flush=True)
    trials = Results(out).all()
    Results(out).write_tables(trials)
    for line in [*table(bugs.names, trials), "", *summary(bugs.names, trials)]:
        print(line)


if __name__ == "__main__":
    main()
