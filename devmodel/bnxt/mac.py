# SPDX-License-Identifier: GPL-2.0-only
"""The port's MAC counters: struct rx_port_stats and tx_port_stats.

The data path only counts frames per length and per kind; everything else is worked out when the
driver asks. Lengths and bytes here include the 4-byte FCS, as MAC counters do; those of a
statistics context do not.
"""

from __future__ import annotations

from collections import Counter

FCS_BYTES = 4
MIN_FRAME_BYTES = 64
_BUCKETS = (
    (64, "64b"),
    (127, "65b_127b"),
    (255, "128b_255b"),
    (511, "256b_511b"),
    (1023, "512b_1023b"),
    (1518, "1024b_1518b"),
    (2047, "1519b_2047b"),
    (4095, "2048b_4095b"),
    (9216, "4096b_9216b"),
    (1 << 30, "9217b_16383b"),
)
_CASTS = ("ucast", "mcast", "bcast")


class MacCounters:
    """One direction.

    :ivar lengths: frames by length without FCS.
    :ivar casts: frames by UNICAST, MULTICAST, BROADCAST.
    :ivar others: any other counter of the structure, by the name of its field.
    """

    __slots__ = ("_prefix", "casts", "lengths", "others")

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self.lengths: Counter[int] = Counter()
        self.casts = [0, 0, 0]
        self.others: Counter[str] = Counter()

    def clear(self) -> None:
        """All zero, in place: the data path keeps references."""
        self.lengths.clear()
        self.casts[:] = (0, 0, 0)
        self.others.clear()

    @property
    def frames(self) -> int:
        """Frames that passed."""
        return sum(self.lengths.values())

    @property
    def payload_bytes(self) -> int:
        """Their bytes without FCS."""
        return sum(length * count for length, count in self.lengths.items())

    def snapshot(self) -> dict[str, int]:
        """Counters that are not zero, by field name of the structure."""
        p = self._prefix
        out: Counter[str] = Counter(self.others)
        for length, count in self.lengths.items():
            # The wire pads to 64 bytes; a shorter frame here is one the wire has not padded.
            on_wire = max(length + FCS_BYTES, MIN_FRAME_BYTES)
            bucket = next(name for limit, name in _BUCKETS if on_wire <= limit)
            out[f"{p}_{bucket}_frames"] += count
            out[f"{p}_bytes"] += on_wire * count
        total = self.frames
        out[f"{p}_total_frames"] = total
        out[f"{p}_good_frames"] = total - out[f"{p}_fcs_err_frames"]
        for name, count in zip(_CASTS, self.casts, strict=True):
            out[f"{p}_{name}_frames"] = count
        return {name: value for name, value in out.items() if value}


class Mac:
    """Both directions of the port."""

    __slots__ = ("rx", "tx")

    def __init__(self) -> None:
        self.rx = MacCounters("rx")
        self.tx = MacCounters("tx")
