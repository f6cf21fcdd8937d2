# SPDX-License-Identifier: GPL-2.0-only
"""An interactive prompt on the guest's hvc0."""

from __future__ import annotations

import os
import select
import sys
from contextlib import suppress

from testbed.engines.guest import GuestEndpoint
from testbed.engines.qemu.vm import VirtualMachine
from testbed.engines.shell import LEAVE, STATUS, set_size
from testbed.errors import GuestCommandFailed
from testbed.host.terminal import TerminalFilter

CONSOLE_DEVICE = "/dev/hvc0"
POLL_S = 1.0
NEW_SHELL_POLLS, NEW_SHELL_POLL_S = 50, 0.1
PROFILE = "/root/.bash_profile"
AT_EXIT = f"\ntrap 'echo $? >{STATUS}' EXIT\n"


def relay(machine: VirtualMachine, dut: GuestEndpoint, wake_fd: int) -> None:
    """See :meth:`testbed.engines.session.Session.relay_terminal`."""
    leader = _new_shell(machine, dut)
    set_size(dut, CONSOLE_DEVICE)
    machine.console.sendall(b"\r" if not _pending(machine) else b"")
    _relay(machine, dut, leader, wake_fd)


def _pending(machine: VirtualMachine) -> bool:
    return bool(select.select([machine.console], [], [], 0)[0])


def _new_shell(machine: VirtualMachine, dut: GuestEndpoint) -> str:
    """Process 1 starts another shell if one ends: this one leaves its status behind."""
    first = _shell_leader(dut)
    if not first:
        return first
    dut.put(dut.get(PROFILE) + AT_EXIT.encode(), PROFILE)
    dut.run(["kill", "-KILL", first], check=False)
    while _pending(machine) and machine.console.recv(1 << 16):
        pass  # the prompt of the one before
    for _ in range(NEW_SHELL_POLLS):
        leader = _shell_leader(dut)
        if leader not in ("", first):
            return leader
        select.select([], [], [], NEW_SHELL_POLL_S)
    return ""


def _shell_leader(dut: GuestEndpoint) -> str:
    """The pid of the shell on hvc0, so that its end can be told from silence."""
    done = dut.run(["/bin/ps", "-t", "hvc0", "-o", "sess="], check=False)
    return done.text.split()[0] if done.text.split() else ""


def _shell_ended(dut: GuestEndpoint, leader: str) -> bool:
    if not leader:
        return False
    try:
        dut.get(f"/proc/{leader}/stat")
    except GuestCommandFailed:
        return True
    return False


def _relay(machine: VirtualMachine, dut: GuestEndpoint, leader: str, wake_fd: int) -> None:
    guest, keyboard, screen = machine.console, sys.stdin.fileno(), sys.stdout.fileno()
    allowed = TerminalFilter()
    while machine.lost is None:
        ready = select.select([guest, keyboard, wake_fd], [], [], POLL_S)[0]
        if guest in ready:
            data = guest.recv(1 << 16)
            if not data:
                _await_reason(machine)
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
            set_size(dut, CONSOLE_DEVICE)
        if not ready and _shell_ended(dut, leader):
            return


def _await_reason(machine: VirtualMachine) -> None:
    """The console closed: QEMU is ending; wait until it is known why."""
    for _ in range(30):
        if machine.lost is not None:
            return
        select.select([], [], [], 0.1)
