# SPDX-License-Identifier: GPL-2.0-only
"""``python -P -m tests.kills --count 200 --seed 1``: kills and signals at random moments.

Commands, victims, signals and moments are drawn from the seed. After each, no process, mount, lock
or folder may be left, and exit code, summary.json and junit.xml agree and are true. Prints a table;
exit code 1 if anything was wrong.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from random import Random

from testbed.host import interrupt
from tests.kills.commands import KERNEL, SETS, Command
from tests.kills.processes import adopt_orphans, left_over
from tests.kills.trial import Trial, draw, new_stand, run_trial


def durations(commands: tuple[Command, ...], folder: Path) -> dict[str, float]:
    """How long each takes undisturbed, in seconds."""
    seconds = {}
    for number, command in enumerate(commands):
        began = time.monotonic()
        new_stand(folder, -1 - number).start(command).wait()
        seconds[command.name] = time.monotonic() - began
        print(f"{command.name}: {seconds[command.name]:.1f} s undisturbed", flush=True)
    return seconds


def table(trials: list[Trial]) -> list[str]:
    """Per command and per kind of hit: trials, those that hit nothing or too late, wrong ones."""
    rows = [["", "trials", "hit", "late", "wrong", "exit codes"]]
    for titles in ("command", "kind"):
        for title in sorted({getattr(one, titles) for one in trials}):
            alike = [one for one in trials if getattr(one, titles) == title]
            codes = Counter(str(one.code) for one in alike)
            rows.append(
                [
                    title, str(len(alike)), str(sum(one.hit for one in alike)),
                    str(sum(one.late and one.hit for one in alike)),
                    str(sum(bool(one.wrong) for one in alike)),
                    " ".join(f"{code} ({n})" for code, n in sorted(codes.items())),
                ]
            )  # fmt: skip
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return [" | ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) for row in rows]


def all_trials(
    given: argparse.Namespace, commands: tuple[Command, ...], folder: Path
) -> Iterator[Trial]:
    """Each trial, once it is over."""
    began = time.monotonic()
    seconds = durations(commands, folder)
    for number in range(given.count):
        if time.monotonic() - began > given.minutes * 60:
            return
        random = Random(f"{given.seed}/{number}")
        (command,) = random.choices(commands, [one.weight for one in commands])
        trial = draw(number, command, random, seconds[command.name])
        run_trial(trial, command, new_stand(folder, number))
        yield trial


def main() -> int:
    """Do all trials; the exit code."""
    parser = argparse.ArgumentParser(prog="python -P -m tests.kills", description=__doc__)
    parser.add_argument("--count", type=int, default=200, help="trials (%(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of all that is drawn (%(default)s)")
    parser.add_argument("--set", choices=SETS, default="uml", help="of commands (%(default)s)")
    parser.add_argument("--only", default="", help="commands whose name begins so")
    parser.add_argument("--minutes", type=float, default=600.0, help="begin none after that")
    parser.add_argument("--log", type=Path, help="append a JSON line for each trial")
    given = parser.parse_args()
    commands = tuple(one for one in SETS[given.set] if one.name.startswith(given.only))
    if SETS[given.set] is KERNEL and "TESTBED_CACHE" not in os.environ:
        parser.error("builds are killed in a cache of their own: set TESTBED_CACHE")
    adopt_orphans()
    for number in interrupt.SIGNALS:  # nohup and background jobs pass on that they are ignored
        signal.signal(number, signal.SIG_DFL)
    interrupt.install()
    trials: list[Trial] = []
    with tempfile.TemporaryDirectory(prefix="kills-") as name, suppress(KeyboardInterrupt):
        Path(name).chmod(0o755)
        for trial in all_trials(given, commands, Path(name)):
            trials.append(trial)
            _tell(trial, given.log)
    left_over(0.0)  # of a trial that was interrupted
    print("\n".join(table(trials)))
    wrong = sum(bool(one.wrong) for one in trials)
    print(f"{len(trials)} trials, seed {given.seed}, {wrong} wrong")
    return 1 if wrong else 0


def _tell(trial: Trial, log: Path | None) -> None:
    late = ", late" if trial.late else "" if trial.hit else ", hit nothing"
    print(
        f"{trial.number}: {trial.command}, {trial.kind} after {trial.delay_s:.2f} s: "
        f"{trial.code} {trial.verdict}{late} ({trial.end_s:.1f} s)",
        *trial.wrong, sep="\n  WRONG ", flush=True,
    )  # fmt: skip
    if log is not None:
        with log.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(asdict(trial)) + "\n")


if __name__ == "__main__":
    sys.exit(main())
