# SPDX-License-Identifier: GPL-2.0-only
"""``python -P -m tests.kills.campaign --count 50 --seed 1``: a fuzz campaign and SIGKILL.

A campaign with guests of User Mode Linux goes on until one of its workers, guests or cards, its
coordinator, or all of them at once are killed. It has to go on; without its coordinator nothing of
it may stay, and the next start goes on. Whenever it has ended, all tables of its store agree and
each number is there once. Prints how the runs ended; exit code 1 if anything was wrong.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from testbed.fuzz.reading import FILE_NAME, Reader
from testbed.fuzz.store import Store
from tests.kills.commands import MARKS, Command, Victim
from tests.kills.processes import adopt_orphans, below, command_line, left_over
from tests.kills.trial import GONE_S, Stand, new_stand
from tests.unit.testbed.fuzz.test_campaign import consistent

COORDINATOR, ALL = "coordinator", "all"
VICTIMS = (Victim.WORKER, Victim.GUEST, Victim.CARD, COORDINATOR, ALL)
RUNS_A_KILL = 8
GOES_ON_S = 300.0
_WORKER = b"spawn_main"


class Wrong(Exception):
    """What a campaign must not do."""


def campaign(flavour: str) -> Command:
    """One that has no end of its own."""
    words = f"fuzz start --name kills --flavour {flavour} --workers 2 --seed 1"
    return Command("fuzz start", lambda _folder: words.split())


STOP = Command("fuzz stop", lambda _folder: ["fuzz", "stop", "--name", "kills"])


@dataclass
class Kills:
    """One campaign and those who are killed in it."""

    stand: Stand
    command: Command
    random: Random
    say: Callable[[str], None]
    killed: Counter[str] = field(default_factory=Counter)
    leader: subprocess.Popen[bytes] | None = None
    stored: int = 0

    @property
    def folder(self) -> Path:
        """The campaign's."""
        return self.stand.folder / "runs/fuzz-kills"

    def kill_one(self) -> None:
        """Once some more runs have ended. Raises Wrong."""
        if self.leader is None:
            self.leader = self.stand.start(self.command)
        leader, victim = self.leader, self.random.choice(VICTIMS)
        self._wait_for(self._runs() + self.random.randrange(1, RUNS_A_KILL))
        time.sleep(self.random.random())
        pids = self._wait_for_victims(leader.pid, victim)
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.killed[str(victim)] += 1
        told = f"{self.killed.total():3} {victim}"
        if victim in (COORDINATOR, ALL):
            leader.wait()
            self.leader = None
            self._nothing_stays()
            self.say(f"{told}: {self._look()} runs")
        else:
            self._wait_for(self._runs() + 4)
            self.say(f"{told}: goes on, {self._runs()} runs")

    def end(self) -> Counter[str]:
        """Ask it to stop; how its runs have ended. Raises Wrong."""
        if self.leader is None:
            self.leader = self.stand.start(self.command)
            self._wait_for(self._runs() + 4)
        leader, self.leader = self.leader, None
        asked = self.stand.start(STOP).wait()
        code = leader.wait(GOES_ON_S)
        if asked or code:
            raise Wrong(f"asked to stop ({asked}), it ends with {code}: {self._output()}")
        self._nothing_stays()
        self._look()
        if left := self.stand.remains():
            raise Wrong(f"folders left: {', '.join(left)}")
        with Store.open(self.folder) as store:
            new = [row.signature for row in store.complaints() if not row.finding]
            runs = list(store.runs())
        if [run.number for run in runs] != list(range(1, len(runs) + 1)):
            raise Wrong("a number is missing")
        self.say(f"new signatures: {', '.join(new) or 'none'}")
        return Counter(run.ended.value for run in runs)

    def _runs(self) -> int:
        """How many are stored by now."""
        if not (self.folder / FILE_NAME).exists():
            return 0
        with Reader.of(self.folder) as store:
            return store.totals().runs

    def _look(self) -> int:
        """How many runs there are, once all tables agree. The campaign must not run."""
        with Store.open(self.folder) as store:
            totals = consistent(store)
            numbers = [run.number for run in store.runs()]
        if len(numbers) != totals.runs + totals.spoiled or len(set(numbers)) != len(numbers):
            raise Wrong(f"{totals.runs} runs and {totals.spoiled} spoiled, {len(numbers)} stored")
        if totals.runs < self.stored:
            raise Wrong(f"{self.stored} runs were stored, {totals.runs} are")
        self.stored = totals.runs
        return totals.runs

    def _wait_for(self, runs: int) -> None:
        until = time.monotonic() + GOES_ON_S
        while self._runs() < runs:
            if self.leader is not None and self.leader.poll() is not None:
                raise Wrong(f"it ended by itself with {self.leader.returncode}: {self._output()}")
            if time.monotonic() > until:
                raise Wrong(f"does not go on within {GOES_ON_S:.0f} s: {self._output()}")
            time.sleep(0.1)

    def _wait_for_victims(self, leader: int, victim: str) -> Sequence[int]:
        until = time.monotonic() + GOES_ON_S
        while time.monotonic() < until:
            if found := self._victims(leader, victim):
                return found
            time.sleep(0.005)
        raise Wrong(f"there is no {victim}: {self._output()}")

    def _victims(self, leader: int, victim: str) -> Sequence[int]:
        if victim == COORDINATOR:
            return [leader]
        there = list(below(leader))
        if victim == ALL:
            return [leader, *there]
        marks = (_WORKER,) if victim == Victim.WORKER else MARKS[Victim(victim)]
        found = [pid for pid in there if any(mark in command_line(pid) for mark in marks)]
        return [self.random.choice(found)] if found else []

    def _nothing_stays(self) -> None:
        if left := left_over(GONE_S):
            raise Wrong(f"processes left: {'; '.join(line[:160] for line in left)}")

    def _output(self) -> str:
        return (self.stand.folder / "output").read_text(errors="replace")[-2000:]


def main() -> int:
    """Do all kills; the exit code."""
    parser = argparse.ArgumentParser(prog="python -P -m tests.kills.campaign", description=__doc__)
    parser.add_argument("--count", type=int, default=50, help="kills (%(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of all that is drawn (%(default)s)")
    parser.add_argument("--flavour", default="uml", help="of the guests (%(default)s)")
    given = parser.parse_args()
    adopt_orphans()
    with tempfile.TemporaryDirectory(prefix="kills-") as name:
        Path(name).chmod(0o755)
        kills = Kills(new_stand(Path(name), 0), campaign(given.flavour), Random(given.seed), _say)
        try:
            while kills.killed.total() < given.count:
                kills.kill_one()
            ended = kills.end()
        except (Wrong, AssertionError) as wrong:
            _say(f"WRONG after {dict(kills.killed)}: {wrong}")
            return 1
        finally:
            left_over(0.0)
    _say(f"killed: {dict(kills.killed)}; runs by their end: {dict(ended)}; seed {given.seed}")
    return 0


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
