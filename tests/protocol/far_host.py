# SPDX-License-Identifier: GPL-2.0-only
"""The driver and transport of tests/unit, with the card in a process of its own."""

from __future__ import annotations

import json
import mmap
import os
import struct
import time
from typing import Any

from devmodel.bnxt.hsi.ring_alloc import RingType
from devmodel.trace import Trace
from tests.driver.slow_guest import cpu_seconds
from tests.protocol.client import CONFIG, Client
from tests.protocol.test_process import Card
from tests.unit.devmodel.bnxt.cardhost import BASE, MEMORY_BYTES, CardHost

LSO, LONG, END = 1 << 5, 0x10, 1 << 6
HEADER_BYTES = 54
PACKET_BYTES = 65535
MSS = 16
SEGMENTS = -(-(PACKET_BYTES - HEADER_BYTES) // MSS)
"""Of one packet of :func:`FarHost.many_segments`."""


class _FarCard:
    """The part of a card that a driver touches, by messages that wait for their answer."""

    def __init__(self, client: Client) -> None:
        self.mmio_write = client.write
        self.mmio_read = client.read


class FarHost(CardHost):
    """Memory is shared; every access waits for its answer."""

    def __init__(self, card: Card) -> None:
        fd = os.memfd_create("guest")
        os.ftruncate(fd, MEMORY_BYTES)
        self._file = mmap.mmap(fd, MEMORY_BYTES)
        self.memory = memoryview(self._file)
        self.process = card
        self.trace = Trace()
        far: Any = _FarCard(card.client)
        self.card = far
        self._transmit_at = 0
        self._next = 8192
        self._seq = 0
        self.request_at = BASE
        self.response_at = BASE + 4096
        card.client.version()
        card.client.dma_map(BASE, MEMORY_BYTES, fd)
        os.close(fd)
        card.client.write(CONFIG, 0x04, struct.pack("<H", 0x6))
        card.client.write(CONFIG, 0xA2, struct.pack("<H", 0x8000))

    def close(self) -> None:
        """End the card, too."""
        self.memory.release()
        self._file.close()
        self.process.close()

    def open_transmit(self, entries: int) -> int:
        """A transmit ring and what it needs; its id."""
        self.reserve()
        stat, _ = self.stat_ctx()
        nq = self.ring(RingType.NQ)
        cq = self.ring(RingType.L2_CMPL, nq_ring_id=nq, cq_handle=1)
        request = self.ring_request(RingType.TX, entries, cmpl_ring_id=cq, stat_ctx_id=stat)
        self._transmit_at = request.page_tbl_addr
        ring_id: int = self.call(request).ring_id
        return ring_id

    def many_segments(self, entries: int) -> int:
        """Fill the transmit ring with packets of 4093 segments each. Returns how many."""
        header = bytes.fromhex(
            "525400123456 00101820aa01 0800 4500002800010000400600000a0000020a000001"
            "005003e800000000000000005010200000000000"
        )
        data = self.allocate(PACKET_BYTES)
        self.poke(data, header)
        packets = entries // 2 - 1
        word = PACKET_BYTES << 16 | END | 2 << 8 | LONG
        packet = struct.pack("<IIQ", word, 7, data)
        packet += struct.pack("<4I", LSO | HEADER_BYTES // 2 << 16, MSS, 0, 0)
        self.poke(self._transmit_at, packet * packets)
        return packets


class Stopwatch:
    """Asks for the card's state and keeps the slowest answer, in real seconds and in CPU seconds of
    the card, which do not depend on how busy this host is."""

    def __init__(self, card: Card) -> None:
        self._card = card
        self.slowest_s = self.slowest_cpu_s = 0.0
        self.answers = 0

    def state(self) -> dict[str, Any]:
        """One request."""
        pid = self._card.process.pid
        began, used = time.monotonic(), cpu_seconds(pid)
        answer: dict[str, Any] = self._card.ask("state")["result"]
        self.slowest_s = max(self.slowest_s, time.monotonic() - began)
        self.slowest_cpu_s = max(self.slowest_cpu_s, cpu_seconds(pid) - used)
        self.answers += 1
        return answer

    def post(self, method: str, **params: Any) -> None:
        """A request whose answer is not waited for."""
        line = json.dumps({"id": 2, "method": method, "params": params})
        self._card.control.sendall(line.encode() + b"\n")
