# SPDX-License-Identifier: GPL-2.0-only
"""The guest agent client against a fake agent on the other end of a socket pair."""

from __future__ import annotations

import asyncio
import base64
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from testbed.engines.qemu.agent import Agent
from testbed.errors import GuestCommandFailed, GuestTimeout, LostVM, TestbedError
from testbed.host.pace import Pace

Reply = Callable[[dict[str, Any]], object]


class FakeGuest:
    """Answers like qemu-ga: files in memory, one command whose output is given beforehand.

    It takes ``reads`` bytes at a time from a channel that may hold ``reads_ahead`` more: these wait
    until more arrives, and meanwhile its answers are lost.
    """

    def __init__(self, *, stdout: bytes = b"", stderr: bytes = b"", polls: int = 2) -> None:
        self.files: dict[str, bytearray] = {}
        self.handles: dict[int, tuple[str, int]] = {}
        self.commands: list[dict[str, Any]] = []
        self.killed = False
        self.kills_missed = 0
        self.output = {".out": stdout, ".err": stderr}
        self.polls = polls
        self.status: dict[str, object] = {"exited": True, "exitcode": 0}
        self.override: dict[str, Reply] = {}
        self.reads, self.reads_ahead = 1 << 20, 0

    async def serve(self, connection: socket.socket) -> None:
        reader, writer = await asyncio.open_connection(sock=connection)
        channel = text = ""
        while data := await reader.read(max(0, self.reads - len(channel)) + self.reads_ahead):
            channel += data.decode()
            text, channel = text + channel[: self.reads], channel[self.reads :]
            while text := text.lstrip():  # requests have no separator
                try:
                    request, end = json.JSONDecoder().raw_decode(text)
                except json.JSONDecodeError:
                    break
                text = text[end:]
                self.answer(request, None if channel else writer)
        writer.close()

    def answer(self, request: dict[str, Any], writer: asyncio.StreamWriter | None) -> None:
        answer = self.override.get(request["execute"], self.reply)(request)
        if writer is None:
            return
        if isinstance(answer, bytes):
            writer.write(answer)
        elif answer is not None:
            key = "error" if isinstance(answer, dict) and "class" in answer else "return"
            writer.write(json.dumps({key: answer, "id": request["id"]}).encode() + b"\n")

    def reply(self, request: dict[str, Any]) -> object:
        name, arguments = request["execute"], request.get("arguments", {})
        match name:
            case "guest-exec":
                self.commands.append(arguments)
                if "kill" in str(arguments.get("arg")):
                    self.killed = self.kills_missed == 0
                    self.kills_missed -= 1
                return {"pid": 100 + len(self.commands)}
            case "guest-exec-status":
                return self.poll()
            case "guest-file-open":
                path = arguments["path"]
                if path.startswith("/missing"):
                    return {"class": "GenericError", "desc": "No such file or directory"}
                if arguments["mode"].startswith("w"):
                    self.files[path] = bytearray()
                self.handles[len(self.handles) + 1] = (path, 0)
                return len(self.handles)
            case "guest-file-read":
                path, at = self.handles[arguments["handle"]]
                data = bytes(self.files[path][at : at + arguments["count"]])
                self.handles[arguments["handle"]] = (path, at + len(data))
                encoded = base64.b64encode(data).decode()
                return {"count": len(data), "buf-b64": encoded, "eof": not data}
            case "guest-file-write":
                self.files[self.handles[arguments["handle"]][0]] += base64.b64decode(
                    arguments["buf-b64"]
                )
                return {"count": 1, "eof": False}
        return {}

    def poll(self) -> dict[str, object]:
        if len(self.commands) == 1:  # the agent's own mkdir
            return {"exited": True, "exitcode": 0}
        self.polls -= 1
        if self.polls > 0 and not self.killed:
            return {"exited": False}
        for path, content in self.files.items():
            if not content:
                content += self.output.get(path[-4:], b"")
        return {"exited": True, "signal": 9} if self.killed else self.status


@asynccontextmanager
async def agent_of(guest: FakeGuest, pace: Pace | None = None) -> AsyncIterator[Agent]:
    """An agent that talks to ``guest``."""

    async def no_guard(awaitable: Awaitable[object]) -> object:
        return await awaitable

    async def lose(error: LostVM) -> TestbedError:
        return error

    ours, theirs = socket.socketpair()
    server = asyncio.create_task(guest.serve(theirs))
    agent = Agent(no_guard, lose, pace or Pace())
    try:
        await agent.connect(ours)
        yield agent
    finally:
        await agent.close()
        ours.close()
        server.cancel()
        await asyncio.gather(server, return_exceptions=True)
        theirs.close()


async def test_run_returns_both_outputs_and_status() -> None:
    guest = FakeGuest(stdout=b"out\n", stderr=b"err\n")
    guest.status = {"exited": True, "exitcode": 3}
    async with agent_of(guest) as agent:
        done = await agent.wait(await agent.start(["prog", "a b"], cwd="/tmp"), 5.0)
        assert (done.returncode, done.stdout, done.stderr) == (3, b"out\n", b"err\n")
        with pytest.raises(GuestCommandFailed, match="prog 'a b' returned 3: err"):
            done.check()
    assert guest.commands[1]["arg"][-3:] == ["/tmp", "prog", "a b"]


async def test_output_larger_than_one_read_arrives_whole_and_streams() -> None:
    content = bytes(range(256)) * 4096
    guest = FakeGuest(stdout=content)
    seen = bytearray()
    async with agent_of(guest) as agent:
        command = await agent.start(["x"], sink=lambda name, data: seen.extend(data))
        done = await agent.wait(command, 5.0)
        assert done.stdout == content
    assert seen == content


async def test_capture_has_a_cap_but_a_sink_gets_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("testbed.engines.agent.CAPTURE_CAP_BYTES", 1000)
    content = bytes(range(256)) * 4096
    seen = bytearray()
    async with agent_of(FakeGuest(stdout=content)) as agent:
        command = await agent.start(["x"], sink=lambda _name, data: seen.extend(data))
        done = await agent.wait(command, 5.0)
        assert done.stdout == content[:1000]
        assert done.truncated
    assert seen == content


async def test_netns_and_environment_reach_the_guest() -> None:
    guest = FakeGuest()
    async with agent_of(guest) as agent:
        await agent.wait(await agent.start(["x"], netns="peer", env={"KEY": "v"}), 5.0)
    request = guest.commands[1]
    assert [request["path"], *request["arg"][:3]] == ["/sbin/ip", "netns", "exec", "peer"]
    assert "KEY=v" in request["env"]
    assert any(item.startswith("PATH=") for item in request["env"])


async def test_timeout_kills_the_process_group() -> None:
    guest = FakeGuest(polls=1_000_000)
    async with agent_of(guest) as agent:
        with pytest.raises(GuestTimeout, match=r"0\.05 s"):
            await agent.wait(await agent.start(["sleep"]), 0.05)
    assert guest.commands[-1]["arg"] == ["-c", "kill -s KILL -- -102"]


async def test_kill_before_the_command_leads_a_group_is_repeated() -> None:
    guest = FakeGuest(polls=1000)
    guest.kills_missed = 1
    async with agent_of(guest) as agent:
        assert (await agent.kill(await agent.start(["sleep", "60"]))).returncode == -9


async def test_cancelled_wait_kills_the_command() -> None:
    guest = FakeGuest(polls=1_000_000)
    async with agent_of(guest) as agent:
        task = asyncio.create_task(agent.wait(await agent.start(["sleep"]), None))
        await asyncio.sleep(0.02)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert guest.killed


async def test_put_and_get_are_exact() -> None:
    content = bytes(range(256)) * 3000
    guest = FakeGuest()
    async with agent_of(guest) as agent:
        await agent.put(content, "/tmp/file")
        assert await agent.get("/tmp/file") == content
    assert guest.files["/tmp/file"] == content


async def test_refusal_of_the_agent_is_a_failed_command() -> None:
    async with agent_of(FakeGuest()) as agent:
        with pytest.raises(GuestCommandFailed, match=r"/missing/x.*No such file"):
            await agent.get("/missing/x")


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param([], id="wrong type"),
        pytest.param({"pid": "x"}, id="wrong field"),
        pytest.param(b"not json\n", id="not JSON"),
        pytest.param(b"[" * 100_000 + b"\n", id="deep nesting"),
        pytest.param(b"x" * (9 << 20), id="endless line"),
        pytest.param(b'{"error": {"class": "x", "desc": "y"}}\n', id="error without id"),
    ],
)
async def test_hostile_replies_end_in_a_lost_vm(answer: object) -> None:
    guest = FakeGuest()
    async with agent_of(guest) as agent:
        guest.override["guest-exec"] = lambda _request: answer
        with pytest.raises(LostVM):
            await agent.start(["x"])


async def test_no_more_requests_at_once_than_the_agent_bears() -> None:
    """As qemu-ga loses the answers it gives while input waits in its channel."""
    guest = FakeGuest(stdout=b"x")
    guest.reads, guest.reads_ahead = 4096, 1023
    async with agent_of(guest) as agent:
        commands = await asyncio.gather(*(agent.start(["x", "y" * 700]) for _ in range(9)))
        for done in await asyncio.gather(*(agent.wait(one, 5.0) for one in commands)):
            assert done.returncode == 0


async def test_a_long_request_is_pushed_through_the_agent() -> None:
    """As qemu-ga does not see the rest of what it has read 4096 bytes of."""
    guest = FakeGuest()
    guest.reads, guest.reads_ahead = 4096, 1023
    async with agent_of(guest) as agent:
        await agent.put(b"y" * 100_000, "/tmp/x")
        assert guest.files["/tmp/x"] == b"y" * 100_000


async def test_a_silent_guest_is_a_lost_vm() -> None:
    guest = FakeGuest()
    async with agent_of(guest) as agent:
        guest.override["guest-ping"] = lambda _request: None
        with pytest.raises(LostVM, match="does not answer"):
            await agent.call("guest-ping", timeout_s=0.05)


async def test_invalid_base64_is_a_lost_vm() -> None:
    guest = FakeGuest()
    async with agent_of(guest) as agent:
        guest.override["guest-file-read"] = lambda _request: {"buf-b64": "%%%", "eof": True}
        with pytest.raises(LostVM, match="base64"):
            await agent.get("/tmp/x")
