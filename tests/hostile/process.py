# SPDX-License-Identifier: GPL-2.0-only
"""The card's real, confined process for one round, and descriptors no sane client hands over."""

from __future__ import annotations

import array
import contextlib
import fcntl
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

from tests.hostile.rounds import Report

ROOT = Path(__file__).parents[2]
LATEST_S = 1.0
"""For an answer to a control request, on a host that has other things to do."""
ENDS = (0, 5, 6)
"""How the process may end: we closed, broke the protocol, or took memory back. Never with 4, a
bug of the card.
"""
_ANSWER_S = 20.0
MEMORY_BYTES = 1 << 20


class OddDescriptors:
    """What a hostile peer has at hand; ``good`` memory is one of them."""

    def __init__(self) -> None:
        self.good = self._memory("good", MEMORY_BYTES)
        sealed = os.memfd_create("sealed", os.MFD_ALLOW_SEALING)
        os.ftruncate(sealed, MEMORY_BYTES)
        fcntl.fcntl(sealed, fcntl.F_ADD_SEALS, fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SHRINK)
        self.growing = self._memory("growing", 4096)
        self._all = [
            self.good, self.growing, sealed, self._memory("small", 100), *os.pipe2(os.O_NONBLOCK),
            os.eventfd(0), os.open("/", os.O_PATH), os.open("/", os.O_RDONLY),
            os.open("/dev/null", os.O_RDWR), os.open("/dev/zero", os.O_RDWR),
            socket.socket(socket.AF_UNIX).detach(), os.memfd_create("empty"),
        ]  # fmt: skip

    @staticmethod
    def _memory(name: str, size: int) -> int:
        fd = os.memfd_create(name)
        os.ftruncate(fd, size)
        return fd

    def some(self, random: Random) -> list[int]:
        """None, one, or too many."""
        if random.random() < 0.02:
            size = os.fstat(self.growing).st_size
            os.ftruncate(self.growing, size + 4096 if size < 1 << 22 else 4096)
        kind = random.random()
        if kind < 0.4:
            return []
        if kind < 0.65:
            return [self.good]
        return random.choices(self._all, k=1 if kind < 0.9 else random.randrange(1, 20))

    def close(self) -> None:
        """All of them."""
        for fd in self._all:
            os.close(fd)


class CardProcess:
    """A process, our ends of its sockets, and how long its answers took.

    :param sockets: keys of its configuration; a connected socket each.
    """

    def __init__(self, report: Report, number: int, sockets: Sequence[str], **config: Any) -> None:
        self._report = report
        self._number = number
        pairs = {key: socket.socketpair() for key in (*sockets, "control_fd")}
        given = {key: pair[1].fileno() for key, pair in pairs.items()} | config
        config_fd = os.memfd_create("config")
        os.write(config_fd, json.dumps(given).encode())
        os.lseek(config_fd, 0, os.SEEK_SET)
        fds = [config_fd, *(pair[1].fileno() for pair in pairs.values())]
        fds += [value for key, value in config.items() if key.endswith("_fd")]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "devmodel", "--config-fd", str(config_fd)],
            cwd=ROOT, pass_fds=fds, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        os.close(config_fd)
        self.sockets = {key: ours for key, (ours, _) in pairs.items()}
        for _, theirs in pairs.values():
            theirs.close()
        self._control = self.sockets["control_fd"]
        self._control.settimeout(_ANSWER_S)
        self._answers = self._control.makefile("rb")
        self.ask(is_timed=False)  # once it has started
        for key in sockets:
            self.sockets[key].setblocking(False)

    @property
    def is_alive(self) -> bool:
        """It has not ended."""
        return self._process.poll() is None

    def say(self, key: str, data: bytes, fds: Sequence[int] = ()) -> bool:
        """Send what the socket takes, and read what it has. False if it is at its end."""
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        try:
            sent = self.sockets[key].sendmsg([data], rights)
            while sent < len(data):
                self.hear(key)
                self.ask()
                with contextlib.suppress(BlockingIOError):
                    sent += self.sockets[key].send(data[sent:])
            return True
        except BlockingIOError:
            self.ask()
            return True
        except (BrokenPipeError, ConnectionResetError):
            return False

    def hear(self, key: str) -> None:
        """Throw away what it says."""
        with contextlib.suppress(BlockingIOError, ConnectionResetError):
            while self.sockets[key].recv(1 << 18):
                pass

    def ask(self, *, is_timed: bool = True) -> None:
        """The runner's question for the state."""
        began_s = time.monotonic()
        try:
            self._control.sendall(b'{"id": 1, "method": "state"}\n')
            answered = bool(self._answers.readline())
        except (BrokenPipeError, ConnectionResetError):
            answered = False
        if answered and is_timed:
            took_s = time.monotonic() - began_s
            self._report.took(took_s, self._number)
            assert took_s < LATEST_S, f"an answer after {took_s:.2f} s"
        assert answered or self._process.wait(5) in ENDS, self._process.stderr

    def end(self) -> None:
        """Close our ends. Raises AssertionError if the card takes that for its own bug."""
        self._answers.close()
        for sock in self.sockets.values():
            sock.close()
        _, text = self._process.communicate(timeout=_ANSWER_S)
        code = self._process.returncode
        self._report.ends[code] = self._report.ends.get(code, 0) + 1
        assert code in ENDS, f"exit code {code}: {text}"
