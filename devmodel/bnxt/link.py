# SPDX-License-Identifier: GPL-2.0-only
"""The port: link state as wire and driver set it, and the counters of the MAC."""

from __future__ import annotations

import struct
from collections.abc import Callable

LINK_SPEED_100GB = 1000
"""Units of 100 Mb/s (PORT_PHY_QCFG_RESP_LINK_SPEED_100GB)."""

_SIZE_BINS = (64, 127, 255, 511, 1023, 1518, 2047, 4095, 9216, 16383)
_FCS_BYTES = 4
COUNTER_MASK = (1 << 48) - 1
"""Width of the hardware's counters, as told in answer to COUNTER_MASK queries."""

RX_PORT_COUNTERS = 66
TX_PORT_COUNTERS = 51
RX_PORT_EXT_COUNTERS = 61
TX_PORT_EXT_COUNTERS = 16
"""Number of 64-bit counters in rx_port_stats, tx_port_stats and the _ext blocks; of the last one
only the counters per CoS queue, not those per priority."""

_BINS = (0, 1, 2, 3, 4, 5, 7, 8, 9, 10)
_GOOD_VLAN = 6
_RX_TOTAL, _RX_UCAST, _RX_TAGGED, _RX_GOOD, _RX_BYTES = 11, 12, 31, 34, 61
_TX_GOOD, _TX_TOTAL, _TX_UCAST, _TX_TAGGED, _TX_BYTES = 11, 12, 13, 30, 47
_EXT_LINK_DOWN, _EXT_RX_BYTES_COS0, _EXT_RX_PACKETS_COS0 = 0, 5, 13
_EXT_TX_BYTES_COS0, _EXT_TX_PACKETS_COS0 = 0, 8
"""Indices into struct rx_port_stats, tx_port_stats, rx_port_stats_ext, tx_port_stats_ext."""


class PortCounters:
    """MAC counters of the port: every frame on the wire, with FCS, whatever becomes of it."""

    __slots__ = ("rx", "rx_ext", "tx", "tx_ext")

    def __init__(self) -> None:
        self.rx = [0] * RX_PORT_COUNTERS
        self.tx = [0] * TX_PORT_COUNTERS
        self.rx_ext = [0] * RX_PORT_EXT_COUNTERS
        self.tx_ext = [0] * TX_PORT_EXT_COUNTERS

    def count_rx(self, frame: bytes | bytearray | memoryview) -> None:
        """A frame (without FCS, possibly without padding) came from the wire."""
        size = max(len(frame) + _FCS_BYTES, _SIZE_BINS[0])
        self.rx_ext[_EXT_RX_BYTES_COS0] += size
        self.rx_ext[_EXT_RX_PACKETS_COS0] += 1
        counters = self.rx
        counters[_RX_TOTAL] += 1
        counters[_RX_GOOD] += 1
        counters[_RX_BYTES] += size
        counters[_BINS[_bin(size)]] += 1
        counters[_RX_UCAST + _cast(frame)] += 1
        if _is_tagged(frame):
            counters[_RX_TAGGED] += 1
            counters[_GOOD_VLAN] += 1

    def count_tx(self, frame: bytes | bytearray | memoryview) -> None:
        """A frame (without FCS) went to the wire."""
        size = max(len(frame) + _FCS_BYTES, _SIZE_BINS[0])
        self.tx_ext[_EXT_TX_BYTES_COS0] += size
        self.tx_ext[_EXT_TX_PACKETS_COS0] += 1
        counters = self.tx
        counters[_TX_TOTAL] += 1
        counters[_TX_GOOD] += 1
        counters[_TX_BYTES] += size
        counters[_BINS[_bin(size)]] += 1
        counters[_TX_UCAST + _cast(frame)] += 1
        if _is_tagged(frame):
            counters[_TX_TAGGED] += 1
            counters[_GOOD_VLAN] += 1


def _cast(frame: bytes | bytearray | memoryview) -> int:
    """0 unicast, 1 multicast, 2 broadcast: the order of the counters."""
    if not frame[0] & 1:
        return 0
    return 2 if bytes(frame[:6]) == b"\xff" * 6 else 1


def _bin(size: int) -> int:
    for i, top in enumerate(_SIZE_BINS):
        if size <= top:
            return i
    return len(_SIZE_BINS) - 1


def _is_tagged(frame: bytes | bytearray | memoryview) -> bool:
    return len(frame) > 14 and (frame[12], frame[13]) in ((0x81, 0x00), (0x88, 0xA8))


def pack_counters(counters: list[int]) -> bytes:
    """A block of 64-bit counters as the host reads it."""
    return struct.pack(f"<{len(counters)}Q", *counters)


class Link:
    """Link state of the port.

    :ivar wire_up: the far end is there (set by the runner).
    :ivar forced_down: the driver asked for FORCE_LINK_DWN.
    """

    def __init__(self, counters: PortCounters, changed: Callable[[bool], None]) -> None:
        self.wire_up = True
        self.forced_down = False
        self._counters = counters
        self._changed = changed

    @property
    def up(self) -> bool:
        """Frames pass."""
        return self.wire_up and not self.forced_down

    def set_wire(self, up: bool) -> None:
        """Plug or pull the cable."""
        before = self.up
        self.wire_up = up
        self._report(before)

    def force_down(self, down: bool) -> None:
        """PORT_PHY_CFG with or without FORCE_LINK_DWN."""
        before = self.up
        self.forced_down = down
        self._report(before)

    def _report(self, before: bool) -> None:
        if self.up != before:
            if before:
                self._counters.rx_ext[_EXT_LINK_DOWN] += 1
            self._changed(self.up)
