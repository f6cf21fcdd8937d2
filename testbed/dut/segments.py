# SPDX-License-Identifier: GPL-2.0-only
"""TCP segments of a connection that nobody has, and aggregations that wait for more of them.

No sender of the kernel's leaves a connection like that: it asks for an answer (PSH), or sends
again. These come off the wire by themselves, so the card must be one that obeys.
"""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from testbed.dut.counters import ethtool_statistics
from testbed.dut.faults import Faults
from testbed.dut.nic import link
from testbed.dut.pause import pause
from testbed.dut.protocols import Dut, Endpoint
from testbed.errors import GuestCommandFailed

SEGMENT_BYTES = 1000
FIRST_PORT = 40000
STATISTICS_S = 2.0
_ACK, _PSH = 0x10, 0x08
_ETHERTYPE_IPV4 = 0x0800
_IPV4 = struct.Struct(">BBHHHBBH4s4s")
_TCP = struct.Struct(">HHIIBBHHH")


def _checksum(data: bytes) -> int:
    total: int = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def segment(
    dut: Dut,
    remote: Endpoint,
    *,
    sport: int,
    dport: int,
    sequence: int,
    size: int = SEGMENT_BYTES,
    push: bool = False,
) -> bytes:
    """A frame with ``size`` bytes of payload (a multiple of 250), as of ``remote``.

    It asks for an answer only with ``push``.
    """
    macs = [bytes.fromhex(str(link(end)["address"]).replace(":", "")) for end in (dut, remote)]
    source, target = (ipaddress.IPv4Address(end.ipv4).packed for end in (remote, dut))
    payload = bytes(range(250)) * (size // 250)
    tcp_bytes = _TCP.size + len(payload)
    tcp = [sport, dport, sequence, 1, 5 << 4, _ACK | _PSH * push, 0xFFFF, 0, 0]
    pseudo = source + target + struct.pack(">HH", 6, tcp_bytes)
    tcp[7] = _checksum(pseudo + _TCP.pack(*tcp) + payload)
    ip = [0x45, 0, _IPV4.size + tcp_bytes, 1, 0x4000, 64, 6, 0, source, target]
    ip[7] = _checksum(_IPV4.pack(*ip))
    ether = b"".join(macs) + struct.pack(">H", _ETHERTYPE_IPV4)
    return ether + _IPV4.pack(*ip) + _TCP.pack(*tcp) + payload


def waiting(dut: Dut) -> int:
    """Segments that could be aggregated and have not been reported as such, by the NIC's counters.

    Those that came alone are among them: only what is added or taken away means something.
    """
    pause(dut, STATISTICS_S)
    counted = ethtool_statistics(dut)

    def total(name: str) -> int:
        return sum(value for key, value in counted.items() if key.endswith(f": {name}"))

    return total("rx_tpa_eligible_pkt") - total("rx_tpa_pkt")


ENDLESS = {"where": "tpa.timeout", "what": {"action": "drop"}, "times": 0}
"""No time-out ends an aggregation."""


def arriving(frame: bytes) -> dict[str, Any]:
    """The fault that has ``frame`` come off the wire."""
    what = {"action": "card", "do": "frame", "params": {"data": frame.hex()}}
    return {"where": "now", "what": what}


@contextmanager
def open_aggregations(
    dut: Dut, remote: Endpoint, faults: Faults, *, dport: int, flows: int = 8, segments: int = 5
) -> Iterator[None]:
    """Aggregations of so many flows, of so many segments each, that no time-out ends.

    Five segments are more than a page takes, so that a first one is reported already.

    Raises GuestCommandFailed unless they wait at the beginning of the block, and if one is left at
    its end.
    """
    before = waiting(dut)
    frames = [
        segment(dut, remote, sport=FIRST_PORT + flow, dport=dport, sequence=n * SEGMENT_BYTES)
        for n in range(segments)
        for flow in range(flows)
    ]
    with faults.inject(ENDLESS, *map(arriving, frames)):
        found = waiting(dut) - before
        if found != len(frames):
            raise GuestCommandFailed(f"{found} of {len(frames)} segments wait")
        yield
    if waiting(dut) > before:
        raise GuestCommandFailed("an aggregation has outlived what should have ended it")
