# SPDX-License-Identifier: GPL-2.0-only
"""Tunnel packets received: what is inside decides, and both headers are verified."""

from __future__ import annotations

from dataclasses import replace

import pytest
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import ARP, GRE, Ether
from scapy.layers.vxlan import VXLAN
from scapy.packet import Packet as Scapy
from scapy.packet import Raw

from devmodel.bnxt.hsi.vnic import TpaFlags
from devmodel.bnxt.resources import NtupleFilter
from devmodel.bnxt.stats import RX_TPA_ELIGIBLE_PKT
from devmodel.net.toeplitz import toeplitz
from tests.unit.devmodel.bnxt.rig import HDS_FLAGS, RSS_KEY, Received, Rig
from tests.unit.devmodel.frames import ETHER, V4, V6, build

VXLAN_PORT, GENEVE_PORT = 4789, 6081
INSIDE = [
    IP(src="192.168.0.1", dst="192.168.0.2"),
    TCP(sport=7, dport=9, flags="A"),
    Raw(b"x" * 600),
]
INSIDE_6 = [IPv6(src="fd11::1", dst="fd11::2"), UDP(sport=7, dport=9), Raw(b"x" * 600)]
FRAME = Ether(src="02:00:00:00:00:07", dst="02:00:00:00:00:08")


def over_vxlan(*inside: Scapy, ip: Scapy = V4, checksum: int | None = 0) -> bytes:
    udp = UDP(sport=5555, dport=VXLAN_PORT, chksum=checksum)
    return build(ETHER, ip, udp, VXLAN(vni=5, flags=8), FRAME, *inside)


def over_geneve(*inside: Scapy) -> bytes:
    header = bytes([1, 0]) + b"\x65\x58" + b"\0\0\5\0" + b"\0" * 4  # one option of 4 bytes
    udp = UDP(sport=5555, dport=GENEVE_PORT)
    return build(ETHER, V4, udp, Raw(header + build(FRAME, *inside)))


@pytest.fixture
def rig() -> Rig:
    """Headers are split from data; the driver has told of two tunnels."""
    rig = Rig()
    rig.add_queue()
    rig.add_vnic().plcmodes.flags = HDS_FLAGS
    rig.resources.tunnel_ports.update({1: VXLAN_PORT, 5: GENEVE_PORT})
    rig.resources.steering_changed()
    return rig


def one(rig: Rig, frame: bytes) -> Received:
    (got,) = rig.receive(frame)
    assert got.data == frame
    return got


def bits(got: Received) -> tuple[int, int]:
    """(flags2 below the format of metadata, errors) of the completion."""
    return got.ext.rx_cmp_flags2 & 0xF, got.ext.rx_cmp_cfa_code_errors_v2 & 0xFFFE  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("frame", "flags2", "itype"),
    [
        pytest.param(over_vxlan(*INSIDE), 0xF, 2, id="vxlan"),
        pytest.param(over_vxlan(*INSIDE, checksum=None), 0xF, 2, id="vxlan with checksum"),
        pytest.param(over_vxlan(*INSIDE, ip=V6, checksum=None), 0xB, 2, id="vxlan over IPv6"),
        pytest.param(over_vxlan(*INSIDE_6), 0xE, 3, id="IPv6 in vxlan"),
        pytest.param(over_geneve(*INSIDE), 0xF, 2, id="geneve"),
        pytest.param(build(ETHER, V4, GRE(), *INSIDE), 0x7, 2, id="gre"),
        pytest.param(build(ETHER, V4, *INSIDE), 0x7, 2, id="ip in ip"),
        pytest.param(build(ETHER, V6, *INSIDE), 0x3, 2, id="ip in IPv6"),
    ],
)
def test_both_headers_are_verified_and_the_inner_payload_is_split(
    rig: Rig, frame: bytes, flags2: int, itype: int
) -> None:
    for _ in range(2):
        got = one(rig, frame)
        assert bits(got) == (flags2, 0)
        assert got.cmp.itype == itype
        assert (len(frame) - got.first, got.pieces) == (600, [600])


@pytest.mark.parametrize(
    ("at", "errors"),
    [
        (24, 1 << 6),  # checksum of the outer IP header
        (40, 1 << 7),  # that of the outer UDP
        (50 + 14 + 10, 1 << 4 | 1 << 7),  # that of the inner IP header, which is outer payload
        (50 + 14 + 20 + 16, 1 << 5 | 1 << 7),  # that of the inner TCP
    ],
)
def test_each_checksum_has_its_own_error(rig: Rig, at: int, errors: int) -> None:
    frame = bytearray(over_vxlan(*INSIDE, checksum=None))
    frame[at] ^= 1
    assert bits(one(rig, bytes(frame))) == (0xF, errors)


def test_what_is_inside_and_has_no_checksum_leaves_the_outer_one_to_the_host(rig: Rig) -> None:
    fragment = [IP(src="1.2.3.4", dst="5.6.7.8", flags="MF", proto=6), Raw(b"x" * 64)]
    assert bits(one(rig, over_vxlan(*fragment))) == (0x5, 0)


@pytest.mark.parametrize(
    "frame",
    [
        over_vxlan(ARP()),
        over_vxlan(Raw(b"")),
        build(ETHER, V4, UDP(sport=5555, dport=VXLAN_PORT + 1), VXLAN(), FRAME, *INSIDE),
        build(ETHER, V4, UDP(sport=5555, dport=VXLAN_PORT), Raw(b"short")),
    ],
)
def test_the_rest_is_ordinary(rig: Rig, frame: bytes) -> None:
    got = one(rig, frame)
    assert bits(got)[0] & 0xC == 0
    assert got.cmp.itype == 3


def test_ports_are_the_drivers_to_say(rig: Rig) -> None:
    frame = over_vxlan(*INSIDE)
    assert one(rig, frame).cmp.itype == 2
    del rig.resources.tunnel_ports[1]
    rig.resources.steering_changed()
    for _ in range(2):
        assert one(rig, frame).cmp.itype == 3
    rig.resources.tunnel_ports[1] = VXLAN_PORT
    rig.resources.steering_changed()
    assert one(rig, frame).cmp.itype == 2


# -- steering -----------------------------------------------------------------------------------
def hash_of(src: str, dst: str, *ports: int) -> int:
    data = b"".join(bytes(map(int, address.split("."))) for address in (src, dst))
    return toeplitz(RSS_KEY, data + b"".join(port.to_bytes(2, "big") for port in ports))


@pytest.mark.parametrize(
    ("mode", "wanted"),
    [
        (0x01, hash_of("192.168.0.1", "192.168.0.2", 7, 9)),
        (0x04, hash_of("192.168.0.1", "192.168.0.2")),
        (0x08, hash_of("10.0.0.1", "10.0.0.2", 5555, VXLAN_PORT)),
        (0x10, hash_of("10.0.0.1", "10.0.0.2")),
    ],
)
def test_hash_of_the_innermost_or_the_outermost(rig: Rig, mode: int, wanted: int) -> None:
    rig.resources.vnics[0].hash_mode_flags = mode
    got = one(rig, over_vxlan(*INSIDE))
    assert got.cmp.rx_cmp_rss_hash == wanted  # type: ignore[union-attr]


ANY = NtupleFilter(
    id=1, l2_filter_id=None, ethertype=0, ip_addr_type=4, ip_protocol=None,
    src_ip=bytes(4), src_ip_mask=bytes(4), dst_ip=bytes(4), dst_ip_mask=bytes(4),
    src_port=0, src_port_mask=0, dst_port=0, dst_port_mask=0xFFFF,
    dst_vnic=0, rfs_ring_tbl_idx=None, drop=True,
)  # fmt: skip


@pytest.mark.parametrize(
    ("port", "is_of_tunnels", "frame", "dropped"),
    [
        (9, True, over_vxlan(*INSIDE), True),
        (9, False, over_vxlan(*INSIDE), False),
        (VXLAN_PORT, True, over_vxlan(*INSIDE), False),
        (VXLAN_PORT, False, over_vxlan(*INSIDE), True),
        (9, True, build(ETHER, *INSIDE), False),
        (9, False, build(ETHER, *INSIDE), True),
    ],
)
def test_filters_look_inside_if_they_say_so(
    rig: Rig, port: int, is_of_tunnels: bool, frame: bytes, dropped: bool
) -> None:
    rig.resources.ntuple_filters[1] = replace(ANY, dst_port=port, is_of_tunnels=is_of_tunnels)
    rig.resources.steering_changed()
    assert (rig.receive(frame) == []) is dropped


def test_flows_of_one_tunnel_are_told_apart(rig: Rig) -> None:
    for port in range(8):
        inside = [INSIDE[0], TCP(sport=port, dport=9), INSIDE[2]]
        got = one(rig, over_vxlan(*inside))
        wanted = hash_of("192.168.0.1", "192.168.0.2", port, 9)
        assert got.cmp.rx_cmp_rss_hash == wanted  # type: ignore[union-attr]


def test_nothing_inside_is_aggregated(rig: Rig) -> None:
    """Also where the inner TCP header begins where it would in a packet of IPv6."""
    rig.resources.vnics[0].tpa.flags = TpaFlags.TPA | TpaFlags.GRO
    frame = build(ETHER, V4, *INSIDE)
    assert frame[14 + 9] == 4
    for got in rig.receive(frame, frame):
        assert got.end is None
        assert got.data == frame
    assert rig.queues[0].stats.counters[RX_TPA_ELIGIBLE_PKT] == 0


def test_waiting_for_buffers_changes_nothing() -> None:
    rig = Rig()
    queue = rig.add_queue(post=False)
    rig.add_vnic().plcmodes.flags = HDS_FLAGS
    rig.resources.tunnel_ports[1] = VXLAN_PORT
    rig.resources.steering_changed()
    assert rig.receive(over_vxlan(*INSIDE)) == []
    rig.post_agg(queue, 4)
    rig.post_rx(queue, 4)
    (got,) = rig.poll()
    assert (bits(got), got.cmp.itype, got.pieces) == ((0xF, 0), 2, [600])
