# SPDX-License-Identifier: GPL-2.0-only
"""The port as ethtool shows and sets it: speed, FEC, pause, module, self tests (docs/port.md)."""

from __future__ import annotations

import re

import pytest

from testbed.dut.counters import ethtool_statistics
from testbed.dut.defer import Defer
from testbed.dut.driver import cycle_link
from testbed.dut.faults import Faults
from testbed.dut.nic import ethtool, ethtool_json
from testbed.dut.pause import pause
from testbed.dut.ping import ping
from testbed.dut.protocols import Capability, Dut, Endpoint

TRAINED_S = 0.5
STATISTICS_S = 2.5
SELF_TESTS = 20
"""Tries in real time: the driver gives a loopback a millisecond, a busy host may not."""
SPEED_100G = ["speed", "100000", "autoneg", "off"]
pytestmark = pytest.mark.needs(Capability.LINK_CYCLE)


def set_port(dut: Dut, *words: str) -> str:
    """``ethtool WORDS`` that train the link anew, and what ``ethtool`` says of it then."""
    ethtool(dut, *words[:1], dut.netdev, *words[1:])
    return settled(dut)


def settled(dut: Dut) -> str:
    """Settings once the link has been trained, if it can be."""
    pause(dut, TRAINED_S)
    return ethtool(dut, dut.netdev)


def link_losses(dut: Dut) -> int:
    """How often the link has gone, once the driver has asked for it: it does so every second."""
    pause(dut, STATISTICS_S)
    return ethtool_statistics(dut)["link_down_events"]


def set_partner(faults: Faults, **settings: str) -> None:
    """Set the other end of the cable."""
    action = {"action": "card", "do": "partner", "params": settings}
    with faults.inject({"where": "now", "what": action}):
        pass


def set_partner_for_test(faults: Faults, defer: Defer, **settings: str) -> None:
    """Set it until the test is over."""
    usual = {"autoneg": "auto", "speed": "100G", "fec": "rs", "pause": "both"}
    set_partner(faults, **settings)
    defer(set_partner, faults, **{name: usual[name] for name in settings})


@pytest.mark.needs(Capability.FAULTS)
@pytest.mark.parametrize(
    ("speed", "lanes", "mode"),
    [("25000", "1", "25G"), ("50000", "1", "50G-pam4"), ("200000", "4", "200G-pam4")],
)
def test_forced_speed(
    dut: Dut, remote: Endpoint, faults: Faults, defer: Defer, speed: str, lanes: str, mode: str
) -> None:
    """A speed that the other end does not have is no link; with one that has it, packets pass."""
    defer(settled, dut)
    defer(ethtool, dut, "-s", dut.netdev, *SPEED_100G)
    wanted = ["speed", speed, "lanes", lanes, "autoneg", "off"]
    assert "Link detected: no" in set_port(dut, "-s", *wanted)
    set_partner_for_test(faults, defer, speed=mode)
    said = settled(dut)
    assert f"Speed: {speed}Mb/s" in said
    assert "Link detected: yes" in said
    assert ping(dut, remote.ipv4, 2, 0.05, wait_s=3).received


@pytest.mark.needs(Capability.FAULTS)
def test_fec(dut: Dut, faults: Faults, defer: Defer) -> None:
    """FEC off is off; a partner with RS is lost, one without is not."""
    defer(settled, dut)
    defer(ethtool, dut, "--set-fec", dut.netdev, "encoding", "rs")
    assert "Link detected: no" in set_port(dut, "--set-fec", "encoding", "off")
    set_partner_for_test(faults, defer, fec="none")
    assert "Link detected: yes" in settled(dut)
    fec = ethtool(dut, "--show-fec", dut.netdev)
    assert re.search(r"Configured FEC encodings: None$", fec, re.MULTILINE)
    assert re.search(r"Active FEC encoding: Off$", fec, re.MULTILINE)


@pytest.mark.needs(Capability.CARD_STATE)  # another cable, another partner
def test_autonegotiation(dut: Dut, defer: Defer) -> None:
    """Both ends offer all they have: the best of it is used, and pause as they agree."""
    defer(settled, dut)
    defer(ethtool, dut, "-s", dut.netdev, *SPEED_100G)
    said = set_port(dut, "-s", "autoneg", "on")
    assert "Speed: 200000Mb/s" in said
    assert "Link partner advertised link modes:" in said
    defer(ethtool, dut, "-A", dut.netdev, "autoneg", "off", "rx", "off", "tx", "off")
    set_port(dut, "-A", "autoneg", "on", "rx", "on", "tx", "on")
    agreed = ethtool_json(dut, "-a")
    assert agreed["negotiated"] == {"rx": True, "tx": True}


def test_pause_is_forced(dut: Dut, defer: Defer) -> None:
    """``-A`` is what ``-a`` shows, and takes no link down."""
    before = link_losses(dut)
    for value in ("on", "off"):
        ethtool(dut, "-A", dut.netdev, "rx", value, "tx", value)
        defer(ethtool, dut, "-A", dut.netdev, "rx", "off", "tx", "off")
        assert ethtool_json(dut, "-a")["rx"] is (value == "on")
    assert link_losses(dut) == before


def test_module(dut: Dut) -> None:
    """The module in the cage says what it is."""
    said = ethtool(dut, "-m", dut.netdev)
    assert re.search(r"Identifier\s+: 0x11 \(QSFP28\)", said)
    assert re.search(r"Vendor PN\s+: \S", said)


@pytest.mark.needs(Capability.CHOSEN_CARD)
@pytest.mark.card_options(module="sr4")
def test_module_with_pages(dut: Dut) -> None:
    """Optics: what the sensors read lies between thresholds of another page."""
    said = ethtool(dut, "-m", dut.netdev)
    numbers = dict(re.findall(r"Module temperature( high alarm threshold)?\s+: ([\d.]+) ", said))
    assert 0 < float(numbers[""]) < float(numbers[" high alarm threshold"])
    assert "100000baseSR4/Full" in ethtool(dut, dut.netdev)


def test_self_tests(dut: Dut, remote: Endpoint) -> None:
    """Firmware, loopback of MAC and PHY, interrupts; and the port works afterwards."""
    failed = {"none was told"}
    passed = set[str]()
    for _ in range(SELF_TESTS if Capability.REAL_TIME in dut.capabilities else 1):
        said = dut.run(["ethtool", "-t", dut.netdev, "offline"], check=False).text
        told = dict(re.findall(r"^(.*?) ?\(.*\)\t *(\d+)$", said, re.MULTILINE))
        passed |= {name for name, code in told.items() if code == "0"}
        failed = told.keys() - passed
        if failed <= {"Ext loopback test"}:
            break
    assert failed <= {"Ext loopback test"}  # not asked for; the driver says 1 then
    assert {"link test", "Mac loopback test", "Phy loopback test", "Interrupt_test"} <= passed
    settled(dut)
    assert ping(dut, remote.ipv4, 2, 0.05, wait_s=3).received


@pytest.mark.needs(Capability.CHOSEN_CARD)
@pytest.mark.card_options(keeps_link=False)
def test_a_port_of_its_own_goes_down_with_the_interface(dut: Dut, remote: Endpoint) -> None:
    """No management controller keeps the link: it goes with each ``down`` and comes back."""
    before = link_losses(dut)
    cycle_link(dut, 3)
    assert link_losses(dut) == before + 3
    assert ping(dut, remote.ipv4, 2, 0.05, wait_s=3).received


def test_leds_and_what_there_is_none_of(dut: Dut) -> None:
    """``-p`` blinks; EEE and wake on LAN are refused by the driver itself, in silence."""
    ethtool(dut, "-p", dut.netdev, "1")
    assert dut.run(["ethtool", "--show-eee", dut.netdev], check=False).returncode
    assert "Supports Wake-on: d" in ethtool(dut, dut.netdev)
