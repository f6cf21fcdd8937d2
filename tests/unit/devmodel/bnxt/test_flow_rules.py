# SPDX-License-Identifier: GPL-2.0-only
"""Rules of tc flower: which packets each drops and counts, and that the rest arrives."""

from __future__ import annotations

import dataclasses
import socket
from typing import Any

import pytest
from scapy.layers.inet import ICMP, IP, UDP
from scapy.layers.inet6 import ICMPv6EchoRequest
from scapy.layers.l2 import GRE, Dot1Q, Ether
from scapy.layers.vxlan import VXLAN
from scapy.packet import Packet as Scapy

from devmodel.bnxt.flow_rules import MAX_RULES, DecapFilter, FlowRule, FlowRules
from tests.unit.devmodel.bnxt.rig import Rig, one_queue
from tests.unit.devmodel.frames import ETHER, MAC, PEER, V4, V6, build, tcp

IPV4, IPV6 = 0x0800, 0x86DD
SRC, DST = socket.inet_aton("10.0.0.1"), socket.inet_aton("10.0.0.2")
SRC6 = socket.inet_pton(socket.AF_INET6, "fd00::1")
ANY = (bytes(16), 0)
OPEN = (0, 0)
VXLAN_TYPE, VXLAN_PORT = 1, 4789


def rule(**fields: Any) -> FlowRule:
    """A rule that takes every IPv4 packet, but for what is named."""
    usual: dict[str, Any] = {
        "decap": None, "ethertype": IPV4, "dmac": None, "smac": None, "vlan": None,
        "ip_version": 0, "protocol": 0, "dst": ANY, "src": ANY, "sport": OPEN, "dport": OPEN,
    }  # fmt: skip
    return FlowRule(**{**usual, **fields})


def ipv4(**fields: Any) -> FlowRule:
    return rule(ip_version=4, **fields)


def with_rule(wanted: FlowRule) -> Rig:
    rig = one_queue()
    rig.resources.flow_rules.add(wanted)
    rig.resources.steering_changed()
    return rig


def udp(ip: Scapy = V4, sport: int = 7, dport: int = 9) -> bytes:
    return build(ETHER, ip, UDP(sport=sport, dport=dport), size=20)


TAGGED = build(ETHER, Dot1Q(vlan=5), V4, UDP(sport=7, dport=9), size=20)
PING = build(ETHER, V4, ICMP(type=8), size=20)
PING6 = build(ETHER, V6, ICMPv6EchoRequest(), size=20)


@pytest.mark.parametrize(
    ("wanted", "its", "other"),
    [
        (rule(), udp(), udp(V6)),
        (rule(dmac=MAC), udp(), udp(V6)),
        (rule(smac=PEER), udp(), udp(V6)),
        (rule(vlan=5), TAGGED, udp()),
        (rule(protocol=17), udp(), tcp(20)),
        (ipv4(src=(SRC + bytes(12), 32)), udp(), udp(IP(src="10.0.0.9", dst="10.0.0.2"))),
        (ipv4(dst=(DST + bytes(12), 8)), udp(), udp(V6)),
        (ipv4(protocol=17, dport=(9, 0xFFFF)), udp(), udp(dport=8)),
        (ipv4(protocol=17, sport=(4, 0xFFFC)), udp(sport=7), udp(sport=8)),
        (ipv4(protocol=6, dport=(80, 0xFFFF)), tcp(20), udp(dport=80)),
        (ipv4(protocol=1, sport=(8, 0xFF)), PING, build(ETHER, V4, ICMP(type=0), size=20)),
        (rule(ethertype=IPV6, ip_version=6, src=(SRC6, 64)), udp(V6), udp()),
        (rule(ethertype=IPV6, ip_version=6, protocol=58, sport=(128, 0xFF)), PING6, udp(V6)),
    ],
)
def test_a_rule_drops_and_counts_what_is_its(wanted: FlowRule, its: bytes, other: bytes) -> None:
    rig = with_rule(wanted)
    assert [packet.data for packet in rig.receive(its, other, its)] == [other]
    assert (wanted.packets, wanted.bytes_) == (2, 2 * len(its))
    assert rig.trace.counters["rx_drop_flow_rule"] == 2


@pytest.mark.parametrize(
    "fields",
    [
        {"dmac": PEER},
        {"smac": MAC},
        {"vlan": 5},
        {"ip_version": 4, "src": (DST + bytes(12), 32)},
        {"ip_version": 4, "protocol": 17, "dport": (10, 0xFFFF)},
    ],
)
def test_a_rule_of_others_drops_nothing(fields: dict[str, Any]) -> None:
    rig = with_rule(rule(**fields))
    assert len(rig.receive(udp(), udp())) == 2


def test_flows_that_are_known_meet_a_new_rule() -> None:
    rig = one_queue()
    assert len(rig.receive(tcp(20), tcp(20))) == 2
    handle = rig.resources.flow_rules.add(ipv4(protocol=6))
    rig.resources.steering_changed()
    assert rig.receive(tcp(20)) == []
    assert handle is not None
    del rig.resources.flow_rules.rules[handle]
    assert len(rig.receive(tcp(20))) == 1


def test_what_is_not_for_this_port_is_not_counted() -> None:
    wanted = rule()
    rig = with_rule(wanted)
    stranger = build(Ether(dst="02:00:00:00:00:09", src=PEER), V4, UDP(sport=7, dport=9))
    assert rig.receive(stranger) == []
    assert wanted.packets == 0


def test_a_short_icmp_header_and_fragments_have_no_ports() -> None:
    rig = with_rule(ipv4(protocol=1, sport=(0, 0xFF)))
    bare = build(ETHER, IP(src="10.0.0.1", dst="10.0.0.2", proto=1))
    fragment = build(ETHER, IP(src="10.0.0.1", dst="10.0.0.2", frag=9), ICMP(type=0))
    assert len(rig.receive(bare, fragment)) == 2


def through_vxlan(vni: int, payload_to: int = 9, port: int = VXLAN_PORT) -> bytes:
    inside = (
        Ether(dst="02:00:00:00:00:05", src="02:00:00:00:00:06")
        / V4
        / UDP(sport=7, dport=payload_to)
    )
    return build(ETHER, V4, UDP(sport=5, dport=port), VXLAN(vni=vni, flags=8), inside, size=20)


@pytest.mark.parametrize(
    ("changes", "dropped"),
    [
        ({}, [True, False, False]),
        ({"vni": None}, [True, True, False]),
        ({"dmac": PEER}, [False, False, False]),
        ({"vlan": 3}, [False, False, False]),
        ({"src": DST}, [False, False, False]),
        ({"dst": SRC}, [False, False, False]),
        ({"dport": 1}, [False, False, False]),
        ({"src": None, "dst": None, "dport": None, "dmac": None}, [True, False, False]),
    ],
)
def test_a_rule_of_a_tunnel_looks_inside(changes: dict[str, Any], dropped: list[bool]) -> None:
    rig = one_queue()
    rig.resources.tunnel_ports[VXLAN_TYPE] = VXLAN_PORT
    decap = DecapFilter(vni=42, dmac=MAC, vlan=None, src=SRC, dst=DST, dport=VXLAN_PORT)
    rules = rig.resources.flow_rules
    number = rules.add_decap(dataclasses.replace(decap, **changes))
    inside = bytes.fromhex("020000000005")
    rules.add(ipv4(decap=number, dmac=inside, protocol=17, dport=(9, 0xFFFF)))
    rig.resources.steering_changed()
    frames = [through_vxlan(42), through_vxlan(43), through_vxlan(42, payload_to=10)]
    assert [not rig.receive(frame) for frame in frames] == dropped
    assert len(rig.receive(udp(dport=9))) == 1


def test_other_tunnels_are_not_looked_into() -> None:
    rig = one_queue()
    rules = rig.resources.flow_rules
    decap = DecapFilter(vni=None, dmac=None, vlan=None, src=None, dst=None, dport=None)
    rules.add(ipv4(decap=rules.add_decap(decap)))
    rig.resources.steering_changed()
    assert len(rig.receive(build(ETHER, V4, GRE(), V4, UDP(sport=7, dport=9), size=20))) == 1


def test_there_is_room_for_so_many() -> None:
    rules = FlowRules()
    handles = {rules.add(rule()) for _ in range(MAX_RULES)}
    assert len(handles) == MAX_RULES
    assert rules.add(rule()) is None
    del rules.rules[0x8005]
    assert rules.add(rule()) == 0x8005
    rules.reset()
    assert rules.add(rule()) == 0x8000
