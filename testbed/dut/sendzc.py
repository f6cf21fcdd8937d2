# SPDX-License-Identifier: GPL-2.0-only
"""Zero-copy send in single steps: a script for each end of the wire (images/programs/sendzc*)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from testbed.dut.programs import lines_of, program
from testbed.dut.protocols import Completed, Dut, Endpoint
from testbed.dut.streams import timeout_words
from testbed.errors import GuestCommandFailed, GuestTimeout

TIMEOUT_S = 60.0
PORT = 5900
KIB = 1 << 10

READER = (f"listen {{peer}} {PORT}", "accept 0", "drain 0")
"""The remote end of most scripts: reads to the end of the stream."""

SLOW_READER = (f"listen {{peer}} {PORT} 4K", "accept 0", "accept 1", "await 1", "drain 0")
"""Reads nothing until it is told to on socket 1, and has little room."""

BEGIN = (f"connect 0 {{peer}} {PORT}", "ring 64", "memory 0 1M 7", "table 4", "slot 0 0 0 1M")
"""Socket 0, a ring, 1 MiB of memory 0 registered in slot 0 of 4."""

SLOW_BEGIN = (f"connect 0 {{peer}} {PORT} 256K", f"connect 1 {{peer}} {PORT}", *BEGIN[1:])
"""The same with less room in socket 0 than there is memory, and socket 1 for a slow reader."""

OTHERS_WANT_MEMORY = ("empty 0", "memory 1 1M 8")
"""Slot 0 is let go, and memory is taken: not memory 0, which is mapped, if the kernel has given
back no more of it than it took."""

LET_GO = (OTHERS_WANT_MEMORY[0], "unmap 0", OTHERS_WANT_MEMORY[1])
"""The program lets go of slot 0 and memory 0; other bytes take the pages if nobody holds them."""


@dataclass(frozen=True)
class Completion:
    """A CQE of a send. ``error``: errno's name; ``buffer``: ID of the first provided buffer.

    ``copied`` is the notification's IORING_NOTIF_USAGE_ZC_COPIED, ``more`` IORING_CQE_F_MORE,
    ``buffer_more`` IORING_CQE_F_BUF_MORE.
    """

    user: int
    res: int
    error: str | None
    more: bool
    notification: bool
    copied: bool
    buffer_more: bool
    buffer: int | None


class Transcript:
    """What one end reported, step by step."""

    def __init__(self, steps: Sequence[dict[str, Any]]) -> None:
        self.steps = steps

    def of(self, name: str) -> list[dict[str, Any]]:
        """The steps of that name."""
        return [step for step in self.steps if step["do"] == name]

    @property
    def errors(self) -> list[tuple[str, str]]:
        """(step, errno) of all that were refused."""
        return [(step["do"], step["error"]) for step in self.steps if step["error"]]

    @property
    def completions(self) -> list[Completion]:
        """All CQEs in the order they came."""
        wanted = ("completions", "settle")
        return [cqe for step in self.steps if step["do"] in wanted for cqe in _read(step)]

    @property
    def settled(self) -> list[list[Completion]]:
        """What came during each ``settle``."""
        return [_read(step) for step in self.of("settle")]

    @property
    def hashes(self) -> list[tuple[int, str]]:
        """(bytes, SHA-256) of each ``hash``, ``read`` and ``drain``."""
        found = ("hash", "read", "drain")
        return [(step["bytes"], step["sha256"]) for step in self.steps if step["do"] in found]

    @property
    def consumed(self) -> list[int]:
        """Entries consumed, at each ``consumed``."""
        return [step["count"] for step in self.of("consumed")]


def _read(step: dict[str, Any]) -> list[Completion]:
    return [Completion(**cqe) for cqe in step["completions"]]


def play(
    dut: Dut, remote: Endpoint, here: Sequence[str], there: Sequence[str] = ()
) -> tuple[Transcript, Transcript]:
    """Run a script at both ends at once. ``{peer}`` in it is the remote endpoint's address.

    Raises GuestCommandFailed if an end gives up, GuestTimeout.
    """
    other = remote.start(_argv(remote), input=_script(remote, there))
    try:
        done = _run(dut, remote, here)
    except GuestTimeout:
        other.kill().check()
        raise
    far = other.kill() if done.returncode else other.wait(TIMEOUT_S)
    if done.returncode or far.returncode:
        raise GuestCommandFailed(f"here: {_last(done)}; at the remote end: {_last(far)}")
    return _transcript(done.text), _transcript(far.text)


def attempt(
    dut: Dut, remote: Endpoint, here: Sequence[str], there: Sequence[str], wrapper: Sequence[str]
) -> Completed:
    """A script for each end, which may end in the middle; ``wrapper`` runs the program here. What
    the wrapper returned. Raises GuestTimeout."""
    other = remote.start(_argv(remote), input=_script(remote, there))
    try:
        return _run(dut, remote, here, wrapper)
    finally:
        other.kill()


def _run(dut: Dut, remote: Endpoint, here: Sequence[str], wrapper: Sequence[str] = ()) -> Completed:
    script = _script(remote, here)
    return dut.run([*wrapper, *_argv(dut)], input=script, check=False, timeout_s=2 * TIMEOUT_S)


def _last(done: Completed) -> str:
    steps = done.text.splitlines()
    return f"{done.error_text.strip() or 'no complaint'} after {len(steps)} steps: {steps[-1:]}"


def _argv(end: Endpoint) -> list[str]:
    return [program("sendzc_console"), *timeout_words(end, TIMEOUT_S)]


def _script(remote: Endpoint, steps: Sequence[str]) -> bytes:
    return "".join(f"{step}\n" for step in steps).replace("{peer}", remote.ipv4).encode()


def _transcript(text: str) -> Transcript:
    return Transcript(lines_of("sendzc_console", text))


def pair(completions: Sequence[Completion], user: int) -> tuple[Completion, Completion]:
    """Result and notification of one send: two, in this order, and no third (AssertionError)."""
    mine = [cqe for cqe in completions if cqe.user == user]
    assert [cqe.notification for cqe in mine] == [False, True], mine
    assert [cqe.more for cqe in mine] == [True, False], mine
    return mine[0], mine[1]


def check_received(here: Transcript, there: Transcript) -> None:
    """Require that the remote end read what the hashes here are of (AssertionError)."""
    assert there.hashes
    assert there.hashes == here.hashes
    assert not here.errors
    assert not there.errors
