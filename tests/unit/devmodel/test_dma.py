# SPDX-License-Identifier: GPL-2.0-only
"""The IOVA space against a byte-by-byte model of what is mapped where."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devmodel.clock import Clock
from devmodel.dma import MAX_UNMAP_BYTES, Access, DmaSpace, Mapping
from devmodel.errors import DmaFault
from devmodel.vfio_user.messages import MAX_DMA_MAPS

PAGE = 4096
MEMORY_PAGES = 64
BOTH = Access.READ | Access.WRITE


class Space(DmaSpace):
    """An IOVA space and the memory behind it."""

    def __init__(self, memory_bytes: int = MEMORY_PAGES * PAGE) -> None:
        super().__init__()
        self.bus_master_enabled = True
        self.memory = bytearray(memory_bytes)

    def add(self, iova: int, size: int, offset: int = 0, access: Access = BOTH) -> None:
        self.map(Mapping(iova, size, access, memoryview(self.memory), offset))


@pytest.fixture
def space() -> Space:
    return Space()


def test_read_and_write_in_one_mapping(space: Space) -> None:
    space.add(0x10000, 2 * PAGE, offset=PAGE)
    space.write(0x10FFE, b"abcd")
    assert space.memory[2 * PAGE - 2 : 2 * PAGE + 2] == b"abcd"
    assert space.read(0x10FFE, 4) == b"abcd"


def test_store_is_a_write(space: Space) -> None:
    space.add(0x10000, PAGE, offset=PAGE)
    space.writes = []
    space.store(0x10008, b"abcdefgh")
    assert space.memory[PAGE + 8 : PAGE + 16] == b"abcdefgh"
    assert space.writes == [(0x10008, 8)]


def test_store_at_an_odd_address_is_a_write_too(space: Space) -> None:
    space.add(0x10000, 2 * PAGE)
    space.store(0x10FFC, b"abcdefgh")
    assert space.memory[PAGE - 4 : PAGE + 4] == b"abcdefgh"


def test_store_beside_memory_is_a_fault(space: Space) -> None:
    space.add(0x10000, PAGE)
    space.add(0x11000, PAGE, offset=PAGE, access=Access.READ)
    for iova in (0x10FFC, 0x11000, 0x12000):
        with pytest.raises(DmaFault):
            space.store(iova, bytes(8))
    space.bus_master_enabled = False
    with pytest.raises(DmaFault):
        space.store(0x10000, bytes(8))
    assert not any(space.memory)


@pytest.mark.parametrize(
    ("iova", "length"), [(0xFFFF, 1), (0x12000, 1), (0x11FFF, 2), (0xFFFF, 2), (1 << 63, 8)]
)
def test_outside_is_a_fault(space: Space, iova: int, length: int) -> None:
    space.add(0x10000, 2 * PAGE)
    with pytest.raises(DmaFault) as e:
        space.read(iova, length)
    assert e.value.reason == "unmapped"
    assert not e.value.is_write
    with pytest.raises(DmaFault):
        space.write(iova, bytes(length))
    assert not any(space.memory)


def test_fault_names_the_first_byte_not_allowed(space: Space) -> None:
    space.add(0x10000, PAGE)
    with pytest.raises(DmaFault) as e:
        space.write(0x10FF0, bytes(32))
    assert e.value.iova == 0x11000


def test_bus_master_and_permission(space: Space) -> None:
    space.add(0, PAGE, access=Access.READ)
    with pytest.raises(DmaFault, match="permission"):
        space.write(0, b"x")
    space.bus_master_enabled = False
    with pytest.raises(DmaFault, match="bus_master_off"):
        space.read(0, 1)


def test_permission_of_every_page_counts(space: Space) -> None:
    space.add(0, PAGE)
    space.add(PAGE, PAGE, offset=PAGE, access=Access.READ)
    with pytest.raises(DmaFault, match="permission"):
        space.write(PAGE - 1, b"xy")
    assert not any(space.memory)


@pytest.mark.parametrize("size", [0, -PAGE])
def test_empty_mapping_is_refused(space: Space, size: int) -> None:
    with pytest.raises(ValueError, match="empty"):
        space.add(0, size)


def test_wrapping_mapping_is_refused(space: Space) -> None:
    with pytest.raises(ValueError, match="wrapping"):
        space.add((1 << 64) - PAGE, 2 * PAGE)


def test_large_and_small_mappings_side_by_side() -> None:
    space = Space(8 << 20)
    space.add(0x1000, 4 << 20)
    space.add(0x1000 + (4 << 20), PAGE, offset=4 << 20)
    space.add(0, PAGE, offset=5 << 20)
    data = bytes(range(256)) * 2
    for iova in (0x1000 - 100, 0x1000 + (4 << 20) - 300):
        space.write(iova, data)
        assert space.read(iova, 512) == data
    with pytest.raises(ValueError, match="overlaps"):
        space.add(0x1000 + (2 << 20), PAGE)
    with pytest.raises(ValueError, match="overlaps"):
        space.add(0, 8 << 20)
    assert space.unmap(0, 1 << 40) == 3
    assert space.live_mappings == 0


def test_unaligned_mapping_is_kept_exactly(space: Space) -> None:
    space.add(0x10010, 100)
    space.read(0x10010, 100)
    for iova in (0x1000F, 0x10074):
        with pytest.raises(DmaFault):
            space.read(iova, 1)


def test_what_goes_with_all_others_is_dropped_not_unmapped(space: Space) -> None:
    space.add(0, PAGE)
    seen: list[tuple[str, int]] = []
    space.observers.append(lambda what, m: seen.append((what, m.iova)))
    space.unmap(0, 2 * MAX_UNMAP_BYTES)
    assert seen == [("drop", 0)]


def test_observers_see_maps_and_unmaps(space: Space) -> None:
    seen: list[tuple[str, int]] = []
    space.observers.append(lambda what, m: seen.append((what, m.iova)))
    space.add(0, PAGE)
    space.add(PAGE, PAGE)
    space.unmap(0, PAGE)
    space.unmap_all()
    assert seen == [("map", 0), ("map", PAGE), ("unmap", 0), ("drop", PAGE)]
    assert (space.maps_total, space.unmaps_total) == (2, 2)


def filled(size: int, maps: int) -> Space:
    space = Space(size)
    for i in range(maps):
        space.add(i * size, size)
    return space


@pytest.mark.parametrize("size", [PAGE, 4 * PAGE, 1 << 20, 2 << 20])
def test_a_mapping_costs_the_same_whatever_its_size(size: int) -> None:
    tracemalloc.start()
    space = filled(size, 10_000)
    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (used - size) / 10_000 < 1000, "bytes for each"
    assert space.is_translated
    assert [m.iova for m in space.mappings()] == [i * size for i in range(10_000)]
    assert space.unmap_all() == 10_000


def test_as_many_mappings_as_are_announced_come_and_go() -> None:
    space = filled(2 << 20, MAX_DMA_MAPS)
    space.write(MAX_DMA_MAPS - 1 << 21, b"last")
    assert space.read(12345 << 21, 4) == b"last", "one memory behind all"
    assert space.unmap(0, 2 << 20) == 1
    assert space.unmap(1 << 21, 1000 << 21) == 1000
    assert space.unmap_all() == MAX_DMA_MAPS - 1001
    assert not space.mappings()


def test_much_that_is_unmapped_at_once_pauses() -> None:
    clock, looks = Clock(1), []
    clock.budget.look_up = looks.append
    space = DmaSpace(budget=clock.budget)
    for i in range(10_000):
        space.map(Mapping(i * PAGE, PAGE, BOTH, None, 0))
    assert space.unmap_all() == 10_000
    assert looks == [False] * len(looks)
    assert len(looks) > 3


def test_an_iommu_is_on_while_no_mapping_is_beyond_it(space: Space) -> None:
    assert not space.is_translated
    space.add(0, 2 << 20)
    assert space.is_translated
    space.add(4 << 20, 4 << 20)
    assert not space.is_translated
    space.unmap(4 << 20, 4 << 20)
    assert space.is_translated


pages = st.integers(0, 15)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("map"), pages, st.integers(1, 6), st.integers(0, MEMORY_PAGES - 6)),
        st.tuples(st.just("unmap"), pages, st.integers(1, 8), st.just(0)),
        st.tuples(
            st.just("write"), st.integers(0, 16 * PAGE), st.integers(1, 3 * PAGE), st.just(0)
        ),
    ),
    max_size=30,
)


@settings(max_examples=200, deadline=None)
@given(steps)
def test_against_a_page_table(script: list[tuple[str, int, int, int]]) -> None:
    """``table``: page -> (page of memory, ordinal of the mapping)."""
    space = Space()
    model = bytearray(len(space.memory))
    table: dict[int, tuple[int, int]] = {}
    for ordinal, (what, a, n, offset) in enumerate(script):
        if what == "map":
            wanted = range(a, a + n)
            try:
                space.add(a * PAGE, n * PAGE, offset * PAGE)
                assert not any(p in table for p in wanted)
                table |= {p: (offset + p - a, ordinal) for p in wanted}
            except ValueError:
                assert any(p in table for p in wanted)
        elif what == "unmap":
            members: dict[int, list[int]] = {}
            for p, (_, owner) in table.items():
                members.setdefault(owner, []).append(p)
            inside = [o for o, ps in members.items() if all(a <= p < a + n for p in ps)]
            assert space.unmap(a * PAGE, n * PAGE) == len(inside)
            table = {p: v for p, v in table.items() if v[1] not in inside}
        else:
            data = bytes((ordinal + i) & 0xFF for i in range(n))
            allowed = all(p in table for p in range(a // PAGE, (a + n - 1) // PAGE + 1))
            try:
                space.write(a, data)
                assert allowed
                for i, byte in enumerate(data, a):
                    model[table[i // PAGE][0] * PAGE + i % PAGE] = byte
                back = space.read(a, n)
                assert back == bytes(
                    model[table[i // PAGE][0] * PAGE + i % PAGE] for i in range(a, a + n)
                )
            except DmaFault:
                assert not allowed
        assert space.memory == model
        assert space.live_mappings == len({owner for _, owner in table.values()})
