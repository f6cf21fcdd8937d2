# SPDX-License-Identifier: GPL-2.0-only
"""What a user waits for who starts a command: wall and CPU time, and what a run leaves behind."""

from __future__ import annotations

import csv
import io
import resource
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from rich import box
from rich.table import Table

from testbed.errors import GuestCommandFailed, UsageProblem
from testbed.host.child import run_python
from testbed.host.load import LoadSeen
from testbed.report.quantities import binary_bytes
from testbed.report.runs import runs_in

LIMIT_S = 1800.0
CYCLES = 10
_RUNS = ("--run-dir", "runs")


@dataclass(frozen=True)
class Command:
    """``words`` behind ``testbed``, which do ``times`` times what is told."""

    words: tuple[str, ...]
    times: int = 1


COMMANDS: Mapping[str, Command] = {
    "help": Command(("--help",)),
    "exec-uml": Command(("exec", "--engine", "uml", *_RUNS, "--", "true")),
    "exec-qemu": Command(("exec", *_RUNS, "--", "true")),
    "run-uml": Command(("run", "--engine", "uml", *_RUNS)),
    "run-qemu": Command(("run", *_RUNS)),
    "cycle": Command(("repeat", "zcrx", "--runs", str(CYCLES), "--workers", "1", *_RUNS), CYCLES),
}
DEFAULT = ("help", "exec-uml", "exec-qemu", "cycle")


@dataclass(frozen=True)
class Took:
    """One command in one round: seconds, CPU time with that of all descendants it waited for, and
    the size of the run directory it left (0 without one)."""

    command: str
    round: int
    wall_s: float
    cpu_s: float
    left_bytes: int


def named(option: str, text: str) -> tuple[str, ...]:
    """Names of COMMANDS with commas between. Raises UsageProblem."""
    names = tuple(dict.fromkeys(word.strip() for word in text.split(",") if word.strip()))
    for name in names or ("",):
        if name not in COMMANDS:
            allowed = ", ".join(COMMANDS)
            raise UsageProblem(f"{option}: there is no {name!r}", remedy=f"allowed: {allowed}")
    return names


def measure(
    names: Sequence[str], rounds: int, folder: Path, say: Callable[[str], None]
) -> list[Took]:
    """Each command in every round; round 0 fills caches and gives nothing.

    Raises GuestCommandFailed for a command that does not end well, EnvironmentProblem.
    """
    found: list[Took] = []
    for number in range(rounds + 1):
        took = [_run(name, number, folder / f"{name}-{number}") for name in names]
        found += took if number else []
        say(f"round {number} of {rounds}" if number else "warmed up")
    return found


def _run(name: str, number: int, place: Path) -> Took:
    command = COMMANDS[name]
    place.mkdir()
    before, began = _computed_s(), time.monotonic()
    done = run_python(["-m", "testbed", *command.words], place / "log", LIMIT_S, folder=place)
    wall_s, cpu_s = time.monotonic() - began, _computed_s() - before
    if done.returncode:
        said = f"testbed {' '.join(command.words)} ends with {done.returncode}"
        raise GuestCommandFailed(f"{said}: {done.reason}", log_path=place / "log")
    left = sum(run.size_bytes for run in runs_in(place / "runs"))
    shutil.rmtree(place)
    return Took(name, number, wall_s / command.times, cpu_s / command.times, left)


def _computed_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def table(found: Sequence[Took]) -> Table:
    """For a terminal: medians, and the least and the most."""
    shown = Table(box=box.SIMPLE, padding=(0, 1, 0, 0))
    for name in ("", "wall s", "least..most", "CPU s", "least..most", "leaves behind"):
        shown.add_column(name, justify="right")
    for name, those in _by_command(found).items():
        walls, cpus = [one.wall_s for one in those], [one.cpu_s for one in those]
        left = median(one.left_bytes for one in those)
        shown.add_row(
            name, f"{median(walls):.2f}", f"{min(walls):.2f}..{max(walls):.2f}",
            f"{median(cpus):.2f}", f"{min(cpus):.2f}..{max(cpus):.2f}",
            binary_bytes(round(left)) if left else "",
        )  # fmt: skip
    return shown


def samples_csv(found: Sequence[Took]) -> str:
    """One line for each command and round."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("command", "round", "wall_s", "cpu_s", "left_bytes"))
    for one in found:
        seconds = (f"{one.wall_s:.3f}", f"{one.cpu_s:.3f}")
        writer.writerow((one.command, one.round, *seconds, one.left_bytes))
    return text.getvalue()


def document(found: Sequence[Took], load: LoadSeen, commit: str | None) -> dict[str, Any]:
    """The medians for programs."""
    return {
        "commit": commit, "load": load.document(),
        "commands": {
            name: {
                "wall_s": round(median(one.wall_s for one in those), 3),
                "cpu_s": round(median(one.cpu_s for one in those), 3),
                "left_bytes": round(median(one.left_bytes for one in those)),
            }
            for name, those in _by_command(found).items()
        },
    }  # fmt: skip


def _by_command(found: Sequence[Took]) -> dict[str, list[Took]]:
    names = dict.fromkeys(one.command for one in found)
    return {name: [one for one in found if one.command == name] for name in names}
