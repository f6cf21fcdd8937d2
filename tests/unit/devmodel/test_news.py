# SPDX-License-Identifier: GPL-2.0-only
"""One line for each thing that happens: what is told, how often, and that it is harmless."""

from __future__ import annotations

import os
from typing import Any

import pytest

from devmodel import news
from devmodel.bnxt.news import NEWS
from devmodel.news import LONGEST, MOST_ALIKE, News, NewsPipe, account


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def listener(told: list[str]) -> News:
    made = News(told.append)
    made.of_card = NEWS
    return made


@pytest.mark.parametrize(
    ("kind", "fields", "line"),
    [
        ("vfio_user_connected", {"client": "{}"}, "guest's side connected"),
        ("reset", {"kind": "flr"}, "reset (flr)"),
        ("link", {"up": False}, "link down"),
        (
            "guest_left",
            {"problem": "message of 3 bytes"},
            "guest's side disconnected, it broke the protocol: message of 3 bytes; "
            "as after power-on for the next one",
        ),
        (
            "violation",
            {"rule": "dma_unmapped", "culprit": "driver", "address": 7, "history": ["x"]},
            "violation dma_unmapped (driver): address=7",
        ),
        (
            "fault",
            {"id": "a", "action": "drop", "point": "rx.frame", "event": {}},
            "fault a fired: drop at rx.frame",
        ),
        (
            "faults_disarmed",
            {"handle": 2, "fired": {"a": 3}},
            "fault plan 2 cleared: a fired 3 times",
        ),
        (
            "hwrm",
            {"cmd": "VER_GET", "req": {"hwrm_intf_maj": 1}, "error": "SUCCESS"},
            "HWRM_VER_GET: the driver's HWRM is 1.0.0",
        ),
        (
            "hwrm",
            {"cmd": "FUNC_DRV_RGTR", "req": {"ver_maj": 7, "ver_min": 2}, "error": "FAIL"},
            "driver registered: version 7.2.0, refused: FAIL",
        ),
    ],
)  # fmt: skip
def test_what_is_told(
    listener: News, told: list[str], kind: str, fields: dict[str, Any], line: str
) -> None:
    listener.hear(kind, fields)
    assert told == [line]


@pytest.mark.parametrize("kind", ["config_write", "hwrm", "async_event", "no such kind"])
def test_what_is_not(listener: News, told: list[str], kind: str) -> None:
    listener.hear(kind, {"cmd": "RING_ALLOC", "req": {}, "error": "SUCCESS"})
    assert told == []


def test_a_guest_cannot_flood(
    listener: News, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(1000):
        listener.hear("violation", {"rule": "a"})
    assert len(told) == MOST_ALIKE
    assert "not told" in told[-1]
    listener.hear("violation", {"rule": "b"})
    assert told[-1].startswith("violation b"), "another sort is told"
    later = news.time.monotonic() + news.WINDOW_S + 1
    monkeypatch.setattr(news.time, "monotonic", lambda: later)
    listener.hear("violation", {"rule": "a"})
    assert told[-1].startswith("violation a"), "and later this one again"


def test_a_guest_cannot_drive_a_terminal(listener: News, told: list[str]) -> None:
    listener.hear("violation", {"rule": "a", "text": "\x1b[2J\n" + "x" * 10_000})
    assert told[0].isprintable()
    assert "\\u001b[2J\\u000a" in told[0]
    assert len(told[0]) < LONGEST + 40


def test_a_pipe_that_nobody_reads_loses_lines_and_says_so() -> None:
    reader, writer = os.pipe()
    pipe = NewsPipe(writer)
    for _ in range(1000):
        pipe.tell("x" * 999)
    assert len(os.read(reader, 1 << 20)) < 100_000
    pipe.tell("y")
    said = os.read(reader, 1000).decode()
    assert said.startswith("[")
    assert said.endswith(" lines lost] y\n")
    pipe.tell("z")
    assert os.read(reader, 1000) == b"z\n"
    os.close(reader)
    pipe.tell("nobody is there")
    os.close(writer)


def test_account() -> None:
    state = {
        "guests": 2,
        "wire": {"tx_frames": 3, "rx_frames": 4},
        "violations": {"counts": {"b": 1, "a": 2}},
        "faults": {"faults": [{"id": "x", "fired": 1}, {"id": "x", "fired": 2}]},
    }
    assert account(state) == [
        "guests: 2; frames sent 3, received 4",
        "violations: 3; a 2; b 1",
        "faults fired: x 3",
    ]
