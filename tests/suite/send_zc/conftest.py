# SPDX-License-Identifier: GPL-2.0-only
"""Scripts for both ends of the wire."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Protocol

import pytest

from testbed.dut import sendzc
from testbed.dut.protocols import Dut, Endpoint
from testbed.dut.sendzc import Transcript


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
