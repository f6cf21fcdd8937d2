# SPDX-License-Identifier: GPL-2.0-only
"""By hand: commands whose output streams, and our terminal as that of a shell in the guest."""

from __future__ import annotations

import codecs
import os
import shutil
import signal
import sys
import termios
import tty
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

from rich.console import Console

from testbed.engines.guest import GuestEndpoint
from testbed.engines.session import Session
from testbed.host.terminal import escape_text

LEAVE = b"\x1d"  # Ctrl-]
STATUS = "/run/prompt.status"
"""Where a shell of the guest leaves its exit status when it ends."""

LEAVE_SCREEN = "\x1b[?1049l\x1b[?2004l\x1b[?25h\x1b[0m\r\n"  # whatever the guest had set


class _Output:
    """A stream of ours for guest output: bytes as they are to a pipe, escaped to a terminal."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace") if os.isatty(fd) else None
        self._held = ""

    def write(self, data: bytes) -> None:
        if self._decoder is not None:
            text = self._held + self._decoder.decode(data)
            self._held = "\r" if text.endswith("\r") else ""
            data = escape_text(text.removesuffix("\r")).encode()
        while data:
            data = data[os.write(self._fd, data) :]


def stream_command(
    endpoint: GuestEndpoint, argv: Sequence[str], given: bytes | None, timeout_s: float | None,
    folder: str = "/",
) -> int:  # fmt: skip
    """Run ``argv`` in ``folder``, pass its output on as it comes, return its status as a shell
    would.

    Raises GuestTimeout, LostVM.
    """
    streams = {"stdout": _Output(sys.stdout.fileno()), "stderr": _Output(sys.stderr.fileno())}
    completed = endpoint.run(
        argv, check=False, input=given, cwd=folder, timeout_s=timeout_s,
        on_output=lambda name, data: streams[name].write(data),
    )  # fmt: skip
    code = completed.returncode
    return code if code >= 0 else 128 - code


def run_script(session: Session, script: bytes) -> int:
    """Run a shell script that came through a pipe; return its status."""
    return stream_command(session.dut, ["/bin/bash", "-s"], script, None)


@contextmanager
def raw_terminal(fd: int) -> Iterator[None]:
    """Every key goes to the guest; afterwards the terminal is as before."""
    before = termios.tcgetattr(fd)
    tty.setraw(fd)
    try:
        yield
    finally:
        termios.tcsetattr(fd, termios.TCSADRAIN, before)


@contextmanager
def on_resize(wake_fd: int) -> Iterator[None]:
    """Write a byte to ``wake_fd`` whenever the terminal has another size."""

    def resized(_number: int, _frame: FrameType | None) -> None:
        os.write(wake_fd, b"w")

    before = signal.signal(signal.SIGWINCH, resized)
    try:
        yield
    finally:
        signal.signal(signal.SIGWINCH, before)


def greet(session: Session, console: Console) -> None:
    """Say what there is, and how to leave."""
    dut = session.dut
    console.print(
        f"{dut.driver} is up as [bold]{dut.netdev}[/bold] ({dut.ipv4}); the remote endpoint "
        f"({session.remote.ipv4}) is in reach: ip netns exec {session.remote.netns} CMD. "
        "[bold]Ctrl-\\][/bold] leaves."
    )


def set_size(dut: GuestEndpoint, device: str) -> None:
    """Set the size of the guest's terminal ``device`` to that of ours."""
    columns, rows = shutil.get_terminal_size()
    dut.run(["/bin/stty", "-F", device, "rows", str(rows), "cols", str(columns)], check=False)


def run_interactive(session: Session, console: Console) -> int:
    """Connect our terminal to a shell in the guest until it ends or Ctrl-] is typed.

    Returns the shell's exit status, 0 if it was left. Raises EnvironmentProblem where there is no
    shell, LostVM, ModelFailure when the session dies.
    """
    greet(session, console)
    wake_reader, wake_writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        with raw_terminal(sys.stdin.fileno()), on_resize(wake_writer):
            session.relay_terminal(wake_reader)
    finally:
        os.close(wake_reader)
        os.close(wake_writer)
        os.write(sys.stdout.fileno(), LEAVE_SCREEN.encode())
    session.check()
    return _status(session.dut)


def _status(dut: GuestEndpoint) -> int:
    text = dut.run(["cat", STATUS], check=False).text.strip()
    return int(text) & 0xFF if text.isascii() and text.isdigit() else 0
