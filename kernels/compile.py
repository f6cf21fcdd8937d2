# SPDX-License-Identifier: GPL-2.0-only
"""Running make in the build root: progress while it runs, the first error when it fails."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from images.buildroot import DEADLINE_S, BuildRoot
from images.command import shortage

SOURCE_PLACE, BUILD_PLACE, GIVEN_PLACE = "/kernel/source", "/kernel/build", "/kernel/given"
"""Where the build sees its folders: the same on every machine, so the result is the same too."""

STAMP = {
    "KBUILD_BUILD_TIMESTAMP": "1970-01-01",
    "KBUILD_BUILD_USER": "testbed",
    "KBUILD_BUILD_HOST": "testbed",
    "KBUILD_BUILD_VERSION": "1",
}
NICENESS = "10"
STOP_S = 5.0
CONTEXT_LINES = 6
LOG_CHARACTERS, LINE_CHARACTERS = 1 << 26, 1 << 16
"""What is kept of a build's output, and read of it at once; a whole kernel with V=1 prints 1 << 24.
"""

_STEP = re.compile(r"  ([A-Z][A-Z0-9_]+)(?: \[M\])? +(\S+)$")
_COMPILES = ("CC", "AS", "LD")
_DIAGNOSED = re.compile(
    r"(?:fatal )?error:|undefined reference|multiple definition|: not found$|No rule to make target"
    r"|unterminated|ld: .*(?:cannot|failed)"
)
_LEADS_TO = re.compile(r"^In file included|^ {17}from |: In function ")
_CODE = re.compile(r"^ +(?:\d+ )?\|")
_STOPPED = re.compile(r"^make(?:\[\d+\])?: \*\*\* ")


class BuildFailed(Exception):
    """The source does not build. `first_error` is the log's first error, `log` the whole log."""

    def __init__(self, what: str, first_error: str, log: Path) -> None:
        super().__init__(f"{what} does not build:\n{first_error}")
        self.first_error = first_error
        self.log = log


@dataclass(frozen=True)
class Progress:
    """How far make is: `done` of about `total` files, `current` the one it began last."""

    done: int
    total: int
    current: str


Watch = Callable[[Progress], None]


class Deadline:
    """Kills a process and its group when it takes for ever after the timer was started; `passed`
    tells that it was this."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.passed = False
        self._process = process
        self.timer = threading.Timer(DEADLINE_S, self._kill)

    def _kill(self) -> None:
        self.passed = True
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)


@dataclass(frozen=True)
class Make:
    """make for one object tree. `variables` go on its command line, `evaluate` to --eval.

    `named` is what an error calls the source: the user's own folder, if it is one.
    """

    root: BuildRoot
    source: Path
    build: Path
    host: Path
    host_place: str
    variables: Mapping[str, str]
    evaluate: Sequence[str] = ()
    named: str = SOURCE_PLACE

    @property
    def log(self) -> Path:
        """All that the last run printed."""
        return self.build.parent / "build.log"

    @property
    def given(self) -> Path:
        """A folder for files of ours that the build reads: it may not write what we write."""
        folder = self.build.parent / "given"
        folder.mkdir(exist_ok=True)
        return folder

    @property
    def argv(self) -> list[str]:
        """The command without targets; a run adds -j."""
        # a build's Python scripts must not leave compiled modules in the build root
        words = ["env", "PYTHONDONTWRITEBYTECODE=1", "make", "-C", SOURCE_PLACE, f"O={BUILD_PLACE}"]
        words += [f"--eval={statement}" for statement in self.evaluate]
        return [*words, *(f"{name}={value}" for name, value in self.variables.items())]

    def compiled(self) -> int:
        """How many files have been compiled so far: kbuild leaves a .cmd file beside each."""
        walk = os.walk(self.build)
        return sum(name.endswith(".o.cmd") for _, _, names in walk for name in names)

    def run(
        self,
        what: str,
        targets: Sequence[str],
        *,
        jobs: int,
        watch: Watch | None = None,
        expected: int = 0,
        append: bool = False,
    ) -> int:
        """Make the targets; how many files were compiled.

        `expected` is how many a whole build takes. Raises BuildFailed, or EnvironmentProblem when
        disk or memory is too small. However it ends, no process of it is left.
        """
        argv = [*self.argv, f"-j{jobs}", *targets]
        return self.shell(what, argv, watch=watch, expected=expected, append=append)

    def shell(
        self,
        what: str,
        argv: Sequence[str],
        *,
        watch: Watch | None = None,
        expected: int = 0,
        append: bool = False,
    ) -> int:
        """Run any command in the build root with the folders of this build, as `run` does."""
        read = {SOURCE_PLACE: self.source, GIVEN_PLACE: self.given, self.host_place: self.host}
        with (
            self.root.entered(
                argv, read=read, write={BUILD_PLACE: self.build}, folder=BUILD_PLACE
            ) as jailed,
            self.log.open("a" if append else "w", buffering=1) as log,  # can be watched
            subprocess.Popen(
                ["nice", "-n", NICENESS, *jailed.argv],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                start_new_session=True,
                pass_fds=list(jailed.fds),
            ) as process,
        ):
            deadline = Deadline(process)
            try:
                deadline.timer.start()  # waits for its thread: where a signal may come as well
                steps = self._follow(process, log, watch, expected)
                status = process.wait()
            except BaseException:
                _stop(process)
                raise
            finally:
                deadline.timer.cancel()
            if deadline.passed:
                late = f"it did not end within {DEADLINE_S / 3600:.0f} hours"
                raise BuildFailed(what, late, self.log)
            if status:
                jailed.check()
        if status:
            raise self._failure(what, status)
        return steps

    def _follow(
        self, process: subprocess.Popen[str], log: IO[str], watch: Watch | None, expected: int
    ) -> int:
        """Log what it prints, as far as that is not endless; how many files it has compiled."""
        assert process.stdout is not None
        steps, left = 0, LOG_CHARACTERS
        present = self.compiled() if watch else 0
        while line := process.stdout.readline(LINE_CHARACTERS):
            log.write(line[:left])
            left -= min(len(line), left)
            match = _STEP.match(line.rstrip("\n"))
            if match is None:
                continue
            steps += match[1] in _COMPILES
            if watch:
                done = present + steps
                watch(Progress(done, max(done, expected), match[2]))
        return steps

    def _failure(self, what: str, status: int) -> Exception:
        text = self.log.read_text(errors="replace")
        if problem := shortage(status, text, self.build, what):
            return problem
        error = first_error(text).replace(f"{SOURCE_PLACE}/", f"{self.named}/")
        return BuildFailed(what, error or f"make ended with {status}", self.log)


def first_error(log: str) -> str:
    """The first error in make's output with the lines that explain it, or "".

    Make goes on with what it has begun, so the last lines seldom tell why.
    """
    lines = log.splitlines()
    for number, line in enumerate(lines):
        if _DIAGNOSED.search(line):
            start = number
            while start > 0 and _LEADS_TO.search(lines[start - 1]):
                start -= 1
            kept = lines[max(start, number - CONTEXT_LINES) : number + 1]
            for follower in lines[number + 1 : number + CONTEXT_LINES]:
                if not _CODE.match(follower):
                    break
                kept.append(follower)  # the line of code, and a mark below it
            return "\n".join(kept)
    for number, line in enumerate(lines):
        if _STOPPED.match(line):
            return "\n".join(lines[max(0, number - 3) : number + 1])
    return ""


def _stop(process: subprocess.Popen[str]) -> None:
    """End make and all it started; make removes what it was about to finish."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STOP_S)
            if number == signal.SIGTERM:
                continue  # make has gone; what ignores SIGTERM has not
            return
