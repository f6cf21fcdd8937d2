# SPDX-License-Identifier: GPL-2.0-only
"""A card that a person starts: sockets at paths, one guest after the other, and news."""

from __future__ import annotations

import json
import queue
import signal
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.protocol import client as c
from tests.protocol.client import CONFIG, Client

ROOT = Path(__file__).parents[2]
IDENTITY = 0x1750_14E4
LEFT = "guest's side disconnected; as after power-on for the next one"
PLAN = """
version = 1
[[fault]]
id = "gone"
where = "config.read"
when = { nth = 2 }
what = { action = "set", fields = { value = -1 } }
"""


class ByHand:
    """The process, with its sockets in ``folder``."""

    def __init__(self, folder: Path, *more: str | Path) -> None:
        self.socket = folder / "card.sock"
        self.wire = folder / "wire.sock"
        self.control = folder / "control.sock"
        self.process = subprocess.Popen(
            [
                sys.executable, "-m", "devmodel", "--socket", self.socket, "--wire", self.wire,
                "--control", self.control, *more,
            ],
            cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        self._opened: list[socket.socket] = []
        self._lines: queue.Queue[str] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line.rstrip("\n"))
        self._lines.put("")

    def line(self, wanted: str) -> str:
        """Wait for a line that ends so, and return it."""
        while wanted not in (line := self._lines.get(timeout=10)):
            assert line, f"ended without {wanted!r}: {self.process.stderr}"
        return line

    def rest(self) -> list[str]:
        """Every line until the end."""
        lines = []
        while line := self._lines.get(timeout=10):
            lines.append(line)
        return lines

    def open(self, path: Path) -> socket.socket:
        """A connection that is closed in the end."""
        sock = connected(path)
        self._opened.append(sock)
        return sock

    def connect(self) -> Client:
        """A guest's side, after VERSION."""
        client = Client(self.open(self.socket))
        assert client.version().error == 0
        return client

    def ask(self, method: str, **params: Any) -> dict[str, Any]:
        """One control request; its answer."""
        with connected(self.control) as sock:
            sock.sendall(json.dumps({"id": 1, "method": method, "params": params}).encode() + b"\n")
            answer: dict[str, Any] = json.loads(sock.makefile("rb").readline())
            return answer

    def close(self) -> None:
        """Kill what still runs, and close everything."""
        for sock in self._opened:
            sock.close()
        self.process.kill()
        self.process.wait()
        self._reader.join()
        for pipe in (self.process.stdout, self.process.stderr):
            assert pipe is not None
            pipe.close()

    def end(self, number: int = signal.SIGINT) -> int:
        """End it as a person does. Returns the exit code."""
        self.process.send_signal(number)
        return self.process.wait(10)


def connected(path: Path) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(10)
    sock.connect(str(path))
    return sock


Start = Callable[..., ByHand]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts a card with further options and waits until it waits for a guest."""
    started: list[ByHand] = []

    def begin(*more: str | Path) -> ByHand:
        card = ByHand(tmp_path, *more)
        started.append(card)
        card.line("waiting for a guest")
        return card

    yield begin
    for card in started:
        card.close()


def test_each_guest_finds_the_card_as_after_power_on(start: Start) -> None:
    card = start()
    first = card.connect()
    first.write_int(CONFIG, 4, 0x6, 2)
    first.write_int(CONFIG, 0x10, 0xE000_0000)
    assert first.read_int(CONFIG, 4, 2) == 0x6
    first.sock.close()
    card.line(LEFT)
    second = card.connect()
    assert second.read_int(CONFIG, 4, 2) == 0
    assert second.read_int(CONFIG, 0x10) & 0xFFFF_F000 == 0
    assert second.read_int(CONFIG, 0) == IDENTITY
    state = card.ask("state")["result"]
    assert (state["guests"], state["guest_is_there"]) == (2, True)
    assert card.end() == 0


def test_the_next_guest_need_not_wait_for_the_last_ones_end(start: Start) -> None:
    """A guest that is killed and started again at once: both are news of one turn of the loop."""
    card = start()
    client = card.connect()
    for _ in range(20):
        client.send_raw(client.message(c.GET_INFO, bytes(16)))
        card.process.send_signal(signal.SIGSTOP)
        again = card.open(card.socket)
        client.sock.close()
        card.process.send_signal(signal.SIGCONT)
        client = Client(again)
        assert client.version().error == 0
    assert card.ask("state")["result"]["guests"] == 21


def test_one_guest_at_a_time(start: Start) -> None:
    card = start()
    client = card.connect()
    with connected(card.socket) as second:
        assert second.recv(1) == b""
    card.line("a second guest's side was refused")
    assert client.read_int(CONFIG, 0) == IDENTITY


def test_who_only_looks_whether_somebody_is_there_is_no_guest(start: Start) -> None:
    card = start()
    connected(card.socket).close()
    client = card.connect()
    assert client.read_int(CONFIG, 0) == IDENTITY
    assert card.ask("state")["result"]["guests"] == 1
    assert card.end() == 0
    assert card.rest()[0].split(maxsplit=1)[1] == "guest's side connected"


def test_a_guest_that_breaks_the_protocol_ends_only_itself(start: Start) -> None:
    card = start()
    client = card.connect()
    client.send_raw(struct.pack("<HHIII", 1, 1, 3, 0, 0))
    assert client.sock.recv(1) == b""
    card.line("it broke the protocol: message of 3 bytes")
    assert card.connect().read_int(CONFIG, 0) == IDENTITY


def test_the_wire_outlives_the_guest_and_may_be_connected_again(start: Start) -> None:
    card = start()
    for _ in range(3):
        wire = card.open(card.wire)
        card.line("wire connected")
        card.connect().sock.close()
        card.line(LEFT)
        frame = bytes(60)
        wire.sendall(len(frame).to_bytes(4, "big") + frame)
        wire.close()
        card.line("wire disconnected")
    assert card.ask("state")["result"]["wire"]["rx_frames"] == 3


def test_a_plan_is_armed_anew_for_each_guest_until_it_is_cleared(
    start: Start, tmp_path: Path
) -> None:
    (tmp_path / "plan.toml").write_text(PLAN)
    card = start("--plan", tmp_path / "plan.toml")
    for _ in range(2):
        client = card.connect()
        assert [client.read_int(CONFIG, 0) for _ in range(3)] == [IDENTITY, 0xFFFF_FFFF, IDENTITY]
        card.line("fault gone fired: set at config.read")
        client.sock.close()
        card.line("fault plan 1 armed: gone")
    status = card.ask("faults_status")["result"]
    assert [(f["handle"], f["armed"], f["fired"]) for f in status["faults"]] == [
        (1, False, 1), (1, False, 1), (1, True, 0),
    ]  # fmt: skip
    assert "result" in card.ask("faults_disarm", handle=1)
    for _ in range(2):
        client = card.connect()
        assert [client.read_int(CONFIG, 0) for _ in range(3)] == [IDENTITY] * 3
        client.sock.close()
        card.line(LEFT)


def test_a_link_that_was_pulled_stays_so(start: Start) -> None:
    card = start()
    card.ask("link", up=False)
    card.connect().sock.close()
    card.line(LEFT)
    assert card.ask("state")["result"]["card"]["link_up"] is False


def test_a_link_partner_stays_as_it_was_set(start: Start) -> None:
    card = start()
    assert "result" in card.ask("partner", speed="25G")
    card.connect().sock.close()
    card.line(LEFT)
    assert card.ask("state")["result"]["card"]["link_up"] is False
    assert "result" in card.ask("partner", speed="100G")
    card.connect().sock.close()
    card.line(LEFT)
    assert card.ask("state")["result"]["card"]["link"]["mode"] == "100G"


@pytest.mark.parametrize(("option", "code"), [("--strict", 1), ("--seed=7", 0)])
def test_end_tells_of_violations(start: Start, option: str, code: int, tmp_path: Path) -> None:
    trace = tmp_path / "trace.jsonl"
    card = start(option, "--trace", trace)
    client = card.connect()
    client.read_int(0, 0)
    card.line("violation mmio_while_disabled (driver): bar=0 offset=0 write=False")
    client.sock.close()
    card.line(LEFT)
    assert card.end(signal.SIGTERM) == code
    assert card.rest() == [
        "guests: 1; frames sent 0, received 0",
        "violations: 1; mmio_while_disabled 1",
    ]
    records = [json.loads(line) for line in trace.read_text().splitlines()]
    assert {"guest_left", "violation", "vfio_user_connected"} <= {one["k"] for one in records}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--personality", "{}/p.toml"], "option colour: unknown key"),
        (["--personality", "{}/broken.toml"], "broken.toml: not TOML"),
        (["--plan", "{}/p.toml"], "plan: version is missing"),
        (["--wire", "tap:much-too-long-a-name"], "no name of an interface"),
        (["--trace", "{}/no/such"], "No such file"),
        (["--card", "nonsense"], "card is 'nonsense'"),
    ],
)
def test_what_cannot_be_is_said_in_a_line(tmp_path: Path, options: list[str], said: str) -> None:
    (tmp_path / "p.toml").write_text("colour = 1\n")
    (tmp_path / "broken.toml").write_text("colour")
    words = [word.format(tmp_path) for word in options]
    done = subprocess.run(
        [sys.executable, "-m", "devmodel", "--socket", tmp_path / "s", *words],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=20,
    )  # fmt: skip
    assert done.returncode == 3
    (line,) = done.stderr.splitlines()
    assert said in line


@pytest.mark.parametrize("words", [[], ["--socket", "/s", "--config-fd", "0"]])
def test_one_way_to_start_it(words: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "devmodel", *words],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=20,
    )  # fmt: skip
    assert done.returncode == 2
    assert "one of --socket and --config-fd must be given" in done.stderr
