# SPDX-License-Identifier: GPL-2.0-only
"""Frames for the NIC under test that no peer of the workload would send: odd, cut, damaged."""

from __future__ import annotations

import struct
from random import Random

from testbed.dut.protocols import LOCAL_V4, REMOTE_V4
from testbed.engines.topology import PEER_MAC
from testbed.fuzz.schedule import LEAST_FRAME

CARD_MAC = bytes.fromhex("00101820aa01")
"""Of a card whose identity nobody has changed (devmodel/bnxt/identity.py)."""
_PEER = bytes.fromhex(PEER_MAC.replace(":", ""))
_BROADCAST = b"\xff" * 6
_SHORTEST = 60
_PORTS = (5600, 5601, 5602, 5603, 7, 65535)


def frame(random: Random) -> bytes:
    """A frame of 14 to some 2,000 bytes, well-formed in half of all cases."""
    drawn = random.choice((_tcp, _udp, _arp, _vlan, _ipv6, _fragment, _large, _unknown))(random)
    damage = random.choice((_whole, _whole, _whole, _cut, _flipped, _padded))
    return damage(random, drawn.ljust(_SHORTEST, b"\0"))


def _ethernet(ethertype: int, payload: bytes, to: bytes = CARD_MAC) -> bytes:
    return to + _PEER + struct.pack(">H", ethertype) + payload


def _sum(data: bytes) -> int:
    words = struct.unpack(f">{len(data) // 2}H", data)
    total: int = sum(words)
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def _ipv4(protocol: int, payload: bytes, flags: int = 0x4000) -> bytes:
    ends = b"".join(bytes(map(int, one.split("."))) for one in (REMOTE_V4, LOCAL_V4))
    head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(payload), 7, flags, 64, protocol, 0) + ends
    return head[:10] + struct.pack(">H", _sum(head)) + head[12:] + payload


def _tcp(random: Random) -> bytes:
    flags = random.choice((0x02, 0x10, 0x12, 0x11, 0x04, 0x18, 0x29, 0))
    ports = random.choice(_PORTS), random.choice(_PORTS)
    head = struct.pack(">HHIIBBHHH", *ports, random.getrandbits(32), 0, 0x50, flags, 64, 0, 0)
    return _ethernet(0x0800, _ipv4(6, head + bytes(random.choice((0, 1, 64, 1400)))))


def _udp(random: Random) -> bytes:
    data = bytes(random.choice((0, 1, 18, 1000, 1472)))
    ports = random.choice(_PORTS), random.choice(_PORTS)
    return _ethernet(0x0800, _ipv4(17, struct.pack(">HHHH", *ports, 8 + len(data), 0) + data))


def _arp(random: Random) -> bytes:
    operation = random.choice((1, 2))
    head = struct.pack(">HHBBH", 1, 0x0800, 6, 4, operation)
    return _ethernet(0x0806, head + _PEER + bytes(4) + bytes(10), to=_BROADCAST)


def _vlan(random: Random) -> bytes:
    inner = _udp(random)
    tag = struct.pack(">HH", random.choice((0x8100, 0x88A8)), random.choice((0, 1, 5, 0xFFF)))
    return inner[:12] + tag * random.choice((1, 1, 2, 3)) + inner[12:]


def _ipv6(random: Random) -> bytes:
    following = random.choice((0, 6, 17, 43, 44, 58, 59))
    data = bytes(random.choice((0, 8, 40, 1400)))
    head = struct.pack(">IHBB", 6 << 28, len(data), following, 255)
    return _ethernet(0x86DD, head + random.randbytes(32) + data)


def _fragment(random: Random) -> bytes:
    flags = random.choice((0x2000, 0x2001, 0x1FFF, 0x00B9))
    return _ethernet(0x0800, _ipv4(random.choice((6, 17)), bytes(1400), flags))


def _large(random: Random) -> bytes:
    size = random.choice((1486, 1487, 1500, 2000))
    return _ethernet(0x0800, _ipv4(17, struct.pack(">HHHH", 1, 2, size, 0) + bytes(size - 8)))


def _unknown(random: Random) -> bytes:
    return _ethernet(random.choice((0, 46, 0x05DC, 0x8035, 0x88CC, 0xFFFF)), random.randbytes(46))


def _whole(random: Random, data: bytes) -> bytes:
    return data


def _cut(random: Random, data: bytes) -> bytes:
    return data[: random.randint(LEAST_FRAME, len(data))]


def _flipped(random: Random, data: bytes) -> bytes:
    made = bytearray(data)
    for _ in range(random.choice((1, 1, 4))):
        made[random.randrange(LEAST_FRAME, len(made))] ^= 1 << random.randrange(8)
    return bytes(made)


def _padded(random: Random, data: bytes) -> bytes:
    return data + bytes(random.choice((1, 4, 64)))
