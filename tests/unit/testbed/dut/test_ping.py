# SPDX-License-Identifier: GPL-2.0-only
"""What ping prints at its end, read back."""

from __future__ import annotations

from typing import Any, cast

import pytest

from testbed.dut.ping import ANSWER_S, echoes, ping, three_echoes
from testbed.dut.protocols import Completed
from testbed.errors import GuestCommandFailed


def completed(text: str) -> Completed:
    return Completed(("ping",), 1, text.encode(), b"", 1.0)


def test_losses_are_counted() -> None:
    text = "PING 192.0.2.2\n\n20 packets transmitted, 17 received, 15% packet loss, time 950ms\n"
    heard = echoes(completed(text))
    assert (heard.sent, heard.received, heard.lost) == (20, 17, 3)
    assert str(heard) == "ping: 3 of 20 lost"


def test_slowest_answer_is_told() -> None:
    text = "20 packets transmitted, 20 received\nrtt min/avg/max/mdev = 0.1/12.5/149.97/3.2 ms\n"
    assert str(echoes(completed(text))) == "ping: 0 of 20 lost, the slowest answer took 149 ms"


def test_no_count_is_a_failure() -> None:
    with pytest.raises(GuestCommandFailed, match="unknown host"):
        echoes(completed("ping: unknown host"))


class End:
    """An end of the wire that is three times slower than usual, and keeps what it is to run."""

    patience = 3.0

    def __init__(self) -> None:
        self.words: list[str] = []

    def run(self, argv: list[str], **_: object) -> Completed:
        self.words = argv
        return completed("3 packets transmitted, 3 received, 0% packet loss, time 2ms\n")

    def option(self, name: str) -> float:
        return float(self.words[self.words.index(name) + 1])


def test_interval_and_wait_are_stretched_by_patience() -> None:
    end = End()
    ping(cast(Any, end), "192.0.2.2", 20, 0.05, "-q", wait_s=1)
    assert end.option("-i") == pytest.approx(0.15)
    assert end.option("-W") == 3


def test_three_at_once_wait_for_the_last_answer_as_long_as_for_the_first() -> None:
    """ping gives the last answers one interval, not -W, once one has come."""
    end = End()
    assert not three_echoes(cast(Any, end), "192.0.2.2").lost
    assert end.option("-c") == end.option("-l") == 3
    assert end.option("-i") == end.option("-W") == 3 * ANSWER_S
