# SPDX-License-Identifier: GPL-2.0-only
"""Zero-copy receive step by step: ``zcrx_console`` (images/programs) under a test's control.

What the kernel refuses is an answer (``Registration.errno``), so a test can say which errno is due.
Rings, IFQs (interface queues), sockets and exports are numbered by the test, 0 if it has only one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from typing import Any

from testbed.dut.mismatch import Differences, describe
from testbed.dut.programs import STEP_TIMEOUT_S, ask_console, program, result_of
from testbed.dut.protocols import Capability, Dut, Endpoint, Running
from testbed.dut.streams import Flow, flows_of, timeout_words
from testbed.errors import GuestCommandFailed

ALLOC_FAIL, COPY = 0, 1  # enum zcrx_event_type
FLUSH, EXPORT, ARM = 0, 1, 2  # enum zcrx_ctrl_op
COLLECT_TIMEOUT_MS = 10_000

_numbers = count(1)


@dataclass(frozen=True)
class Registration:
    """Answer to IORING_REGISTER_ZCRX_IFQ. ``errno`` is a name, empty for success.

    ``allocation_failed`` says whether the allocation that was asked to fail was reached. The rest
    is ``struct io_uring_zcrx_ifq_reg`` as the kernel left it; 0 after an error.
    """

    errno: str
    allocation_failed: bool = False
    id: int = 0
    rx_buf_len: int = 0
    rq_entries: int = 0
    token: int = 0
    head: int = 0
    tail: int = 0


@dataclass(frozen=True)
class End:
    """The last completion of a receive: ``errno`` is empty if ``result`` is no error."""

    socket: int
    result: int
    errno: str


@dataclass(frozen=True)
class Event:
    """A notification of an IFQ: ALLOC_FAIL or COPY."""

    ifq: int
    type: int


@dataclass(frozen=True)
class Collected:
    """What completions brought. ``complete``: all that was requested came before the time-out.

    ``overflow`` is the completion ring's own count, ``longest`` the most completions with payload
    of one socket in a row.
    """

    bytes: int
    completions: int
    complete: bool
    overflow: int
    longest: int
    ends: tuple[End, ...]
    events: tuple[Event, ...]


@dataclass(frozen=True)
class IfqState:
    """Refill ring (head: the kernel's, tail: ours), held references, ``struct zcrx_stats``.

    The statistics are None where the kernel keeps none (``Capability.ZCRX_EVENTS``).
    """

    head: int
    tail: int
    held: int
    copy_count: int | None
    copy_bytes: int | None


@dataclass(frozen=True)
class Held:
    """References held, how many of them name bytes that changed, in how many buffers they lie."""

    held: int
    changed: int
    buffers: int


class Console:
    """One ``zcrx_console`` at the device under test; made by :func:`console`.

    Each method raises GuestCommandFailed if the console is gone, or ended because the test
    requested something that makes no sense.
    """

    def __init__(self, dut: Dut, name: str, running: Running) -> None:
        self._dut = dut
        self._name = name
        self._running = running
        self._expected: dict[int, tuple[int, int]] = {}
        self.pid = running.pid

    def steps(self, *lines: str) -> list[dict[str, Any]]:
        """Take several steps in one go; their answers."""
        return ask_console(self._dut, "zcrx_console", self._name, self._running, lines)

    def step(self, verb: str, **words: int | str) -> dict[str, Any]:
        """Take one step; its answer."""
        (answer,) = self.steps(_line(verb, **words))
        return answer

    def ring(self, ring: int = 0, **words: int) -> str:
        """Make an io_uring fit for zero-copy receive (words: flags, sq, cq). Its errno."""
        return str(self.step("ring", ring=ring, **words)["errno"])

    def register(self, queue: int, ifq: int = 0, ring: int = 0, **words: int | str) -> Registration:
        """Bind ``queue`` of the NIC. ``words``: see ``zcrx_console/ifq.c``."""
        return _registration(self.step("register", **self._words(queue, ifq, ring, words)))

    def register_without_device(self, ifq: int = 0, ring: int = 0, **words: int) -> Registration:
        """ZCRX_REG_NODEV: an IFQ into which everything is copied."""
        return _registration(
            self.step("register", ifq=ifq, ring=ring, flags=2, **self._without_events(), **words)
        )

    def bind(self, queue: int, ifq: int = 0, ring: int = 0, **words: int | str) -> Registration:
        """Make the ring and bind the queue. Raises GuestCommandFailed if the kernel refuses."""
        made, answer = self.steps(
            _line("ring", ring=ring), _line("register", **self._words(queue, ifq, ring, words))
        )
        if made["errno"] or answer["errno"]:
            raise GuestCommandFailed(f"queue {queue} cannot be bound: {made} {answer}")
        return _registration(answer)

    def _words(
        self, queue: int, ifq: int, ring: int, words: Mapping[str, int | str]
    ) -> dict[str, int | str]:
        own: dict[str, int | str] = {"ifname": self._dut.netdev, "ifq": ifq, "ring": ring}
        return {**own, "queue": queue, **self._without_events(), **words}

    def _without_events(self) -> dict[str, int]:
        """A kernel without events calls the pointer to what we want of them reserved."""
        return {} if Capability.ZCRX_EVENTS in self._dut.capabilities else {"events_pointer": 0}

    def control(self, op: int, ifq: int = 0, ring: int = 0, **words: int) -> tuple[str, int]:
        """ZCRX_CTRL: the errno, and how many entries are left in the refill ring."""
        answer = self.step("control", op=op, ifq=ifq, ring=ring, **words)
        return str(answer["errno"]), int(answer["left"])

    def flush(self, ifq: int = 0, ring: int = 0) -> int:
        """Let the kernel take the refill ring's entries; how many it left. Raises on an error."""
        errno, left = self.control(FLUSH, ifq, ring)
        if errno:
            raise GuestCommandFailed(f"ZCRX_CTRL_FLUSH_RQ: {errno}")
        return left

    def receive(self, socket: int = 1, ifq: int = 0, ring: int = 0, **words: int) -> None:
        """Submit RECV_ZC. ``words``: bytes (limit), flags, id, address, message_flags, fd."""
        self.step("receive", socket=socket, ifq=ifq, ring=ring, **words)

    def collect(self, ring: int = 0, **words: int) -> Collected:
        """Take completions until all that ``words`` say came (bytes, ends, events, completions).

        ``timeout`` is in ms of a free host (10000). ``hold=1`` keeps the buffers instead of
        returning them, ``hold_below=K`` those with a number below K in the area. What does not fit
        into a full refill ring is kept, too.
        """
        words["timeout"] = int(words.get("timeout", COLLECT_TIMEOUT_MS) * self._dut.patience)
        answer = self.step("collect", ring=ring, **words)
        return Collected(
            bytes=answer["bytes"], completions=answer["completions"], complete=answer["complete"],
            overflow=answer["overflow"], longest=answer["longest"],
            ends=tuple(End(**end) for end in answer["ends"]),
            events=tuple(Event(**event) for event in answer["events"]),
        )  # fmt: skip

    def give_back(self, ifq: int = 0, **words: int) -> int:
        """Return held buffers, newest first: all, or ``count``. How many entries were written."""
        return int(self.step("return", ifq=ifq, **words)["returned"])

    def refill(self, ifq: int = 0, **words: int) -> int:
        """Write any entry into the refill ring, ``times`` times. How many were written."""
        return int(self.step("refill", ifq=ifq, **words)["written"])

    def state(self, ifq: int = 0) -> IfqState:
        """Refill ring and statistics now."""
        answer = self.step("state", ifq=ifq)
        if Capability.ZCRX_EVENTS not in self._dut.capabilities:
            answer = {**answer, "copy_count": None, "copy_bytes": None}
        return IfqState(**answer)

    def verify(self, ifq: int = 0) -> Held:
        """Whether what is held is as it was received."""
        return Held(**self.step("verify", ifq=ifq))

    def accept(
        self, socket: int, listener: int, timeout_ms: int, *, seed: int, total_bytes: int
    ) -> int:
        """Accept a connection on which the one flow of ``seed`` will come; the port of its sender.

        Raises GuestCommandFailed if none comes.
        """
        answer, _ = self.steps(
            _line("accept", socket=socket, of=listener, timeout=timeout_ms),
            _line("expect", socket=socket, seed=seed),
        )
        self._expected[socket] = (seed, total_bytes)
        return int(answer["port"])

    def digest(self, socket: int = 1) -> tuple[int, str]:
        """Bytes and SHA-256 of all that was received (or sent) on a socket.

        Raises GuestCommandFailed, with the place, if it is not what was expected there.
        """
        answer = self.step("digest", socket=socket)
        if found := Differences.of(answer):
            seed, total_bytes = self._expected[socket]
            raise GuestCommandFailed(f"data differs: {describe(found, seed, 0, [total_bytes])}")
        return int(answer["bytes"]), str(answer["sha256"])


def _line(verb: str, **words: int | str) -> str:
    return " ".join([verb, *(f"{name}={value}" for name, value in words.items())])


def _registration(answer: dict[str, Any]) -> Registration:
    words = dict(answer)
    return Registration(allocation_failed=bool(words.pop("failed")), **words)


@contextmanager
def console(dut: Dut, prefix: Sequence[str] = ()) -> Iterator[Console]:
    """A console that is killed at the end of the block. ``prefix``: a command to start it with."""
    name = f"zcrx-{next(_numbers)}"
    running = dut.start([*prefix, program("zcrx_console"), name])
    try:
        yield Console(dut, name, running)
    finally:
        running.kill()


@dataclass
class Sender:
    """A verified sender at the other end of a connection that the console accepted."""

    running: Running
    port: int
    zcrx: Console
    socket: int
    end: Endpoint

    def stop(self) -> None:
        """Let it end its stream where it is, in order."""
        self.end.run(["kill", "-s", "TERM", str(self.running.pid)])

    def sent(self, timeout_s: float = STEP_TIMEOUT_S) -> Flow:
        """Close the console's socket and wait for the sender's end; what it sent.

        Raises GuestCommandFailed, GuestTimeout.
        """
        self.zcrx.step("close", socket=self.socket)
        (flow,) = flows_of(result_of(self.running.wait(timeout_s)))
        return flow


@contextmanager
def sending(
    end: Endpoint,
    zcrx: Console,
    address: str,
    port: int,
    total_bytes: int,
    *,
    socket: int = 1,
    listener: int = 0,
    pace: int = 0,
    seed: int = 1,
    listen: bool = True,
    receive_buffer: int = 0,
) -> Iterator[Sender]:
    """Connect from ``end`` and send; the console listens and accepts as ``socket``.

    ``receive_buffer``: SO_RCVBUF of what is accepted; 0 lets the kernel make it larger as it likes.
    The sender is killed at the end of the block.
    """
    words = [program("stream_tx"), address, str(port), "--flows", "1", "--bytes", str(total_bytes)]
    words += ["--seed", str(seed), *timeout_words(end, STEP_TIMEOUT_S)]
    if pace:
        words += ["--pace", str(pace)]
    if listen:
        zcrx.step("listen", socket=listener, address=address, port=port, rcvbuf=receive_buffer)
    running = end.start(words)
    try:
        limit_ms = int(COLLECT_TIMEOUT_MS * end.patience)
        sender_port = zcrx.accept(socket, listener, limit_ms, seed=seed, total_bytes=total_bytes)
        yield Sender(running, sender_port, zcrx, socket, end)
    finally:
        running.kill()
