# SPDX-License-Identifier: GPL-2.0-only
"""A host folder in the guest: virtiofsd, confined to that folder."""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from images.jail.user import draw_uid
from testbed.errors import UsageProblem
from testbed.host.private import PrivateFolder
from testbed.host.process import Process, spawn


class SharedFolder:
    """A virtiofsd process serving one folder; its coroutines run in the machine's loop."""

    def __init__(
        self,
        folder: Path,
        virtiofsd: Sequence[str],
        *,
        read: Sequence[Path],
        private: PrivateFolder,
        log_path: Path,
    ) -> None:
        self._folder = folder.resolve()
        self._virtiofsd = virtiofsd
        self._read = read
        self._private = private
        self._log_path = log_path
        self._process: Process | None = None

    async def launch(self) -> socket.socket:
        """Start the server; return a connection to it, to be handed to QEMU.

        Raises UsageProblem for a folder we cannot enter, LaunchFailure.
        """
        if not os.access(self._folder, os.R_OK | os.X_OK):
            raise UsageProblem(f"--share {self._folder}: permission denied")
        path = self._private.path / "share.sock"
        with ExitStack() as stack:
            listener = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
            listener.bind(str(path))
            listener.listen(1)
            argv = [*self._virtiofsd, f"--fd={listener.fileno()}"]
            argv += [f"--shared-dir={self._folder}", "--sandbox=none", "--cache=auto"]
            self._process = await spawn(
                "virtiofsd", argv, private=self._private, log_path=self._log_path, uid=self._uid(),
                read=self._read, write=[self._folder], fds=[listener.fileno()],
            )  # fmt: skip
            connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            connection.connect(str(path))
        return connection

    def _uid(self) -> int | None:
        """As root: the folder's owner, but never root."""
        return None if os.getuid() else self._folder.stat().st_uid or draw_uid()

    async def stop(self) -> None:
        """End the server; it ends by itself once QEMU is gone."""
        if self._process is not None:
            await self._process.stop(0.5)
