# SPDX-License-Identifier: GPL-2.0-only
"""Ring memory, page tables, descriptor fetch and producer doorbells."""

from __future__ import annotations

import struct

import pytest

from devmodel.bnxt.resources import AggRing, IdPolicy, IdPool, RxRing
from devmodel.bnxt.rings import BadPageTable, DescriptorRing, RingMemory, read_page_table
from devmodel.clock import Clock
from devmodel.dma import Access, DmaSpace, Mapping
from devmodel.errors import DmaFault
from devmodel.trace import Trace

BASE = 0x10000
SIZE = 1 << 20
VALID, LAST, NEXT_TO_LAST = 1, 2, 4


class Host:
    """One megabyte of memory."""

    def __init__(self) -> None:
        self.memory = memoryview(bytearray(SIZE))
        self.dma = DmaSpace()
        self.dma.bus_master_enabled = True
        self.dma.map(Mapping(BASE, SIZE, Access.READ | Access.WRITE, self.memory, 0))
        self.trace = Trace()

    def poke(self, address: int, data: bytes) -> None:
        self.memory[address - BASE : address - BASE + len(data)] = data

    def ptes(self, address: int, entries: list[int]) -> int:
        self.poke(address, struct.pack(f"<{len(entries)}Q", *entries))
        return address

    def bd(self, memory: RingMemory, index: int, kind: int, opaque: int, address: int) -> None:
        memory.write_entry(index, struct.pack("<IIQ", kind | 640 << 16, opaque, address))


@pytest.fixture
def host() -> Host:
    return Host()


PAGES = [BASE + 0x8000, BASE + 0x3000, BASE + 0xF000]


def table(pages: list[int]) -> list[int]:
    entries = [page | VALID for page in pages]
    entries[-1] |= LAST
    if len(entries) > 1:
        entries[-2] |= NEXT_TO_LAST
    return entries


def test_depth_0_is_the_ring(host: Host) -> None:
    memory = read_page_table(host.dma, PAGES[0], depth=0, page_shift=0, entries=512)
    assert [memory.address(i) for i in (0, 255, 256, 511)] == [
        PAGES[0] + 16 * i for i in (0, 255, 256, 511)
    ]


def test_depth_1(host: Host) -> None:
    at = host.ptes(BASE, table([PAGES[0], PAGES[1]]))
    memory = read_page_table(host.dma, at, depth=1, page_shift=12, entries=512)
    assert memory.address(255) == PAGES[0] + 255 * 16
    assert memory.address(256) == PAGES[1]
    memory.write_entries(254, bytes(range(64)))
    assert memory.read_entry(255) == bytes(range(16, 32))
    assert memory.read_entry(256) == bytes(range(32, 48))
    assert memory.read_entries(254, 4) == bytes(range(64))
    memory.write_entries(511, bytes(range(32)))
    assert memory.read_entries(511, 2) == bytes(range(32))
    assert memory.read_entry(0) == bytes(range(16, 32))


def test_depth_2(host: Host) -> None:
    last = 600
    entries = table([BASE + 0x40000 + 0x1000 * (i % 64) for i in range(last)])
    host.ptes(BASE + 0x4000, entries[:512])
    host.ptes(BASE + 0x5000, entries[512:])
    at = host.ptes(BASE, [BASE + 0x4000 | VALID, BASE + 0x5000 | VALID])
    with pytest.raises(BadPageTable, match="last bit"):
        read_page_table(host.dma, at, depth=2, page_shift=12, entries=512 * 256)
    entries = table([BASE + 0x40000 + 0x1000 * (i % 64) for i in range(1024)])
    host.ptes(BASE + 0x4000, entries[:512])
    host.ptes(BASE + 0x5000, entries[512:])
    memory = read_page_table(host.dma, at, depth=2, page_shift=12, entries=1024 * 256)
    assert memory.address(513 * 256 + 1) == BASE + 0x40000 + 0x1000 + 16


def test_large_pages(host: Host) -> None:
    at = host.ptes(BASE, table([BASE + 0x10000, BASE + 0x40000]))
    memory = read_page_table(host.dma, at, depth=1, page_shift=16, entries=8192)
    assert memory.address(4095) == BASE + 0x1FFF0
    assert memory.address(4096) == BASE + 0x40000


@pytest.mark.parametrize(
    "entries",
    [
        [PAGES[0] | VALID, PAGES[1] | LAST],
        [PAGES[0] | VALID, PAGES[1] | VALID],
        [PAGES[0] | VALID | LAST, PAGES[1] | VALID | LAST],
        [0, 0],
    ],
    ids=["not valid", "no last", "last twice", "empty"],
)
def test_bad_page_table(host: Host, entries: list[int]) -> None:
    at = host.ptes(BASE, entries)
    with pytest.raises(BadPageTable):
        read_page_table(host.dma, at, depth=1, page_shift=12, entries=512)


@pytest.mark.parametrize(
    ("depth", "shift", "entries", "address"),
    [
        (3, 12, 512, BASE), (1, 11, 512, BASE), (1, 31, 512, BASE), (0, 0, 3, BASE),
        (0, 0, 0, BASE), (0, 0, 16, BASE + 8), (1, 12, 1 << 20, BASE),
    ],
)  # fmt: skip
def test_impossible_geometry(
    host: Host, depth: int, shift: int, entries: int, address: int
) -> None:
    with pytest.raises(BadPageTable):
        read_page_table(host.dma, address, depth=depth, page_shift=shift, entries=entries)


def test_page_table_outside_memory(host: Host) -> None:
    with pytest.raises(DmaFault):
        read_page_table(host.dma, BASE + SIZE, depth=1, page_shift=12, entries=512)


def rx_ring(host: Host, entries: int = 64, pages: list[int] | None = None) -> RxRing:
    memory = RingMemory(host.dma, pages or [PAGES[0]], entries)
    return RxRing(5, memory, host.trace, buf_size=640, stat_ctx_id=0, nq_ring_id=1, logical_id=0)


def test_descriptors_are_taken_in_order_and_wrap(host: Host) -> None:
    ring = rx_ring(host, 8)
    for i in range(8):
        host.bd(ring.memory, i, 4, i, 0x1000 * i)
    taken = []
    for posted in (7, 4, 1):
        assert ring.doorbell(posted)
        while (bd := ring.take()) is not None:
            taken.append(bd[1])
    assert taken == [0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2, 3, 4, 5, 6, 7, 0]
    assert ring.available() == 0
    assert ring.most == 7
    assert not host.trace.violations


def test_most_is_what_was_posted_at_once(host: Host) -> None:
    ring = rx_ring(host, 8)
    for number, (posted, most) in enumerate(((3, 3), (5, 4), (7, 5), (1, 6))):
        ring.doorbell(posted)
        assert ring.most == most, number
        assert ring.take() is not None
    ring.doorbell(0)
    assert ring.most == 6, "that was backwards"


def test_descriptor_of_the_wrong_type_is_recorded_and_used(host: Host) -> None:
    ring = rx_ring(host)
    host.bd(ring.memory, 0, 6, 9, 0x2000)
    ring.doorbell(1)
    taken = ring.take()
    assert taken is not None
    assert taken[1:] == (9, 0x2000)
    assert set(host.trace.violation_counts) == {"bd_type"}


def test_doorbell_past_the_ring_and_backwards(host: Host) -> None:
    ring = rx_ring(host, 64)
    assert not ring.doorbell(64)
    assert ring.doorbell(40)
    assert not ring.doorbell(10)
    assert ring.available() == 40
    assert dict(host.trace.violation_counts) == {"doorbell_index": 1, "doorbell_backwards": 1}
    assert ring.doorbell(63)
    assert ring.available() == 63


def test_a_ring_outside_memory_stops(host: Host) -> None:
    ring = rx_ring(host, pages=[BASE + SIZE])
    ring.doorbell(3)
    assert ring.take() is None
    assert ring.available() == 0
    assert dict(host.trace.violation_counts) == {"bd_fetch": 1}


def test_free_drops_what_was_fetched_ahead(host: Host) -> None:
    ring = rx_ring(host)
    for i in range(4):
        host.bd(ring.memory, i, 4, i, 0)
    ring.doorbell(4)
    assert ring.take() is not None
    ring.free()
    assert ring.take() is None
    assert ring.available() == 0


def test_every_kind_has_its_own_descriptor_type(host: Host) -> None:
    memory = RingMemory(host.dma, [PAGES[0]], 16)
    agg = AggRing(6, memory, host.trace, buf_size=4096, rx_ring_id=5)
    host.bd(memory, 0, 6, 1, 0)
    agg.doorbell(1)
    assert agg.take() is not None
    assert not host.trace.violations
    assert isinstance(agg, DescriptorRing)


def pool(policy: IdPolicy, count: int = 4) -> IdPool:
    return IdPool(10, count, policy, Clock(3).random)


def test_ids_are_reused_or_not_as_asked() -> None:
    reuse = pool(IdPolicy.REUSE)
    assert [reuse.allocate(), reuse.allocate()] == [10, 11]
    reuse.release(10)
    assert reuse.allocate() == 10
    fresh = pool(IdPolicy.FRESH)
    assert [fresh.allocate(), fresh.allocate()] == [10, 11]
    fresh.release(10)
    assert [fresh.allocate(), fresh.allocate()] == [12, 13]
    assert [fresh.allocate(), fresh.allocate()] == [10, None]


def test_seeded_ids_repeat_with_the_seed() -> None:
    one, two = pool(IdPolicy.SEEDED, 100), pool(IdPolicy.SEEDED, 100)
    ids = [one.allocate() for _ in range(100)]
    assert ids == [two.allocate() for _ in range(100)]
    assert sorted(i for i in ids if i is not None) == list(range(10, 110))
    assert one.allocate() is None


def test_an_id_is_given_back_once_or_with_all_others() -> None:
    """The card may be reset while an object is freed; any other id is a bug of the model."""
    ids = pool(IdPolicy.REUSE)
    taken = [ids.allocate() for _ in range(2)]
    ids.clear()
    ids.clear()
    ids.release(10)
    assert taken == [10, 11]
    for value in (10, 12):
        with pytest.raises(KeyError):
            ids.release(value)
