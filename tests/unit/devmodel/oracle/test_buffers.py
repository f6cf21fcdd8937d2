# SPDX-License-Identifier: GPL-2.0-only
"""Each rule about buffers: a bad sequence raises its verdict, a good one raises none."""

from __future__ import annotations

import struct

import pytest

from devmodel.bnxt.hsi.vnic import TpaFlags
from devmodel.bnxt.ledger import FirmwareLedger
from devmodel.bnxt.oracle_rules import RULES
from devmodel.bnxt.rings import BufferRing
from devmodel.dma import PAGE_SIZE, Access, DmaSpace, Mapping
from devmodel.oracle.buffers import KEPT_BYTES, KEPT_STEPS
from devmodel.oracle.oracle import Oracle
from devmodel.oracle.rules import DMA_RULES
from devmodel.trace import Trace
from tests.unit.devmodel.bnxt.rig import BASE, HDS_FLAGS, MEMORY_BYTES, Queue, Rig
from tests.unit.devmodel.frames import V6, tcp


@pytest.fixture
def rig() -> Rig:
    """A card under an IOMMU with strict mappings."""
    return Rig(paged=True, oracle=True)


@pytest.fixture
def oracle(rig: Rig) -> Oracle:
    assert rig.oracle is not None
    return rig.oracle


def split_queue(rig: Rig, **options: int) -> Queue:
    queue = rig.add_queue(rx_entries=32, agg_entries=64, **options)
    rig.add_vnic().plcmodes.flags = HDS_FLAGS
    return queue


@pytest.fixture
def queue(rig: Rig) -> Queue:
    """Headers are split from data, and all buffers posted."""
    return split_queue(rig)


@pytest.fixture
def empty(rig: Rig) -> Queue:
    """The same with nothing posted."""
    return split_queue(rig, post=False)


def fill(rig: Rig, ring: BufferRing, index: int, address: int, length: int | None = None) -> None:
    """The driver writes one descriptor."""
    word = ring.BD_TYPE | (ring.buf_size if length is None else length) << 16
    rig.poke(ring.memory.address(index), struct.pack("<IIQ", word, index, address))


def post(rig: Rig, ring: BufferRing, index: int, address: int, length: int | None = None) -> None:
    """The same, and the doorbell."""
    fill(rig, ring, index, address, length)
    ring.doorbell(index + 1 & ring.mask)


def rules(rig: Rig) -> set[str]:
    """Rules broken, after the batch has been judged."""
    assert rig.oracle is not None
    rig.oracle.settle()
    return set(rig.trace.violation_counts)


def verdict(rig: Rig, rule: str) -> dict[str, object]:
    """The first verdict of that rule."""
    return next(v for v in rig.trace.violations if v["rule"] == rule)


@pytest.mark.parametrize("paged", [False, True])
@pytest.mark.parametrize("tpa", [0, 0x01, 0x09])
@pytest.mark.parametrize("flags", [0, 2, HDS_FLAGS])
def test_good_traffic_raises_no_verdict(paged: bool, tpa: int, flags: int) -> None:
    rig = Rig(paged=paged, oracle=True)
    queue = rig.add_queue(rx_entries=64, agg_entries=128, buf_size=640 if flags else 2048)
    vnic = rig.add_vnic()
    vnic.plcmodes.flags = flags
    vnic.plcmodes.jumbo_thresh = 640
    vnic.tpa.flags = tpa
    for n in range(40):
        frames = [tcp(500, seq=1000 + 500 * i, sport=1000 + n % 3) for i in range(8)]
        received = rig.receive(*frames, tcp(0, ip=V6), tcp(10, sport=9))
        assert received
        post_again(rig, queue)
    assert not rules(rig)


def post_again(rig: Rig, queue: Queue) -> None:
    """The driver refills both rings."""
    rig.post_rx(queue, (queue.rx.cons - 1 - queue.rx_prod) & queue.rx.mask)
    rig.post_agg(queue, (queue.agg.cons - 1 - queue.agg_prod) & queue.agg.mask)


@pytest.mark.parametrize("wait", [False, True])
def test_aggregations_that_stay_open_raise_no_verdict(wait: bool) -> None:
    rig = Rig(paged=True, oracle=True)
    queue = rig.add_queue(rx_entries=64, agg_entries=128)
    vnic = rig.add_vnic()
    vnic.plcmodes.flags = HDS_FLAGS
    vnic.tpa.flags = TpaFlags.TPA | TpaFlags.GRO
    vnic.tpa.max_agg_timer = 1000
    for n in range(40):
        rig.receive(*[tcp(500, seq=1000 + 500 * (n % 4), sport=1000 + i) for i in range(3)])
        if wait:
            rig.clock.advance_to(rig.clock.now_ns + 2_000_000)
        post_again(rig, queue)
    assert rig.rx.state()["open_aggregations"] or wait
    assert not rules(rig)


def test_the_past_of_a_large_ring_is_short() -> None:
    rig = Rig(oracle=True)
    queue = rig.add_queue(rx_entries=1 << 14, agg_entries=0, post=False)
    address = rig.allocate(640)
    for index in range(1 << 14):
        rig.poke(queue.rx.memory.address(index), struct.pack("<IIQ", 4, index, address + index))
    for index in (8000, 16000, 7000, 15000):
        queue.rx.cons = queue.rx.prod
        queue.rx.doorbell(index)
    assert queue.rx.ledger is not None
    assert sum(len(step[3]) for step in queue.rx.ledger.steps) <= KEPT_BYTES


def test_memory_is_bounded_while_aggregations_stay_open(
    rig: Rig, queue: Queue, oracle: Oracle
) -> None:
    held = rig.allocate(640)
    oracle.open_buffers = lambda: [(held, queue.rx, 0)]
    for _ in range(200):
        post(rig, queue.rx, queue.rx.prod, rig.allocate(640))
        assert queue.rx.take() is not None
        oracle.settle()
    assert queue.rx.ledger is not None
    assert len(queue.rx.ledger.batch) <= 1


# -- mappings -----------------------------------------------------------------------------------
def test_unmap_of_a_posted_buffer_and_the_write_after_it(rig: Rig, queue: Queue) -> None:
    page = queue.agg_addresses[5]
    rig.dma.unmap(page, 4096)
    found = verdict(rig, "unmap_while_owned")
    assert (found["ring"], found["index"], found["culprit"]) == ("RX_AGG", 0, "driver")
    history = found["history"]
    assert isinstance(history, list)
    assert any("posted in RX_AGG" in line for line in history)
    assert any(" unmapped " in line for line in history)
    rig.receive(tcp(100))
    found = verdict(rig, "rx_buffer")
    assert found["address"] == page
    assert found["cause"] == RULES["rx_buffer"].cause


def test_unmap_of_a_page_of_fragments(rig: Rig, queue: Queue) -> None:
    rig.dma.unmap(queue.rx_addresses[3] & ~0xFFF, 4096)
    assert verdict(rig, "unmap_while_owned")["ring"] == "RX"


def test_unmap_of_a_large_buffer_by_its_second_page(rig: Rig) -> None:
    queue = split_queue(rig, agg_size=16384)
    rig.dma.unmap(queue.agg_addresses[5] + 8192, 4096)
    assert verdict(rig, "unmap_while_owned")["index"] == 0


def test_unmap_after_completion_or_ring_free_is_good(
    rig: Rig, queue: Queue, oracle: Oracle
) -> None:
    rig.receive(tcp(100))
    assert queue.agg.ledger is not None
    address = int.from_bytes(queue.agg.memory.read_entry(0)[8:], "little")
    rig.dma.unmap(address, 4096)
    queue.agg.free()
    oracle.forget_buffers(queue.agg.ledger)
    rig.dma.unmap(queue.agg_addresses[5 + 3], 4096)
    assert not rules(rig)


def test_unmap_while_the_card_may_not_dma_is_good(rig: Rig, queue: Queue) -> None:
    rig.dma.bus_master_enabled = False
    rig.dma.unmap(queue.agg_addresses[5], 4096)
    assert not rules(rig)


def test_a_guest_that_ends_unmaps_nothing(rig: Rig, queue: Queue) -> None:
    rig.dma.unmap_all()
    assert not rules(rig)


def test_unmap_of_a_packet_that_waits_for_the_wire(rig: Rig, queue: Queue, oracle: Oracle) -> None:
    FirmwareLedger(rig.resources, rig.clock, oracle)
    queue = rig.add_tx()
    queue.put(bytes(4000), bytes(5000))
    queue.kick()
    first, second = (
        int.from_bytes(queue.ring.memory.read_entry(index)[8:], "little") for index in (0, 2)
    )
    rig.dma.unmap(first, 4096)
    assert not rules(rig)
    rig.wire.congested = True
    queue.put(bytes(4000), bytes(5000))
    queue.kick()
    rig.dma.unmap(second, 4096)
    assert not rules(rig), "that packet has been sent"
    third = int.from_bytes(queue.ring.memory.read_entry(3)[8:], "little")
    rig.dma.unmap(third + 4096 & ~0xFFF, 4096)
    assert "not sent yet" in str(verdict(rig, "unmap_while_owned")["what"])


def test_unmap_of_ring_memory(rig: Rig, queue: Queue, oracle: Oracle) -> None:
    ring = queue.cq.memory.address(0)
    rig.dma.unmap(ring, 4096)
    assert verdict(rig, "unmap_of_ring")["what"] == f"CQ ring {queue.cq.id}"
    oracle.forget_memory(f"NQ ring {queue.nq.id}")
    before = rig.trace.violation_counts.total()
    rig.dma.unmap(queue.nq.memory.address(0), 4096)
    assert rig.trace.violation_counts.total() == before


# -- posting ------------------------------------------------------------------------------------
@pytest.mark.parametrize("address", [0, BASE + MEMORY_BYTES - 2048], ids=["nowhere", "half"])
def test_posted_unmapped(rig: Rig, empty: Queue, address: int) -> None:
    post(rig, empty.agg, 0, address)
    assert rules(rig) == {"posted_unmapped"}


def test_posted_not_writable(rig: Rig, empty: Queue) -> None:
    rig.dma.map(Mapping(0x9000_0000, 4096, Access.READ, rig.memory, 0))
    post(rig, empty.agg, 0, 0x9000_0000)
    assert rules(rig) == {"posted_not_writable", "two_owners"}


def test_posted_twice_in_one_ring(rig: Rig, empty: Queue) -> None:
    address = rig.allocate(4096)
    post(rig, empty.agg, 0, address)
    assert not rules(rig)
    post(rig, empty.agg, 1, address)
    found = verdict(rig, "posted_twice")
    assert found["also"] == f"RX_AGG ring {empty.agg.id}, index 0"


def test_posted_twice_with_one_doorbell(rig: Rig, empty: Queue) -> None:
    address = rig.allocate(4096)
    for index in (0, 1):
        fill(rig, empty.agg, index, address)
    empty.agg.doorbell(2)
    assert rules(rig) == {"posted_twice"}


def test_posted_twice_in_two_rings(rig: Rig, empty: Queue) -> None:
    other = rig.add_queue(rx_entries=32, agg_entries=64, post=False)
    address = rig.allocate(4096)
    post(rig, empty.agg, 0, address)
    post(rig, other.agg, 0, address)
    assert verdict(rig, "posted_twice")["culprit"] == "driver"


def test_posted_again_after_completion_is_good(rig: Rig, empty: Queue) -> None:
    header, payload = rig.allocate(640), rig.allocate(4096)
    for index in range(20):
        post(rig, empty.rx, index, header)
        post(rig, empty.agg, index, payload)
        rig.rx.receive([tcp(100)])
        empty.cq.consume(empty.cq.prod & empty.cq.mask)
    assert empty.stats.counters[0] == 20
    assert not rules(rig)


def test_fragments_that_overlap(rig: Rig, empty: Queue) -> None:
    at = rig.allocate(4096)
    for index, address in enumerate((at, at + 640, at + 1000)):
        fill(rig, empty.rx, index, address)
    empty.rx.doorbell(2)
    assert not rules(rig)
    empty.rx.doorbell(3)
    assert not rules(rig), "neighbours of another doorbell are not looked at"
    post(rig, empty.rx, 3, at + 2000)
    for index, address in enumerate((at + 2640, at + 3000), 4):
        fill(rig, empty.rx, index, address)
    empty.rx.doorbell(6)
    assert rules(rig) == {"buffers_overlap"}


@pytest.mark.parametrize("length", [0, 2048, 8192])
def test_length_that_is_not_the_rings(rig: Rig, empty: Queue, length: int) -> None:
    post(rig, empty.agg, 0, rig.allocate(4096), length)
    found = verdict(rig, "buffer_length")
    assert (found["length"], found["expected"]) == (length, 4096)


def test_two_owners_of_a_posted_page(rig: Rig, empty: Queue) -> None:
    address = rig.allocate(4096)
    post(rig, empty.agg, 0, address)
    assert not rules(rig)
    rig.dma.map(Mapping(0x9000_0000, 4096, Access.READ, rig.memory, address - BASE))
    rig.dma.map(Mapping(0x9000_1000, 4096, Access.READ, rig.memory, 0))
    assert verdict(rig, "two_owners")["also"] == "mapped at 0x90000000"


def test_two_owners_as_the_last_thing_that_happens(rig: Rig, empty: Queue) -> None:
    address = rig.allocate(4096)
    post(rig, empty.agg, 0, address)
    rig.dma.map(Mapping(0x9000_0000, 4096, Access.READ, rig.memory, address - BASE))
    assert rig.oracle is not None
    rig.oracle.state()
    assert rules(rig) == {"two_owners"}


@pytest.mark.parametrize(
    ("step", "found"),
    [(4096, set()), (-4096, {"two_owners"}), (8192, {"two_owners"})],
    ids=["one import", "in another order", "with holes"],
)
def test_memory_imported_twice_has_one_owner(
    rig: Rig, empty: Queue, step: int, found: set[str]
) -> None:
    """Of pages that follow each other at both addresses not even the first was freed too early."""
    start = rig.allocate(4 * 4096)
    for n in range(4):
        post(rig, empty.agg, n, start + n * 4096)
    for n in range(4):
        at = 0x9000_8000 + n * step
        rig.dma.map(Mapping(at, 4096, Access.READ, rig.memory, start + n * 4096 - BASE))
    rig.dma.unmap(0x9000_8000, 4096)
    assert rules(rig) == found
    post(rig, empty.agg, 4, start)
    assert "two_owners" not in rules(rig) - found


def test_page_mapped_elsewhere_is_posted(rig: Rig, empty: Queue) -> None:
    first, second = rig.allocate(4096), rig.allocate(4096)
    for n, address in enumerate((first, second)):
        at = 0x9000_0000 - n * 4096
        rig.dma.map(Mapping(at, 4096, Access.READ, rig.memory, address - BASE))
    rig.dma.unmap(0x8FFF_F000, 4096)
    post(rig, empty.agg, 0, second)
    assert not rules(rig)
    post(rig, empty.agg, 1, first)
    assert verdict(rig, "two_owners")["also"] == "0x90000000"


SECOND = 0x9000_0000


def send(rig: Rig, address: int, length: int) -> None:
    """The driver sends what lies there, with one descriptor."""
    queue = rig.add_tx()
    queue.raw(struct.pack("<IIQ", 1 << 6 | 1 << 8 | length << 16, 0, address))
    queue.kick()


@pytest.fixture
def fragment(rig: Rig, empty: Queue) -> int:
    """A posted fragment, in a page that is mapped at SECOND as well."""
    address = rig.allocate(4096)
    post(rig, empty.rx, 0, address + 640)
    rig.dma.map(Mapping(SECOND, 4096, Access.READ | Access.WRITE, rig.memory, address - BASE))
    assert not rules(rig), "another fragment of the page may be sent"
    return address + 640


@pytest.mark.parametrize(
    ("offset", "found"),
    [(0, set()), (1, {"two_owners"}), (640, {"two_owners"}), (1279, {"two_owners"}), (1280, set())],
)
def test_fragments_have_two_owners_by_their_bytes(
    rig: Rig, empty: Queue, fragment: int, offset: int, found: set[str]
) -> None:
    post(rig, empty.rx, 1, SECOND + offset)
    assert rules(rig) == found
    if found:
        assert verdict(rig, "two_owners")["also"] == f"RX ring 5, index 0, at {fragment:#x}"


def test_fragments_of_one_mapping_are_not_each_others(
    rig: Rig, empty: Queue, fragment: int
) -> None:
    post(rig, empty.rx, 1, fragment + 640)
    assert not rules(rig)


@pytest.mark.parametrize(
    ("offset", "length", "found"),
    [(0, 640, set()), (0, 641, {"two_owners"}), (1280, 640, set()), (1279, 64, {"two_owners"})],
)
def test_a_posted_fragment_is_sent(
    rig: Rig, fragment: int, offset: int, length: int, found: set[str]
) -> None:
    send(rig, SECOND + offset, length)
    assert rules(rig) == found
    if found:
        assert verdict(rig, "two_owners")["length"] == length


def test_a_posted_fragment_is_the_end_of_what_is_sent(rig: Rig, fragment: int) -> None:
    rig.dma.map(Mapping(SECOND - 4096, 4096, Access.READ, rig.memory, 0))
    send(rig, SECOND - 100, 100 + 640)
    assert not rules(rig)
    send(rig, SECOND - 100, 100 + 641)
    assert rules(rig) == {"two_owners"}


def test_whole_pages_are_told_of_once(rig: Rig, empty: Queue, fragment: int) -> None:
    """As they are mapped again; that they are sent then says nothing new."""
    address = rig.allocate(4096)
    post(rig, empty.agg, 0, address)
    rig.dma.map(Mapping(SECOND + 8192, 4096, Access.READ, rig.memory, address - BASE))
    rig.dma.map(Mapping(SECOND + 16384, 4096, Access.READ, rig.memory, 0))
    send(rig, SECOND + 8192, 64)
    assert rig.trace.violation_counts == {"two_owners": 1}


def test_descriptor_changed_after_the_doorbell(rig: Rig, queue: Queue) -> None:
    other = rig.allocate(4096)
    rig.poke(queue.agg.memory.address(0) + 8, other.to_bytes(8, "little"))
    rig.rx.receive([tcp(100)])
    assert rules(rig) == {"descriptor_changed"}
    assert rig.peek(other, 4) == bytes(range(4)), "the card goes by what it read"


# -- writes: the card itself ---------------------------------------------------------------------
def test_write_to_memory_nobody_gave(rig: Rig, queue: Queue) -> None:
    rig.dma.write(BASE + MEMORY_BYTES - 4096, b"?")
    assert rules(rig) == {"write_never_posted"}
    assert verdict(rig, "write_never_posted")["culprit"] == "card model"


def test_write_outside_the_buffer(rig: Rig, queue: Queue) -> None:
    bd = queue.rx.take()
    assert bd is not None
    rig.dma.write(bd[2], bytes(640))
    assert not rules(rig)
    bd = queue.rx.take()
    assert bd is not None
    rig.dma.write(bd[2], bytes(641))
    assert rules(rig) == {"write_outside_buffer"}


def test_write_after_completion(rig: Rig, queue: Queue) -> None:
    rig.rx.receive([tcp(100)])
    rig.dma.write(queue.rx_addresses[0], b"?")
    assert rules(rig) == {"write_after_completion"}


def test_write_after_free(rig: Rig, queue: Queue, oracle: Oracle) -> None:
    assert queue.rx.ledger is not None
    queue.rx.free()
    oracle.forget_buffers(queue.rx.ledger)
    rig.dma.write(queue.rx_addresses[0], b"?")
    assert rules(rig) == {"write_after_free"}


def test_write_for_a_fault_is_the_faults(rig: Rig, queue: Queue) -> None:
    rig.trace.cause = "stray"
    rig.dma.write(BASE + MEMORY_BYTES - 4096, b"?")
    rig.dma.write_was_faulty()
    rig.trace.cause = ""
    assert not rules(rig)
    assert rig.trace.caused_counts == {"write_never_posted": 1}


# -- bounds -------------------------------------------------------------------------------------
def test_memory_is_bounded(rig: Rig, queue: Queue, oracle: Oracle) -> None:
    spares = {"RX": rig.allocate(640), "RX_AGG": rig.allocate(4096)}
    for n in range(300):
        rig.dma.map(Mapping(0x9000_0000 + n * 4096, 4096, Access.READ, None, 0))
        rig.dma.unmap(0x9000_0000 + n * 4096, 4096)
        rig.rx.receive([tcp(100)])
        queue.cq.consume(queue.cq.prod & queue.cq.mask)
        for ring in (queue.rx, queue.agg):
            taken = ring.memory.read_bd((ring.cons - 1) & ring.mask)[2]
            post(rig, ring, ring.prod, spares[ring.KIND])
            spares[ring.KIND] = taken
    assert not rules(rig)
    assert len(oracle.live) == 31 + 63
    assert queue.rx.ledger is not None
    assert len(queue.rx.ledger.steps) == KEPT_STEPS
    assert len(oracle.active) <= 2
    assert not queue.rx.ledger.done


def test_one_page_mapped_very_often_costs_no_more_each_time() -> None:
    """A guest may map one page of memory at as many addresses as it may map at all."""
    dma = DmaSpace()
    oracle = Oracle(dma, Trace(), DMA_RULES)
    memory = memoryview(bytearray(PAGE_SIZE))
    for i in range(2000):
        dma.map(Mapping(2 * i * PAGE_SIZE, PAGE_SIZE, Access.READ | Access.WRITE, memory, 0))
    assert [len(pages) for pages in oracle._memory_pages.values()] == [256]
    assert dma.unmap_all() == 2000
    assert not oracle._memory_pages
    assert not oracle.shared
