# SPDX-License-Identifier: GPL-2.0-only
"""Frames for the card under test, built by scapy."""

from __future__ import annotations

from collections.abc import Mapping

from scapy.layers.inet import IP, TCP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether
from scapy.packet import Packet as Scapy
from scapy.packet import Raw

MAC = bytes.fromhex("00101820aa01")
PEER = bytes.fromhex("525400123456")
ETHER = Ether(dst=MAC, src=PEER)
V4 = IP(src="10.0.0.1", dst="10.0.0.2")
V6 = IPv6(src="fd00::1", dst="fd00::2")


def build(*layers: Scapy, size: int = 0) -> bytes:
    """The layers, and so many bytes of payload."""
    frame = layers[0]
    for layer in layers[1:]:
        frame = frame / layer.copy()
    if size:
        frame = frame / Raw((bytes(range(256)) * 40)[:size])
    return bytes(frame)


def damaged(frame: bytes, changes: Mapping[int, int]) -> bytes:
    """Bytes changed, where the frame is that long."""
    changed = bytearray(frame)
    for at, value in changes.items():
        if at < len(changed):
            changed[at] = value
    return bytes(changed)


def tcp(size: int, sport: int = 1000, ip: Scapy = V4, **fields: object) -> bytes:
    return build(ETHER, ip, TCP(sport=sport, dport=80, flags="A", **fields), size=size)
