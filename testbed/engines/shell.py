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
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from shlex import join, quote
from types import FrameType

from rich.console import Console

from testbed.engines.guest import GuestEndpoint
from testbed.engines.layers import inside
from testbed.engines.session import Session
from testbed.host.terminal import escape_text

LEAVE = b"\x1d"  # Ctrl-]
STATUS = "/run/prompt.status"
"""Where a shell of the guest leaves its exit status when it ends."""

LEAVE_SCREEN = "\x1b[?1049l\x1b[?2004l\x1b[?25h\x1b[0m\r\n"  # whatever the guest had set


@dataclass(frozen=True)
class Place:
    """How a command runs: its folder, what its environment has besides the usual, and its root.

    ``root`` "" is the guest's own; ``folder`` is a path in it.
    """

    folder: str = "/"
    environ: Mapping[str, str] = field(default_factory=dict)
    root: str = ""

    def words(self, argv: Sequence[str]) -> list[str]:
        """What the agent is to start."""
        return inside(self.root, self.folder, argv) if self.root else list(argv)

    def path(self, path: str) -> str:
        """Where a file of the command's root lies in the guest; a name is one in its folder."""
        return f"{self.root}{path if path.startswith('/') else f'{self.folder}/{path}'}"


ANYWHERE = Place()


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
    place: Place = ANYWHERE,
) -> int:  # fmt: skip
    """Run ``argv`` at ``place``, pass its output on as it comes, return its status as a shell
    would.

    Raises GuestTimeout, LostVM.
    """
    streams = {"stdout": _Output(sys.stdout.fileno()), "stderr": _Output(sys.stderr.fileno())}
    completed = endpoint.run(
        place.words(argv), check=False, input=given, env=place.environ,
        cwd="/" if place.root else place.folder, timeout_s=timeout_s,
        on_output=lambda name, data: streams[name].write(data),
    )  # fmt: skip
    code = completed.returncode
    return code if code >= 0 else 128 - code


def run_script(session: Session, script: bytes, place: Place = ANYWHERE) -> int:
    """Run a shell script that came through a pipe; return its status.

    In a root of the user's by its own sh, since who knows whether it has bash.
    """
    shell = "/bin/sh" if place.root else "/bin/bash"
    return stream_command(session.dut, [shell, "-s"], script, None, place)


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


def _stand_at(place: Place, dut: GuestEndpoint) -> None:
    """Have the shell of a prompt, which starts anew with our terminal, start at ``place``."""
    lines = [f"export {name}={quote(value)}" for name, value in place.environ.items()]
    if place.root:
        lines.append(f"exec {join(place.words(['/bin/sh', '-l']))}")
    if lines:
        text = "".join(f"{line}\n" for line in lines)
        dut.run(["/bin/sh", "-c", "cat >>/root/.bashrc"], input=text.encode())


def run_interactive(session: Session, console: Console, place: Place = ANYWHERE) -> int:
    """Connect our terminal to a shell in the guest until it ends or Ctrl-] is typed.

    Returns the shell's exit status, 0 if it was left. Raises EnvironmentProblem where there is no
    shell, LostVM, ModelFailure when the session dies.
    """
    _stand_at(place, session.dut)
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
