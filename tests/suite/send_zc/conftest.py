# SPDX-License-Identifier: GPL-2.0-only
"""Scripts for both ends of the wire."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol

import pytest

from testbed.dut import sendzc
from testbed.dut.protocols import Dut, Endpoint
from testbed.dut.sendzc import Transcript, check_received

Deliver = Callable[[Sequence[str], Sequence[str]], Transcript]


class Play(Protocol):
    """:func:`testbed.dut.sendzc.play` between the two ends of a test."""

    def __call__(
        self, here: Sequence[str], there: Sequence[str] = ()
    ) -> tuple[Transcript, Transcript]:
        """Run a script at both ends at once; what each reported."""


@pytest.fixture
def play(dut: Dut, remote: Endpoint) -> Play:
    """``play(here, there)``: steps for the device under test and for the remote endpoint."""
    return partial(sendzc.play, dut, remote)


@pytest.fixture
def deliver(play: Play) -> Deliver:
    """As ``play``; what arrived must be what the hashes here are of. The transcript of the DUT."""

    def run(here: Sequence[str], there: Sequence[str]) -> Transcript:
        sent, received = play(here, there)
        check_received(sent, received)
        return sent

    return run
