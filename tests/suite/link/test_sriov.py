# SPDX-License-Identifier: GPL-2.0-only
"""SR-IOV: four virtual functions, with traffic on each; what one may is what it was given."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from testbed.dut.counters import ethtool_statistics
from testbed.dut.defer import Defer
from testbed.dut.pause import pause
from testbed.dut.ping import ping
from testbed.dut.protocols import Capability, Completed, Dut, Endpoint, Running
from testbed.dut.streams import MIB, check_stream

FUNCTIONS = 4
FIRST_FID = 128
PORT = 5700
SETTLED_S = 1.0
ECHOES = 5
NETWORK = "198.51.100"
OF_REMOTE, OF_PHYSICAL, OF_FIRST = f"{NETWORK}.1", f"{NETWORK}.2", 10

pytestmark = [
    pytest.mark.card_options(virtual_functions=FUNCTIONS),
    pytest.mark.needs(Capability.SRIOV, Capability.LINK_CYCLE),
]


class VirtualFunction:
    """A virtual function in a network namespace of its own, as a DUT."""

    def __init__(self, dut: Dut, index: int, netdev: str) -> None:
        self._dut = dut
        self.index = index
        self.netdev = netdev
        self.netns = f"vf{index}"
        self.ipv4 = f"{NETWORK}.{OF_FIRST + index}"
        self.ipv6 = ""
        self.driver = dut.driver

    @property
    def patience(self) -> float:
        """That of the machine."""
        return self._dut.patience

    @property
    def capabilities(self) -> frozenset[Capability]:
        """Those of the machine."""
        return self._dut.capabilities

    def run(self, argv: Sequence[str], **more: Any) -> Completed:
        """In its namespace."""
        return self._dut.run(["ip", "netns", "exec", self.netns, *argv], **more)

    def start(self, argv: Sequence[str], **more: Any) -> Running:
        """In its namespace."""
        return self._dut.start(["ip", "netns", "exec", self.netns, *argv], **more)

    def put(self, source: Any, target: str, *, mode: int = 0o644) -> None:
        """A file of the machine."""
        self._dut.put(source, target, mode=mode)

    def get(self, source: str) -> bytes:
        """A file of the machine."""
        return self._dut.get(source)


def set_count(dut: Dut, count: int) -> None:
    """``echo COUNT > sriov_numvfs``."""
    place = f"/sys/class/net/{dut.netdev}/device/sriov_numvfs"
    dut.run(["sh", "-c", f"echo {count} > {place}"])


def set_vf(dut: Dut, index: int, *words: str) -> None:
    """``ip link set nut0 vf INDEX WORDS``."""
    dut.run(["ip", "link", "set", dut.netdev, "vf", str(index), *words])


@pytest.fixture
def functions(dut: Dut, remote: Endpoint, defer: Defer) -> list[VirtualFunction]:
    """Four virtual functions, up, in one network with the physical one and the remote endpoint."""
    set_count(dut, FUNCTIONS)
    defer(set_count, dut, 0)
    for end, address in ((dut, OF_PHYSICAL), (remote, OF_REMOTE)):
        end.run(["ip", "address", "add", f"{address}/24", "dev", end.netdev])
        defer(end.run, ["ip", "address", "delete", f"{address}/24", "dev", end.netdev])
        # Functions that were here before had other addresses.
        end.run(["ip", "neighbour", "flush", "to", f"{NETWORK}.0/24", "dev", end.netdev])
    made = []
    for index in range(FUNCTIONS):
        place = f"/sys/class/net/{dut.netdev}/device/virtfn{index}/net"
        vf = VirtualFunction(dut, index, dut.run(["ls", place]).text)
        dut.run(["ip", "netns", "add", vf.netns])
        defer(dut.run, ["ip", "netns", "delete", vf.netns])
        dut.run(["ip", "link", "set", vf.netdev, "netns", vf.netns])
        vf.run(["ip", "address", "add", f"{vf.ipv4}/24", "dev", vf.netdev])
        vf.run(["ip", "link", "set", vf.netdev, "up"])
        made.append(vf)
    pause(dut, SETTLED_S)
    return made


def received(vf: VirtualFunction, target: str) -> int:
    """How many of ECHOES requests are answered."""
    return ping(vf, target, ECHOES, 0.1, wait_s=1).received


def test_each_has_traffic(
    dut: Dut, remote: Endpoint, functions: list[VirtualFunction],
    card_state: Callable[[], dict[str, Any]],
) -> None:  # fmt: skip
    """Echoes to the wire, to the physical function and to the next one; TCP streams, verified."""
    for vf in functions:
        following = functions[(vf.index + 1) % FUNCTIONS]
        targets = (OF_REMOTE, OF_PHYSICAL, following.ipv4)
        assert [received(vf, target) for target in targets] == [ECHOES] * len(targets)
        check_stream(vf, remote, port=PORT + vf.index, total_bytes=4 * MIB, flows=2)
        assert ethtool_statistics(vf)["[0]: rx_ucast_packets"] > len(targets)
    state = card_state()["card"]["virtual_functions"]
    assert sorted(state) == [str(FIRST_FID + index) for index in range(FUNCTIONS)]
    assert all(one["driver_registered"] for one in state.values())


def test_a_vlan_keeps_them_apart(dut: Dut, functions: list[VirtualFunction]) -> None:
    """Two in a VLAN reach each other, and nobody else; nobody else reaches them."""
    for index in (2, 3):
        set_vf(dut, index, "vlan", "7")
        cycle(functions[index])
    one, other, inside, beside = functions
    assert received(inside, beside.ipv4) == ECHOES
    assert received(one, other.ipv4) == ECHOES
    assert received(inside, OF_REMOTE) == 0
    assert received(inside, one.ipv4) == 0
    assert received(one, beside.ipv4) == 0


def cycle(vf: VirtualFunction) -> None:
    """Down and up: the driver asks for its VLAN when it opens the interface."""
    vf.run(["ip", "link", "set", vf.netdev, "down"])
    vf.run(["ip", "link", "set", vf.netdev, "up"])
    pause(vf, SETTLED_S)


def test_what_was_set_is_shown(dut: Dut, functions: list[VirtualFunction]) -> None:
    """Trust, the check of source addresses and a rate; who is checked may send as itself."""
    for words in (("trust", "on"), ("spoofchk", "on"), ("max_tx_rate", "1000")):
        set_vf(dut, 0, *words)
    (shown,) = json.loads(dut.run(["ip", "-json", "link", "show", dut.netdev]).text)
    first, second = shown["vfinfo_list"][:2]
    assert (first["trust"], first["spoofchk"], first["rate"]["max_tx"]) == (True, True, 1000)
    assert (second["trust"], second["spoofchk"], second["rate"]["max_tx"]) == (False, False, 0)
    assert received(functions[0], OF_REMOTE) == ECHOES


def test_an_address_is_the_physical_functions_choice(
    dut: Dut, functions: list[VirtualFunction]
) -> None:
    """It is there when the interface is opened again."""
    address = "02:11:22:33:44:55"
    set_vf(dut, 1, "mac", address)
    pause(dut, SETTLED_S)
    cycle(functions[1])
    shown = functions[1].run(["cat", f"/sys/class/net/{functions[1].netdev}/address"]).text
    assert shown == address
    assert received(functions[1], OF_REMOTE) == ECHOES


def test_one_goes_and_the_others_stay(dut: Dut, functions: list[VirtualFunction]) -> None:
    """Unbound from its driver and bound again, beside traffic of the next one."""
    place = dut.run(["readlink", "-f", f"/sys/class/net/{dut.netdev}/device/virtfn0"]).text
    address = place.rpartition("/")[2]
    for what in ("unbind", "bind"):
        dut.run(["sh", "-c", f"echo {address} > /sys/bus/pci/drivers/{dut.driver}/{what}"])
        assert received(functions[1], OF_REMOTE) == ECHOES


def test_link_of_one_is_set_apart(dut: Dut, functions: list[VirtualFunction]) -> None:
    """``state disable``: the driver of the physical function answers for the card."""
    vf = functions[2]
    for state, carrier in (("disable", "0"), ("auto", "1")):
        set_vf(dut, 2, "state", state)
        pause(dut, SETTLED_S)
        assert vf.run(["cat", f"/sys/class/net/{vf.netdev}/carrier"]).text == carrier
    assert received(vf, OF_REMOTE) == ECHOES
