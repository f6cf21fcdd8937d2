# SPDX-License-Identifier: GPL-2.0-only
"""Requests to a card that another process serves, and what becomes of its answers."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from testbed.card.remote import armed_plans, ask, fault_lines, status_lines
from testbed.card.served import control_of
from testbed.errors import EnvironmentProblem, UsageProblem

FAULTS = {
    "faults": [
        {"handle": 1, "armed": False, "id": "a", "fired": 2, "considered": 5},
        {"handle": 3, "armed": True, "id": "b", "fired": 0, "considered": 7},
        {"handle": 3, "armed": True, "id": "c", "fired": 1, "considered": 7},
    ]
}
STATE: dict[str, Any] = {
    "guest_is_there": True, "seed": 4, "guests": 1,
    "card": {"driver_registered": False, "link_up": True},
    "wire": {}, "violations": {"counts": {"a": 1}}, "faults": {"faults": []},
}  # fmt: skip


@contextmanager
def answering(folder: Path, answer: bytes) -> Iterator[Path]:
    """A card that answers every request with this line."""
    path = folder / "card.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(control_of(path)))
        listener.listen(1)

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield path
        thread.join(5)


def test_answer(tmp_path: Path) -> None:
    line = json.dumps({"id": 1, "result": {"seed": 4}}).encode() + b"\n"
    with answering(tmp_path, line) as path:
        assert ask(path, "state") == {"seed": 4}


def test_refusal_is_the_callers_fault(tmp_path: Path) -> None:
    error = {"kind": "bad_params", "message": "handle 7 is not armed"}
    with (
        answering(tmp_path, json.dumps({"id": 1, "error": error}).encode() + b"\n") as path,
        pytest.raises(UsageProblem, match=r"^the card refuses faults_disarm: handle 7 is not"),
    ):
        ask(path, "faults_disarm", {"handle": 7})


@pytest.mark.parametrize("line", [b"", b"nonsense\n", b"[]\n", b'{"id": 1, "result": 7}\n'])
def test_what_answers_is_no_card(tmp_path: Path, line: bytes) -> None:
    with answering(tmp_path, line) as path, pytest.raises(EnvironmentProblem):
        ask(path, "state")


def test_no_card_is_there(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentProblem, match="no card is served at") as caught:
        ask(tmp_path / "card.sock", "state")
    assert "testbed card" in str(caught.value.remedy)


def test_faults_in_lines() -> None:
    assert armed_plans(FAULTS) == [3]
    assert fault_lines(FAULTS)[:2] == [
        "plan 1 cleared a: fired 2 times of 5 events",
        "plan 3 armed   b: fired 0 times of 7 events",
    ]
    assert fault_lines({"faults": []}) == ["no fault was ever armed"]


@pytest.mark.parametrize("faults", [None, 7, [7], [{}]])
def test_faults_that_are_none(faults: object) -> None:
    with pytest.raises(EnvironmentProblem, match="no card"):
        fault_lines({"faults": faults})


def test_status_in_lines() -> None:
    assert status_lines(STATE)[0] == (
        "guest's side connected; driver not registered; link up; seed 4"
    )
    assert "violations: 1; a 1" in status_lines(STATE)


@pytest.mark.parametrize("key", STATE)
def test_a_status_that_is_none(key: str) -> None:
    with pytest.raises(EnvironmentProblem, match="no card"):
        status_lines(
            {**STATE, key: None} if key not in ("seed", "guest_is_there", "guests") else {}
        )
