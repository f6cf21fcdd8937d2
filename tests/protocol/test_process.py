# SPDX-License-Identifier: GPL-2.0-only
"""The card process from outside: start, control channel, wire, and each way it ends."""

from __future__ import annotations

import json
import os
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.protocol import client as c
from tests.protocol.client import CONFIG, Client

ROOT = Path(__file__).parents[2]
BROKEN_CARD = """
import sys, devmodel.__main__ as m
from devmodel.bnxt.card import BnxtCard
def bar_write(self, bar, offset, data): raise ZeroDivisionError("a bug")
BnxtCard.bar_write = bar_write
sys.exit(m.main())
"""


class Card:
    """A card process and the far ends of everything it was handed.

    :param code: runs instead of ``python -m devmodel``, which gets ``arguments``.
    :param tree: where devmodel is imported from.
    """

    def __init__(
        self,
        tmp_path: Path,
        *,
        code: str = "",
        arguments: Sequence[str] = (),
        tree: Path = ROOT,
        **config: Any,
    ) -> None:
        pairs = {k: socket.socketpair() for k in ("vfio_user_fd", "wire_fd", "control_fd")}
        files = {k: os.open(tmp_path / k, os.O_RDWR | os.O_CREAT) for k in ("trace_fd", "pcap_fd")}
        given: dict[str, Any] = {k: pair[1].fileno() for k, pair in pairs.items()}
        given |= files | {"seed": 5} | config
        config_fd = os.memfd_create("config")
        os.write(config_fd, json.dumps(given).encode())
        os.lseek(config_fd, 0, os.SEEK_SET)
        start = ["-c", code] if code else ["-m", "devmodel", *arguments]
        fds = [*(pair[1].fileno() for pair in pairs.values()), *files.values(), config_fd]
        self.process = subprocess.Popen(
            [sys.executable, *start, "--config-fd", str(config_fd)], cwd=tree,
            env={**os.environ, "PYTHONPATH": ""}, pass_fds=fds, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        for pair in pairs.values():
            pair[1].close()
        for fd in (*files.values(), config_fd):
            os.close(fd)
        self.guest, self.wire, self.control = (pair[0] for pair in pairs.values())
        self.client = Client(self.guest)
        self.trace = tmp_path / "trace_fd"
        self.pcap = tmp_path / "pcap_fd"
        self.control.settimeout(10)
        self._answers = self.control.makefile("rb")

    def ask(self, method: str, **params: Any) -> dict[str, Any]:
        """One control request; its answer."""
        line = json.dumps({"id": 1, "method": method, "params": params})
        self.control.sendall(line.encode() + b"\n")
        answer: dict[str, Any] = json.loads(self._answers.readline())
        return answer

    def end(self) -> tuple[int, str]:
        """Wait for the process. Returns exit code and stderr."""
        _, err = self.process.communicate(timeout=10)
        return self.process.returncode, err

    def close(self) -> None:
        self._answers.close()
        for sock in (self.guest, self.wire, self.control):
            sock.close()
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()


@pytest.fixture
def card(tmp_path: Path) -> Iterator[Card]:
    card = Card(tmp_path)
    yield card
    card.close()


def test_guest_side_closes(card: Card) -> None:
    card.client.version()
    assert card.client.read_int(CONFIG, 0) == 0x1750_14E4
    card.guest.close()
    assert card.end() == (0, "")


def test_quit(card: Card) -> None:
    card.client.version()
    assert card.ask("quit") == {"id": 1, "result": {}}
    assert card.end() == (0, "")
    with pytest.raises(EOFError):
        card.client.receive()


def test_trace_ends_with_what_the_card_did_last(tmp_path: Path) -> None:
    card = Card(tmp_path, activity=True)
    card.client.version()
    card.client.write_int(CONFIG, 4, 2, 2)
    card.client.post(2, 0x10000, struct.pack("<Q", 0x1234))
    card.ask("state")
    assert '"k": "doorbell"' not in card.trace.read_text()
    card.ask("quit")
    assert card.end() == (0, "")
    last = json.loads(card.trace.read_text().splitlines()[-1])
    assert (last["k"], last["index"]) == ("doorbell", 0x1234)
    card.close()


def test_runner_that_vanishes_takes_the_card_along(card: Card) -> None:
    card.ask("state")
    card._answers.close()
    card.control.close()
    assert card.end() == (0, "")


def test_sigterm_unwinds(card: Card) -> None:
    card.ask("state")
    card.process.send_signal(signal.SIGTERM)
    assert card.end() == (0, "")
    assert card.pcap.stat().st_size > 28, "the capture is complete"


def test_ctrl_c_is_the_runners_business(card: Card) -> None:
    card.ask("state")
    card.process.send_signal(signal.SIGINT)
    assert "result" in card.ask("state")


def test_killed_card_is_an_end_of_stream(card: Card) -> None:
    card.client.version()
    card.process.kill()
    assert card.end()[0] == -signal.SIGKILL
    with pytest.raises(EOFError):
        card.client.receive()


def test_broken_framing_is_said_and_has_its_own_code(card: Card) -> None:
    card.client.send_raw(struct.pack("<HHIII", 1, 1, 3, 0, 0))
    code, err = card.end()
    assert code == 5
    assert err == (
        "devmodel: the vfio-user client broke the protocol: message of 3 bytes (command 1)\n"
    )


def test_bug_of_the_card_is_a_traceback_and_its_own_code(tmp_path: Path) -> None:
    card = Card(tmp_path, code=BROKEN_CARD)
    card.client.version()
    card.client.write_int(CONFIG, 4, 2, 2)
    card.client.post(0, 0, b"\0\0\0\0")
    code, err = card.end()
    assert code == 4
    assert "ZeroDivisionError: a bug" in err
    with pytest.raises(EOFError):
        card.client.receive()
    card.close()


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"timing": "slow"}, "allowed: asynchronous, synchronous"),
        ({"options": {"no_such": 1}}, "no_such"),
        ({"wire_fd": 0}, "wire_fd: descriptor 0 is no socket"),
    ],
)
def test_bad_configuration(tmp_path: Path, config: dict[str, Any], message: str) -> None:
    card = Card(tmp_path, **config)
    code, err = card.end()
    assert code == 3
    assert message in err
    assert "Traceback" not in err
    card.close()


def test_confinement_is_on_and_recorded(card: Card) -> None:
    card.ask("state")
    records = [json.loads(line) for line in card.trace.read_text().splitlines()]
    (confined,) = [r for r in records if r["k"] == "confined"]
    assert [confined[k] for k in ("dumpable_off", "no_new_privs", "seccomp")] == ["on"] * 3
    status = Path(f"/proc/{card.process.pid}/status").read_text()
    assert "NoNewPrivs:\t1" in status
    assert "Seccomp:\t2" in status


def test_state(card: Card) -> None:
    card.client.version()
    state = card.ask("state")["result"]
    assert state["seed"] == 5
    assert state["timing"] == "asynchronous"
    assert state["violations"] == {"counts": {}, "kept": []}
    assert state["unknown_commands"] == {}
    assert (state["live_mappings"], state["maps_total"], state["unmaps_total"]) == (0, 0, 0)
    assert state["transport"] == {"VERSION": 1}
    assert state["card"]["resources"]["rx_rings"] == 0


def wait_for_wire(card: Card, counter: str, value: int) -> dict[str, int]:
    """Ask for the state until a counter of the wire has a value."""
    deadline = time.monotonic() + 10
    while True:
        wire: dict[str, int] = card.ask("state")["result"]["wire"]
        if wire.get(counter) == value or time.monotonic() > deadline:
            assert wire[counter] == value
            return wire


def test_frames_from_wire_and_control(card: Card) -> None:
    frame = bytes(6) + bytes.fromhex("020000000001") + b"\x08\x00" + bytes(50)
    card.wire.sendall(struct.pack(">I", len(frame)) + frame)
    wait_for_wire(card, "rx_frames", 1)
    assert card.ask("inject", frame=frame.hex()) == {"id": 1, "result": {}}
    wire = wait_for_wire(card, "rx_injected", 1)
    assert wire["rx_bytes"] == len(frame)
    assert card.ask("capture", on=False) == {"id": 1, "result": {}}
    card.ask("inject", frame=frame.hex())
    card.ask("quit")
    card.end()
    assert card.pcap.read_bytes().count(frame) == 2


def test_capture_of_headers_keeps_the_length(tmp_path: Path) -> None:
    card = Card(tmp_path, snap_bytes=20)
    frame = bytes(6) + bytes.fromhex("020000000001") + b"\x08\x00" + bytes(range(50))
    card.ask("inject", frame=frame.hex())
    card.ask("quit")
    card.end()
    card.close()
    kept = card.pcap.read_bytes()
    assert struct.pack("<II", 20, len(frame)) + frame[:20] in kept
    assert frame[:21] not in kept


def test_wire_that_closes_leaves_the_card_up(card: Card) -> None:
    card.wire.close()
    time.sleep(0.1)
    assert "result" in card.ask("state")
    assert "wire_closed" in card.trace.read_text()


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("link", {}),
        ("link", {"up": 1}),
        ("inject", {}),
        ("inject", {"frame": "xyz"}),
        ("inject", {"frame": 5}),
        ("inject", {"frame": "00" * 13}),
        ("inject", {"frame": "00" * 65537}),
        ("capture", {"on": "yes"}),
        ("partner", {"speed": "1T"}),
        ("partner", {"baud": 9600}),
    ],
)
def test_bad_parameters(card: Card, method: str, params: dict[str, Any]) -> None:
    assert card.ask(method, **params)["error"]["kind"] == "bad_params"
    assert "result" in card.ask("state")


def test_link(card: Card) -> None:
    card.ask("link", up=False)
    assert card.ask("state")["result"]["card"]["link_up"] is False


def test_partner(card: Card) -> None:
    card.ask("partner", speed="25G")
    assert card.ask("state")["result"]["card"]["link"] is None


def test_listening_sockets_are_accepted_from(tmp_path: Path) -> None:
    listeners = {}
    for key in ("vfio_user_fd", "wire_fd", "control_fd"):
        listeners[key] = socket.socket(socket.AF_UNIX)
        listeners[key].bind(str(tmp_path / f"{key}.sock"))
        listeners[key].listen()
    config = {key: sock.fileno() for key, sock in listeners.items()}
    config_fd = os.memfd_create("config")
    os.write(config_fd, json.dumps(config).encode())
    os.lseek(config_fd, 0, os.SEEK_SET)
    process = subprocess.Popen(
        [sys.executable, "-m", "devmodel", "--config-fd", str(config_fd)],
        cwd=ROOT,
        pass_fds=[*config.values(), config_fd],
    )
    os.close(config_fd)
    for sock in listeners.values():
        sock.close()
    guest, control, second = (socket.socket(socket.AF_UNIX) for _ in range(3))
    guest.connect(str(tmp_path / "vfio_user_fd.sock"))
    for sock in (control, second):
        sock.connect(str(tmp_path / "control_fd.sock"))
        sock.settimeout(10)
        sock.sendall(b'{"method": "state"}\n')
        assert sock.recv(65536).startswith(b'{"id": null, "result"')
        sock.close()
    assert Client(guest).version().error == 0
    guest.close()
    assert process.wait(10) == 0


def test_every_command_in_random_damage_never_ends_the_process(card: Card) -> None:
    """Well-framed messages with random bodies: answered, whatever they are."""
    card.client.version()
    card.client.write_int(CONFIG, 4, 6, 2)
    seed = 0x12345678
    for i in range(600):
        body = b""
        while len(body) < i % 50:
            seed = seed * 1103515245 + 12345 & 0x7FFFFFFF
            body += bytes([(seed >> 16) & (0xFF if i % 3 else 0x07)])
        card.client.send(i % 18, body, flags=c.NO_REPLY if i % 5 == 0 else 0)
        if i % 5:
            while not card.client.receive().flags & c.REPLY:
                pass
    assert "result" in card.ask("state")


@pytest.mark.parametrize("timing", ["asynchronous", "synchronous"])
def test_frames_are_hashed_where_runs_repeat(tmp_path: Path, timing: str) -> None:
    """A hash of each frame costs more than its way through the card."""
    digests = []
    for frame in ("00" * 60, "01" * 60):
        folder = tmp_path / frame[:2]
        folder.mkdir()
        with closing(Card(folder, timing=timing)) as card:
            card.ask("inject", frame=frame)
            digests.append(card.ask("state")["result"]["digest"])
    assert (digests[0] != digests[1]) == (timing == "synchronous")
