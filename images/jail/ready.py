# SPDX-License-Identifier: GPL-2.0-only
"""A process that is ready to become jailed programs, one after the other.

Python takes half of what the start of a jailed program costs, and does the same each time. This
process has it done: for each request it forks, and the child goes through :mod:`images.jail.enter`
as it would with a Python of its own. The child is the runner's, not ours (CLONE_PARENT), so that
the runner waits for it and the jail knows whom it must not outlive.

A request is one message on a SOCK_SEQPACKET: JSON with ``words`` (those of ``enter``), ``env`` and
``fds``, numbers of descriptors in the program; the message carries those descriptors, in that
order, which begins with the three of the standard streams. The answer is the child's process id,
or "-ERRNO". It serves nobody but the runner, and ends with it.
"""

from __future__ import annotations

import ctypes
import json
import os
import socket

from images.jail import enter
from images.jail.kernel import call

CLONE_PARENT, SIGCHLD = 0x00008000, 17
CLONE = {"x86_64": 56, "aarch64": 220}
REQUEST_BYTES, REQUEST_FDS = 128 << 10, 250
_python = ctypes.PyDLL(None, use_errno=True)  # not CDLL: the child must have Python's own lock


def serve(door: socket.socket) -> None:
    """Answer requests until the runner has closed its end."""
    while True:
        text, fds, _, _ = socket.recv_fds(door, REQUEST_BYTES, REQUEST_FDS)
        if not text:
            return
        pid = _clone()
        if pid == 0:
            _become(json.loads(text), fds, door)
        for fd in fds:
            os.close(fd)
        door.send(str(pid).encode())


def _clone() -> int:
    """Fork a child of our parent; its process id, 0 in the child, or minus the errno."""
    pid: int = _python.syscall(CLONE[os.uname().machine], CLONE_PARENT | SIGCHLD, 0, 0, 0, 0)
    return pid if pid >= 0 else -ctypes.get_errno()


def _become(request: dict[str, object], fds: list[int], door: socket.socket) -> None:
    """The child; never returns."""
    try:
        os.setsid()
        door.close()
        _place(fds, request["fds"])  # type: ignore[arg-type]
        os.environ.clear()
        os.environ.update(request["env"])  # type: ignore[call-overload]
        enter.main(request["words"])  # type: ignore[arg-type]
    except BaseException as error:  # noqa: BLE001 - whatever it is must not become another server
        os.write(2, f"{type(error).__name__}: {error}\n".encode())
    finally:
        os._exit(enter.FAILED)


def _place(fds: list[int], numbers: list[int]) -> None:
    """Have each descriptor at its number, and no other one."""
    above = max([*numbers, *fds]) + 1
    for offset, fd in enumerate(fds):
        os.dup2(fd, above + offset)
    for offset, number in enumerate(numbers):
        os.dup2(above + offset, number)
    wanted = sorted(numbers)
    for first, last in zip(wanted, [*wanted[1:], os.sysconf("SC_OPEN_MAX")], strict=True):
        os.closerange(first + 1, last)


def main(door: str) -> None:
    """Serve at the socket whose descriptor ``door`` is, as long as the runner lives."""
    call("prctl", enter.PR_SET_PDEATHSIG, enter.SIGKILL, 0, 0, 0)
    serve(socket.socket(fileno=int(door)))
