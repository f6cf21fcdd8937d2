# SPDX-License-Identifier: GPL-2.0-only
"""The card of ``testbed card``, in its jail: sockets, others' requests, files, the end."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from testbed.card.guides import guides
from testbed.card.remote import ask
from testbed.card.served import Places, ServedCard, serving
from testbed.errors import EnvironmentProblem, ModelFailure, UsageProblem
from tests.protocol.client import CONFIG, Client

IDENTITY = 0x1750_14E4


@contextmanager
def served(places: Places, told: list[str], **more: object) -> Iterator[ServedCard]:
    settings = {"seed": 1, "timing": "asynchronous", "options": {}, "plan": None, **more}
    with serving(places, tell=told.append, **settings) as card:  # type: ignore[arg-type]
        yield card


@contextmanager
def guest(places: Places) -> Iterator[Client]:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(str(places.socket))
        client = Client(sock)
        assert client.version().error == 0
        yield client


def wait_for(told: list[str], wanted: str) -> None:
    deadline = time.monotonic() + 10
    while not any(wanted in line for line in told):
        assert time.monotonic() < deadline, told
        time.sleep(0.01)


def test_from_the_first_guest_to_the_end(tmp_path: Path) -> None:
    places = Places(
        socket=tmp_path / "card.sock", trace=tmp_path / "t.jsonl", capture=tmp_path / "c.pcapng"
    )
    told: list[str] = []
    with served(places, told) as card:
        assert str(places.socket) in guides(places)
        paths = [places.socket, places.control, places.wire_path]
        modes = [stat.S_IMODE(path.stat().st_mode) for path in paths if path is not None]
        assert modes == [0o600] * 3
        for _ in range(2):
            with guest(places) as client:
                assert client.read_int(CONFIG, 0) == IDENTITY
                client.read_int(0, 0)
            wait_for(told, "violation mmio_while_disabled")
            wait_for(told, "guest's side disconnected")
            told.clear()
        assert ask(places.socket, "state")["guests"] == 2
        with pytest.raises(UsageProblem, match="handle 1 is not armed"):
            ask(places.socket, "faults_disarm", {"handle": 1})
        lines, is_bad = card.account()
        assert is_bad
        assert "violations: 2; mmio_while_disabled 2" in lines
    assert {path.name for path in tmp_path.iterdir()} == {"card.sock.log", "t.jsonl", "c.pcapng"}
    kinds = {json.loads(line)["k"] for line in (tmp_path / "t.jsonl").read_text().splitlines()}
    assert {"confined", "guest_left", "violation"} <= kinds


def test_it_is_another_card_with_other_options(tmp_path: Path) -> None:
    places = Places(socket=tmp_path / "card.sock")
    with served(places, [], options={"subsystem_id": 0x1234}), guest(places) as client:
        assert client.read_int(CONFIG, 0x2E, 2) == 0x1234


def test_a_card_that_fails_is_said_and_its_sockets_go(tmp_path: Path) -> None:
    places = Places(socket=tmp_path / "card.sock")
    with served(places, []) as card:
        assert card.process is not None
        os.kill(card.process.program_pid, signal.SIGKILL)
        with pytest.raises(ModelFailure, match="the card died"):
            card.wait()
    assert [path.name for path in tmp_path.iterdir()] == ["card.sock.log"]


def test_two_cards_at_one_place(tmp_path: Path) -> None:
    places = Places(socket=tmp_path / "card.sock")
    with served(places, []):
        with (
            pytest.raises(UsageProblem, match="somebody listens there already"),
            served(places, []),
        ):
            pass
        with guest(places) as client:
            assert client.read_int(CONFIG, 0) == IDENTITY


@pytest.mark.parametrize(("strict", "code"), [([], 0), (["--strict"], 1)])
def test_ctrl_c_is_the_usual_end_of_the_command(
    tmp_path: Path, strict: list[str], code: int
) -> None:
    places = Places(socket=tmp_path / "card.sock")
    with subprocess.Popen(
        [sys.executable, "-P", "-m", "testbed", "card", "--socket", places.socket, *strict],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        while "waiting for a guest" not in (line := process.stdout.readline()):
            assert line, process.communicate()
        with guest(places) as client:
            client.read_int(0, 0)
        while "disconnected" not in process.stdout.readline():
            pass
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (code, "")
    assert out.splitlines() == [
        "guests: 1; frames sent 0, received 0",
        "violations: 1; mmio_while_disabled 1",
    ]
    assert not places.socket.exists()


def test_passt_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with (
        pytest.raises(EnvironmentProblem, match="there is no passt"),
        served(Places(socket=tmp_path / "s", wire="passt"), []),
    ):
        pass
    assert not (tmp_path / "s").exists()


@pytest.mark.skipif(shutil.which("passt") is None, reason="this host has no passt")
def test_passt_is_the_other_end_and_goes_with_the_card(tmp_path: Path) -> None:
    told: list[str] = []
    places = Places(socket=tmp_path / "s", wire="passt")
    with served(places, told) as card:
        assert places.wire_path is None
        wait_for(told, "wire connected")
        assert card.passt is not None
        pid = card.passt.pid
        os.kill(pid, 0)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
