# SPDX-License-Identifier: GPL-2.0-only
"""REGION_READ, REGION_WRITE posted and not, REGION_WRITE_MULTI."""

from __future__ import annotations

import errno
import struct

import pytest

from tests.protocol import client as c
from tests.protocol import toy as t
from tests.protocol.client import ACCESS, CONFIG
from tests.protocol.conftest import Bench

BAR0_SIZE = 64 << 10


def multi(*writes: tuple[int, int, bytes], count: int | None = None) -> bytes:
    """Body of REGION_WRITE_MULTI from (offset, region, data)."""
    body = struct.pack("<Q", len(writes) if count is None else count)
    for offset, region, data in writes:
        body += struct.pack("<QII8s", offset, region, len(data), data)
    return body


@pytest.mark.parametrize("count", [1, 2, 4, 8])
def test_read_of_each_width(bench: Bench, count: int) -> None:
    assert bench.client.read(0, 0, count) == (t.MAGIC.to_bytes(4, "little") + bytes(4))[:count]


def test_write_is_answered_with_its_own_head(bench: Bench) -> None:
    bench.client.write(0, t.REG_SCRATCH, b"\1\2\3\4\5\6\7\x08")
    assert bench.toy.bar_log == [(0, 8, b"\1\2\3\4\5\6\7\x08")]
    assert bench.client.read(0, t.REG_SCRATCH, 8) == b"\1\2\3\4\5\6\7\x08"


def test_posted_write_is_carried_out_and_not_answered(bench: Bench) -> None:
    bench.client.post(0, t.REG_SCRATCH, b"\1\2\3\4")
    bench.server.serve()
    assert bench.client.silent()
    assert bench.client.read(0, t.REG_SCRATCH, 4) == b"\1\2\3\4"


def test_read_sees_every_posted_write_before_it(bench: Bench) -> None:
    for i in range(30):
        bench.client.post(0, t.REG_SCRATCH, i.to_bytes(4, "little"))
    assert bench.client.read_int(0, t.REG_WRITES) == 30
    assert bench.client.read_int(0, t.REG_SCRATCH) == 29


def test_long_access_is_split_as_a_root_complex_does(bench: Bench) -> None:
    bench.client.write(0, 0x104, bytes(range(24)))
    lengths = [(offset, len(data)) for _, offset, data in bench.toy.bar_log]
    assert lengths == [(0x104, 4), (0x108, 8), (0x110, 8), (0x118, 4)]
    assert bench.client.read(0, 0x104, 24) == bytes(range(24))


BAD_ACCESSES = [
    ACCESS.pack(0, 9, 4), ACCESS.pack(0, 0xFFFFFFFF, 4), ACCESS.pack(0, 1, 4), ACCESS.pack(0, 6, 4),
    ACCESS.pack(0, 0, 0), ACCESS.pack(BAR0_SIZE, 0, 1), ACCESS.pack(BAR0_SIZE - 3, 0, 4),
    ACCESS.pack((1 << 64) - 1, 0, 4), ACCESS.pack(4094, CONFIG, 4),
    ACCESS.pack(0, 2, (1 << 20) + 1), ACCESS.pack(0, 2, 0xFFFFFFFF),
]  # fmt: skip


@pytest.mark.parametrize("body", BAD_ACCESSES, ids=range(len(BAD_ACCESSES)))
def test_bad_access(bench: Bench, body: bytes) -> None:
    assert bench.client.call(c.REGION_READ, body).error == errno.EINVAL
    count = min(ACCESS.unpack(body)[2], 64)
    assert bench.client.call(c.REGION_WRITE, body + bytes(count)).error == errno.EINVAL
    bench.client.send(c.REGION_WRITE, body + bytes(count), flags=c.NO_REPLY)
    bench.server.serve()
    assert bench.client.silent()
    assert bench.toy.bar_log == []


@pytest.mark.parametrize("carried", [0, 3, 5, 100])
def test_write_that_carries_another_count(bench: Bench, carried: int) -> None:
    reply = bench.client.call(c.REGION_WRITE, ACCESS.pack(8, 0, 4) + bytes(carried))
    assert reply.error == errno.EINVAL
    assert bench.toy.bar_log == []


def test_write_to_a_read_only_register_changes_nothing(bench: Bench) -> None:
    bench.client.write_int(0, t.REG_MAGIC, 0)
    assert bench.client.read_int(0, t.REG_MAGIC) == t.MAGIC
    assert bench.trace.violation_counts["write_to_read_only"] == 1


def test_write_multi(bench: Bench) -> None:
    body = multi((8, 0, b"\1"), (0x10, 0, b"12345678"), (0x100, 2, b"\1\2\3\4"))
    bench.client.send(c.REGION_WRITE_MULTI, body, flags=c.NO_REPLY)
    bench.server.serve()
    assert bench.client.silent()
    assert bench.toy.bar_log == [(0, 8, b"\1"), (0, 0x10, b"12345678"), (2, 0x100, b"\1\2\3\4")]


def test_write_multi_with_reply_echoes_the_count(bench: Bench) -> None:
    reply = bench.client.call(c.REGION_WRITE_MULTI, multi((8, 0, b"\1")))
    assert reply.body == struct.pack("<Q", 1)


def test_write_multi_of_the_largest_number(bench: Bench) -> None:
    writes = [(8, 0, i.to_bytes(4, "little")) for i in range(200)]
    assert bench.client.call(c.REGION_WRITE_MULTI, multi(*writes)).error == 0
    assert len(bench.toy.bar_log) == 200


@pytest.mark.parametrize(
    "body",
    [
        multi((8, 0, b"\1"), count=0), multi((8, 0, b"\1"), count=2), multi((8, 0, b"\1"))[:-1],
        multi(*[(8, 0, b"\1")] * 201), multi(count=1 << 63),
        struct.pack("<Q", 1) + struct.pack("<QII8s", 8, 0, 9, b""),
        struct.pack("<Q", 1) + struct.pack("<QII8s", 8, 0, 0, b""),
        multi((8, 0, b"\1"), (BAR0_SIZE, 0, b"\1")), multi((8, 0, b"\1"), (8, 9, b"\1")),
    ],
)  # fmt: skip
def test_write_multi_malformed_does_nothing_at_all(bench: Bench, body: bytes) -> None:
    assert bench.client.call(c.REGION_WRITE_MULTI, body).error == errno.EINVAL
    assert bench.toy.bar_log == []


def test_memory_space_off(bench: Bench) -> None:
    bench.client.write_int(CONFIG, 4, 0x4, 2)
    assert bench.client.read(0, 0, 4) == b"\xff" * 4
    bench.client.write_int(0, t.REG_SCRATCH, 5)
    assert bench.toy.bar_log == []
    assert bench.trace.violation_counts["mmio_while_disabled"] == 2


def test_pending_bits_are_read_through_the_bar_and_cannot_be_written(bench: Bench) -> None:
    bench.interrupt(3)
    assert bench.client.read_int(4, 0x4000, 8) == 1 << 3
    bench.client.write_int(4, 0x4000, 0)
    assert bench.client.read_int(4, 0x4000, 8) == 1 << 3
    assert bench.trace.violation_counts["write_to_read_only"] == 1
