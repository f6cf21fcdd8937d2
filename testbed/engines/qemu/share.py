# SPDX-License-Identifier: GPL-2.0-only
"""A host folder in the guest: virtiofsd in the jail, with that folder and as its owner.

What the guest makes belongs to the owner whatever the guest's user is, and the guest's root sees it
as his own. The jail has no capability and refuses setuid bits, so that no guest makes a device node
or a program that lends the owner's rights to others.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from images.jail.idmap import can_map_owner
from images.jail.user import draw_uid
from testbed.errors import EnvironmentProblem, LaunchFailure, UsageProblem
from testbed.host.private import PrivateFolder
from testbed.host.process import Process, spawn

_ALL_IDS = 2**32 - 1
_LIMITS = {"DATA": 1 << 30, "NPROC": 64, "NOFILE": 65536}
"""It holds a descriptor for each file that the guest knows."""


class SharedFolder:
    """A virtiofsd process serving one folder; its coroutines run in the machine's loop.

    ``reach`` is what virtiofsd itself needs; the guest may write if ``writable``.
    """

    def __init__(
        self, folder: Path, virtiofsd: Sequence[str], *, writable: bool, reach: Sequence[Path],
        private: PrivateFolder, log_path: Path,
    ) -> None:  # fmt: skip
        self._folder = folder.resolve()
        self._virtiofsd = virtiofsd
        self._writable = writable
        self._reach = reach
        self._private = private
        self._log_path = log_path
        self._process: Process | None = None

    async def launch(self) -> socket.socket:
        """Start the server; return a connection to it, to be handed to QEMU.

        Raises UsageProblem for a folder we cannot enter, EnvironmentProblem, LaunchFailure.
        """
        self._check_folder()
        path = self._private.path / "share.sock"
        uid, owned = self._identity()
        with ExitStack() as stack:
            listener = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
            listener.bind(str(path))
            listener.listen(1)
            served = [self._folder]
            self._process = await spawn(
                "virtiofsd", self._argv(listener.fileno(), uid), private=self._private,
                log_path=self._log_path, uid=uid, fds=[listener.fileno()], owned=owned,
                filter="share", limits=_LIMITS,
                read=[*self._reach, *([] if self._writable else served)],
                write=served if self._writable else [],
            )  # fmt: skip
            connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            connection.connect(str(path))
        return connection

    def _check_folder(self) -> None:
        if self._folder == Path("/"):
            raise UsageProblem("--share /: the whole host cannot be shared", remedy="name a folder")
        wanted = os.R_OK | os.X_OK | (os.W_OK if self._writable else 0)
        if not os.access(self._folder, wanted):
            raise UsageProblem(f"--share {self._folder}: permission denied")

    def _identity(self) -> tuple[int | None, Sequence[Path]]:
        """As whom the server runs, and of which folders the owner's files are its own."""
        if os.getuid():
            return None, []
        if can_map_owner(str(self._folder)):
            return draw_uid(), [self._folder]
        owner = self._folder.stat().st_uid
        if owner == 0 and self._writable:
            raise EnvironmentProblem(
                f"--share {self._folder}:rw: it is root's, and its file system has no idmapped "
                "mounts, without which the guest would write there as root",
                remedy="give the folder to a user, share it without :rw, or share one on ext4, XFS "
                "or Btrfs",
            )
        return owner or draw_uid(), []

    def _argv(self, listener: int, uid: int | None) -> list[str]:
        own = os.getuid() if uid is None else uid
        argv = [*self._virtiofsd, f"--fd={listener}", f"--shared-dir={self._folder}"]
        argv += ["--sandbox=none", "--cache=auto"]
        for kind in ("uid", "gid"):
            argv += [f"--translate-{kind}=squash-guest:0:{own}:{_ALL_IDS}"]
            argv += [f"--translate-{kind}=squash-host:0:0:{_ALL_IDS}"]
        return argv if self._writable else [*argv, "--readonly"]

    async def ended(self) -> LaunchFailure:
        """Return once the server has ended, which it should not before QEMU: what to raise then."""
        assert self._process is not None
        await asyncio.shield(self._process.ended)
        return self._process.launch_failure("virtiofsd ended, which serves --share")

    async def stop(self) -> None:
        """End the server; it ends by itself once QEMU is gone."""
        if self._process is not None:
            await self._process.stop(0.5)
