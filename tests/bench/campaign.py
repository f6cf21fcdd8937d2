# SPDX-License-Identifier: GPL-2.0-only
"""What more workers bring to a fuzz campaign, and what leading them costs. Run by hand:

    python -P -m tests.bench.campaign [--workers 1,2,4] [--joined 2] [--runs N] [--flavour uml]
    python -P -m tests.bench.campaign --simulated 64 [--takes SECONDS] [--edges N] [--runs N]

Each row is a campaign of its own, of one seed. Joined workers are processes of their own, told by
nothing but the campaign's key.json; beside them the campaign has one worker of its own. Simulated
ones sleep, all in one process that has joined (crowd.py), and answer with so many edges; the share
is of the runs that they could have done had none waited for the coordinator.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from testbed.fuzz.campaign import Campaign, Limits
from testbed.fuzz.credentials import FILE_NAME
from testbed.fuzz.reading import Reader
from testbed.fuzz.start import Wanted, open_campaign, search_of
from testbed.fuzz.workers import DaskPool, ExecutorSpec
from testbed.host import interrupt
from tests.unit.testbed.fuzz.simulated import slow

RUNS = {False: 60, True: 1920}
"""How many if nobody says: real ones, simulated ones."""
JOIN_S = 60.0
HEAD = "| workers | runs | a second | CPU s a run | load |\n|---|---|---|---|---|"


@dataclass(frozen=True)
class Took:
    """A campaign; CPU seconds are those of guests, cards and workers, as its store has them."""

    workers: str
    runs: int
    wall_s: float
    cpu_s: float

    def __str__(self) -> str:
        return (
            f"| {self.workers} | {self.runs} | {self.runs / self.wall_s:.2f} |"
            f" {self.cpu_s / self.runs:.2f} | {os.getloadavg()[0]:.1f} |"
        )


def _testbed(*words: str, cwd: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "testbed", *words], cwd=cwd, stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip


def real(folder: Path, workers: int, joined: int, runs: int, flavour: str) -> Took:
    """A campaign with guests. Raises CalledProcessError."""
    name = f"w{workers}-{joined}"
    place = folder / "runs" / f"fuzz-{name}"
    words = f"fuzz start --name {name} --flavour {flavour} --seed 1 --workers {workers}".split()
    leader = _testbed(*words, "--runs", str(runs), cwd=folder)
    others = []
    if joined:
        until = time.monotonic() + JOIN_S
        while not (place / FILE_NAME).exists() and time.monotonic() < until:
            time.sleep(0.1)
        others = [
            _testbed("fuzz", "worker", str(place / FILE_NAME), "--workers", "1", cwd=folder)
            for _ in range(joined)
        ]
    for process in (leader, *others):
        process.wait()
    if leader.returncode:
        raise subprocess.CalledProcessError(leader.returncode, leader.args)
    with Reader.of(place) as store:
        rows = list(store.runs())
    took = Took(
        f"{workers} and {joined} joined" if joined else str(workers), len(rows),
        max(row.at for row in rows), sum(row.cpu_s for row in rows),
    )  # fmt: skip
    if joined and len({row.worker for row in rows}) != workers + joined:
        raise RuntimeError(f"not all took part: {sorted({row.worker for row in rows})}")
    return took


def simulated(folder: Path, workers: int, takes_s: float, edges: int, runs: int) -> str:
    """A campaign whose runs sleep ``takes_s`` and then show so many edges."""
    spec = ExecutorSpec(factory=slow(takes_s, edges), flavour="uml")
    pool = DaskPool(spec, campaign="simulated", workers=0, folder=folder / "workers")
    crowd = subprocess.Popen(
        [sys.executable, "-P", "-m", "tests.bench.crowd", str(pool.invitation), str(workers)]
    )
    try:
        until = time.monotonic() + JOIN_S
        while pool.size() < workers and time.monotonic() < until:
            time.sleep(0.1)
        with open_campaign(folder, Wanted(flavour="uml")) as store:
            campaign = Campaign(
                store, pool, search_of(store), Limits(runs=runs), lambda _line: None
            )
            before, began = time.process_time(), time.monotonic()
            campaign.run()
            wall_s, cpu_s = time.monotonic() - began, time.process_time() - before
    finally:
        with interrupt.held():
            pool.close()
            crowd.wait()
    share = runs * takes_s / workers / wall_s
    each_ms = cpu_s / runs * 1000
    return (
        f"{workers} simulated workers, runs of {takes_s:g} s with {edges} edges: {runs} runs in"
        f" {wall_s:.1f} s, {runs / wall_s:.1f} a second, {share:.0%} of what they could do;"
        f" coordinator {each_ms:.1f} ms of CPU time a run, load {os.getloadavg()[0]:.1f}"
    )


def rows(given: argparse.Namespace, folder: Path) -> Iterator[object]:
    """What there is to print."""
    runs = given.runs or RUNS[bool(given.simulated)]
    if given.simulated:
        yield simulated(folder, given.simulated, given.takes, given.edges, runs)
        return
    yield HEAD
    for workers in (int(word) for word in given.workers.split(",") if word):
        yield real(folder, workers, 0, runs, given.flavour)
    if given.joined:
        yield real(folder, 1, given.joined, runs, given.flavour)


def main(arguments: Sequence[str] | None = None) -> None:
    """What the module's docstring says."""
    parser = argparse.ArgumentParser(prog="python -P -m tests.bench.campaign", description=__doc__)
    parser.add_argument("--workers", default="1,2,4", help="of one campaign each (%(default)s)")
    parser.add_argument("--joined", type=int, default=2, help="workers that join (%(default)s)")
    parser.add_argument("--runs", type=int, help="of each campaign")
    parser.add_argument("--flavour", default="uml", help="of the guests (%(default)s)")
    parser.add_argument("--simulated", type=int, default=0, metavar="WORKERS")
    parser.add_argument("--takes", type=float, default=1.5, help="s a run (%(default)s)")
    parser.add_argument("--edges", type=int, default=4000, help="it shows (%(default)s)")
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="campaign-") as name:
        Path(name).chmod(0o755)
        for row in rows(given, Path(name)):
            print(row, flush=True)


if __name__ == "__main__":
    main()
