# SPDX-License-Identifier: GPL-2.0-only
"""Hardware timestamps of frames: which are captured, and those that wait to be asked for.

A received frame's is in its completion. A sent one's is kept until PORT_TS_QUERY names the frame
by the sequence id of its PTP header; as many are kept as the driver has on their way at most
(BNXT_MAX_TX_TS), and the oldest is lost. Source: bnxt_ptp.c, and struct rx_cmp of bnxt.h.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from devmodel.bnxt.phc import Phc
from devmodel.bnxt.steering import ITYPE_PTP_WITH_TIME, ITYPE_PTP_WITHOUT_TIME
from devmodel.net.checksum import Octets
from devmodel.net.parse import Packet

ETHERTYPE_PTP = 0x88F7
PTP_PORTS = (319, 320)
"""UDP ports of event and of general messages (IEEE 1588-2008, annex D)."""
_SEQUENCE_AT = 30
_HEADER_BYTES = 34
_KEPT_FRAMES = 4
_KEPT_BYTES = 256
_STAMP_MASK = 0xFFFF_FFFF


@dataclass(frozen=True, slots=True)
class Stamp:
    """When the frame of a PTP message passed the MAC.

    :ivar sequence_id: of its PTP header.
    :ivar time_ns: of the PHC, 64 bits.
    """

    sequence_id: int
    time_ns: int


class Timestamps:
    """What PORT_MAC_CFG has switched on, and what came of it.

    :ivar all_received: each received frame is stamped.
    :ivar ptp_received: PTP messages are; of which types, ``message_types`` says, bit by bit.
    :ivar sent: sent frames are, if their descriptor asks for it.
    """

    def __init__(self, phc: Phc) -> None:
        self.phc = phc
        self.all_received = False
        self.ptp_received = False
        self.message_types = 0
        self.sent = False
        self._of_sent: deque[tuple[bytes, int]] = deque(maxlen=_KEPT_FRAMES)

    def reset(self) -> None:
        """Nothing is captured, nothing kept."""
        self.all_received = self.ptp_received = self.sent = False
        self.message_types = 0
        self._of_sent.clear()

    # -- receive ------------------------------------------------------------------------------
    def arrival(self) -> int:
        """What a completion has as timestamp of frames that arrive at this moment; 0 if none."""
        if not (self.all_received or self.ptp_received):
            return 0
        return self.phc.time_ns & _STAMP_MASK

    def mask(self, itype: int) -> int:
        """Of the timestamps in completions of frames that are called so; 0 if they have none."""
        return _STAMP_MASK if self.all_received or itype == ITYPE_PTP_WITH_TIME else 0

    def itype(self, packet: Packet, frame: Octets) -> int | None:
        """ITYPE_PTP_* of a PTP message while those are captured; None of anything else.

        That the type is told only then is a guess.
        """
        if not self.ptp_received:
            return None
        at = _ptp_header(packet)
        if at < 0 or len(frame) < at + _HEADER_BYTES:
            return None
        is_chosen = self.message_types >> (frame[at] & 0xF) & 1
        return ITYPE_PTP_WITH_TIME if is_chosen else ITYPE_PTP_WITHOUT_TIME

    # -- send ---------------------------------------------------------------------------------
    def has_sent(self, frame: bytes) -> None:
        """A frame whose descriptor asks for a timestamp is on the wire."""
        if self.sent:
            self._of_sent.append((frame[:_KEPT_BYTES], self.phc.time_ns))

    def of_sent(self, sequence_id: int | None, header_offset: int) -> Stamp | None:
        """Take the oldest stamp of a frame with this sequence id; None is any.

        :param header_offset: where the PTP header begins in the frame, VLAN tag included.
        """
        for kept in self._of_sent:
            frame, time_ns = kept
            if len(frame) < header_offset + _HEADER_BYTES:
                continue
            found = _sequence_id(frame, header_offset)
            if sequence_id in (None, found):
                self._of_sent.remove(kept)
                return Stamp(found, time_ns)
        return None


def _ptp_header(packet: Packet) -> int:
    """Offset of the PTP header, or -1."""
    if packet.ethertype == ETHERTYPE_PTP:
        return packet.l3
    if packet.inner is None and packet.is_udp and packet.dport in PTP_PORTS:
        return packet.payload
    return -1


def _sequence_id(frame: Octets, header: int) -> int:
    return int.from_bytes(frame[header + _SEQUENCE_AT : header + _SEQUENCE_AT + 2], "big")
