# SPDX-License-Identifier: GPL-2.0-only
"""Payload that does not lie in the area is copied into it, and counted, or refused.

``io_zcrx_copy_chunk()`` and ``io_zcrx_copy_frag()`` (io_uring/zcrx.c). Local connections go through
the loopback interface, whose packets keep their payload in page fragments: every byte counts.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from testbed.dut.defer import Defer
from testbed.dut.protocols import Capability, Dut, Endpoint
from testbed.dut.zcrx import ARM, COPY, Console, Event, console
from testbed.dut.zcrx_account import nothing_copied
from testbed.dut.zcrx_local import CLIENT, SERVER, connect_locally, send_locally
from testbed.dut.zcrx_queue import BUFFER_BYTES, BUFFERS, bound_queue

pytestmark = pytest.mark.needs(Capability.ZCRX, Capability.HEADER_SPLIT)

PORT = 5127
BYTES = 100_000


@contextmanager
def without_device(dut: Dut, **words: int) -> Iterator[Console]:
    """An IFQ without a NIC (ZCRX_REG_NODEV) and a local connection."""
    with console(dut) as zcrx:
        zcrx.ring()
        assert zcrx.register_without_device(**{"area": 1 << 20, **words}).errno == ""
        connect_locally(dut, zcrx)
        yield zcrx


@pytest.mark.needs(Capability.ZCRX_NODEV, Capability.ZCRX_EVENTS)
def test_local_traffic_is_copied_and_counted(dut: Dut) -> None:
    """Each byte of a local connection is copied, arrives, and is in ``copy_bytes``."""
    with without_device(dut) as zcrx:
        for round_ in (1, 2, 3):
            send_locally(zcrx, BYTES)
            zcrx.receive(SERVER, bytes=BYTES)
            got = zcrx.collect(ends=1)
            assert got.bytes == BYTES
            assert zcrx.digest(SERVER) == zcrx.digest(CLIENT)
            state = zcrx.state()
            assert state.copy_bytes == round_ * BYTES
            # one count for each page fragment of a packet, one completion for each buffer
            assert 0 < state.copy_count <= round_ * got.completions


@pytest.mark.needs(Capability.ZCRX_EVENTS)
def test_local_traffic_beside_a_nic(dut: Dut, remote: Endpoint, defer: Defer) -> None:
    """With a queue bound, only what did not come through it is copied and counted.

    Copies take buffers from the free list, which the driver must not have emptied.
    """
    with bound_queue(dut, remote, defer, PORT, area=4 * BUFFERS * BUFFER_BYTES) as bound:
        zcrx = bound.zcrx
        connect_locally(dut, zcrx)
        bound.transfer()
        assert (zcrx.state().copy_bytes, zcrx.state().copy_count) == (0, 0)
        send_locally(zcrx, BYTES)
        zcrx.receive(SERVER, bytes=BYTES)
        got = zcrx.collect(ends=1, events=1)
        assert got.events == (Event(0, COPY),)
        assert zcrx.digest(SERVER) == zcrx.digest(CLIENT)
        assert zcrx.state().copy_bytes == BYTES
        bound.transfer()
        assert zcrx.state().copy_bytes == BYTES


@pytest.mark.needs(Capability.ZCRX_NODEV, Capability.ZCRX_EVENTS)
def test_copy_is_reported_once(dut: Dut) -> None:
    """ZCRX_EVENT_COPY comes with the first copy, and again after ZCRX_CTRL_ARM_EVENT."""
    with without_device(dut) as zcrx:
        seen = []
        for arm in (False, False, True):
            if arm:
                assert zcrx.control(ARM, payload=COPY)[0] == ""
            send_locally(zcrx, 1000)
            zcrx.receive(SERVER, bytes=1000)
            got = zcrx.collect(ends=1)
            got_later = zcrx.collect(events=1, timeout=100)
            seen.append(len(got.events) + len(got_later.events))
        assert seen == [1, 0, 1]


@pytest.mark.needs(Capability.ZCRX_NODEV, Capability.ZCRX_CONTROL, Capability.ZCRX_EVENTS)
def test_no_buffer_to_copy_into(dut: Dut) -> None:
    """An area of 4 buffers, all held: the request ends with ENOMEM; returned, they serve again.

    Without a driver nobody takes the refill ring's entries but ZCRX_CTRL_FLUSH_RQ.
    """
    with without_device(dut, area=4 * BUFFER_BYTES, rq_entries=8) as zcrx:
        send_locally(zcrx, BYTES)
        seen = 0
        while seen < BYTES:
            zcrx.receive(SERVER, bytes=BYTES - seen)
            got = zcrx.collect(ends=1, hold=1)
            (end,) = got.ends
            assert 0 < got.completions == zcrx.state().held <= 4
            seen += got.bytes
            assert end.errno == ("ENOMEM" if seen < BYTES else "")
            zcrx.give_back()
            if seen < BYTES:
                zcrx.receive(SERVER, bytes=1)
                assert zcrx.collect(ends=1).ends[0].errno == "ENOMEM"
            assert zcrx.flush() == 0
        assert zcrx.digest(SERVER) == zcrx.digest(CLIENT)
        assert zcrx.state().copy_bytes == BYTES


@pytest.mark.needs(Capability.ZCRX_NODEV, Capability.ZCRX_CONTROL)
def test_copies_held_keep_their_bytes(dut: Dut) -> None:
    """A buffer copied into is the user's like any other."""
    with without_device(dut, area=64 * BUFFER_BYTES) as zcrx:
        send_locally(zcrx, 40_000)
        zcrx.receive(SERVER, bytes=40_000)
        assert zcrx.collect(ends=1, hold=1).complete
        held = zcrx.state().held
        for _ in range(5):
            send_locally(zcrx, BYTES)
            zcrx.receive(SERVER, bytes=BYTES)
            assert zcrx.collect(ends=1).bytes == BYTES
            zcrx.flush()
        assert zcrx.verify().changed == 0
        zcrx.give_back(keep=1)
        zcrx.give_back()  # twice: counts once
        zcrx.flush()
        assert held > 0
        for _ in range(5):
            send_locally(zcrx, BYTES)
            zcrx.receive(SERVER, bytes=BYTES)
            assert zcrx.collect(ends=1).bytes == BYTES
            zcrx.flush()
        assert zcrx.digest(SERVER) == zcrx.digest(CLIENT)


def test_device_memory_is_not_copied_into(dut: Dut, remote: Endpoint, defer: Defer) -> None:
    """An area that is a dma-buf takes what the NIC brings, and no copies: ENOMEM.

    ``kern_readable`` of ``struct io_zcrx_ifq``; kernels that have none say EFAULT. The free list is
    not empty, which would be ENOMEM, too.
    """
    area_bytes = 4 * BUFFERS * BUFFER_BYTES
    with bound_queue(dut, remote, defer, PORT, dmabuf=1, area=area_bytes) as bound:
        connect_locally(dut, bound.zcrx)
        bound.transfer()
        send_locally(bound.zcrx, BYTES)
        bound.zcrx.receive(SERVER)
        got = bound.zcrx.collect(ends=1)
        assert got.bytes == 0
        assert got.ends[0].errno in ("ENOMEM", "EFAULT")
        assert bound.zcrx.step("read", socket=SERVER, bytes=10)["bytes"] == 10
        assert bound.zcrx.state().copy_bytes == nothing_copied(dut)
        bound.transfer()


@pytest.mark.needs(Capability.ZCRX_NODEV)
@pytest.mark.parametrize(
    ("words", "errno"),
    [
        pytest.param({"rx_buf_len": 8192}, "EOPNOTSUPP", id="large buffers"),
        pytest.param({"dmabuf": 1}, "EINVAL", id="a dma-buf"),
        pytest.param({"queue": 1}, "EINVAL", id="a queue"),
    ],
)
def test_what_needs_a_device(dut: Dut, words: dict[str, int], errno: str) -> None:
    """ZCRX_REG_NODEV takes ordinary memory of ordinary pages only."""
    with console(dut) as zcrx:
        zcrx.ring()
        assert zcrx.register_without_device(area=1 << 20, **words).errno == errno
