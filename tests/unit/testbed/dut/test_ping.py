# SPDX-License-Identifier: GPL-2.0-only
"""What ping prints at its end, read back."""

from __future__ import annotations

import pytest

from testbed.dut.ping import echoes
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
