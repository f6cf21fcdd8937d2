# SPDX-License-Identifier: GPL-2.0-only
"""The port's MAC counters: struct rx_port_stats and tx_port_stats.

The data path only counts frames per length and per kind; everything else is worked out when the
driver asks. Lengths and bytes here include the 4-byte FCS, as MAC counters do; those of a
statistics context do not.
"""

from __future__ import annotations

from collections import Counter

from devmodel.bnxt.qos import CosCounters

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
_OVERSIZE = {"rx": "rx_ovrsz_frames", "tx": "tx_oversz_frames"}
_DOUBLE_TAGGED = {"rx": "rx_double_tagged_frames", "tx": "tx_dbl_tagged_frames"}
MAX_FRAME_BYTES = 9600
"""Longer ones are oversize (README of Broadcom's driver 1.10.3-230)."""
_TPIDS = (b"\x81\x00", b"\x88\xa8")
_MAX_LENGTH_FIELD = 1500
_ETHERNET_HEADER_BYTES = 14


class MacCounters:
    """One direction.

    :ivar lengths: frames by length without FCS.
    :ivar casts: frames by UNICAST, MULTICAST, BROADCAST.
    :ivar cos: frames by CoS queue, those of the default one once they are settled.
    :ivar others: any other counter of the structure, by the name of its field.
    :ivar extended: counters of struct rx_port_stats_ext, likewise.
    """

    __slots__ = ("_prefix", "casts", "cos", "extended", "lengths", "others")

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self.lengths: Counter[int] = Counter()
        self.casts = [0, 0, 0]
        self.others: Counter[str] = Counter()
        self.extended: Counter[str] = Counter()
        self.cos = CosCounters()

    def clear(self) -> None:
        """All zero, in place: the data path keeps references."""
        self.lengths.clear()
        self.casts[:] = (0, 0, 0)
        self.others.clear()
        self.extended.clear()
        self.cos.clear()

    def tagged(self, frame: bytes | memoryview) -> None:
        """A frame with a VLAN tag, or two."""
        self.others[f"{self._prefix}_tagged_frames"] += 1
        self.others[f"{self._prefix}_good_vlan_frames"] += 1
        if frame[16:18] in _TPIDS:
            self.others[_DOUBLE_TAGGED[self._prefix]] += 1

    def odd(self, frame: bytes | memoryview, tpid: int) -> None:
        """A received frame with a VLAN tag, or with a length, perhaps out of range, for a type."""
        if tpid:
            self.tagged(frame)
            return
        length = int.from_bytes(frame[12:14], "big")
        if length > _MAX_LENGTH_FIELD or length > len(frame) - _ETHERNET_HEADER_BYTES:
            self.others["rx_oor_len_frames"] += 1

    def dropped(self, why: str, length: int) -> None:
        """A received frame that goes nowhere."""
        if why == "no_l2_match":
            self.others["rx_stat_discard"] += 1
        elif why == "runt":
            self.others["rx_runt_frames"] += 1
            self.others["rx_runt_bytes"] += length

    def discarded(self, length: int) -> None:
        """A received frame found no buffer; all are of CoS queue 0."""
        self.extended["rx_discard_packets_cos0"] += 1
        self.extended["rx_discard_bytes_cos0"] += length + FCS_BYTES

    def count_priority(self, priority: int, length: int) -> None:
        """A frame with a tag of that priority; ``length`` is without FCS."""
        queue = self.cos.queue_of[priority]
        if queue != self.cos.queue_of[0]:
            self.count_queue(queue, length)

    def count_queue(self, queue: int, length: int) -> None:
        """A frame of a CoS queue other than the default one; ``length`` is without FCS."""
        self.cos.count(queue, max(length + FCS_BYTES, MIN_FRAME_BYTES))

    def settle_cos(self, default_queue: int) -> None:
        """Count the frames that were counted for no queue: they went to that one."""
        total = self.snapshot()
        packets, bytes_ = (total.get(f"{self._prefix}_{n}", 0) for n in ("total_frames", "bytes"))
        self.cos.settle(default_queue, packets, bytes_)

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
            if on_wire > MAX_FRAME_BYTES:
                out[_OVERSIZE[p]] += count
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
