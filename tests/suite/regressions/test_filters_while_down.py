# SPDX-License-Identifier: GPL-2.0-only
"""RSS contexts and ntuple filters of an interface that is down."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from testbed.dut.defer import Defer, no_undo
from testbed.dut.driver import cycle_link
from testbed.dut.nic import (
    add_rule,
    delete_rule,
    disable_ntuple,
    enable_ntuple,
    ethtool,
    set_channels,
    set_link,
)
from testbed.dut.ping import ping
from testbed.dut.protocols import Capability, Dut, Endpoint
from testbed.dut.rss_contexts import new_context
from testbed.errors import GuestCommandFailed

pytestmark = pytest.mark.needs(Capability.RSS, Capability.NTUPLE)


def go_down(dut: Dut, defer: Defer) -> None:
    """Down for now, up at the end."""
    set_link(dut, "down")
    defer(cycle_link, dut)


@pytest.mark.needs(Capability.LINK_CYCLE)
def test_rss_context_while_down(
    dut: Dut, remote: Endpoint, defer: Defer, firmware_objects: Callable[[], dict[str, int]]
) -> None:
    """CVE-2026-43260 (e123d9302d22): an interface that goes down frees the VNICs of its contexts.

    The driver freed the VNIC of an RSS context only while the interface was up: deleted while down
    it leaked, and the next open ran out of VNICs.
    """
    set_channels(dut, 2, defer)
    context = new_context(dut)
    go_down(dut, defer)
    held = firmware_objects()
    assert (held["vnics"], held["rss_contexts"]) == (0, 0), held
    ethtool(dut, "-X", dut.netdev, "context", context, "delete")
    cycle_link(dut)
    assert ping(remote, dut.ipv4, 2, 0.05, wait_s=3).received


@pytest.mark.needs(Capability.LINK_CYCLE)
def test_ntuple_filter_deleted_while_down(
    dut: Dut, defer: Defer, quiet_log: Callable[[], list[str]]
) -> None:
    """c1bbd9900d65: deleting a filter that went away with its VNIC asks nothing of the firmware.

    Going down freed the filter in the firmware; deleting the rule then freed it again.
    """
    set_channels(dut, 2, defer)
    enable_ntuple(dut, defer)
    printed = ethtool(dut, "-N", dut.netdev, "flow-type", "tcp4", "dst-port", "5555", "action", "1")
    rule = printed.rsplit(maxsplit=1)[-1]
    go_down(dut, defer)
    ethtool(dut, "-N", dut.netdev, "delete", rule)
    assert quiet_log() == []


@pytest.mark.needs(Capability.LINK_CYCLE)
@pytest.mark.finding("ntuple-rules-left-listed")
def test_rules_go_with_the_feature_while_down(
    dut: Dut, defer: Defer, quiet_log: Callable[[], list[str]]
) -> None:
    """Turned off, the ntuple feature takes the rules of an interface that is down along, as those
    of one that is up; the firmware is not asked to free what it has freed.
    """
    set_channels(dut, 2, defer)
    enable_ntuple(dut, defer)
    rule = add_rule(dut, no_undo, "dst-port", "5990", flow_type="tcp4", action=1)
    go_down(dut, defer)
    disable_ntuple(dut, no_undo)
    cycle_link(dut)
    with pytest.raises(GuestCommandFailed, match=r"rmgr|Cannot delete|No such file"):
        delete_rule(dut, rule)
    assert quiet_log() == []
