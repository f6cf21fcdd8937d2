# SPDX-License-Identifier: GPL-2.0-only
"""An interactive prompt in a UML guest: a shell on a pseudo-terminal, by way of the agent.

The guest gets a slice of its time whenever it has got one of ours, so that what waits goes on at
about the pace of the wall clock. A program that computes keeps the guest, and with it the prompt,
until it sleeps: see docs/uml.md.
"""

from __future__ import annotations

import os
import select
import sys
from contextlib import suppress

from testbed.engines.agent import Command
from testbed.engines.guest import GuestEndpoint
from testbed.engines.shell import LEAVE, STATUS, set_size
from testbed.engines.uml.agent import UmlAgent
from testbed.host.loop import BackgroundLoop
from testbed.host.terminal import TerminalFilter

KEYS, TERMINAL, LOGIN = "/run/prompt.keys", "/run/prompt.tty", "/run/prompt.login"
LOGIN_SCRIPT = f'#!/bin/sh\nln -sf "$(tty)" {TERMINAL}\n/bin/bash -l\necho $? >{STATUS}\n'
SHELL = f"exec socat STDIO EXEC:{LOGIN},pty,setsid,ctty,stderr <>{KEYS} 2>/dev/null"
"""What socat itself says (of a shell that ended with a status, say) is for nobody."""

HOLD = f"mkfifo {KEYS} && exec sleep infinity <>{KEYS}"
"""Keeps the pipe open: to write into one that nobody reads would stop the agent."""

IDLE_S = 0.04
SLICE_NS = 40_000_000
BUSY_NS = 5_000_000
"""While there is something to show or to type."""


class Prompt:
    """The two ends: our terminal, and a shell that ``agent`` starts in ``dut``'s guest.

    ``wake_fd`` is readable when the size of our terminal has changed.
    """

    def __init__(
        self, loop: BackgroundLoop, agent: UmlAgent, dut: GuestEndpoint, wake_fd: int
    ) -> None:
        self._loop = loop
        self._agent = agent
        self._dut = dut
        self._wake_fd = wake_fd
        self._allowed = TerminalFilter()
        self._pending = bytearray()
        self._command: Command | None = None

    def run(self) -> None:
        """Until the shell ends or LEAVE is typed. Raises LostVM."""
        dut, loop = self._dut, self._loop
        dut.put(LOGIN_SCRIPT.encode(), LOGIN, mode=0o755)
        holder = dut.start(["/bin/sh", "-c", HOLD])
        while dut.run(["test", "-p", KEYS], check=False).returncode:
            holder.poll()
        environment = {"TERM": "xterm-256color", "HOME": "/root"}
        command = self._command = loop.run(
            self._agent.start(
                ["/bin/sh", "-c", SHELL], env=environment, cwd="/root",
                sink=lambda _name, data: self._pending.extend(data),
            )
        )  # fmt: skip
        while dut.run(["test", "-e", TERMINAL], check=False).returncode and not self._advance(
            BUSY_NS
        ):
            pass
        set_size(dut, TERMINAL)
        self._relay()
        if command.returncode is None:
            loop.run(self._agent.kill(command))
        holder.kill()

    def _advance(self, most_ns: int) -> bool:
        """Let the guest run, show what it says. True once the shell has ended."""
        assert self._command is not None
        ended = self._loop.run(self._agent.poll(self._command, most_ns))
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
                    self._loop.run(self._agent.put(wanted, KEYS))
                if leave or not keys:
                    return
            if self._wake_fd in ready:
                with suppress(BlockingIOError):
                    os.read(self._wake_fd, 4096)
                set_size(self._dut, TERMINAL)
