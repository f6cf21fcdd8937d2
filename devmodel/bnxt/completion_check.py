# SPDX-License-Identifier: GPL-2.0-only
"""Receive completions against what was taken: buffers they name, where packets were split.

Looks at the entries as they go to host memory (struct rx_cmp, rx_agg_cmp, rx_tpa_*), knowing
nothing of how the card made them.
"""

from __future__ import annotations

from collections import Counter

from devmodel.oracle.buffers import BufferLedger
from devmodel.oracle.oracle import Oracle

_RX_L2, _RX_AGG, _TPA_START, _TPA_END, _TPA_AGG = 17, 18, 19, 21, 22
_TYPE_MASK = 0x3F
_PLACEMENT_MASK = 3 << 7
"""RX_CMP_FLAGS_PLACEMENT without the bit that says GRO."""
_PLACEMENT_HDS = 2 << 7
_ERROR = 1 << 6
_MAX_PADDED_BYTES = 64
"""A frame up to here may be longer than its packet."""


class CompletionCheck:
    """What one completion ring tells of one RX ring.

    :param rx: account of the RX ring.
    :param agg: that of its aggregation ring, if it has one.
    :param room: bytes of a packet an RX buffer takes.
    :param queue: rank of the receive queue.
    :ivar is_split: every VNIC that leads here splits headers from data, whatever the length.
    """

    def __init__(
        self, oracle: Oracle, rx: BufferLedger, agg: BufferLedger | None, *, room: int, queue: int
    ) -> None:
        self._oracle = oracle
        self._rx = rx
        self._agg = agg
        self._room = room
        self._queue = queue
        self.is_split = False
        self._starts: dict[int, int] = {}
        """Aggregation id -> length of the start buffer of a split aggregation."""

    def look(self, data: bytearray) -> None:
        """A batch of completions is about to be written; their buffers have been settled."""
        words = memoryview(data).cast("I")
        rx, agg = self._rx, self._agg
        packets = len(rx.done)
        stride = len(words) // packets if packets else 0
        # The usual batch: packets alike, each in one RX buffer and at most one more.
        if (
            stride in (8, 12)
            and stride * packets == len(words)
            and words[1::stride].tolist() == rx.done
            and (stride == 8 or (agg is not None and words[9::stride].tolist() == agg.done))
        ):
            firsts = words[::stride].tolist()
            if {word & _TYPE_MASK for word in set(firsts)} == {_RX_L2}:
                rx.done.clear()
                if agg is not None:
                    agg.done.clear()
                for word, misc in zip(firsts, words[2::stride].tolist(), strict=True):
                    if word >> 16 != misc >> 16 & 0xFF or word & _PLACEMENT_MASK != _PLACEMENT_HDS:
                        self._place(word, misc >> 16 & 0xFF)
                return
        self._walk(words.tolist())

    def _walk(self, words: list[int]) -> None:
        named: list[int] = []
        named_agg: list[int] = []
        at = 0
        while at < len(words):
            word, opaque, misc = words[at : at + 3]
            kind = word & _TYPE_MASK
            at += 4
            if kind in (_RX_AGG, _TPA_AGG):
                named_agg.append(opaque)
                continue
            named.append(opaque)
            if kind == _RX_L2:
                self._place(word, misc >> 16 & 0xFF)
            elif kind == _TPA_START:
                if word & _PLACEMENT_MASK == _PLACEMENT_HDS:
                    self._starts[misc >> 16] = word
            elif kind == _TPA_END:
                start = self._starts.pop(misc >> 16, None)
                if start is not None:
                    self._place(start, words[at] >> 16 & 0xFF)
            at += 4
        self._compare(self._rx, named)
        if self._agg is not None:
            self._compare(self._agg, named_agg)

    def _compare(self, ledger: BufferLedger, named: list[int]) -> None:
        taken = Counter(ledger.done)
        ledger.done.clear()
        for opaque in (Counter(named) - taken).elements():
            self._tell("completion_not_of_ring", ledger, opaque=opaque)
        left = taken - Counter(named)
        if not left:
            return
        to_come = Counter(
            opaque for _, ring, opaque in self._oracle.open_buffers() if ring is ledger.ring
        )
        ledger.done += (left & to_come).elements()
        missing = list((left - to_come).elements())
        if missing and not ledger.is_odd:
            self._tell("completion_missing", ledger, opaque=missing[0], buffers=len(missing))

    def _place(self, word: int, payload: int) -> None:
        """Judge where a packet with its payload at offset ``payload`` (0: not told) was split."""
        first = word >> 16
        if not payload or word & _ERROR:
            return
        if word & _PLACEMENT_MASK == _PLACEMENT_HDS:
            is_late = first > payload
            is_early = first < payload and first != self._room
        else:
            is_late = self.is_split and first > max(payload, _MAX_PADDED_BYTES)
            is_early = False
        if is_late or is_early:
            rule = "payload_in_header_buffer" if is_late else "header_in_payload_buffer"
            self._tell(rule, self._rx, queue=self._queue, first_bytes=first, payload_offset=payload)

    def _tell(self, rule: str, ledger: BufferLedger, **detail: object) -> None:
        self._oracle.verdict(rule, ring=ledger.kind, id=ledger.ring_id, **detail)
