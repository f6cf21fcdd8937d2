# SPDX-License-Identifier: GPL-2.0-only
"""Campaigns whose processes are killed at random: the store has to stay consistent.

python -P -m tests.unit.testbed.fuzz.kills --count 50 --seed 1

Each time a campaign on the simulated kernel goes on in a process of its own, until it, a worker,
or all of them are killed. At the end it runs to the end: every number is there once.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import psutil

from testbed.fuzz.campaign import Campaign, Limits
from testbed.fuzz.folder import leading
from testbed.fuzz.reading import FILE_NAME, Reader
from testbed.fuzz.store import Store
from testbed.fuzz.workers import DaskPool, ExecutorSpec
from testbed.host import interrupt
from tests.unit.testbed.fuzz.simulated import SimulatedSearch, slow
from tests.unit.testbed.fuzz.test_campaign import consistent

RUNS_A_KILL = 15
VICTIMS = ("coordinator", "worker", "all")


def lead(folder: Path, runs: int) -> None:
    """In a process of its own: go on with the campaign, until it has so many runs."""
    interrupt.install()
    with leading(folder):
        there = (folder / FILE_NAME).exists()
        store = Store.open(folder) if there else Store.make(folder, {"seed": "1"})
        spec = ExecutorSpec(factory=slow(0.02), flavour="uml")
        pool = DaskPool(spec, campaign="kills", workers=2, folder=folder / "workers")
        try:
            limits = Limits(runs=runs, check_every=7)
            Campaign(store, pool, SimulatedSearch(), limits, print).run()
        finally:
            pool.close()


def _leader(folder: Path, runs: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-P", "-m", __spec__.name if __spec__ else __name__]
    return subprocess.Popen(
        [*command, "--lead", str(folder), "--runs", str(runs)], stdout=subprocess.DEVNULL
    )


def _runs(folder: Path) -> int:
    """How many are stored, while the campaign runs."""
    if not (folder / FILE_NAME).exists():
        return 0
    with Reader.of(folder) as store:
        return store.totals().runs


def _stored(folder: Path) -> int:
    """The same once it has ended, and all tables agree."""
    if not (folder / FILE_NAME).exists():
        return 0
    with Store.open(folder) as store:
        return consistent(store).runs


def _kill(process: subprocess.Popen[bytes], victim: str, random: Random) -> None:
    mine = psutil.Process(process.pid)
    workers = [
        one for one in mine.children(recursive=True) if "spawn_main" in " ".join(one.cmdline())
    ]
    chosen = [mine] if victim == "coordinator" else random.sample(workers, min(1, len(workers)))
    for one in [*workers, mine] if victim == "all" else chosen:
        one.kill()


def try_kills(folder: Path, count: int, seed: int, say: Callable[[str], None]) -> Counter[str]:
    """Kill ``count`` times; who was killed how often. Raises AssertionError."""
    random, killed = Random(seed), Counter[str]()
    while killed.total() < count:
        before = _stored(folder)
        process = _leader(folder, 10**6)
        try:
            until = time.monotonic() + 120
            while _runs(folder) < before + random.randrange(1, RUNS_A_KILL):
                assert process.poll() is None, "it ended by itself"
                assert time.monotonic() < until, "it does not go on"
                time.sleep(random.random() / 5)
            victim = random.choice(VICTIMS)
            _kill(process, victim, random)
            killed[victim] += 1
            if victim == "worker":  # the campaign goes on with another one
                now = _runs(folder)
                while _runs(folder) <= now + 4:
                    assert time.monotonic() < until, "it does not go on"
                    time.sleep(0.1)
        finally:
            process.kill()
            process.wait()
        after = _stored(folder)
        assert after >= before
        say(f"{killed.total():3} {victim}: {before} to {after} runs, consistent")
    runs = _stored(folder) + 10
    process = _leader(folder, runs)
    assert process.wait(120) == 0
    with Store.open(folder) as store:
        assert consistent(store).runs == runs
        assert [run.number for run in store.runs()] == list(range(1, runs + 1))
    return killed


def main() -> None:
    """What the module's docstring says."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--lead", type=Path)
    parser.add_argument("--runs", type=int, default=0)
    given = parser.parse_args()
    if given.lead is not None:
        lead(given.lead, given.runs)
        return
    with TemporaryDirectory() as folder:
        print(dict(try_kills(Path(folder), given.count, given.seed, print)))


if __name__ == "__main__":
    main()
