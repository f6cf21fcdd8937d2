# SPDX-License-Identifier: GPL-2.0-only
"""DMA_MAP, DMA_UNMAP, and DMA through what they left."""

from __future__ import annotations

import errno
import os
import struct
from itertools import pairwise
from pathlib import Path

import pytest

from devmodel.dma import Access, Mapping
from tests.protocol import client as c
from tests.protocol import toy as t
from tests.protocol.client import CONFIG
from tests.protocol.conftest import MEMORY_BYTES, Bench, open_descriptors

PAGE = 4096
R, W = 1, 2


def map_body(
    argsz: int = 32, flags: int = 3, offset: int = 0, iova: int = 0x10000, size: int = PAGE
) -> bytes:
    return struct.pack("<IIQQQ", argsz, flags, offset, iova, size)


def unmap_body(argsz: int = 24, flags: int = 0, iova: int = 0x10000, size: int = PAGE) -> bytes:
    return struct.pack("<IIQQ", argsz, flags, iova, size)


def memory_areas() -> int:
    """How often the memory file is mapped into this process."""
    return Path("/proc/self/maps").read_text().count("memfd:guest")


def card_dma(bench: Bench, command: int, address: int, length: int) -> str:
    """Let the toy do one DMA between its buffer and ``address``. Returns the fault, if any."""
    bench.client.write(0, t.REG_DMA_ADDRESS, address.to_bytes(8, "little"))
    bench.client.write_int(0, t.REG_DMA_LENGTH, length)
    bench.client.write_int(0, t.REG_COMMAND, command)
    return t.FAULTS[bench.client.read_int(0, t.REG_FAULT)]


def card_read(bench: Bench, address: int, length: int) -> str:
    return card_dma(bench, t.COMMAND_DMA_READ, address, length)


def card_write(bench: Bench, address: int, data: bytes) -> str:
    bench.toy.registers[t.BUFFER : t.BUFFER + len(data)] = data
    return card_dma(bench, t.COMMAND_DMA_WRITE, address, len(data))


def test_map_gives_access_to_the_shared_file(bench: Bench) -> None:
    reply = bench.client.dma_map(0x10000, 2 * PAGE, bench.memory_fd, offset=3 * PAGE)
    assert (reply.error, reply.body) == (0, b"")
    os.pwrite(bench.memory_fd, b"from the guest", 3 * PAGE + 8)
    assert card_read(bench, 0x10008, 14) == ""
    assert bench.client.read(0, t.BUFFER, 8) == b"from the"
    assert card_write(bench, 0x11FF0, b"0123456789abcdef") == ""
    assert bench.memory(4 * PAGE + 0xFF0, 16) == b"0123456789abcdef"


def test_descriptors_are_closed_and_the_file_is_mapped_once(bench: Bench) -> None:
    bench.client.dma_map(0, PAGE, bench.memory_fd)
    before = open_descriptors()
    assert memory_areas() == 1
    for i in range(1, 50):
        bench.client.dma_map(i * PAGE, PAGE, bench.memory_fd, offset=i * PAGE)
    assert open_descriptors() == before
    assert memory_areas() == 1
    assert bench.toy.dma.live_mappings == 50


@pytest.mark.parametrize(
    "body",
    [
        map_body(argsz=31), map_body(argsz=0), map_body()[:31], map_body(flags=0),
        map_body(flags=4), map_body(flags=0x80000003), map_body(size=0), map_body(size=100),
        map_body(iova=0x10001), map_body(iova=(1 << 64) - PAGE, size=2 * PAGE),
        map_body(size=1 << 63, iova=1 << 63, offset=PAGE), map_body(offset=MEMORY_BYTES),
        map_body(offset=(1 << 64) - PAGE), map_body(size=MEMORY_BYTES + PAGE),
    ],
)  # fmt: skip
def test_map_malformed(bench: Bench, body: bytes) -> None:
    assert bench.client.call(c.DMA_MAP, body, [bench.memory_fd]).error == errno.EINVAL
    assert bench.toy.dma.live_mappings == 0


@pytest.mark.parametrize(
    ("iova", "size"),
    [
        (0x10000, 4 * PAGE), (0x10000, PAGE), (0x11000, PAGE), (0xF000, 2 * PAGE),
        (0x13000, 2 * PAGE), (0, MEMORY_BYTES),
    ],
)  # fmt: skip
@pytest.mark.parametrize("first", [4 * PAGE, 4 << 20])
def test_map_overlapping_a_live_mapping(bench: Bench, iova: int, size: int, first: int) -> None:
    os.ftruncate(bench.memory_fd, 8 << 20)
    bench.client.dma_map(0x10000, first, bench.memory_fd)
    assert bench.client.dma_map(iova, size, bench.memory_fd).error == errno.EEXIST
    assert bench.toy.dma.live_mappings == 1


def test_map_beside_a_live_mapping(bench: Bench) -> None:
    for iova in (0x10000, 0x11000, 0xF000):
        assert bench.client.dma_map(iova, PAGE, bench.memory_fd).error == 0


def test_map_with_two_descriptors(bench: Bench) -> None:
    reply = bench.client.call(c.DMA_MAP, map_body(), [bench.memory_fd] * 2)
    assert reply.error == errno.EINVAL


def test_map_with_a_descriptor_that_cannot_be_mapped(bench: Bench) -> None:
    read_end, write_end = os.pipe()
    assert bench.client.dma_map(0, PAGE, read_end).error in (errno.EINVAL, errno.ENODEV)
    os.close(read_end)
    os.close(write_end)
    sealed = os.open(f"/proc/self/fd/{bench.memory_fd}", os.O_RDONLY)
    assert bench.client.dma_map(0, PAGE, sealed).error == errno.EACCES
    os.close(sealed)


def test_number_of_memory_files_is_limited(bench: Bench) -> None:
    fds = [os.memfd_create(f"m{i}") for i in range(20)]
    errors = []
    for i, fd in enumerate(fds):
        os.ftruncate(fd, PAGE)
        errors.append(bench.client.dma_map(i * PAGE, PAGE, fd).error)
        os.close(fd)
    assert errors[0] == 0
    assert errors[-1] == errno.ENOSPC


def test_map_without_descriptor_is_live_but_has_no_memory(bench: Bench) -> None:
    assert bench.client.dma_map(0xC0000, PAGE).error == 0
    mapping = bench.toy.dma.find(0xC0000)
    assert mapping is not None
    assert mapping.memory is None


def test_unmap_echoes_and_ends_access(bench: Bench) -> None:
    bench.client.dma_map(0x10000, PAGE, bench.memory_fd)
    reply = bench.client.dma_unmap(0x10000, PAGE)
    assert reply.body == unmap_body()
    assert card_read(bench, 0x10000, 8) == "unmapped"
    assert bench.trace.violation_counts["dma_unmapped"] == 1


def test_unmap_of_nothing_succeeds(bench: Bench) -> None:
    assert bench.client.dma_unmap(0x10000, 1 << 40).error == 0


def test_unmap_range_takes_every_mapping_in_it(bench: Bench) -> None:
    for i in range(8):
        bench.client.dma_map(i * PAGE, PAGE, bench.memory_fd)
    bench.client.dma_unmap(2 * PAGE, 4 * PAGE)
    assert [m.iova // PAGE for m in bench.toy.dma.mappings()] == [0, 1, 6, 7]


def test_unmap_all(bench: Bench) -> None:
    for i in range(8):
        bench.client.dma_map(i * PAGE, PAGE, bench.memory_fd)
    reply = bench.client.dma_unmap(0, 0, flags=2)
    assert (reply.error, bench.toy.dma.live_mappings) == (0, 0)


def test_more_mappings_than_announced_are_refused(bench: Bench) -> None:
    """test_session.py has what is announced."""
    for i in range(65535):
        bench.toy.dma.map(Mapping(i * PAGE, PAGE, Access.READ, None, 0))
    assert bench.client.dma_map(1 << 40, PAGE, bench.memory_fd).error == errno.ENOSPC
    bench.client.dma_unmap(0, PAGE)
    assert bench.client.dma_map(1 << 40, PAGE, bench.memory_fd).error == 0


def test_unmap_that_would_split_a_mapping(bench: Bench) -> None:
    bench.client.dma_map(0x10000, 4 * PAGE, bench.memory_fd)
    for iova, size in ((0x11000, PAGE), (0x10000, PAGE), (0x13000, PAGE), (0xF000, 3 * PAGE)):
        assert bench.client.dma_unmap(iova, size).error == errno.EINVAL
    assert bench.toy.dma.live_mappings == 1


@pytest.mark.parametrize(
    "body",
    [
        unmap_body(argsz=23), unmap_body()[:23], unmap_body(flags=1), unmap_body(flags=4),
        unmap_body(size=0), unmap_body(size=100), unmap_body(iova=8),
        unmap_body(iova=(1 << 64) - PAGE, size=2 * PAGE),
    ],
)  # fmt: skip
def test_unmap_malformed(bench: Bench, body: bytes) -> None:
    bench.client.dma_map(0x10000, PAGE, bench.memory_fd)
    assert bench.client.call(c.DMA_UNMAP, body).error == errno.EINVAL
    assert bench.toy.dma.live_mappings == 1


def test_unmap_with_a_descriptor(bench: Bench) -> None:
    reply = bench.client.call(c.DMA_UNMAP, unmap_body(), [bench.memory_fd])
    assert reply.error == errno.EINVAL


def test_permission(bench: Bench) -> None:
    bench.client.dma_map(0x10000, PAGE, bench.memory_fd, flags=R)
    bench.client.dma_map(0x20000, PAGE, bench.memory_fd, flags=W)
    assert card_read(bench, 0x10000, 8) == ""
    assert card_write(bench, 0x10000, b"no") == "permission"
    assert card_write(bench, 0x20000, b"yes") == ""
    assert card_read(bench, 0x20000, 8) == "permission"
    found = bench.toy.dma.find(0x20000)
    assert found is not None
    assert found.access is Access.WRITE


def test_access_across_pages_that_lie_apart_in_memory(bench: Bench) -> None:
    bench.client.dma_map(0x10000, PAGE, bench.memory_fd, offset=7 * PAGE)
    bench.client.dma_map(0x11000, PAGE, bench.memory_fd, offset=2 * PAGE)
    data = bytes(range(200))
    assert card_write(bench, 0x11000 - 100, data) == ""
    assert bench.memory(8 * PAGE - 100, 100) == data[:100]
    assert bench.memory(2 * PAGE, 100) == data[100:]
    assert card_read(bench, 0x11000 - 100, 200) == ""
    assert bytes(bench.toy.registers[t.BUFFER : t.BUFFER + 200]) == data


def test_access_that_runs_off_a_mapping_writes_nothing(bench: Bench) -> None:
    bench.client.dma_map(0x10000, PAGE, bench.memory_fd)
    assert card_write(bench, 0x11000 - 4, b"12345678") == "unmapped"
    assert bench.memory(PAGE - 4, 4) == bytes(4)


def test_bus_master_off_stops_dma(bench: Bench) -> None:
    bench.client.dma_map(0x10000, PAGE, bench.memory_fd)
    bench.client.write_int(CONFIG, 4, 0x2, 2)
    assert card_write(bench, 0x10000, b"no") == "bus_master_off"
    bench.enable()
    assert card_write(bench, 0x10000, b"yes") == ""


def test_two_thousand_pages_map_and_unmap(bench: Bench) -> None:
    os.ftruncate(bench.memory_fd, 2000 * PAGE)
    for i in range(2000):
        assert bench.client.dma_map(i * PAGE, PAGE, bench.memory_fd, offset=i * PAGE).error == 0
    assert (bench.toy.dma.live_mappings, bench.toy.dma.maps_total) == (2000, 2000)
    for i in range(2000):
        assert bench.client.dma_unmap(i * PAGE, PAGE).error == 0
    assert (bench.toy.dma.live_mappings, bench.toy.dma.unmaps_total) == (0, 2000)


def _pipelined_maps(bench: Bench) -> tuple[bytes, list[tuple[int, int]]]:
    """Three maps in a row, of which the second comes without a descriptor."""
    data = b""
    spans = []
    for i in range(3):
        start = len(data)
        data += bench.client.message(c.DMA_MAP, map_body(iova=i * 0x10000, offset=i * PAGE))
        spans.append((start, len(data)))
    return data, spans


def with_memory(bench: Bench) -> list[bool]:
    """Which of the three is mapped, with memory."""
    found = [bench.toy.dma.find(i * 0x10000) for i in range(3)]
    return [mapping is not None and mapping.memory is not None for mapping in found]


def test_descriptors_belong_to_their_message_wherever_the_stream_is_cut(bench: Bench) -> None:
    for cut in range(1, 144):
        data, spans = _pipelined_maps(bench)
        for start, end in spans:
            with_fd = start != spans[1][0]
            edges = [start, *([cut] if start < cut < end else []), end]
            for a, b in pairwise(edges):
                fds = [bench.memory_fd] if with_fd and a == start else []
                bench.client.send_raw(data[a:b], fds)
                if b == cut:
                    bench.server.serve()
        while bench.server.counters["DMA_MAP"] < 3 * cut:
            bench.server.serve()
        for _ in range(3):
            assert bench.client.receive().error == 0
        assert with_memory(bench) == [True, False, True]
        bench.client.dma_unmap(0, 0, flags=2)


def test_descriptor_sent_with_the_last_byte_belongs_to_that_message(bench: Bench) -> None:
    data, spans = _pipelined_maps(bench)
    end = spans[1][1]
    bench.client.send_raw(data[: end - 1])
    bench.client.send_raw(data[end - 1 : end], [bench.memory_fd])
    bench.client.send_raw(data[end:])
    while bench.server.counters["DMA_MAP"] < 3:
        bench.server.serve()
    for _ in range(3):
        assert bench.client.receive().error == 0
    assert with_memory(bench) == [False, True, False]
