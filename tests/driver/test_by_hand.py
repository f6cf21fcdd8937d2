# SPDX-License-Identifier: GPL-2.0-only
"""``testbed exec`` and ``testbed shell`` as a new user would try them."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import select
import stat
import struct
import subprocess
import termios
import time
from pathlib import Path

import pytest

from tests.driver.conftest import CommandLine

CTRL_BRACKET = b"\x1d"


def test_exec_passes_output_and_status_on(testbed: CommandLine) -> None:
    done = testbed.run("exec", "--", "sh", "-c", "ethtool -i nut0; echo oops >&2; exit 7")
    assert done.returncode == 7
    assert b"driver: bnxt_en\n" in done.stdout
    assert done.stderr == b"oops\n"
    assert testbed.wait_clean() == []


TOO_MANY_CONTEXTS = """
ethtool -L nut0 combined 4
ethtool -X nut0 context new
ethtool -X nut0 context new
exit 0
"""
"""The driver allocates a VNIC more than it reserved (docs/findings/rss-contexts-uncounted.md)."""


@pytest.mark.parametrize(("strict", "status"), [((), 0), (("--strict",), 1)])
def test_exec_tells_of_violations(
    testbed: CommandLine, strict: tuple[str, ...], status: int
) -> None:
    script = ["--", "sh", "-c", TOO_MANY_CONTEXTS]
    done = testbed.run("exec", "--engine", "uml", "--seed", "1", *strict, *script)
    lines = done.stderr.decode().splitlines()
    assert any(line.startswith("violation: hwrm_over_reservation (driver, ") for line in lines)
    summary = json.loads((testbed.folder / "runs/latest/summary.json").read_text())
    assert {one["line"] for one in summary["seen"]} <= set(lines)
    assert (done.returncode, summary["exit_code"]) == (status, status)
    assert summary["violations"] == 1


def test_remote_end_is_in_reach(testbed: CommandLine) -> None:
    done = testbed.run("exec", "--remote", "--", "ping", "-c", "2", "-i", "0.2", "192.0.2.1")
    assert done.returncode == 0, done.stderr
    assert b"2 packets transmitted, 2 received" in done.stdout


# What a guest must not get the host to make, and what it may. PYTHON: mode bits that need no chmod.
HOSTILE = """
cp /usr/bin/true /share/tool
chmod 4755 /share/tool
chmod 2755 /share/tool
install -m 6755 /usr/bin/true /share/installed
mknod /share/disk b 254 0
mknod /share/null c 1 3
python3 -c 'import os; os.close(os.open("/share/opened", os.O_CREAT | os.O_RDWR, 0o6755))'
python3 -c 'import os; os.mknod("/share/made", 0o106755)'
: > /share/theirs
chown 1234:1234 /share/theirs
"""


def test_program_of_ones_own_runs_from_a_shared_folder(testbed: CommandLine) -> None:
    """The guest may write there; what it makes is the owner's, and lends his rights to nobody."""
    mine = testbed.folder / "mine"
    mine.mkdir()
    program = mine / "hello"
    program.write_text(f'#!/bin/sh\n{HOSTILE}\necho "hello from $(uname -n)" > /share/answer\n')
    program.chmod(0o755)
    done = testbed.run("exec", "--share", f"{mine}:rw", "--", "/share/hello")
    assert done.returncode == 0, done.stderr
    assert (mine / "answer").read_text().startswith("hello from ")
    made = {path.name: path.lstat() for path in mine.iterdir()}
    assert {"tool", "theirs"} <= made.keys()
    owner = mine.stat()
    for name, status in made.items():
        assert stat.S_ISREG(status.st_mode), name
        assert not status.st_mode & (stat.S_ISUID | stat.S_ISGID), name
        assert (status.st_uid, status.st_gid) == (owner.st_uid, owner.st_gid), name


def test_bad_folder_is_refused_at_once(testbed: CommandLine) -> None:
    began = time.monotonic()
    done = testbed.run("exec", "--share", "/no/such/folder", "--", "true")
    assert done.returncode == 2
    assert b"/no/such/folder: not a folder" in done.stderr
    assert time.monotonic() - began < 5


def test_timeout_ends_the_command(testbed: CommandLine) -> None:
    done = testbed.run("exec", "--nic", "igb", "--timeout", "1", "--", "sleep", "600")
    assert done.returncode == 124
    found = re.search(rb"sleep did not end within ([0-9.]+) s and was killed", done.stderr)
    assert found, done.stderr
    assert 1 <= float(found[1]) < 10  # stretched by patience on a busy host


def test_shell_runs_a_script_from_a_pipe(testbed: CommandLine) -> None:
    done = testbed.run(
        "shell", "--nic", "igb", given=b"echo one\ncat /sys/class/net/nut0/mtu\nexit 3"
    )
    assert done.returncode == 3
    assert done.stdout == b"one\n1500\n"


class Terminal:
    """The far end of a pseudo-terminal: a person at a keyboard."""

    def __init__(self, testbed: CommandLine, *options: str) -> None:
        self.fd, self.program_side = pty.openpty()
        fcntl.ioctl(self.program_side, termios.TIOCSWINSZ, struct.pack("HHHH", 33, 111, 0, 0))
        self.testbed = testbed
        self.options = options
        self.seen = b""

    def open_shell(self) -> subprocess.Popen[bytes]:
        """``testbed shell`` at this terminal, as soon as it prompts."""
        side = self.program_side
        process = self.testbed.start("shell", *self.options, stdin=side, stdout=side, stderr=side)
        self.wait_for(b"leaves.")
        self.wait_for(b":~")
        return process

    def wait_for(self, text: bytes, seconds: float = 60.0) -> None:
        deadline = time.monotonic() + seconds
        while text not in self.seen:
            left = deadline - time.monotonic()
            assert left > 0, f"{text!r} not seen in {self.seen[-2000:]!r}"
            if select.select([self.fd], [], [], left)[0]:
                self.seen += os.read(self.fd, 65536)

    def type(self, keys: bytes) -> None:
        self.seen = b""
        os.write(self.fd, keys)


def test_shell_gives_a_prompt_and_ctrl_bracket_leaves(testbed: CommandLine) -> None:
    terminal = Terminal(testbed, "--nic", "igb")
    before = termios.tcgetattr(terminal.program_side)
    process = terminal.open_shell()
    terminal.type(b"echo $((6 * 7)); stty size\r")
    terminal.wait_for(b"42")
    terminal.wait_for(b"33 111")
    terminal.type(b"sleep 100\r")
    time.sleep(0.5)
    terminal.type(b"\x03")  # Ctrl-C belongs to the guest
    terminal.wait_for(b":~")
    terminal.type(b"printf '\\033]0;owned\\007\\033[6n' ; echo done\r")
    terminal.wait_for(b"done\r\n")
    assert b"\x1b]0;" not in terminal.seen.replace(b"\\033]0;", b"")
    assert b"\x1b[6n" not in terminal.seen
    terminal.type(CTRL_BRACKET)
    assert process.wait(15) == 0
    assert termios.tcgetattr(terminal.program_side) == before
    assert testbed.wait_clean() == []


def test_uml_has_a_prompt_too(testbed: CommandLine) -> None:
    terminal = Terminal(testbed, "--engine", "uml")
    before = termios.tcgetattr(terminal.program_side)
    process = terminal.open_shell()
    terminal.type(b"echo $((6 * 7)); stty size; date +%Y; sleep 1; echo woken\r")
    for text in (b"42", b"33 111", b"2023", b"\nwoken"):
        terminal.wait_for(text)
    terminal.type(b"sleep 100000\r")
    time.sleep(0.5)
    terminal.type(b"\x03")  # Ctrl-C belongs to the guest
    terminal.wait_for(b":~")
    terminal.type(CTRL_BRACKET)
    assert process.wait(15) == 0
    assert termios.tcgetattr(terminal.program_side) == before
    process = terminal.open_shell()
    terminal.type(b"ethtool -X nut0 context new; ethtool -X nut0 context new; exit 7\r")
    terminal.wait_for(b"violation: hwrm_over_reservation (driver, ")
    terminal.wait_for(b"logs: ")
    assert b"socat" not in terminal.seen
    assert process.wait(20) == 7
    assert testbed.wait_clean() == []


def test_exit_of_the_shell_leaves(testbed: CommandLine) -> None:
    terminal = Terminal(testbed, "--nic", "igb")
    process = terminal.open_shell()
    terminal.type(b"exit 7\r")
    assert process.wait(20) == 7


def test_shell_reports_a_lost_guest(testbed: CommandLine) -> None:
    terminal = Terminal(testbed, "--nic", "igb")
    process = terminal.open_shell()
    terminal.type(b"echo c > /proc/sysrq-trigger\r")
    terminal.wait_for(b"Kernel panic - not syncing: sysrq triggered crash")
    assert process.wait(20) == 5


def test_uml_gets_words_for_its_kernel(testbed: CommandLine) -> None:
    words = 'testbed.note="two words" loglevel=4'
    done = testbed.run("exec", "--engine", "uml", "--append", words, "--", "cat", "/proc/cmdline")
    assert words in done.stdout.decode()


def test_kernel_gets_words_and_logs_stay_in_the_run_directory(testbed: CommandLine) -> None:
    words = 'testbed.note="two words"'
    done = testbed.run("exec", "--append", words, "--", "cat", "/proc/cmdline")
    assert done.stdout.decode().rstrip().endswith(words)
    latest: Path = testbed.folder / "runs" / "latest"
    names = {path.name for path in latest.iterdir()}
    assert {"kernel.log", "qemu.log", "card.log", "trace.jsonl", "wire.pcapng"} <= names
    assert b"Linux version" in (latest / "kernel.log").read_bytes()
