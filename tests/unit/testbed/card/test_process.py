# SPDX-License-Identifier: GPL-2.0-only
"""The runner's view of the card: its control channel, and what its end means."""

from __future__ import annotations

import asyncio
import gc
import json
import signal
import socket
import warnings
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from images.jail.start import JailReport
from testbed.card.control import ControlClient, ControlClosed, ControlError
from testbed.card.process import (
    EXIT_MEMORY,
    EXIT_PROTOCOL,
    CardConfig,
    EmulatedCard,
    require_readable,
)
from testbed.errors import (
    EnvironmentProblem,
    LaunchFailure,
    LostVM,
    ModelFailure,
    TestbedError,
    UsageProblem,
)
from testbed.host.pace import Pace


class FakeProcess:
    """A card process that has ended."""

    def __init__(
        self, returncode: int | None, said: str = "", memory: EnvironmentProblem | None = None
    ) -> None:
        self.returncode = returncode
        self.log = SimpleNamespace(tail=lambda _lines: said)
        self.killed_for_memory = lambda: memory
        self.jail = JailReport()

    def describe_end(self) -> str:
        return f"card ended with {self.returncode}"


def card_with(process: FakeProcess, folder: Path) -> EmulatedCard:
    card = EmulatedCard(
        CardConfig(seed=1, timing="asynchronous", guest_memory_bytes=1 << 30), loop=cast(Any, None),
        private=cast(Any, SimpleNamespace(path=folder)), run_dir=folder, uid=None, qemu_uid=None,
        pace=Pace(),
    )  # fmt: skip
    card.process = cast(Any, process)
    return card


def test_card_killed_for_memory_is_the_hosts_fault(tmp_path: Path) -> None:
    problem = EnvironmentProblem("this host ran out of memory")
    assert card_with(FakeProcess(-9, memory=problem), tmp_path).failure is problem


def test_refused_option_is_the_callers(tmp_path: Path) -> None:
    said = "devmodel: option colour: unknown key; allowed: mac"
    failure = card_with(FakeProcess(3, said), tmp_path).failure
    assert isinstance(failure, UsageProblem)
    assert failure.message == "card_options: colour: unknown key; allowed: mac"
    failure = card_with(FakeProcess(3, "devmodel: control_fd: descriptor 3"), tmp_path).failure
    assert isinstance(failure, ModelFailure)


@pytest.mark.parametrize("returncode", [None, 0])
def test_living_or_finished_card_has_not_failed(tmp_path: Path, returncode: int | None) -> None:
    assert card_with(FakeProcess(returncode), tmp_path).failure is None


def test_exception_of_the_card_is_a_model_failure_with_its_traceback(tmp_path: Path) -> None:
    said = "Traceback (most recent call last):\n  File x\nKeyError: 7"
    failure = card_with(FakeProcess(4, said), tmp_path).failure
    assert isinstance(failure, ModelFailure)
    assert "raised an exception" in failure.message
    assert "KeyError: 7" in "\n".join(failure.lines())


def test_killed_card_is_a_model_failure(tmp_path: Path) -> None:
    failure = card_with(FakeProcess(-signal.SIGKILL), tmp_path).failure
    assert isinstance(failure, ModelFailure)
    assert "died" in failure.message


@pytest.mark.parametrize("number", [27, 28])
def test_full_disk_is_not_the_cards_fault(tmp_path: Path, number: int) -> None:
    said = f"Traceback (most recent call last):\nOSError: [Errno {number}] something"
    assert isinstance(card_with(FakeProcess(4, said), tmp_path).failure, EnvironmentProblem)


@pytest.mark.parametrize(
    ("uml", "lacks", "kind"),
    [
        (True, (), LostVM),
        (True, ("namespaces: Operation not permitted",), EnvironmentProblem),
        (False, ("namespaces: Operation not permitted",), LostVM),
    ],
    ids=["UML", "UML in the host's /dev/shm", "QEMU"],
)
def test_memory_that_is_gone_is_not_the_cards_fault(
    tmp_path: Path, uml: bool, lacks: tuple[str, ...], kind: type[TestbedError]
) -> None:
    process = FakeProcess(EXIT_MEMORY, "devmodel: shared memory is gone (SIGBUS)")
    process.jail = JailReport(lacks)
    card = card_with(process, tmp_path)
    card._config = replace(card._config, uml_image=tmp_path if uml else None)
    assert type(card.failure) is kind
    assert card.cause_of_loss() is not None
    assert not card.lost_its_peer


def test_an_nvm_that_somebody_shortens_is_not_the_guests_doing(tmp_path: Path) -> None:
    nvm = tmp_path / "nvm"
    nvm.write_bytes(bytes(100))
    card = card_with(FakeProcess(EXIT_MEMORY, "devmodel: shared memory is gone (SIGBUS)"), tmp_path)
    card._config = replace(card._config, store=nvm)
    card._store_bytes = 100
    assert type(card.failure) is LostVM
    nvm.write_bytes(bytes(99))
    assert isinstance(card.failure, EnvironmentProblem)
    nvm.unlink()
    assert isinstance(card.failure, EnvironmentProblem)


def test_broken_protocol_says_nothing_of_who_broke_it(tmp_path: Path) -> None:
    card = card_with(FakeProcess(EXIT_PROTOCOL), tmp_path)
    assert isinstance(card.failure, ModelFailure)
    assert card.lost_its_peer
    assert card.cause_of_loss() is None


def test_private_code_is_refused_before_the_cards_user_meets_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("testbed.card.process.SOURCE_ROOT", tmp_path)
    tmp_path.chmod(0o755)
    require_readable()
    tmp_path.chmod(0o700)
    with pytest.raises(EnvironmentProblem, match="is private"):
        require_readable()


async def test_card_that_does_not_start_leaves_no_socket_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def spawn(*_words: object, **_more: object) -> None:
        raise LaunchFailure("cannot start card", command=["devmodel"], returncode=None)

    monkeypatch.setattr("testbed.card.process.spawn", spawn)
    card = card_with(FakeProcess(None), tmp_path)
    card.process = None
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        with pytest.raises(LaunchFailure):
            await card.launch()
        await card.stop()
        await asyncio.sleep(0)
        gc.collect()
    assert [str(one.message) for one in said] == []


@asynccontextmanager
async def control_of(
    serve: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Any],
    client: ControlClient | None = None,
) -> AsyncIterator[ControlClient]:
    """The client of a card played by ``serve``."""
    ours, theirs = socket.socketpair()
    reader, writer = await asyncio.open_connection(sock=theirs)
    server = asyncio.create_task(serve(reader, writer))
    client = client or ControlClient()
    await client.connect(ours)
    try:
        yield client
    finally:
        await client.close()
        server.cancel()
        await asyncio.gather(server, return_exceptions=True)
        writer.close()


async def test_answers_find_their_questions_in_any_order() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        requests = [json.loads(await reader.readline()) for _ in range(2)]
        writer.write(b'{"event": "violation", "rule": "x"}\n')
        for request in reversed(requests):
            answer = {"id": request["id"], "result": request["method"]}
            writer.write(json.dumps(answer).encode() + b"\n")

    async with control_of(serve) as client:
        assert await asyncio.gather(client.request("a"), client.request("b")) == ["a", "b"]
        assert client.events == [{"event": "violation", "rule": "x"}]


async def test_refusal_names_the_reason() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = json.loads(await reader.readline())
        error = {"kind": "bad_params", "message": "no such port"}
        writer.write(json.dumps({"id": request["id"], "error": error}).encode() + b"\n")

    async with control_of(serve) as client:
        with pytest.raises(ControlError, match="no such port"):
            await client.request("link", {"port": 9})


@pytest.mark.parametrize(
    "farewell",
    [
        *(b"", b"garbage\n", b"[1, 2]\n", b"5\n", b"null\n", b"\xff\n", b"[" * 100_000 + b"\n"),
        *(b'{"id": []}\n', b'{"id": 1, "result": {"violations": 3}}\n'),
    ],
)
async def test_broken_channel_wakes_who_waits(farewell: bytes) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(farewell)
        writer.close()

    async with control_of(serve) as client:
        with pytest.raises(ControlClosed):
            await client.request("state")
        with pytest.raises(ControlClosed):
            await client.request("state")


@pytest.mark.parametrize(
    ("ask", "result"),
    [
        (lambda card: card.state(), []),
        (lambda card: card.state(), None),
        (lambda card: card.state()["violations"]["counts"], {}),
        (lambda card: card.state()["violations"]["counts"], {"violations": {}}),
        (lambda card: card.faults_arm({}), {"handle": "one"}),
        (lambda card: card.faults_arm({}), {}),
        (lambda card: card.faults_disarm(1), {"faults": 3}),
        (lambda card: card.faults_disarm(1), {"faults": [1]}),
        (lambda card: card.faults_status(), "none"),
    ],
)
def test_nonsense_of_the_card_is_its_own_fault(
    tmp_path: Path, ask: Callable[[EmulatedCard], object], result: object
) -> None:
    card = card_with(FakeProcess(None), tmp_path)
    line = json.dumps({"id": 1, "result": result}).encode() + b"\n"

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(line)

    async def one_request(method: str, params: Any) -> Any:
        async with control_of(serve, card._control) as client:
            return await client.request(method, params)

    card._loop = cast(Any, SimpleNamespace(run=lambda work: asyncio.run(work)))
    cast(Any, card).request = lambda method, params=None: one_request(method, params)
    with pytest.raises(ModelFailure, match="the card answered nonsense"):
        ask(card)


async def test_silent_card_times_out() -> None:
    async def serve(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with control_of(serve) as client:
        with pytest.raises(TimeoutError):
            await client.request("state", timeout_s=0.05)
