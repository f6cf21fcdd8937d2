# SPDX-License-Identifier: GPL-2.0-only
"""``python -P -m tests.busy``: main jobs of both engines at once on a host that is much too busy.

Six UML guests, each followed by another until both QEMU guests have ended, and thirty endless
loops beside them. No verdict may be false: nothing is wrong with kernel and card, so every run has
to pass, whatever the host does; and one seed is one event hash. Prints a table; exit code 1 if
anything was wrong. Takes five minutes on four cores.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from images.command import DIE_WITH_US

MOST_S = 3600.0
LOOP = ("sh", "-c", "while :; do :; done")


@dataclass(frozen=True)
class Run:
    """One main job: how it ended, and what its summary says of that."""

    engine: str
    code: int
    verdict: str
    event_hash: str
    seconds: float
    folder: Path

    @property
    def wrong(self) -> bool:
        """Whether it did not pass, or says two things."""
        return (self.code, self.verdict) != (0, "pass")


def main_job(engine: str, seed: int, folder: Path) -> Run:
    """Run the main job in a folder of its own."""
    folder.mkdir()
    words = ["run", "--engine", engine, "--seed", str(seed), "--run-dir", str(folder / "run")]
    began = time.monotonic()
    with (folder / "output").open("wb") as output:
        try:
            code = subprocess.run(
                [*DIE_WITH_US, sys.executable, "-P", "-m", "testbed", *words], cwd=folder,
                stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, check=False,
                timeout=MOST_S,
            ).returncode  # fmt: skip
        except subprocess.TimeoutExpired:
            code = -1
    seconds = time.monotonic() - began
    summary = next((json.loads(path.read_bytes()) for path in folder.rglob("summary.json")), {})
    return Run(
        engine, code, str(summary.get("verdict", "none")), str(summary.get("event_hash") or ""),
        seconds, folder,
    )  # fmt: skip


@contextmanager
def busy(loops: int) -> Iterator[None]:
    """Endless loops beside whatever is done meanwhile."""
    started = [subprocess.Popen([*DIE_WITH_US, *LOOP]) for _ in range(loops)]
    try:
        yield
    finally:
        for loop in started:
            loop.kill()
            loop.wait()


def run_all(uml: int, qemu: int, loops: int, seed: int, folder: Path) -> list[Run]:
    """Every run, in the order in which they ended within their engine."""
    with busy(loops), ThreadPoolExecutor(max_workers=uml + qemu) as pool:
        slow = [
            pool.submit(main_job, "qemu", seed, folder / f"qemu-{number}") for number in range(qemu)
        ]

        def again_and_again(number: int) -> list[Run]:
            runs: list[Run] = []
            while not runs or not all(map(Future.done, slow)):
                runs.append(main_job("uml", seed, folder / f"uml-{number}-{len(runs)}"))
                print(f"uml {number}: {runs[-1].verdict} {runs[-1].seconds:.0f} s", flush=True)
            return runs

        fast = [pool.submit(again_and_again, number) for number in range(uml)]
        return [run for one in fast for run in one.result()] + [one.result() for one in slow]


def table(runs: Sequence[Run]) -> list[str]:
    """For each engine: runs, ends, seconds, event hashes."""
    lines = ["engine | runs | exit codes, verdicts | seconds | event hashes"]
    for engine in sorted({run.engine for run in runs}):
        alike = [run for run in runs if run.engine == engine]
        ends = Counter(f"{run.code} {run.verdict}" for run in alike)
        seconds = sorted(run.seconds for run in alike)
        hashes = Counter(run.event_hash[:12] for run in alike if run.event_hash)
        cells = [engine, str(len(alike))]
        cells.append(", ".join(f"{end} ({count})" for end, count in sorted(ends.items())))
        cells.append(f"{seconds[0]:.0f} to {seconds[-1]:.0f}")
        cells.append(", ".join(f"{name} ({count})" for name, count in hashes.items()) or "-")
        lines.append(" | ".join(cells))
    return lines


def wrong_of(runs: Sequence[Run]) -> list[str]:
    """One line for each thing that must not be."""
    lines = [
        f"{run.engine}: exit code {run.code}, verdict {run.verdict}: {run.folder}"
        for run in runs
        if run.wrong
    ]
    hashes = {run.event_hash for run in runs if run.engine == "uml" and not run.wrong}
    if len(hashes) > 1 or "" in hashes:
        lines.append(f"uml: {len(hashes)} event hashes of one seed")
    return lines


def main() -> int:
    """Run all and judge; the exit code."""
    parser = argparse.ArgumentParser(prog="python -P -m tests.busy", description=__doc__)
    parser.add_argument("--uml", type=int, default=6, help="guests at once (%(default)s)")
    parser.add_argument("--qemu", type=int, default=2, help="guests (%(default)s)")
    parser.add_argument("--loops", type=int, default=30, help="endless loops (%(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of every card (%(default)s)")
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="busy-"))
    folder.chmod(0o755)
    runs = run_all(given.uml, given.qemu, given.loops, given.seed, folder)
    print("\n".join([*table(runs), f"load average {os.getloadavg()[1]:.0f}; runs in {folder}"]))
    wrong = wrong_of(runs)
    print("\n".join(wrong))
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
