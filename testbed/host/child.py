# SPDX-License-Identifier: GPL-2.0-only
"""Our own Python in a process of its own: what it breaks is its own, and it ends when we do."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from testbed import ROOT
from testbed.errors import EnvironmentProblem
from testbed.host import interrupt
from testbed.host.parent import die_with_parent

END_PATIENCE_S = 120.0  # after an interrupt pytest still ends its guest and writes its report
TAIL_LINES = 4


@dataclass(frozen=True)
class Ended:
    """A process of ours that ended; its last lines of output."""

    returncode: int
    lines: list[str]
    timed_out: bool

    @property
    def last_line(self) -> str:
        """The last line it printed, or nothing."""
        return self.lines[-1] if self.lines else ""

    @property
    def reason(self) -> str:
        """Why it ended as it did, in one line."""
        if self.timed_out:
            return "no end in the time it had"
        return " ".join(self.lines[-TAIL_LINES:]) or f"ended with {self.returncode}"


def run_python(words: Sequence[str], log: Path, limit_s: float, *, folder: Path = ROOT) -> Ended:
    """Run our own Python with its output in ``log``; interrupted after ``limit_s``.

    ``folder`` is where it works, whose testbed.toml it reads.

    Raises EnvironmentProblem if it cannot be started, Interrupted if a signal ended it.
    """
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "200"}
    log.parent.mkdir(parents=True, exist_ok=True)
    timed_out = False
    try:
        with log.open("w", encoding="utf-8") as stream:
            process = subprocess.Popen(
                [sys.executable, "-P", *words], cwd=folder, env=environment,
                stdin=subprocess.DEVNULL, stdout=stream, stderr=subprocess.STDOUT,
                preexec_fn=partial(die_with_parent, os.getpid()),
            )  # fmt: skip
            try:
                process.wait(limit_s)
            except subprocess.TimeoutExpired:
                timed_out = True
                _end(process)
            except BaseException:
                _end(process)
                raise
    except OSError as err:
        raise EnvironmentProblem(f"{sys.executable} or {log}: {err.strerror}") from err
    text = log.read_text(encoding="utf-8", errors="replace")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not timed_out and process.returncode - 128 in interrupt.SIGNALS:
        raise interrupt.Interrupted(process.returncode - 128)
    return Ended(process.returncode, lines, timed_out)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(END_PATIENCE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
