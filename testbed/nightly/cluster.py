# SPDX-License-Identifier: GPL-2.0-only
"""Who does the steps of a night: workers of dask.distributed, here or on other machines.

A worker that sees the nightly's folder works in there. One on another machine works in a folder of
its own, and sends the files.
"""

from __future__ import annotations

import shutil
import threading
from collections import deque
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from tempfile import mkdtemp

from distributed import WorkerPlugin, get_worker
from distributed.worker import Worker

from testbed.errors import EnvironmentProblem
from testbed.fuzz.cluster import Cluster
from testbed.fuzz.parts import Lost
from testbed.host import interrupt
from testbed.host.child import run_python
from testbed.nightly.attempt import Run, attempt
from testbed.nightly.plan import Step
from testbed.nightly.reading import Attempt
from testbed.nightly.run import LOCK

WORKERS = "workers"
MOST_FILE_BYTES = 64 << 20
MOST_FILES = 2000
WAIT_S = 1.0


@dataclass(frozen=True)
class Done:
    """What a worker found. ``files`` (name, content) and ``links`` (name, where to) are what it
    sends from another machine."""

    number: int
    found: Attempt
    files: tuple[tuple[str, bytes], ...] = ()
    links: tuple[tuple[str, str], ...] = ()


def do_step(
    number: int, step: Step, folder: Path, state: Path, token: str, limit_s: float,
    run: Run = run_python,
) -> Done:  # fmt: skip
    """In a worker: one step. ``token`` is what the lock in ``state`` holds where that is ours."""
    if _holds(state / LOCK, token):
        return Done(number, attempt(step, folder, state, limit_s, run))
    own = Path(mkdtemp(prefix="cell-", dir=get_worker().local_directory))
    try:
        found = attempt(step, own / "attempt", own, limit_s, run)
        files, links = _packed(own / "attempt")
        return Done(number, found, files, links)
    finally:
        shutil.rmtree(own, ignore_errors=True)


def _holds(file: Path, token: str) -> bool:
    try:
        return file.read_text(encoding="utf-8") == token
    except OSError:
        return False


def _packed(folder: Path) -> tuple[tuple[tuple[str, bytes], ...], tuple[tuple[str, str], ...]]:
    """All files and links below a folder, but those that are too large."""
    files, links = [], []
    for path in sorted(folder.rglob("*"))[:MOST_FILES]:
        name = str(path.relative_to(folder))
        if path.is_symlink():
            links.append((name, str(path.readlink())))
        elif path.is_file() and path.stat().st_size <= MOST_FILE_BYTES:
            files.append((name, path.read_bytes()))
    return tuple(files), tuple(links)


def unpack(done: Done, folder: Path) -> None:
    """Put what a worker sent into ``folder``, made anew: nothing goes or points outside of it.

    Raises EnvironmentProblem.
    """
    try:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for name, content in done.files:
            if _is_plain(name):
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                (folder / name).write_bytes(content)
        for name, target in done.links:
            if _is_plain(name) and _is_plain(target) and (folder / name).parent.is_dir():
                (folder / name).symlink_to(target)
    except OSError as error:
        raise EnvironmentProblem(f"{folder} cannot be written: {error.strerror}") from error


def _is_plain(name: str) -> bool:
    path = PurePosixPath(name)
    return bool(name) and not path.is_absolute() and ".." not in path.parts


class _Manners(WorkerPlugin):
    """Signals are for who leads the night."""

    name = "testbed-nightly"

    def setup(self, worker: Worker) -> None:
        if threading.current_thread() is threading.main_thread():  # a process of its own
            interrupt.ignore()


class OnCluster:
    """Steps on a cluster: of its own, which other machines may join, or one at an address."""

    def __init__(
        self, state: Path, *, workers: int, scheduler: str = "", listen: str = "",
        processes: bool = True, run: Run = run_python,
    ) -> None:  # fmt: skip
        self._state = state
        self._run = run
        self._token = (state / LOCK).read_text(encoding="utf-8")
        self._steps: dict[int, tuple[Step, Path]] = {}
        self._ended: deque[Done | Lost] = deque()
        self._cluster: Cluster[Done] = Cluster(
            name="nightly", workers=workers, folder=state / WORKERS, manners=_Manners(),
            scheduler=scheduler, listen=listen, processes=processes,
        )  # fmt: skip

    @property
    def where(self) -> str:
        """What lets another machine join."""
        return str(self._cluster.invitation or self._cluster.address)

    def size(self) -> int:
        """How many workers there are now, at least one."""
        return max(1, self._cluster.size())

    def give(self, step: Step, folder: Path, limit_s: float) -> None:
        """Have some worker do it. A campaign is where the nightly's folder is."""
        number = len(self._steps) + 1
        self._steps[number] = (step, folder)
        self._cluster.submit(
            number, do_step, number, step, folder, self._state, self._token, limit_s, self._run,
            here=step.cell.kind == "fuzz",
        )  # fmt: skip

    def collect(self) -> tuple[Step, Attempt]:
        """The next that has ended; a step whose workers died has no result. Raises TestbedError,
        Interrupted."""
        while not self._ended:
            interrupt.check()
            self._ended.extend(self._cluster.collect(WAIT_S))
        done = self._ended.popleft()
        step, folder = self._steps[done.number]
        if isinstance(done, Lost):
            return step, Attempt(verdict="no result", reason=done.reason, reached=False)
        if done.files or done.links:
            unpack(done, folder)
        return step, done.found

    def close(self) -> None:
        """Let all go; what is under way is lost."""
        self._cluster.close()
