# SPDX-License-Identifier: GPL-2.0-only
"""Data arrives as sent with every offload on or off, at every MTU, with and without VLAN tags."""

from __future__ import annotations

import pytest

from testbed.dut.defer import Defer
from testbed.dut.nic import ethtool_json, set_feature, set_mtu
from testbed.dut.protocols import Dut, Endpoint
from testbed.dut.streams import MIB, check_stream

PORT = 5500
VLAN = 77
TAGGED = {"dut": "198.51.100.1", "remote": "198.51.100.2"}
FEATURES = {
    "tso": ("tcp-segmentation-offload", "tx-tcp6-segmentation"),
    "tx-checksum": ("tx-checksumming",),
    "rx-checksum": ("rx-checksumming",),
    "gro": ("generic-receive-offload",),
    "scatter": ("tx-scatter-gather",),
}
_WORDS = {"tso": "tso", "tx-checksum": "tx", "rx-checksum": "rx", "gro": "gro", "scatter": "sg"}


def both_ways(dut: Dut, remote: Endpoint, version: int = 4) -> None:
    """2 MiB each way over three flows, equal at both ends."""
    local, far = (dut.ipv4, remote.ipv4) if version == 4 else (dut.ipv6, remote.ipv6)
    check_stream(dut, remote, port=PORT, total_bytes=2 * MIB, flows=3, address=local)
    check_stream(remote, dut, port=PORT, total_bytes=2 * MIB, flows=3, address=far)


@pytest.mark.parametrize("feature", sorted(FEATURES))
@pytest.mark.parametrize("version", [4, 6], ids="IPv{}".format)
def test_offload_off(dut: Dut, remote: Endpoint, defer: Defer, feature: str, version: int) -> None:
    """Whatever the card does not do, the kernel does: the bytes are the same."""
    state = ethtool_json(dut, "-k")[FEATURES[feature][0]]
    if state["fixed"] or not state["active"]:
        pytest.skip(f"{feature} cannot be turned off here")
    set_feature(dut, _WORDS[feature], "off", defer)
    both_ways(dut, remote, version)


@pytest.mark.parametrize("mtu", [1280, 1500, 4096, 9000])
def test_mtu(dut: Dut, remote: Endpoint, defer: Defer, mtu: int) -> None:
    """Both ends at the same MTU."""
    set_mtu(dut, remote, mtu, defer)
    both_ways(dut, remote)
    dut.run(["ping", "-c", "2", "-i", "0.05", "-M", "do", "-s", str(mtu - 28), remote.ipv4])


@pytest.fixture(params=["on", "off"], ids="VLAN offload {}".format)
def tagged(request: pytest.FixtureRequest, dut: Dut, remote: Endpoint, defer: Defer) -> None:
    """A VLAN interface at each end, with addresses of its own."""
    for word, name in (("rxvlan", "rx-vlan-offload"), ("txvlan", "tx-vlan-offload")):
        if request.param == "off" and not ethtool_json(dut, "-k")[name]["fixed"]:
            set_feature(dut, word, "off", defer)
    for end, address in ((dut, TAGGED["dut"]), (remote, TAGGED["remote"])):
        name = f"{end.netdev}.{VLAN}"
        end.run(
            ["ip", "link", "add", "link", end.netdev, "name", name, "type", "vlan", "id", str(VLAN)]
        )
        defer(end.run, ["ip", "link", "del", "dev", name])
        end.run(["ip", "addr", "add", f"{address}/24", "dev", name])
        end.run(["ip", "link", "set", "dev", name, "up"])


def test_vlan(dut: Dut, remote: Endpoint, tagged: None) -> None:
    """Tags put on and taken off by card or kernel."""
    check_stream(dut, remote, port=PORT, total_bytes=2 * MIB, flows=2, address=TAGGED["dut"])
    check_stream(remote, dut, port=PORT, total_bytes=2 * MIB, flows=2, address=TAGGED["remote"])
