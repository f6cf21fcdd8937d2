# SPDX-License-Identifier: GPL-2.0-only
"""tc flower in hardware: packets that a rule drops are counted by the card and never arrive."""

from __future__ import annotations

import re

import pytest

from testbed.dut.defer import Defer
from testbed.dut.driver import activate_firmware
from testbed.dut.pause import pause
from testbed.dut.ping import ping
from testbed.dut.protocols import Capability, Dut, Endpoint

COUNTERS_S = 2.5
"""The driver asks for counters every second."""
# Whether a real card takes rules is not known.
pytestmark = pytest.mark.needs(Capability.FLOWER, Capability.CARD_STATE)


def add_rule(dut: Dut, defer: Defer, device: str, *words: str) -> None:
    """A rule of these words about what ``device`` receives."""
    dut.run(["tc", "qdisc", "add", "dev", device, "clsact"])
    defer(dut.run, ["tc", "qdisc", "del", "dev", device, "clsact"])
    dut.run(["tc", "filter", "add", "dev", device, "ingress", "protocol", "ip", "flower", *words])


def dropped(dut: Dut, device: str) -> int:
    """Packets that the card has dropped for the rule, which is in hardware."""
    said = dut.run(["tc", "-s", "filter", "show", "dev", device, "ingress"]).text
    assert "in_hw" in said.split()
    counted = re.search(r"Sent hardware \d+ bytes (\d+) pkt", said)
    return int(counted[1]) if counted else 0


def test_a_rule_drops_what_matches(dut: Dut, remote: Endpoint, defer: Defer) -> None:
    """Echo replies are lost and counted, others are not; without the rule they arrive again."""
    match = ["skip_sw", "ip_proto", "icmp", "type", "0"]
    add_rule(dut, defer, dut.netdev, *match, "action", "drop")
    assert not ping(dut, remote.ipv4, 3, 0.1, wait_s=2).received
    assert ping(remote, dut.ipv4, 3, 0.1, wait_s=5).received
    pause(dut, COUNTERS_S)
    assert dropped(dut, dut.netdev) == 3
    dut.run(["tc", "filter", "del", "dev", dut.netdev, "ingress"])
    assert ping(dut, remote.ipv4, 3, 0.1, wait_s=5).received


@pytest.mark.needs(Capability.DEVICE_RESET)
@pytest.mark.finding("tc-flows-lost-in-reset")
def test_a_rule_outlives_a_reset(dut: Dut, remote: Endpoint, defer: Defer) -> None:
    """It still drops what matches, and counts it, once the firmware has been reset."""
    match = ["skip_sw", "ip_proto", "icmp", "type", "0"]
    add_rule(dut, defer, dut.netdev, *match, "action", "drop")
    assert not ping(dut, remote.ipv4, 2, 0.1, wait_s=2).received
    pause(dut, COUNTERS_S)
    activate_firmware(dut)
    assert ping(remote, dut.ipv4, 3, 0.1, wait_s=5).received
    answered = ping(dut, remote.ipv4, 3, 0.1, wait_s=2).received
    assert not answered, "the NIC has forgotten a rule that the kernel says is in hardware"
    pause(dut, COUNTERS_S)
    assert dropped(dut, dut.netdev) == 5


def test_a_rule_looks_into_a_tunnel(dut: Dut, remote: Endpoint, defer: Defer) -> None:
    """A rule about what VXLAN carries drops it, and nothing else of the tunnel's other end."""
    ends = ((dut, remote, "10.98.0.1"), (remote, dut, "10.98.0.2"))
    for end, other, address in ends:
        vxlan = ["vx0", "type", "vxlan", "id", "42", "dstport", "4789"]
        end.run(["ip", "link", "add", *vxlan, "remote", other.ipv4, "dev", end.netdev])
        defer(end.run, ["ip", "link", "del", "vx0"])
        end.run(["ip", "addr", "add", f"{address}/24", "dev", "vx0"])
        end.run(["ip", "link", "set", "vx0", "up"])
    assert ping(dut, "10.98.0.2", 3, 0.1, wait_s=5).received
    outside = ["enc_src_ip", remote.ipv4, "enc_dst_ip", dut.ipv4, "enc_key_id", "42"]
    inside = ["enc_dst_port", "4789", "ip_proto", "icmp"]
    actions = ["action", "tunnel_key", "unset", "action", "drop"]
    add_rule(dut, defer, "vx0", *outside, *inside, *actions)
    assert not ping(dut, "10.98.0.2", 3, 0.1, wait_s=2).received
    assert ping(dut, remote.ipv4, 3, 0.1, wait_s=5).received
    pause(dut, COUNTERS_S)
    assert dropped(dut, "vx0") == 3
