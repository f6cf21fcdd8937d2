# SPDX-License-Identifier: GPL-2.0-only
"""Fixtures of tests that boot a guest: artefacts once, sessions and command lines per test."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import pytest

from testbed.artifacts.prepare import Prepared
from testbed.engines.qemu.engine import ENGINE as QEMU
from testbed.engines.qemu.session import QemuSession
from testbed.options import RunOptions
from tests.seeded.choice import chosen

ROOT = Path(__file__).parents[2]
SEEDED_BUGS = "test_seeded.py"
PUT_AWAY_S = 30.0
Opener = Callable[..., AbstractContextManager[QemuSession]]


@pytest.fixture(scope="session")
def artefacts() -> tuple[RunOptions, Prepared]:
    """Default options and everything they need."""
    return QEMU.prepare(RunOptions(seed=1, memory_mib=1024), lambda _text: None)


@pytest.fixture
def open_session(artefacts: tuple[RunOptions, Prepared], tmp_path: Path) -> Opener:
    """Open a session with some options changed; its logs go to the test's folder."""
    options, prepared = artefacts
    return lambda **changes: QemuSession(replace(options, **changes), tmp_path, prepared)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Of test_seeded.py: the bugs of this run, and what else is of their engines."""
    bugs = chosen(
        engine=config.getoption("seeded_engine"), part=config.getoption("seeded_part"),
        everything=config.getoption("all_seeded"),
    )  # fmt: skip
    engines = {bug.engine for bug in bugs}
    left_out = []
    for item in items:
        if not isinstance(item, pytest.Function) or item.path.name != SEEDED_BUGS:
            continue
        parameters = item.callspec.params if hasattr(item, "callspec") else {}
        bug, engine = parameters.get("bug"), parameters.get("engine", "uml")
        if engine not in engines if bug is None else bug not in bugs:
            left_out.append(item)
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]


class CommandLine:
    """``testbed`` commands in a folder of their own; knows what they leave behind.

    A context: what has been started and still runs at its end is told to end.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.private = folder / "private"
        self.private.mkdir(mode=0o755)
        self._started = ExitStack()
        self._env = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "TMPDIR": str(self.private),
            "XDG_RUNTIME_DIR": str(self.private),
        }

    def start(
        self, *arguments: str, before: Sequence[str] = (), **more: Any
    ) -> subprocess.Popen[bytes]:
        """Start it, with words ``before`` it; output and error are pipes unless ``more`` says
        otherwise.
        """
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **more}
        command = [*before, sys.executable, "-m", "testbed", *arguments]
        process = subprocess.Popen(command, cwd=self.folder, env=self._env, **pipes)
        self._started.callback(_put_away, process)
        return process

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._started.close()

    def run(
        self, *arguments: str, given: bytes = b"", before: Sequence[str] = ()
    ) -> subprocess.CompletedProcess[bytes]:
        """Run it to its end, at most two minutes."""
        process = self.start(*arguments, before=before, stdin=subprocess.PIPE)
        out, err = process.communicate(given, timeout=120)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def left_behind(self) -> list[str]:
        """Processes that know our private folder, and what lies in it."""
        found = [str(path) for path in self.private.iterdir()]
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit() or int(entry.name) == os.getpid():
                continue
            try:
                words = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if str(self.private).encode() in words:
                found.append(words.replace(b"\0", b" ").decode(errors="replace")[:200])
        return found

    def wait_clean(self, seconds: float = 10.0) -> list[str]:
        """What is still left after ``seconds``; empty as soon as nothing is."""
        deadline = time.monotonic() + seconds
        while (left := self.left_behind()) and time.monotonic() < deadline:
            time.sleep(0.1)
        return left


def _put_away(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(PUT_AWAY_S)
        except subprocess.TimeoutExpired:
            process.kill()
    with process:
        pass  # closes its pipes


@pytest.fixture
def testbed(tmp_path: Path, artefacts: tuple[RunOptions, Prepared]) -> Iterator[CommandLine]:
    """The ``testbed`` command line (the artefacts are there already)."""
    with CommandLine(tmp_path) as command_line:
        yield command_line
