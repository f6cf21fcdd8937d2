# SPDX-License-Identifier: GPL-2.0-only
"""One trial: start a command, kill or signal a process of it, look at what it says and leaves."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from junitparser import JUnitXml

from testbed import ROOT
from testbed.host import interrupt
from testbed.host.private import KILLED_LATE
from tests.kills.commands import EXPECTED, MARKS, Command, Victim
from tests.kills.processes import below, command_line, kill, left_over

END_S = 150.0
GONE_S = 10.0
LATE_S = 5.0
"""So long writes reports and puts machines away whoever was hit when all was done."""
VICTIM_S = 60.0
NEXT = ("exec", "--engine", "uml", "--", "true")
_WORKER = b"from multiprocessing"


@dataclass
class Trial:
    """What was done, and what came of it. ``wrong`` is empty if all is well."""

    number: int
    command: str
    victim: Victim
    signal: int
    delay_s: float
    code: int | None = None
    hit: bool = False
    late: bool = False
    verdict: str = ""
    end_s: float = 0.0
    wrong: list[str] = field(default_factory=list)

    @property
    def kind(self) -> str:
        """The row of the table it belongs to."""
        name = signal.Signals(self.signal).name.removeprefix("SIG")
        return f"{name} to {self.victim.value}"


def draw(number: int, command: Command, random: Random, seconds: float) -> Trial:
    """Who is hit by what and when; ``seconds`` is how long the command takes."""
    victim = random.choice((Victim.RUNNER, Victim.GROUP, *command.victims))
    if victim is Victim.RUNNER and random.random() < 0.1 and command.victims:
        victim = Victim.RUNNER_AND_REAPER
    signals = [signal.SIGKILL]
    if victim in (Victim.RUNNER, Victim.GROUP):
        signals = [*interrupt.SIGNALS, signal.SIGKILL]
    return Trial(number, command.name, victim, random.choice(signals), random.uniform(0.0, seconds))


class Stand:
    """A folder for one trial: working folder, temporary folder, private folders."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.temporary = folder / "tmp"
        self.temporary.mkdir(parents=True, mode=0o755)
        self._environment = {
            **os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(self.temporary),
            "XDG_RUNTIME_DIR": str(self.temporary),
        }  # fmt: skip

    def start(self, command: Command) -> subprocess.Popen[bytes]:
        """Start it as ./tb does: signals wait until somebody takes them."""
        pytest = command.module == "pytest"
        words = [sys.executable, "-P", "-m", command.module, *command.words(self.folder)]
        blocked = set() if pytest else set(interrupt.SIGNALS)
        signal.pthread_sigmask(signal.SIG_BLOCK, blocked)
        try:
            with (self.folder / "output").open("wb") as output:
                return subprocess.Popen(
                    words, cwd=ROOT if pytest else self.folder, env=self._environment,
                    stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                    start_new_session=True,
                )  # fmt: skip
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, blocked)

    def next_one(self) -> int:
        """Exit code of another command in the same place, which sweeps what a kill has left."""
        done = subprocess.run(
            [sys.executable, "-P", "-m", "testbed", *NEXT], cwd=self.folder,
            env=self._environment, stdin=subprocess.DEVNULL, capture_output=True, check=False,
            timeout=END_S,
        )  # fmt: skip
        return done.returncode

    def remains(self) -> list[str]:
        """What lies in the temporary folder."""
        return sorted(path.name for path in self.temporary.iterdir())


def read_report(folder: Path) -> tuple[dict[str, Any] | None, str, bool]:
    """Of the one run in ``folder``: summary.json, the type of JUnit's error, if there is one (or
    ""), and whether there is a run directory.
    """
    runs = [path for path in folder.glob("runs/*") if not path.is_symlink()]
    if not runs:
        return None, "", False
    try:
        document = json.loads((runs[0] / "summary.json").read_text())
        suites = JUnitXml.fromfile(str(runs[0] / "junit.xml"))
    except OSError:
        return None, "", True
    cases = [case for suite in suites for case in suite if case.name == "run" and case.result]
    return document, cases[0].result[0].type if cases else "", True


def run_trial(trial: Trial, command: Command, stand: Stand) -> None:
    """Do it, and write into ``trial`` what came of it."""
    mounts = _mounts()
    process = stand.start(command)
    _hit(trial, process)
    began = time.monotonic()
    try:
        trial.code = process.wait(END_S)
    except subprocess.TimeoutExpired:
        trial.wrong.append(f"does not end within {END_S:.0f} s")
        process.kill()
        trial.code = process.wait()
    trial.end_s = time.monotonic() - began
    trial.wrong += [f"process left: {line[:160]}" for line in left_over(GONE_S)]
    summary, junit, has_folder = read_report(stand.folder)
    early = command.module == "pytest" and not has_folder  # then the signal is Python's or pytest's
    if early and trial.code == -trial.signal:
        trial.code = 128 + trial.signal if trial.signal in interrupt.SIGNALS else trial.code
    output = (stand.folder / "output").read_bytes()
    if b"Traceback (most recent call last)" in output and not early:
        trial.wrong.append("a traceback")
    put_away = trial.victim is Victim.REAPER and KILLED_LATE.encode() in output
    _judge(trial, command, summary, junit, has_folder, put_away=put_away)
    code = stand.next_one()
    if code:
        trial.wrong.append(f"the next command ends with {code}")
    trial.wrong += [f"process left by the next: {line[:160]}" for line in left_over(GONE_S)]
    trial.wrong += [f"folder left: {name}" for name in stand.remains()]
    trial.wrong += [f"mount left: {line}" for line in sorted(_mounts() - mounts)]


def _mounts() -> set[str]:
    return set(Path("/proc/self/mountinfo").read_text().splitlines())


def _victims(trial: Trial, runner: int) -> list[int]:
    """Process ids of the victim, or nothing if it is not there."""
    if trial.victim is Victim.RUNNER:
        return [runner]
    if trial.victim is Victim.GROUP:
        return [-runner]
    if trial.victim is Victim.WORKER:
        ours = command_line(runner)
        found = [pid for pid in below(runner) if ours and command_line(pid) == ours]
        return found[:1]
    wanted = Victim.REAPER if trial.victim is Victim.RUNNER_AND_REAPER else trial.victim
    found = [
        pid for pid in below(runner) if any(mark in command_line(pid) for mark in MARKS[wanted])
    ]
    if trial.victim is Victim.RUNNER_AND_REAPER:
        return [runner, *found] if found else []
    return found[-1:]


def _hit(trial: Trial, process: subprocess.Popen[bytes]) -> None:
    """After the delay, as soon as the victim is there."""
    time.sleep(trial.delay_s)
    deadline = time.monotonic() + VICTIM_S
    while process.poll() is None and time.monotonic() < deadline:
        if kill(_victims(trial, process.pid), trial.signal):
            trial.hit = True
            return
        time.sleep(0.005)


def _judge(
    trial: Trial, command: Command, summary: dict[str, Any] | None, junit: str, has_folder: bool,
    *, put_away: bool,
) -> None:  # fmt: skip
    """Exit code, summary and JUnit agree, and say what happened.

    ``put_away``: the runner says that the reaper died when one of its machines had done its work.
    """
    assert trial.code is not None
    if trial.code == -signal.SIGKILL and trial.victim in (
        Victim.RUNNER, Victim.GROUP, Victim.RUNNER_AND_REAPER,
    ):  # fmt: skip
        return
    if summary is not None:
        trial.verdict = summary["verdict"]
        if summary["exit_code"] != trial.code:
            trial.wrong.append(f"exit code {trial.code}, summary {summary['exit_code']}")
        if bool(junit) != (summary["verdict"] not in ("pass", "fail")):
            trial.wrong.append(f"verdict {summary['verdict']}, JUnit's error {junit!r}")
    elif has_folder and command.reports:
        trial.wrong.append(f"a run directory without summary, exit code {trial.code}")
    expected = EXPECTED.get(trial.victim, (128 + trial.signal,))
    trial.late = trial.code not in expected and trial.code == 0
    if trial.code not in expected and not trial.late:
        trial.wrong.append(f"exit code {trial.code}")
    if trial.late and trial.hit and trial.verdict not in ("", "pass"):
        trial.wrong.append(f"verdict {trial.verdict}")
    if trial.late and trial.hit and trial.end_s > LATE_S and not put_away:
        trial.wrong.append(f"went on for {trial.end_s:.1f} s as if nothing had happened")


def new_stand(folder: Path, number: int) -> Stand:
    """An empty one."""
    place = folder / f"trial-{number}"
    shutil.rmtree(place, ignore_errors=True)
    return Stand(place)
