# SPDX-License-Identifier: GPL-2.0-only
"""By hand: an interactive prompt on the guest's hvc0, and commands whose output streams."""

from __future__ import annotations

import codecs
import os
import select
import shutil
import signal
import sys
import termios
import tty
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from types import FrameType

from rich.console import Console

from testbed.engines.guest import GuestEndpoint
from testbed.engines.qemu.session import Session
from testbed.errors import GuestCommandFailed
from testbed.host.terminal import TerminalFilter, escape_text

LEAVE = b"\x1d"  # Ctrl-]
CONSOLE_DEVICE = "/dev/hvc0"
POLL_S = 1.0
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
    endpoint: GuestEndpoint, argv: Sequence[str], given: bytes | None, timeout_s: float | None
) -> int:
    """Run ``argv``, pass its output on as it comes, return its status as a shell would.

    Raises GuestTimeout, LostVM.
    """
    streams = {"stdout": _Output(sys.stdout.fileno()), "stderr": _Output(sys.stderr.fileno())}
    completed = endpoint.run(
        argv,
        check=False,
        input=given,
        timeout_s=timeout_s,
        on_output=lambda name, data: streams[name].write(data),
    )
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


def run_interactive(session: Session, console: Console) -> None:
    """Connect our terminal to the guest's shell until it ends or Ctrl-] is typed.

    Raises LostVM, ModelFailure when the session dies meanwhile.
    """
    dut = session.dut
    greet(session, console)
    leader = _shell_leader(dut)
    wake_reader, wake_writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        with raw_terminal(sys.stdin.fileno()), on_resize(wake_writer):
            _set_size(dut)
            session.vm.console.sendall(b"\r" if not _pending(session) else b"")
            _relay(session, leader, wake_reader)
    finally:
        os.close(wake_reader)
        os.close(wake_writer)
        os.write(sys.stdout.fileno(), LEAVE_SCREEN.encode())
    session.check()


def _pending(session: Session) -> bool:
    return bool(select.select([session.vm.console], [], [], 0)[0])


def _shell_leader(dut: GuestEndpoint) -> str:
    """The pid of the shell on hvc0, so that its end can be told from silence."""
    done = dut.run(["/bin/ps", "-t", "hvc0", "-o", "sess="], check=False)
    return done.text.split()[0] if done.text.split() else ""


def _set_size(dut: GuestEndpoint) -> None:
    columns, rows = shutil.get_terminal_size()
    dut.run(
        ["/bin/stty", "-F", CONSOLE_DEVICE, "rows", str(rows), "cols", str(columns)], check=False
    )


def _shell_ended(dut: GuestEndpoint, leader: str) -> bool:
    if not leader:
        return False
    try:
        dut.get(f"/proc/{leader}/stat")
    except GuestCommandFailed:
        return True
    return False


def _relay(session: Session, leader: str, wake_fd: int) -> None:
    guest, keyboard, screen = session.vm.console, sys.stdin.fileno(), sys.stdout.fileno()
    allowed = TerminalFilter()
    while session.vm.lost is None:
        ready = select.select([guest, keyboard, wake_fd], [], [], POLL_S)[0]
        if guest in ready:
            data = guest.recv(1 << 16)
            if not data:
                _await_reason(session)
                return
            text = allowed.feed(data).encode()
            while text:
                text = text[os.write(screen, text) :]
        if keyboard in ready:
            keys = os.read(keyboard, 4096)
            if not keys or LEAVE in keys:
                guest.sendall(keys.partition(LEAVE)[0])
                return
            guest.sendall(keys)
        if wake_fd in ready:
            with suppress(BlockingIOError):
                os.read(wake_fd, 4096)
            _set_size(session.dut)
        if not ready and _shell_ended(session.dut, leader):
            return


def _await_reason(session: Session) -> None:
    """The console closed: QEMU is ending; wait until it is known why."""
    for _ in range(30):
        if session.vm.lost is not None:
            return
        select.select([], [], [], 0.1)
