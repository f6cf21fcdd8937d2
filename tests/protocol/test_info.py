# SPDX-License-Identifier: GPL-2.0-only
"""DEVICE_GET_INFO, DEVICE_GET_REGION_INFO, DEVICE_GET_IRQ_INFO."""

from __future__ import annotations

import errno
import os
import struct

import pytest

from devmodel.pci.function import SharedBar
from tests.protocol import client as c
from tests.protocol.client import CONFIG
from tests.protocol.conftest import Bench

REGION = struct.Struct("<IIIIQQ")


def region_info(bench: Bench, index: int, argsz: int = 32) -> c.Reply:
    return bench.client.call(c.GET_REGION_INFO, REGION.pack(argsz, 0, index, 0, 0, 0))


def test_device_info(bench: Bench) -> None:
    reply = bench.client.call(c.GET_INFO, struct.pack("<IIII", 16, 0, 0, 0))
    assert struct.unpack("<IIII", reply.body) == (16, 3, 9, 5)


@pytest.mark.parametrize(
    ("index", "size"),
    [(0, 64 << 10), (1, 0), (2, 16 << 20), (3, 0), (4, 32 << 10), (5, 0), (6, 0), (8, 0)],
)
def test_region_info(bench: Bench, index: int, size: int) -> None:
    reply = region_info(bench, index)
    assert REGION.unpack(reply.body) == (32, 3 if size else 0, index, 0, size, 0)


def test_region_info_of_config_space(bench: Bench) -> None:
    assert REGION.unpack(region_info(bench, CONFIG).body)[4] == 4096


def test_shared_bar_comes_with_its_descriptor(bench: Bench) -> None:
    bench.toy.shared_bars[0] = SharedBar(bench.memory_fd)
    reply = region_info(bench, 0)
    assert REGION.unpack(reply.body) == (32, 7, 0, 0, 64 << 10, 0)
    assert os.fstat(reply.fds[0]).st_ino == os.fstat(bench.memory_fd).st_ino
    os.close(reply.fds[0])


def test_sparse_areas_come_with_the_second_try(bench: Bench) -> None:
    bench.toy.shared_bars[0] = SharedBar(bench.memory_fd, ((0, 4096), (0x3000, 0x1000)))
    first = region_info(bench, 0)
    needed, flags, *_, cap_offset, size, _ = REGION.unpack(first.body)
    assert (needed, flags, cap_offset, size) == (80, 15, 0, 64 << 10)
    assert first.fds == []
    second = region_info(bench, 0, argsz=needed)
    assert REGION.unpack_from(second.body)[3] == 32
    assert struct.unpack_from("<HHIII", second.body, 32) == (1, 1, 0, 2, 0)
    areas = [struct.unpack_from("<QQ", second.body, 48 + 16 * i) for i in range(2)]
    assert areas == [(0, 4096), (0x3000, 0x1000)]
    assert len(second.body) == needed
    assert len(second.fds) == 1
    os.close(second.fds[0])


@pytest.mark.parametrize(
    ("index", "flags", "count"), [(0, 1, 1), (1, 0, 0), (2, 1, 16), (3, 1, 1), (4, 1, 1)]
)
def test_irq_info(bench: Bench, index: int, flags: int, count: int) -> None:
    reply = bench.client.call(c.GET_IRQ_INFO, struct.pack("<IIII", 16, 0, index, 0))
    assert struct.unpack("<IIII", reply.body) == (16, flags, index, count)


REQUESTS = {
    "device": (c.GET_INFO, 16),
    "region": (c.GET_REGION_INFO, REGION.size),
    "irq": (c.GET_IRQ_INFO, 16),
}


@pytest.mark.parametrize(
    ("of", "argsz", "index"),
    [
        ("device", 0, 0), ("device", 15, 0), ("region", 32, 9), ("region", 32, 100),
        ("region", 32, 0xFFFFFFFF), ("region", 31, 0), ("irq", 16, 5), ("irq", 16, 0xFFFFFFFF),
        ("irq", 15, 0),
    ],
)  # fmt: skip
def test_bad_index_or_too_small_an_argsz(bench: Bench, of: str, argsz: int, index: int) -> None:
    command, size = REQUESTS[of]
    body = struct.pack("<III", argsz, 0, index).ljust(size, b"\0")
    assert bench.client.call(command, body).error == errno.EINVAL
