# SPDX-License-Identifier: GPL-2.0-only
"""Frames for the card under test, built by scapy."""

from __future__ import annotations

from scapy.layers.inet import IP, TCP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether
from scapy.packet import Packet as Scapy
from scapy.packet import Raw

from tests.unit.devmodel.bnxt.rig import MAC, PEER

ETHER = Ether(dst=MAC, src=PEER)
V4 = IP(src="10.0.0.1", dst="10.0.0.2")
V6 = IPv6(src="fd00::1", dst="fd00::2")


def build(*layers: Scapy, size: int = 0) -> bytes:
    frame = layers[0]
    for layer in layers[1:]:
        frame = frame / layer.copy()
    if size:
        frame = frame / Raw((bytes(range(256)) * 40)[:size])
    return bytes(frame)


def tcp(size: int, sport: int = 1000, ip: Scapy = V4, **fields: object) -> bytes:
    return build(ETHER, ip, TCP(sport=sport, dport=80, flags="A", **fields), size=size)
