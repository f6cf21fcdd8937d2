# SPDX-License-Identifier: GPL-2.0-only
"""The agent client against a fake guest on the other end of a socket pair."""

from __future__ import annotations

import asyncio
import errno
import socket
import struct
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import pytest

from testbed.engines.uml.agent import UmlAgent
from testbed.errors import GuestCommandFailed, GuestTimeout, LostVM, TestbedError

OK = struct.pack("<Q", 5) + b"k"


def blob(data: bytes) -> bytes:
    return struct.pack("<I", len(data)) + data


def waited(ended: bool, status: int = 0, out: bytes = b"", err: bytes = b"") -> bytes:
    return OK + struct.pack("<II", ended, status) + blob(out) + blob(err)


class FakeGuest:
    """Greets, then gives ``answers`` in turn; keeps the requests."""

    def __init__(self, *answers: bytes) -> None:
        self.answers = [OK, *answers]
        self.requests: list[bytes] = []

    async def serve(self, connection: socket.socket) -> None:
        reader, writer = await asyncio.open_connection(sock=connection)
        for i, answer in enumerate(self.answers):
            if i:
                try:
                    (length,) = struct.unpack("<I", await reader.readexactly(4))
                    self.requests.append(await reader.readexactly(length))
                except asyncio.IncompleteReadError:
                    break
            writer.write(blob(answer))
        await reader.read()
        writer.close()


def drive(guest: FakeGuest, work: Callable[[UmlAgent], Coroutine[Any, Any, Any]]) -> Any:
    """Run ``work`` with an agent connected to ``guest``."""

    async def guard(awaitable: Awaitable[bytes]) -> bytes:
        return await awaitable

    async def lose(error: LostVM) -> TestbedError:
        return error

    async def main() -> Any:
        ours, theirs = socket.socketpair()
        serving = asyncio.create_task(guest.serve(theirs))
        agent = UmlAgent(guard, lose)
        await agent.connect(ours)
        try:
            return await asyncio.wait_for(work(agent), 5)
        finally:
            await agent.close()
            await asyncio.wait({serving}, timeout=2)

    return asyncio.run(main())


def run_command(timeout_s: float | None = 60.0) -> Callable[[UmlAgent], Coroutine[Any, Any, Any]]:
    async def work(agent: UmlAgent) -> Any:
        return await agent.wait(await agent.start(["true", "x"], netns="peer"), timeout_s)

    return work


def started(pid: int, answer: bytes) -> bytes:
    """What R gives: what S does, then what W does (``answer``)."""
    return OK + struct.pack("<I", pid) + answer[len(OK) :]


def run_at_once(timeout_s: float | None = 60.0) -> Callable[[UmlAgent], Coroutine[Any, Any, Any]]:
    return lambda agent: agent.run(["true", "x"], timeout_s, netns="peer", input=b"in")


def test_command_that_ends_soon_takes_one_turn() -> None:
    guest = FakeGuest(started(42, waited(True, 3 << 8, b"b", b"c")))
    done = drive(guest, run_at_once())
    assert (done.argv, done.returncode) == (("true", "x"), 3)
    assert (done.stdout, done.stderr) == (b"b", b"c")
    (request,) = guest.requests
    second = struct.pack("<Q", 1_000_000_000)
    assert request.startswith(b"R" + second + blob(b"peer") + blob(b"/") + blob(b"in"))
    assert blob(b"true") + blob(b"x") in request


def test_command_that_runs_on_is_waited_for_as_any_other() -> None:
    guest = FakeGuest(started(42, waited(False, 0, b"a")), waited(True, 0, b"b"))
    assert drive(guest, run_at_once(1.5)).stdout == b"ab"
    assert guest.requests[1] == b"W" + struct.pack("<IQ", 42, 500_000_000)


def test_first_turn_counts_for_the_time_out() -> None:
    guest = FakeGuest(started(42, waited(False)), waited(False), OK, waited(True, 9))
    with pytest.raises(GuestTimeout, match=r"within 1\.5 s"):
        drive(guest, run_at_once(1.5))
    assert [request[:1] for request in guest.requests] == [b"R", b"W", b"K", b"W"]


def test_command_that_cannot_start_says_so() -> None:
    refused = struct.pack("<Q", 5) + b"e" + struct.pack("<I", errno.ENOENT)
    with pytest.raises(GuestCommandFailed, match="cannot start true in the guest: No such file"):
        drive(FakeGuest(refused), run_at_once())


@pytest.mark.parametrize(
    "answer", [OK, OK + b"\1\0", started(1, OK), started(1, OK + struct.pack("<II", 1, 0))]
)
def test_nonsense_about_a_run_is_a_lost_guest(answer: bytes) -> None:
    with pytest.raises(LostVM):
        drive(FakeGuest(answer), run_at_once())


def test_waits_grow_with_what_has_been_waited() -> None:
    """By a quarter, from a second on: the card's timers look at the clock when a turn ends."""
    guest = FakeGuest(OK + struct.pack("<I", 42), *[waited(False)] * 7, waited(True))
    drive(guest, run_command(None))
    spans = [struct.unpack_from("<Q", request, 5)[0] for request in guest.requests[1:]]
    assert spans[:6] == [int(s * 1e9) for s in (1, 1, 1, 1, 1, 1.25)]
    assert all(span <= sum(spans[:i]) // 4 for i, span in enumerate(spans) if i > 4)


def test_command_runs_and_returns_its_output() -> None:
    guest = FakeGuest(
        OK + struct.pack("<I", 42), waited(False, 0, b"a"), waited(True, 3 << 8, b"b", b"c")
    )
    done = drive(guest, run_command())
    assert (done.returncode, done.stdout, done.stderr) == (3, b"ab", b"c")
    start, first, _ = guest.requests
    assert start.startswith(b"S" + blob(b"peer") + blob(b"/"))
    assert blob(b"true") + blob(b"x") in start
    assert first[:5] == b"W" + struct.pack("<I", 42)


def test_time_out_is_counted_in_guest_time_and_kills() -> None:
    guest = FakeGuest(OK + struct.pack("<I", 42), waited(False), waited(False), OK, waited(True, 9))
    with pytest.raises(GuestTimeout, match=r"within 1\.5 s"):
        drive(guest, run_command(1.5))
    spans = [struct.unpack_from("<Q", r, 5)[0] for r in guest.requests if r[:1] == b"W"]
    assert spans[:2] == [1_000_000_000, 500_000_000]
    assert guest.requests[3][:1] == b"K"


def test_signal_is_a_negative_return_code() -> None:
    guest = FakeGuest(OK + struct.pack("<I", 1), waited(True, 9))
    assert drive(guest, run_command()).returncode == -9


def test_refusal_names_the_reason() -> None:
    refused = struct.pack("<Q", 5) + b"e" + struct.pack("<I", errno.ENOENT)
    with pytest.raises(GuestCommandFailed, match="No such file"):
        drive(FakeGuest(refused), lambda agent: agent.get("/nowhere"))


def test_file_is_read_in_pieces() -> None:
    guest = FakeGuest(OK + blob(b"abc"), OK + blob(b"de"), OK + blob(b""))
    assert drive(guest, lambda agent: agent.get("/file")) == b"abcde"
    assert [struct.unpack_from("<Q", r, 1)[0] for r in guest.requests] == [0, 3, 5]


def test_file_is_written_in_pieces() -> None:
    guest = FakeGuest(OK, OK)
    drive(guest, lambda agent: agent.put(b"x" * 300_000, "/file"))
    assert [struct.unpack_from("<I", r, 1)[0] for r in guest.requests] == [0, 1]


@pytest.mark.parametrize("answer", [b"", b"short", OK + b"\1", OK + struct.pack("<II", 1, 0)])
def test_nonsense_is_a_lost_guest(answer: bytes) -> None:
    guest = FakeGuest(OK + struct.pack("<I", 1), answer)
    with pytest.raises(LostVM):
        drive(guest, run_command())


@pytest.mark.parametrize("answer", [OK, OK + b"\1\0", OK + struct.pack("<Q", 1)])
def test_start_without_a_process_is_a_lost_guest(answer: bytes) -> None:
    with pytest.raises(LostVM, match="malformed"):
        drive(FakeGuest(answer), run_command())


@pytest.mark.parametrize("status", [0x7F, 0xFFFF, 0xFFFF_FFFF])
def test_status_that_nothing_ends_with_is_a_lost_guest(status: int) -> None:
    with pytest.raises(LostVM, match="status"):
        drive(FakeGuest(OK + struct.pack("<I", 1), waited(True, status)), run_command())


def test_errno_may_be_any_number() -> None:
    refused = struct.pack("<Q", 5) + b"e" + struct.pack("<I", 0xFFFF_FFFF)
    with pytest.raises(GuestCommandFailed, match="error 4294967295"):
        drive(FakeGuest(refused), lambda agent: agent.get("/nowhere"))


def test_broken_connection_is_a_lost_guest() -> None:
    guest = FakeGuest()

    async def serve_and_leave(connection: socket.socket) -> None:
        connection.sendall(blob(OK))
        connection.close()

    guest.serve = serve_and_leave  # type: ignore[method-assign]
    with pytest.raises(LostVM, match="broke"):
        drive(guest, run_command())


class BusyGuest(FakeGuest):
    """Its first command runs until it is killed; what waits for it gets an answer once let go."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = asyncio.Event()
        self.go = asyncio.Event()

    async def serve(self, connection: socket.socket) -> None:
        reader, writer = await asyncio.open_connection(sock=connection)
        writer.write(blob(OK))
        number, ended = 0, {2}
        while head := await reader.read(4):
            request = await reader.readexactly(*struct.unpack("<I", head))
            self.requests.append(request)
            if request[:1] == b"R":
                number += 1
                self.asked.set()
                await self.go.wait()
                writer.write(blob(started(number, waited(False))))
                continue
            if request[:1] == b"S":
                number += 1
                writer.write(blob(OK + struct.pack("<I", number)))
                continue
            (pid,) = struct.unpack_from("<I", request, 1)
            if request[:1] == b"K":
                ended.add(pid)
                writer.write(blob(OK))
                continue
            self.asked.set()
            await self.go.wait()
            writer.write(blob(waited(pid in ended, 0, b"output of %d" % pid)))
        writer.close()


def test_a_cancelled_wait_kills_the_command_and_loses_no_machine() -> None:
    """As Ctrl-C does: what undoes the test's settings afterwards needs the agent."""
    guest = BusyGuest()

    async def work(agent: UmlAgent) -> Any:
        command = await agent.start(["true", "x"])
        waiting = asyncio.create_task(agent.wait(command, None))
        await guest.asked.wait()
        waiting.cancel()
        undo = asyncio.create_task(agent.start(["undo"]))
        await asyncio.sleep(0)
        guest.go.set()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        return await agent.wait(await undo, None)

    assert drive(guest, work).stdout == b"output of 2"
    assert b"K" + struct.pack("<I", 1) in guest.requests


def test_a_cancelled_run_kills_what_it_began() -> None:
    guest = BusyGuest()

    async def work(agent: UmlAgent) -> None:
        running = asyncio.create_task(agent.run(["true", "x"], None))
        await guest.asked.wait()
        running.cancel()
        await asyncio.sleep(0)
        guest.go.set()
        with pytest.raises(asyncio.CancelledError):
            await running

    drive(guest, work)
    assert [request[:5] for request in guest.requests[1:]] == [
        b"K" + struct.pack("<I", 1), b"W" + struct.pack("<I", 1),
    ]  # fmt: skip
