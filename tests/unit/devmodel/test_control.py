# SPDX-License-Identifier: GPL-2.0-only
"""The control channel: answers, errors as JSON, bounds."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from devmodel import control
from devmodel.control import BadParams, ControlChannel


def fail(params: dict[str, Any]) -> dict[str, Any]:
    raise BadParams("no good")


METHODS = {
    "echo": lambda params: {"got": params},
    "fail": fail,
    "big": lambda params: {"x": "y" * 10**6},
}


Pair = tuple[ControlChannel, socket.socket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    ours, theirs = socket.socketpair()
    channel = ControlChannel(ours, METHODS)
    theirs.settimeout(5)
    yield channel, theirs
    channel.close()
    theirs.close()


def ask(pair: Pair, line: bytes) -> list[dict[str, Any]]:
    channel, theirs = pair
    theirs.sendall(line)
    channel.serve()
    theirs.setblocking(False)
    try:
        return [json.loads(x) for x in theirs.recv(65536).splitlines()]
    except BlockingIOError:
        return []


def test_call(pair: Pair) -> None:
    answers = ask(pair, b'{"id": 7, "method": "echo", "params": {"a": 1}}\n')
    assert answers == [{"id": 7, "result": {"got": {"a": 1}}}]


def test_several_lines_and_a_piece(pair: Pair) -> None:
    line = b'{"id": 1, "method": "echo"}\n'
    assert len(ask(pair, line + b"\n" + line + line[:5])) == 2
    assert len(ask(pair, line[5:])) == 1


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        (b"hello", "bad_request"),
        (b"\xff\xfe", "bad_request"),
        (b"[" * 50_000, "bad_request"),
        (b"[]", "bad_request"),
        (b"{}", "bad_request"),
        (b'{"method": 5}', "bad_request"),
        (b'{"method": "nothing"}', "unknown_method"),
        (b'{"method": "echo", "params": 5}', "bad_params"),
        (b'{"method": "fail"}', "bad_params"),
    ],
)
def test_errors(pair: Pair, line: bytes, kind: str) -> None:
    (answer,) = ask(pair, line + b"\n")
    assert answer["error"]["kind"] == kind
    assert not pair[0].closed


def test_endless_line_ends_the_connection(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "MAX_LINE_BYTES", 1000)
    (answer,) = ask(pair, b"x" * 2000)
    assert answer["error"]["kind"] == "bad_request"
    assert pair[0].closed


def test_client_that_does_not_read_is_disconnected_in_the_end(pair: Pair) -> None:
    channel, theirs = pair
    for _ in range(20):
        theirs.sendall(b'{"method": "big"}\n')
        channel.serve()
        if channel.closed:
            break
        assert channel.wants_write
    assert channel.closed


def test_long_answer_goes_out_in_pieces(pair: Pair) -> None:
    channel, theirs = pair
    theirs.sendall(b'{"id": 3, "method": "big"}\n')
    channel.serve()
    data = b""
    while not data.endswith(b"\n"):
        data += theirs.recv(65536)
        if channel.wants_write:
            channel.flush()
    assert len(json.loads(data)["result"]["x"]) == 10**6


def test_end_of_stream(pair: Pair) -> None:
    channel, theirs = pair
    theirs.close()
    channel.serve()
    assert channel.closed


def test_what_is_not_allowed_now_waits_and_all_behind_it(pair: Pair) -> None:
    channel, theirs = pair
    theirs.sendall(b'{"id": 1, "method": "echo"}\n{"id": 2, "method": "fail"}\n')
    theirs.sendall(b'{"id": 3, "method": "echo"}\n')
    channel.serve("echo".__eq__)
    assert [json.loads(x)["id"] for x in theirs.recv(4096).splitlines()] == [1]
    assert (channel.has_input, channel.next_method) == (True, "fail")
    channel.serve()
    assert [json.loads(x)["id"] for x in theirs.recv(4096).splitlines()] == [2, 3]
    assert (channel.has_input, channel.next_method) == (False, "")
