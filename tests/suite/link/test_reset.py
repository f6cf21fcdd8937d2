# SPDX-License-Identifier: GPL-2.0-only
"""The card reset on the administrator's demand."""

from __future__ import annotations

import re

import pytest

from testbed.dut.defer import Defer
from testbed.dut.driver import await_carrier, pci_address, reload_driver, reset_card, reset_function
from testbed.dut.faults import BUSY, Faults, refusing
from testbed.dut.nic import (
    combined_channels,
    ethtool,
    ethtool_json,
    link,
    set_channels,
    set_link,
    set_mtu,
)
from testbed.dut.pause import pause
from testbed.dut.protocols import Capability, Dut, Endpoint
from testbed.dut.streams import MIB, check_stream

PORT = 5630
MTU = 2000
BEGUN_S, RESET_S, OPENED_WITHIN = 0.3, 2.0, 10
"""The driver closes its rings soon after the request, and opens them a second later or more."""
OVER_S = 8.0
"""The card waits 6 s for a driver that does not heed its notice."""

GIVEN_UP = r"previous firmware reset has not completed|bnxt_open\(\) failed during FW reset"
ABORTED_S = 5.0
RESETS = 5
FEW = 2
# the next allocation below one function fails
NO_REPORTER = """
sort /proc/kallsyms | grep -A1 " bnxt_dl_fw_reporters_create$" >/tmp/range
cd /sys/kernel/debug/failslab
{ read -r start rest; read -r end rest; } </tmp/range
echo "0x$start" >require-start; echo "0x$end" >require-end; echo 32 >stacktrace-depth
echo N >task-filter; echo N >ignore-gfp-wait; echo 0 >verbose; echo 1 >interval; echo 1 >times
echo 100 >probability
"""
ALL_THERE = """
cd /sys/kernel/debug/failslab
echo 0 >probability; echo Y >ignore-gfp-wait; echo 0 >require-start; echo 0 >require-end
"""

pytestmark = pytest.mark.needs(Capability.DEVICE_RESET)


def close_within_a_reset(dut: Dut) -> None:
    """``ethtool --reset``, and ``ip link set down`` BEGUN_S later: one program does both, since a
    busy host may take longer to start another than the reset takes."""
    reset = f"ethtool --reset {dut.netdev} all; sleep {BEGUN_S}"
    dut.run(["sh", "-ec", f"{reset}; ip link set dev {dut.netdev} down"])


def reset_until_given_up(dut: Dut) -> None:
    """``devlink dev reload action fw_activate``, and as long as the driver takes to give it up."""
    reset = ["devlink", "dev", "reload", f"pci/{pci_address(dut)}", "action", "fw_activate"]
    dut.run(reset, check=False)
    pause(dut, ABORTED_S)


@pytest.mark.finding("devlink-reload-port-left")
def test_settings_outlive_a_reset(dut: Dut, remote: Endpoint, defer: Defer) -> None:
    """``devlink dev reload``: MTU, rings and addresses stay, and traffic flows."""
    set_mtu(dut, remote, MTU, defer)
    rings = ethtool_json(dut, "-g")
    reset_card(dut)
    assert link(dut)["mtu"] == MTU
    assert ethtool_json(dut, "-g") == rings
    check_stream(dut, remote, port=PORT, total_bytes=4 * MIB, flows=4)


@pytest.mark.finding("devlink-reload-channels-forgotten")
def test_channels_outlive_a_reset(dut: Dut, remote: Endpoint, defer: Defer) -> None:
    """``devlink dev reload``: as many channels as were set, and traffic flows over them."""
    default = combined_channels(dut)
    wanted = default + 1
    set_channels(dut, wanted, defer)
    reset_card(dut)
    check_stream(dut, remote, port=PORT, total_bytes=4 * MIB, flows=4)
    left = combined_channels(dut)
    assert left in (default, wanted)
    assert left == wanted, "the reset has brought back the default number of channels"


@pytest.mark.needs(Capability.FATAL_FAULTS)
@pytest.mark.finding("devlink-reload-rss-stale")
@pytest.mark.new_machine
def test_reset_with_a_table_of_its_own(dut: Dut, remote: Endpoint, defer: Defer) -> None:
    """``devlink dev reload``: with fewer channels the table of RSS may be lost, not the card.

    A kernel with the bug that goes on after its fault, with the lock of all network settings held,
    is of no use until it boots.
    """
    last = combined_channels(dut) + 2
    set_channels(dut, last + 1, defer)
    defer(ethtool, dut, "-X", dut.netdev, "default")
    ethtool(dut, "-X", dut.netdev, "start", str(last), "equal", "1")
    reset_card(dut)
    check_stream(dut, remote, port=PORT, total_bytes=4 * MIB, flows=4)


@pytest.mark.needs(Capability.LINK_CYCLE, Capability.DRIVER_RELOAD)
@pytest.mark.finding("fw-reset-closed")
@pytest.mark.expect_complaint(GIVEN_UP)
@pytest.mark.new_machine
def test_an_interface_that_is_closed_within_a_reset_opens_again(
    dut: Dut, remote: Endpoint, defer: Defer
) -> None:
    """``ethtool --reset`` does not wait for the firmware: the driver may give the reset up as the
    interface goes down, and an open may come too early, but one behind it succeeds. On a busy host
    a reset may be over before, so there are several."""
    defer(reload_driver, dut)  # a reset that was given up stays on record as an error
    before = len(dut.run(["dmesg"]).text.splitlines())
    for _ in range(RESETS):
        close_within_a_reset(dut)
        for _ in range(OPENED_WITHIN):
            up = dut.run(["ip", "link", "set", "dev", dut.netdev, "up"], check=False)
            if not up.returncode:
                break
            pause(dut, RESET_S)
        assert not up.returncode, f"the interface cannot be opened any more: {up.error_text}"
        said = "\n".join(dut.run(["dmesg"]).text.splitlines()[before:])
        if re.search(GIVEN_UP, said):
            break
    await_carrier(dut, up=True)
    check_stream(dut, remote, port=PORT, total_bytes=4 * MIB, flows=4)


@pytest.mark.needs(Capability.FAULTS, Capability.LINK_CYCLE)
@pytest.mark.finding("fw-reset-notice-stale")
@pytest.mark.finding("reset-abort-without-rtnl")
@pytest.mark.new_machine
def test_a_reset_that_is_over_is_not_done_again(dut: Dut, remote: Endpoint, faults: Faults) -> None:
    """``ethtool --reset``, and the notice comes as the interface goes down: the reset is over when
    it is opened again, and it stays open."""
    late = {
        "where": "nqe.write",
        "when": {"match": {"type": "HWRM_ASYNC_EVENT"}},
        "what": {
            "action": "hold",
            "until": {"where": "hwrm.request", "match": {"cmd": "CFA_L2_FILTER_FREE"}},
        },
    }
    with faults.inject(late):
        ethtool(dut, "--reset", dut.netdev, "all")
        set_link(dut, "down")
        pause(dut, OVER_S)
    set_link(dut, "up")
    pause(dut, ABORTED_S)
    assert "UP" in link(dut)["flags"], "a reset that was over has closed the interface"
    await_carrier(dut, up=True)
    check_stream(dut, remote, port=PORT, total_bytes=4 * MIB, flows=4)


@pytest.mark.needs(Capability.FAULTS, Capability.LINK_CYCLE)
@pytest.mark.expect_complaint("hwrm req_type 0xb0 ", "hwrm stat ctx alloc failure")
def test_a_function_reset_that_fails_is_made_good_by_the_next_open(
    dut: Dut, remote: Endpoint, faults: Faults
) -> None:
    """``echo 1 >reset``, and the firmware refuses what an open needs: the interface is closed, and
    once it is opened it carries traffic."""
    hears = dut.run(["grep", "-q", " bnxt_io_reset_done$", "/proc/kallsyms"], check=False)
    if hears.returncode:
        pytest.skip("the driver hears of no function reset: finding function-reset-unheard")
    refuse = refusing("STAT_CTX_ALLOC")
    with faults.inject(refuse):
        reset_function(dut)
    set_link(dut, "up")
    await_carrier(dut, up=True)
    check_stream(dut, remote, port=PORT, total_bytes=4 * MIB, flows=4)


@pytest.mark.needs(Capability.FAULTS, Capability.LINK_CYCLE, Capability.DRIVER_RELOAD)
@pytest.mark.finding("resource-manager-forgotten")
@pytest.mark.expect_complaint(
    "hwrm query capability failure rc: fffffff5$", "Firmware init phase 2 failed$"
)
def test_a_reset_that_busy_firmware_refuses_is_made_good_by_the_next_open(
    dut: Dut, remote: Endpoint, faults: Faults, defer: Defer
) -> None:
    """``devlink dev reload``, and the firmware is busy as the driver asks what there is of each
    resource: the interface may be closed, and once it is opened it carries traffic."""
    defer(reload_driver, dut)  # else what it takes for firmware without reservations stays so
    busy = refusing("FUNC_RESOURCE_QCAPS", BUSY)
    with faults.inject(busy):
        dut.run(["devlink", "dev", "reload", f"pci/{pci_address(dut)}"], check=False)
    set_link(dut, "down")
    opened = dut.run(["ip", "link", "set", "dev", dut.netdev, "up"], check=False)
    assert not opened.returncode, f"the firmware is well, the interface closed: {opened.error_text}"
    await_carrier(dut, up=True)
    check_stream(dut, remote, port=PORT, total_bytes=4 * MIB, flows=4)


@pytest.mark.needs(
    Capability.FAULTS, Capability.NTUPLE, Capability.LINK_CYCLE, Capability.DRIVER_RELOAD
)
@pytest.mark.finding("vnics-without-rfs-accel")
@pytest.mark.expect_complaint("restoring previously configured ntuple filter id")
def test_rules_that_firmware_has_no_room_for_after_a_reset(
    dut: Dut, remote: Endpoint, faults: Faults, defer: Defer
) -> None:
    """The firmware that is back says that it has no RSS context, and then that it has: the rules
    are gone, and traffic flows."""
    defer(reload_driver, dut, address=pci_address(dut))
    rule = ["flow-type", "tcp4", "dst-port", str(PORT + 2), "action", "0"]
    ethtool(dut, "-N", dut.netdev, *rule)  # it is gone with the driver
    none = {
        "where": "hwrm.answer",
        "when": {"match": {"cmd": "FUNC_RESOURCE_QCAPS"}},
        "what": {"action": "set", "fields": {"out.max_rsscos_ctx": 0}},
    }
    restart = {"where": "now", "what": {"action": "card", "do": "fw_restart"}}
    set_link(dut, "down")
    with faults.inject(none, restart):
        set_link(dut, "up")
        await_carrier(dut, up=True)
        check_stream(dut, remote, port=PORT + 2, total_bytes=MIB, flows=1)
    listed = ethtool(dut, "-n", dut.netdev)
    assert "Total 0 rules" in listed, "a rule is left that there was no VNIC for"


@pytest.mark.needs(
    Capability.FAULTS, Capability.FAILING_ALLOCATIONS, Capability.FATAL_FAULTS,
    Capability.DRIVER_RELOAD, Capability.LINK_CYCLE,
)  # fmt: skip
@pytest.mark.finding("health-reporter-missing")
@pytest.mark.expect_complaint(
    "Failed to create fw health reporter, rc = -12$", "hwrm req_type 0x40 ",
    "hwrm vnic alloc failure", r"bnxt_open\(\) failed during FW reset$",
)  # fmt: skip
def test_reset_that_fails_with_nobody_to_report_it(
    dut: Dut, remote: Endpoint, faults: Faults, defer: Defer
) -> None:
    """There was no memory for the health reporter when the driver was bound, and after a reset of
    the firmware it cannot open: the interface is down, and the driver bound anew carries traffic.
    """
    defer(reload_driver, dut, address=pci_address(dut))
    defer(dut.run, ["sh", "-ec", ALL_THERE])
    dut.run(["sh", "-ec", NO_REPORTER])
    reload_driver(dut)
    dut.run(["sh", "-ec", ALL_THERE])
    assert not dut.run(["devlink", "health", "show"]).text
    refused = refusing("VNIC_ALLOC")
    with faults.inject(refused):
        reset_until_given_up(dut)
    assert "UP" not in link(dut)["flags"]
    reload_driver(dut)
    check_stream(dut, remote, port=PORT + 1, total_bytes=MIB, flows=1)


@pytest.mark.needs(
    Capability.FAULTS, Capability.FATAL_FAULTS, Capability.LINK_CYCLE, Capability.DRIVER_RELOAD
)
@pytest.mark.finding("irqs-short-after-reset")
@pytest.mark.expect_complaint(GIVEN_UP)
@pytest.mark.new_machine
def test_reset_behind_which_there_are_fewer_interrupts(
    dut: Dut, remote: Endpoint, defer: Defer, faults: Faults
) -> None:
    """The firmware that is back has fewer vectors than there are channels: the interface is down,
    and opens with all channels once there are as many."""
    defer(reload_driver, dut)  # a reset that was given up stays on record as an error
    set_channels(dut, FEW + 2, defer)
    few = {
        "where": "hwrm.answer",
        "when": {"match": {"cmd": "FUNC_RESOURCE_QCAPS"}},
        "what": {"action": "set", "fields": {"out.max_msix": FEW}},
        "times": 0,
    }
    with faults.inject(few):
        reset_until_given_up(dut)
    for state in ("down", "up"):
        set_link(dut, state)
    await_carrier(dut, up=True)
    assert combined_channels(dut) == FEW + 2, "channels were lost"
    check_stream(dut, remote, port=PORT + 1, total_bytes=MIB, flows=8)
