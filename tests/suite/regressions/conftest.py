# SPDX-License-Identifier: GPL-2.0-only
"""What the regression pack needs beside the suite's fixtures: a look into the card."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from testbed.dut.protocols import Capability, Dut

Ledger = Callable[[], dict[str, int]]


@pytest.fixture
def firmware_objects(session_pool: Any, dut: Dut) -> Ledger:
    """Asks the card how many rings, VNICs, contexts and filters its firmware holds."""
    if Capability.CARD_STATE not in dut.capabilities:
        pytest.skip(f"requires {Capability.CARD_STATE.value}")

    def ask() -> dict[str, int]:
        ledger: dict[str, int] = session_pool.current().card.state()["card"]["resources"]
        return ledger

    return ask


@pytest.fixture
def quiet_log(dut: Dut) -> Callable[[], list[str]]:
    """Lines of the kernel log since the test began that name an error of a firmware command."""
    before = len(dut.run(["dmesg"]).text.splitlines())

    def ask() -> list[str]:
        lines = dut.run(["dmesg"]).text.splitlines()[before:]
        return [line for line in lines if "hwrm req_type" in line and "error" in line]

    return ask
