# SPDX-License-Identifier: GPL-2.0-only
"""What is aggregated, and a card that does it."""

from __future__ import annotations

from scapy.layers.inet import IP, TCP
from scapy.packet import Raw

from devmodel.bnxt.hsi.vnic import TpaFlags
from tests.unit.devmodel.bnxt.rig import Rig
from tests.unit.devmodel.frames import ETHER, V4

STAMP = [("NOP", None), ("NOP", None), ("Timestamp", (1, 2))]
GRO = TpaFlags.TPA | TpaFlags.GRO | TpaFlags.AGG_WITH_ECN
LRO = TpaFlags.TPA | TpaFlags.AGG_WITH_ECN


class Sender:
    """Produces the segments of one TCP flow."""

    def __init__(self, ip: IP = V4, sport: int = 1000, options: list[object] | None = None):
        self.ip = ip
        self.sport = sport
        self.options = STAMP if options is None else options
        self.seq = 0xFFFFF000
        self.data = b""

    def segment(self, size: int = 1448, flags: str = "A", **fields: object) -> bytes:
        body = (bytes(range(self.sport % 7, 256)) * 40)[:size]
        tcp = TCP(
            sport=self.sport,
            dport=80,
            seq=self.seq & 0xFFFFFFFF,
            flags=flags,
            **{"options": self.options, "ack": 5, "window": 100, **fields},
        )
        self.seq += size
        self.data += body
        return bytes(ETHER / self.ip / tcp / Raw(body))


def make(
    flags: int = GRO,
    *,
    hds: bool = True,
    timer: int = 0,
    oracle: bool = False,
    paged: bool = False,
    **options: int,
) -> Rig:
    """A card with one queue whose VNIC aggregates, for ``timer`` microseconds."""
    rig = Rig(oracle=oracle, paged=paged)
    rig.add_queue(**options)
    vnic = rig.add_vnic()
    vnic.plcmodes.flags = 2 | 4 | 8 if hds else 2
    vnic.plcmodes.jumbo_thresh = 640
    vnic.tpa.flags = flags
    vnic.tpa.min_agg_len = 512
    vnic.tpa.max_agg_segs = 63
    vnic.tpa.max_aggs = 64
    vnic.tpa.max_agg_timer = timer
    return rig
