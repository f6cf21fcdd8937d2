# SPDX-License-Identifier: GPL-2.0-only
"""VERSION, framing, unknown commands, flags, end of the connection."""

from __future__ import annotations

import contextlib
import errno
import json
import struct
import threading
import time

import pytest

from devmodel.errors import ProtocolError
from tests.protocol import client as c
from tests.protocol.conftest import Bench, open_descriptors
from tests.protocol.toy import MAGIC

ANSWERED = [
    c.VERSION, c.DMA_MAP, c.DMA_UNMAP, c.GET_INFO, c.GET_REGION_INFO, c.GET_IRQ_INFO, c.SET_IRQS,
    c.REGION_READ, c.REGION_WRITE,
]  # fmt: skip
ALL_COMMANDS = range(1, 17)


def test_version_answers_what_qemu_checks(fresh: Bench) -> None:
    reply = fresh.client.version(max_msg_fds=16, write_multiple=True)
    assert struct.unpack_from("<HH", reply.body) == (0, 0)
    assert reply.body.endswith(b"\0")
    ours = json.loads(reply.body[4:-1])["capabilities"]
    limits = {"max_msg_fds": 16, "max_data_xfer_size": 1 << 20, "max_dma_maps": 65535}
    assert ours == {**limits, "pgsizes": 4096, "write_multiple": True}


def test_version_without_data_is_accepted(fresh: Bench) -> None:
    assert fresh.client.call(c.VERSION, struct.pack("<HH", 0, 0)).error == 0


def test_version_without_write_multiple_if_synchronous(synchronous: Bench) -> None:
    refused = synchronous.client.version()
    assert refused.error == errno.EINVAL, "a second VERSION"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\0\0\0",
        struct.pack("<HH", 1, 0),
        struct.pack("<HH", 0, 0) + b"{\0",
        struct.pack("<HH", 0, 0) + b"[1]\0",
        struct.pack("<HH", 0, 0) + b'{"capabilities": 7}\0',
        struct.pack("<HH", 0, 0) + b'{"capabilities": {"max_data_xfer_size": "x"}}\0',
        struct.pack("<HH", 0, 0) + b'{"capabilities": {"max_data_xfer_size": 0}}\0',
        struct.pack("<HH", 0, 0) + b"\xff\xfe\0",
        struct.pack("<HH", 0, 0) + b"[" * 100_000 + b"\0",
    ],
    ids=range(10),
)
def test_version_malformed_is_refused_and_may_be_tried_again(fresh: Bench, body: bytes) -> None:
    assert fresh.client.call(c.VERSION, body).error == errno.EINVAL
    assert fresh.client.version().error == 0


@pytest.mark.parametrize("command", [x for x in ALL_COMMANDS if x != c.VERSION])
def test_nothing_is_served_before_version(fresh: Bench, command: int) -> None:
    assert fresh.client.call(command, bytes(64)).error == errno.EINVAL


@pytest.mark.parametrize("command", ANSWERED)
@pytest.mark.parametrize("length", [0, 1, 3, 15])
def test_short_body_is_refused(bench: Bench, command: int, length: int) -> None:
    assert bench.client.call(command, bytes(length)).error == errno.EINVAL
    assert bench.client.read_int(0, 0) == MAGIC


@pytest.mark.parametrize("command", ALL_COMMANDS)
def test_all_ones_body_never_ends_the_server(bench: Bench, command: int) -> None:
    reply = bench.client.call(command, b"\xff" * 64)
    if command not in (c.DEVICE_RESET, c.GET_INFO):
        assert reply.error in (errno.EINVAL, errno.EOPNOTSUPP)
    bench.enable()
    assert bench.client.read_int(0, 0) == MAGIC


@pytest.mark.parametrize(
    "command", [c.GET_REGION_IO_FDS, c.DIRTY_PAGES, c.DEVICE_FEATURE, c.DMA_READ, c.DMA_WRITE]
)
def test_command_not_supported(bench: Bench, command: int) -> None:
    assert bench.client.call(command, bytes(16)).error == errno.EOPNOTSUPP


@pytest.mark.parametrize("command", [0, 17, 0xFFFF])
def test_unknown_command(bench: Bench, command: int) -> None:
    assert bench.client.call(command).error == errno.EINVAL


@pytest.mark.parametrize("kind", [2, 7, 15])
def test_unknown_message_type(bench: Bench, kind: int) -> None:
    assert bench.client.call(c.GET_INFO, bytes(16), flags=kind).error == errno.EINVAL


def test_stray_reply_is_ignored(bench: Bench) -> None:
    bench.client.send(c.REGION_READ, c.ACCESS.pack(0, 0, 4), flags=c.REPLY)
    bench.client.send(c.DMA_READ, bytes(16), flags=c.REPLY | c.ERROR)
    assert bench.client.read_int(0, 0) == MAGIC
    assert bench.server.counters["stray_replies"] == 2


def test_no_reply_command_gets_none_even_if_wrong(bench: Bench) -> None:
    bench.client.send(c.GET_INFO, bytes(16), flags=c.NO_REPLY)
    bench.client.send(99, flags=c.NO_REPLY)
    bench.server.serve()
    assert bench.client.silent()
    assert bench.server.counters["refused"] == 2


@pytest.mark.parametrize("size", [0, 15, (1 << 20) + 4097, 0xFFFFFFFF])
def test_lost_framing_is_a_protocol_error(bench: Bench, size: int) -> None:
    bench.client.send_raw(bench.client.message(c.GET_INFO, bytes(16), size=size))
    with pytest.raises(ProtocolError):
        bench.server.serve()


def test_header_only_message_of_the_smallest_size(bench: Bench) -> None:
    assert bench.client.call(c.DEVICE_RESET).error == 0


def test_pipelined_messages_are_answered_in_order(bench: Bench) -> None:
    ids = [bench.client.send(c.REGION_READ, c.ACCESS.pack(0, 0, 4)) for _ in range(40)]
    bench.server.serve()
    assert [bench.client.receive().message_id for _ in range(40)] == ids


@pytest.mark.parametrize("cut", range(1, 32))
def test_message_split_anywhere(bench: Bench, cut: int) -> None:
    message = bench.client.message(c.REGION_READ, c.ACCESS.pack(0, 0, 4))
    bench.client.send_raw(message[:cut])
    bench.server.serve()
    assert bench.client.silent()
    bench.client.send_raw(message[cut:])
    bench.server.serve()
    assert bench.client.receive().body[16:] == MAGIC.to_bytes(4, "little")


def test_end_of_stream_is_seen_after_what_came_before_it(bench: Bench) -> None:
    bench.client.post(0, 8, b"last")
    bench.client.sock.shutdown(1)
    alive = bench.server.serve()
    assert bench.toy.bar_log == [(0, 8, b"last")]
    assert not (alive and bench.server.serve())


def test_end_of_stream_inside_a_message(bench: Bench) -> None:
    bench.client.send_raw(b"\1\2\3")
    bench.client.sock.close()
    alive = bench.server.serve()
    assert not (alive and bench.server.serve())


def test_reply_to_a_client_that_left_is_not_an_error(bench: Bench) -> None:
    bench.client.send(c.GET_INFO, bytes(16))
    bench.client.sock.close()
    bench.server.serve()


def test_close_forgets_memory_and_reads_what_is_left(bench: Bench) -> None:
    bench.client.dma_map(0, 4096, bench.memory_fd)
    bench.client.post(0, 8, b"unread")
    bench.server.close()
    assert bench.toy.dma.live_mappings == 0
    with pytest.raises(EOFError):
        bench.client.receive()


def test_close_does_not_wait_for_a_client_that_never_stops(bench: Bench) -> None:
    message = bench.client.message(c.REGION_READ, c.ACCESS.pack(0, 0, 4)) * 100

    def send() -> None:
        with contextlib.suppress(OSError):
            while True:
                bench.client.sock.sendall(message)

    sender = threading.Thread(target=send)
    sender.start()
    start = time.monotonic()
    bench.server.close()
    assert time.monotonic() - start < 5
    sender.join(10)
    assert not sender.is_alive()


def test_too_many_waiting_descriptors_is_a_protocol_error(bench: Bench) -> None:
    message = bench.client.message(c.REGION_WRITE, c.ACCESS.pack(0, 2, 4000) + bytes(4000))
    fds = [bench.memory_fd] * 250
    for at in range(0, 30, 10):
        bench.client.send_raw(message[at : at + 10], fds)
    bench.server.serve()
    bench.server.serve()
    with pytest.raises(ProtocolError):
        bench.server.serve()


def test_flush_once_per_batch(bench: Bench) -> None:
    before = bench.toy.flushes
    for _ in range(50):
        bench.client.post(0, 8, b"\0\0\0\0")
    bench.server.serve()
    assert bench.toy.flushes == before + 1
    assert len(bench.toy.bar_log) == 50


def test_descriptors_of_a_refused_message_are_closed(bench: Bench) -> None:
    open_before = open_descriptors()
    for _ in range(20):
        bench.client.call(c.GET_INFO, bytes(16), [bench.memory_fd] * 8)
        bench.client.call(99, b"", [bench.memory_fd] * 8)
        bench.client.call(c.DMA_MAP, b"", [bench.memory_fd])
    assert open_descriptors() == open_before
