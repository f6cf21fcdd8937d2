# SPDX-License-Identifier: GPL-2.0-only
"""passt at the other end of the wire: the guest has the host's network, without a right of root's.

passt confines itself (namespaces, seccomp, another user than root); it needs the host's network,
which no jail of ours has.
"""

from __future__ import annotations

import shutil
import socket
import subprocess

from images.command import DIE_WITH_US
from testbed.errors import EnvironmentProblem

PROGRAM = "passt"
PATIENCE_S = 3.0


class Passt:
    """A passt process."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> socket.socket:
        """Start it. Returns the wire, a connected socket. Raises EnvironmentProblem."""
        program = shutil.which(PROGRAM)
        if program is None:
            raise EnvironmentProblem(
                f"--wire {PROGRAM}: there is no {PROGRAM}", remedy=f"apt install {PROGRAM}"
            )
        wire, other = socket.socketpair()
        with other:
            self._process = subprocess.Popen(
                [*DIE_WITH_US, program, "--foreground", "--quiet", "--fd", str(other.fileno())],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                pass_fds=[other.fileno()], start_new_session=True,
            )  # fmt: skip
        return wire

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self._process is not None
        return self._process.pid

    def stop(self) -> None:
        """End it."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
