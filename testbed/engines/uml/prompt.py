# SPDX-License-Identifier: GPL-2.0-only
"""An interactive prompt in a UML guest: a shell on a pseudo-terminal, by way of the agent.

The guest gets a slice of its time whenever it has got one of ours, so that what waits goes on at
about the pace of the wall clock. A program that computes keeps the guest, and with it the prompt,
until it sleeps: see docs/uml.md.
"""

from __future__ import annotations

import os
import select
import shutil
import sys
from contextlib import suppress

from rich.console import Console

from testbed.engines.guest import GuestEndpoint
from testbed.engines.qemu.agent import Command
from testbed.engines.qemu.shell import LEAVE, LEAVE_SCREEN, greet, on_resize, raw_terminal
from testbed.engines.uml.machine import UmlMachine
from testbed.engines.uml.session import UmlSession
from testbed.host.terminal import TerminalFilter

KEYS, TERMINAL, LOGIN = "/run/prompt.keys", "/run/prompt.tty", "/run/prompt.login"
LOGIN_SCRIPT = f'#!/bin/sh\nln -sf "$(tty)" {TERMINAL}\nexec /bin/bash -l\n'
SHELL = f"exec socat STDIO EXEC:{LOGIN},pty,setsid,ctty,stderr <>{KEYS}"
HOLD = f"mkfifo {KEYS} && exec sleep infinity <>{KEYS}"
"""Keeps the pipe open: to write into one that nobody reads would stop the agent."""

IDLE_S = 0.04
SLICE_NS = 40_000_000
BUSY_NS = 5_000_000
"""While there is something to show or to type."""


class _Prompt:
    """The two ends: our terminal, and a shell that `session`'s agent has started."""

    def __init__(self, session: UmlSession, wake_fd: int) -> None:
        assert isinstance(session.machine, UmlMachine)
        self._session = session
        self._agent = session.machine.agent
        self._wake_fd = wake_fd
        self._allowed = TerminalFilter()
        self._pending = bytearray()
        self._command: Command | None = None

    def run(self) -> None:
        dut, loop = self._session.dut, self._session.loop
        dut.put(LOGIN_SCRIPT.encode(), LOGIN, mode=0o755)
        holder = dut.start(["/bin/sh", "-c", HOLD])
        while dut.run(["test", "-p", KEYS], check=False).returncode:
            holder.poll()
        environment = {"TERM": "xterm-256color", "HOME": "/root"}
        command = self._command = loop.run(
            self._agent.start(
                ["/bin/sh", "-c", SHELL],
                env=environment,
                cwd="/root",
                sink=lambda _name, data: self._pending.extend(data),
            )
        )
        while dut.run(["test", "-e", TERMINAL], check=False).returncode and not self._advance(
            BUSY_NS
        ):
            pass
        set_size(dut)
        self._relay()
        if command.returncode is None:
            loop.run(self._agent.kill(command))
        holder.kill()

    def _advance(self, most_ns: int) -> bool:
        """Let the guest run, show what it says. True once the shell has ended."""
        assert self._command is not None
        ended = self._session.loop.run(self._agent.poll(self._command, most_ns))
        text = self._allowed.feed(bytes(self._pending)).encode()
        self._pending.clear()
        while text:
            text = text[os.write(sys.stdout.fileno(), text) :]
        return ended

    def _relay(self) -> None:
        keyboard, busy = sys.stdin.fileno(), True
        while not self._advance(BUSY_NS if busy else SLICE_NS):
            ready = select.select([keyboard, self._wake_fd], [], [], IDLE_S)[0]
            busy = keyboard in ready
            if busy:
                keys = os.read(keyboard, 4096)
                wanted, leave, _ = keys.partition(LEAVE)
                if wanted:
                    self._session.loop.run(self._agent.put(wanted, KEYS))
                if leave or not keys:
                    return
            if self._wake_fd in ready:
                with suppress(BlockingIOError):
                    os.read(self._wake_fd, 4096)
                set_size(self._session.dut)


def set_size(dut: GuestEndpoint) -> None:
    """Tell the guest's terminal how large ours is."""
    columns, rows = shutil.get_terminal_size()
    size = ["rows", str(rows), "cols", str(columns)]
    dut.run(["/bin/stty", "-F", TERMINAL, *size], check=False)


def run_prompt(session: UmlSession, console: Console) -> None:
    """Connect our terminal to a shell in the guest until it ends or Ctrl-] is typed.

    Raises LostVM, ModelFailure when the session dies meanwhile.
    """
    greet(session, console)
    wake_reader, wake_writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        with raw_terminal(sys.stdin.fileno()), on_resize(wake_writer):
            _Prompt(session, wake_reader).run()
    finally:
        os.close(wake_reader)
        os.close(wake_writer)
        os.write(sys.stdout.fileno(), LEAVE_SCREEN.encode())
    session.check()
