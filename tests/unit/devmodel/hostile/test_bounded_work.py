# SPDX-License-Identifier: GPL-2.0-only
"""What the card does between two looks at its control channel is bounded, whatever the guest asks.

Counted are calls of functions, its own and those of Python: the same in every run, unlike seconds.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Callable, Iterable
from random import Random
from types import FrameType

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from devmodel.bnxt.hsi.cmds import Cmd
from devmodel.bnxt.hsi.regs import DbType
from devmodel.bnxt.hsi.ring_alloc import RingType
from devmodel.clock import Timing
from tests.hostile.acts import HEADER, LSO_FLAGS, LSO_WORD, Acts
from tests.unit.devmodel.bnxt.cardhost import UNMAPPED
from tests.unit.devmodel.hostile import steps, wire
from tests.unit.devmodel.hostile.guarded import CARDS, GuardedHost
from tests.unit.devmodel.hostile.steps import DATA

MAX_CALLS = 200_000
"""About 20 ms. What cannot be divided is a packet of 4096 segments, and the history of a verdict
in one ring.
"""
WHOLE_RING = 1 << 14
HOUR_NS = 3600 * 10**9


class CallCounter:
    """Calls since the last look, the most of them, and all.

    :param host: where looks are told.
    """

    def __init__(self, host: GuardedHost) -> None:
        self._now = self.most = self.total = 0
        host.meter.looked = self._look

    def _look(self) -> None:
        self.most = max(self.most, self._now)
        self.total += self._now
        self._now = 0

    def _count(self, frame: FrameType, event: str, argument: object) -> None:
        if event in ("call", "c_call"):
            self._now += 1

    def of(self, act: Callable[[], None]) -> None:
        """Count what this does."""
        self._now = 0
        sys.setprofile(self._count)
        try:
            act()
        finally:
            sys.setprofile(None)
            self._look()


def new_ring(host: GuardedHost, kind: RingType, entries: bytes, **more: int) -> int:
    """A ring in which these descriptors lie, which are posted by no doorbell yet."""
    host.poke(DATA, entries)
    request = host.ring_request(kind, 2, **more)
    request.page_tbl_addr, request.length = DATA, len(entries) // 16
    return int(host.call(request).ring_id)


Act = Callable[[], None]


def sends(host: GuardedHost) -> Act:
    """Each of 31 packets is four thousand frames."""
    data = DATA + WHOLE_RING * 16
    host.poke(data, HEADER)
    packet = struct.pack("<IIQ4I", 65535 << 16 | LSO_WORD, 7, data, LSO_FLAGS, 16, 0, 0)
    host.wire.keep = False
    ring = new_ring(host, RingType.TX, packet * 32, cmpl_ring_id=host.queue.tx_cq)
    return lambda: host.doorbell(DbType.SQ, ring, 62)


def posted(host: GuardedHost, addresses: Iterable[int]) -> Act:
    """Buffers with these addresses, by one doorbell."""
    entries = b"".join(struct.pack("<IIQ", 640 << 16 | 4, 1, address) for address in addresses)
    ring = new_ring(host, RingType.RX, entries, nq_ring_id=host.queue.nq, rx_buf_size=640)
    return lambda: host.doorbell(DbType.SRQ, ring, WHOLE_RING - 1)


def one_buffer(host: GuardedHost) -> Act:
    """All descriptors name the same."""
    return posted(host, [DATA] * WHOLE_RING)


def unmapped_buffers(host: GuardedHost) -> Act:
    """None is mapped."""
    return posted(host, range(UNMAPPED, UNMAPPED + WHOLE_RING * 640, 640))


def leap(host: GuardedHost) -> Act:
    """An hour, and statistics every millisecond that change, do not, or have no memory."""
    for address in (DATA, DATA + 256, UNMAPPED) * 2:
        values = {"stats_dma_addr": address, "stats_dma_length": 168, "update_period_ms": 1}
        steps.command(host, Cmd.STAT_CTX_ALLOC, values, 0xFFFF)
    for ctx in host.card.resources.stat_ctxs.values():
        ctx.counters[0] += 1
    return lambda: host.go_on(host.clock.now_ns + HOUR_NS)


def frames(host: GuardedHost) -> Act:
    """As many as one read of the wire gives."""
    steps.refill(host, 64)
    batch = wire.in_order(1, 1024, 100, has_options=True, is_v6=False)
    return lambda: host.card.receive(batch)


TEN_GIGABYTES = {
    "req_buf_num_pages": 10, "req_buf_page_size": 30, "req_buf_len": 128,
    **{f"req_buf_page_addr{i}": i << 30 for i in range(10)},
}  # fmt: skip
LARGE_ACTS = {act.__name__: act for act in (sends, one_buffer, unmapped_buffers, leap, frames)}


@pytest.mark.parametrize("timing", Timing)
@pytest.mark.parametrize("name", LARGE_ACTS)
def test_a_large_act(name: str, timing: Timing) -> None:
    host = GuardedHost(timing)
    counter = CallCounter(host)
    act = LARGE_ACTS[name](host)
    host.end_step()

    def entry() -> None:
        act()
        host.end_step()

    counter.of(entry)
    assert counter.most < MAX_CALLS
    assert counter.total < 30 * MAX_CALLS
    if name in ("sends", "one_buffer"):
        assert counter.total > 3 * MAX_CALLS, "one look would do"


def test_memory_for_requests_of_virtual_functions() -> None:
    """Ten pages of a gigabyte: a hostile campaign met it, round 388 of seed 1."""
    host = GuardedHost(nic=CARDS[2])
    counter = CallCounter(host)
    counter.of(lambda: steps.command(host, Cmd.FUNC_BUF_RGTR, TEN_GIGABYTES, 0xFFFF))
    assert host.card.firmware.iov is not None
    assert host.card.firmware.iov.buffers is not None, "it was taken"
    assert counter.most < MAX_CALLS


@example(seed=1764952, timing=Timing.ASYNCHRONOUS)  # 65535 buffers are posted
@settings(max_examples=settings.default.max_examples // 4)
@given(seed=st.integers(0, 1 << 32), timing=st.sampled_from(Timing))
def test_any_acts(seed: int, timing: Timing) -> None:
    host = GuardedHost(timing)
    acts = Acts(host, Random(seed))
    counter = CallCounter(host)
    for _ in range(150):
        counter.of(acts.one)
    assert counter.most < MAX_CALLS
    host.check_bounds()
