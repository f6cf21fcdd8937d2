# SPDX-License-Identifier: GPL-2.0-only
"""What an administrator asks while the firmware resets: the interface is up, and has no rings."""

from __future__ import annotations

import pytest

from testbed.dut.defer import Defer
from testbed.dut.driver import await_carrier
from testbed.dut.nic import ethtool, set_channels
from testbed.dut.pause import pause
from testbed.dut.protocols import Capability, Dut
from testbed.dut.rss_contexts import add_context, delete_context

pytestmark = pytest.mark.needs(Capability.DEVICE_RESET)

BEGUN_S = 0.3
"""The driver closes its rings soon after the request, and opens them a second later or more."""


def begin_reset(dut: Dut, defer: Defer) -> None:
    """``ethtool --reset``, which does not wait for the firmware; what follows finds no rings."""
    defer(await_carrier, dut, up=True)
    ethtool(dut, "--reset", dut.netdev, "all")
    pause(dut, BEGUN_S)


def shown_table(dut: Dut, context: str) -> str:
    """What ``ethtool -x`` says of a context."""
    return ethtool(dut, "-x", dut.netdev, "context", context)


@pytest.mark.needs(Capability.FATAL_FAULTS)
@pytest.mark.finding("fw-reset-self-test")
def test_no_self_test_while_the_firmware_resets(dut: Dut, defer: Defer) -> None:
    """``ethtool -t`` fails, as it does while the interface is down; afterwards it passes."""
    words = ["ethtool", "-t", dut.netdev, "online"]
    begin_reset(dut, defer)
    assert "FAIL" in dut.run(words, check=False).text
    await_carrier(dut, up=True)
    assert "PASS" in dut.run(words).text


@pytest.mark.needs(Capability.RSS, Capability.RSS_CONTEXTS, Capability.FATAL_FAULTS)
@pytest.mark.finding("fw-reset-rss-context")
def test_no_other_table_for_a_context_while_the_firmware_resets(dut: Dut, defer: Defer) -> None:
    """``ethtool -X context`` fails, as it does while the interface is down, and the context keeps
    its table, and can be deleted; afterwards another one gets a table."""
    set_channels(dut, 2, defer)
    table = ("start", "1", "equal", "1")
    context = add_context(dut, defer)
    before = shown_table(dut, context)
    begin_reset(dut, defer)
    words = ["ethtool", "-X", dut.netdev, "context", context, *table]
    assert dut.run(words, check=False).returncode
    assert shown_table(dut, context) == before
    delete_context(dut, context)  # none has to outlive the reset without ntuple filters
    await_carrier(dut, up=True)
    other = add_context(dut, defer)
    ethtool(dut, "-X", dut.netdev, "context", other, *table)
    assert shown_table(dut, other) != before
