# SPDX-License-Identifier: GPL-2.0-only
"""A signal at each step of the main job: ``python -P -m tests.kills.steps --engine uml``.

The run is interrupted when it has its directory, and in each step while it waits for the guest, at
its first wait and at a later one, by each of the three signals in turn. It has to end as
interrupted, with a check for each step before that one and none for it, and leave nothing.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from testbed import ROOT
from testbed.host import interrupt
from testbed.job.main import job_steps
from testbed.options import Nic
from tests.kills.at_step import DIRECTORY
from tests.kills.processes import adopt_orphans, left_over
from tests.kills.trial import read_report

WAITS = (1, 10)
LIMIT_S = 300.0
GONE_S = 10.0
NAMES = tuple(step.name for step in job_steps(Nic.BNXT))
Place = tuple[str, int, int]


def places() -> Iterator[Place]:
    """Step, wait and signal of every trial."""
    signals = itertools.cycle(interrupt.SIGNALS)
    yield DIRECTORY, 1, next(signals)
    for wait in WAITS:
        for name in NAMES:
            yield name, wait, next(signals)


def interrupt_at(
    place: Place, engine: str, folder: Path, job: Sequence[str] = ("run",)
) -> list[str]:
    """Run the main job, or another, interrupt it there; what is wrong with its end."""
    name, wait, number = place
    words = [sys.executable, "-P", "-m", "tests.kills.at_step", name, str(wait), str(int(number))]
    private = folder / "private"
    private.mkdir(mode=0o755)
    done = subprocess.run(
        [*words, *job, *_on(engine), "--seed", "1", "--run-dir", str(folder / "runs")],
        cwd=ROOT, capture_output=True, check=False, timeout=LIMIT_S, stdin=subprocess.DEVNULL,
        env={**os.environ, "TMPDIR": str(private), "XDG_RUNTIME_DIR": str(private)},
    )  # fmt: skip
    wrong = [f"left: {line}" for line in left_over(GONE_S)]
    wrong += [f"left: {path.name}" for path in private.iterdir()]
    if done.returncode != 128 + number:
        wrong.append(f"exit code {done.returncode}: {done.stderr[-300:]!r}")
    summary, junit, _ = read_report(folder)
    if summary is None:
        return [*wrong, "no summary"]
    if (summary["verdict"], summary["exit_code"]) != ("interrupted", 128 + number):
        wrong.append(f"verdict {summary['verdict']}, {summary['exit_code']}: {summary['problem']}")
    if junit != "interrupted":
        wrong.append(f"JUnit's error {junit!r}")
    checks = [check["name"] for check in summary["checks"]]
    if tuple(checks) != (NAMES[: NAMES.index(name)] if name in NAMES else ()):
        wrong.append(f"checks {checks}")
    wrong += [f"{c['name']}: {c['reason']}" for c in summary["checks"] if c["outcome"] == "fail"]
    return wrong


def _on(engine: str) -> list[str]:
    return ["--engine", engine] if engine else []


def main() -> int:
    """All places; exit code 1 if anything was wrong."""
    parser = argparse.ArgumentParser(prog="python -P -m tests.kills.steps", description=__doc__)
    parser.add_argument("--engine", default="uml", help="default: %(default)s")
    parser.add_argument("--every", type=int, default=1, help="only each Nth place")
    given = parser.parse_args()
    adopt_orphans()
    bad = count = 0
    for place in itertools.islice(places(), 0, None, given.every):
        with tempfile.TemporaryDirectory(prefix="kills-") as name:
            Path(name).chmod(0o755)
            wrong = interrupt_at(place, given.engine, Path(name))
        count, bad = count + 1, bad + bool(wrong)
        print(json.dumps(place), *wrong or ["ok"], flush=True)
    print(f"{given.engine}: {count} interrupts, {bad} wrong")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
