# SPDX-License-Identifier: GPL-2.0-only
"""The private folder of one run, and the promise that nothing outlives the run.

Sockets lie in one folder only its owner can enter. A reaper process kills what the run started
and removes the folder when the runner ends in whatever way; should the whole host have gone down
instead, the next run sweeps the folders whose lock nobody holds.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from testbed.errors import EnvironmentProblem
from testbed.host import reaper

PREFIX = "bnxt-testbed-"
LOCK_NAME = "owner.lock"
UNFINISHED_S = 3600  # a folder without lock: whoever was making it was killed
REAPER_PATIENCE_S = 20.0
BASE_CAP_BYTES = 107 - len("/bnxt-testbed-12345678/vfio-user.sock")  # struct sockaddr_un


def base_folder() -> Path:
    """Where private folders live: the user's runtime directory, else the temporary one.

    Root uses the temporary one: QEMU's own user must be able to get there.
    """
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    if runtime and os.getuid() != 0 and os.access(runtime, os.W_OK | os.X_OK):
        return Path(runtime)
    return Path(tempfile.gettempdir())


def sweep(base: Path) -> list[Path]:
    """Remove the private folders in ``base`` whose runner and reaper are both dead."""
    swept = []
    for folder in base.glob(PREFIX + "*"):
        try:
            if folder.stat().st_uid != os.getuid():
                continue
            lock = os.open(folder / LOCK_NAME, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        except FileNotFoundError:
            swept += [folder] if _sweep_unfinished(folder) else []
            continue
        except OSError:
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
            swept.append(folder)
        except BlockingIOError:
            pass
        finally:
            os.close(lock)
    return swept


def _sweep_unfinished(folder: Path) -> bool:
    """Remove one that has no lock yet, if that was long ago."""
    try:
        if time.time() - folder.stat().st_mtime < UNFINISHED_S:
            return False
    except OSError:
        return False
    shutil.rmtree(folder, ignore_errors=True)
    return True


KILLED_LATE = "the clean-up process was killed while its machine was put away; its work is done"
"""Said on standard error, since nothing else comes of it."""


class PrivateFolder:
    """A folder with mode 0700 and its reaper; a context manager.

    ``path`` is the folder. Raises EnvironmentProblem if it cannot be made.
    """

    def __init__(self) -> None:
        base = base_folder()
        if len(os.fsencode(base)) > BASE_CAP_BYTES:
            raise EnvironmentProblem(
                f"{base} is too long a name for a folder of sockets",
                remedy="point TMPDIR to a folder with a shorter name",
            )
        sweep(base)
        try:
            self.path = Path(tempfile.mkdtemp(prefix=PREFIX, dir=base))
            # locked before it has its name, so that no sweep of another run ever sees it free
            unnamed = self.path / "new.lock"
            self._lock = os.open(unnamed, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            unnamed.rename(self.path / LOCK_NAME)
            self._reaper = subprocess.Popen(
                [sys.executable, "-I", "-S", reaper.__file__, str(self.path)],
                stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                start_new_session=True, cwd="/", pass_fds=[self._lock],
            )  # fmt: skip
        except OSError as err:
            raise EnvironmentProblem(
                f"cannot make a private folder in {base}: {err}",
                remedy="free some space there, or point TMPDIR elsewhere",
            ) from err

    def grant(self, uid: int | None) -> None:
        """Let the user QEMU runs as pass through the folder (it still cannot list it)."""
        if uid is not None:
            os.chown(self.path, -1, uid)
            self.path.chmod(0o710)

    def watch_group(self, pid: int) -> None:
        """Have the process group of leader ``pid`` killed should the runner die.

        Raises EnvironmentProblem if there is nobody to do so.
        """
        if not self._order(f"group {pid}"):
            raise self._reaper_killed()

    def group_gone(self, pid: int) -> None:
        """The group was cleaned up by the runner itself."""
        self._order(f"gone {pid}")

    def _order(self, line: str) -> bool:
        assert self._reaper.stdin is not None
        try:
            self._reaper.stdin.write(line.encode() + b"\n")
            self._reaper.stdin.flush()
        except BrokenPipeError:
            return False
        return True

    async def reaper_lost(self) -> EnvironmentProblem:
        """Return what to raise once the reaper has ended, which it should not before the runner."""
        ended = asyncio.Event()
        pidfd = os.pidfd_open(self._reaper.pid)
        loop = asyncio.get_running_loop()
        loop.add_reader(pidfd, ended.set)
        try:
            await ended.wait()
        finally:
            loop.remove_reader(pidfd)
            os.close(pidfd)
        return self._reaper_killed()

    @staticmethod
    def _reaper_killed() -> EnvironmentProblem:
        return EnvironmentProblem(
            "the clean-up process of this run was killed",
            remedy="run again; do not kill single processes of a run",
        )

    def close(self) -> None:
        """Kill what is left and remove the folder; returns when both are done.

        Never fails: what a reaper that was killed has not done is done here.
        """
        if self._reaper.stdin is None or self._reaper.stdin.closed:
            return
        with suppress(BrokenPipeError):
            self._reaper.stdin.close()
        try:
            if self._reaper.wait(REAPER_PATIENCE_S) < 0:
                print(KILLED_LATE, file=sys.stderr)
        except subprocess.TimeoutExpired:  # somebody has stopped it
            self._reaper.kill()
            self._reaper.wait()
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._lock)

    def __enter__(self) -> PrivateFolder:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
