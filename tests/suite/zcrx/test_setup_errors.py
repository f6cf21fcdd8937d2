# SPDX-License-Identifier: GPL-2.0-only
"""What cannot be bound for zero-copy receive, and which errno says so; after each, it still can.

The checks are those of ``io_register_zcrx()`` and what it calls (io_uring/zcrx.c) and of
``netif_mp_open_rxq()`` (net/core/netdev_rx_queue.c).
"""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from testbed.dut.counters import netdev_state
from testbed.dut.nic import ZcrxQueue, wait_until_free
from testbed.dut.protocols import Capability, Dut
from testbed.dut.streams import MIB
from testbed.dut.zcrx import Console, console
from testbed.dut.zcrx_account import nothing_copied

pytestmark = pytest.mark.needs(Capability.ZCRX, Capability.HEADER_SPLIT)

PORT = 5120
AREA_BYTES = 2 * MIB
BAD_POINTER = 8
DEFER_TASKRUN, SINGLE_ISSUER, CQE32, CQE_MIXED = 1 << 13, 1 << 12, 1 << 11, 1 << 18
CLAMP = 1 << 4

Words = Mapping[str, int | str]

REGISTRATION: Mapping[str, tuple[Words, str]] = {
    "no entries": ({"rq_entries": 0}, "EINVAL"),
    "more than 32768 entries": ({"rq_entries": 32769}, "EINVAL"),
    "all ones as queue": ({"queue": 0xFFFFFFFF}, "EINVAL"),
    "unknown flag": ({"flags": 4}, "EINVAL"),
    "a device and NODEV": ({"flags": 2}, "EINVAL"),
    "an id of our own": ({"zcrx_id": 1}, "EINVAL"),
    "reserved word": ({"reserved": 1}, "EINVAL"),
    "area outside memory": ({"area_pointer": BAD_POINTER}, "EFAULT"),
    "region outside memory": ({"region_pointer": BAD_POINTER}, "EFAULT"),
    "region too small for its entries": ({"rq_entries": 1024, "region_bytes": 16384}, "EINVAL"),
}
EVENTS: Mapping[str, tuple[Words, str]] = {
    "outside memory": ({"events_pointer": BAD_POINTER}, "EFAULT"),
    "statistics not aligned": ({"stats_offset": 4 * 8192 + 4}, "EINVAL"),
    "statistics on the entries": ({"stats_offset": 64}, "ERANGE"),
    "statistics behind the region": ({"stats_offset": 1 << 20}, "ERANGE"),
    "offset of statistics nobody wants": ({"event_flags": 0, "stats_offset": 8}, "EINVAL"),
    "unknown event": ({"events": 4}, "EINVAL"),
    "unknown flag of events": ({"event_flags": 2}, "EINVAL"),
    "reserved word of events": ({"event_reserved": 1}, "EINVAL"),
}
AREA: Mapping[str, tuple[Words, str]] = {
    "not page aligned": ({"area_shift": 512}, "EINVAL"),
    "not whole pages": ({"area_bytes": AREA_BYTES - 512}, "EINVAL"),
    "empty": ({"area_bytes": 0}, "EFAULT"),
    "at address 0": ({"area_address": 0}, "EFAULT"),
    "beyond 1 TiB": ({"area_bytes": (1 << 40) + 4096}, "EINVAL, EFAULT"),
    "a hole in it": ({"hole": 8192}, "EFAULT"),
    "read-only": ({"read_only": 1}, "EFAULT"),
    "unknown flag": ({"area_flags": 2}, "EINVAL"),
    "a token of our own": ({"area_token": 1 << 48}, "EINVAL"),
    "reserved word": ({"area_reserved": 1}, "EINVAL"),
    "a dma-buf that is not requested": ({"dmabuf_fd": 1}, "EINVAL"),
    "a dma-buf with an address": ({"area_flags": 1, "dmabuf_fd": 1}, "EINVAL"),
    "a dma-buf that is none": ({"area_flags": 1, "dmabuf_fd": 0, "area_address": 0}, "EINVAL"),
    "a dma-buf of another size": ({"dmabuf": 1, "area_bytes": AREA_BYTES // 2}, "EINVAL"),
}
BUFFER: Mapping[str, tuple[Words, str]] = {
    "less than a page": ({"rx_buf_len": 2048}, "EINVAL"),
    "no power of two": ({"rx_buf_len": 4096 + 512}, "EINVAL"),
    "more than the area's pages lie together": ({"rx_buf_len": 1 << 30}, "ERANGE"),
}
QUEUE: Mapping[str, tuple[Words, str]] = {
    "beyond the last": ({"queue": 4}, "ERANGE, EINVAL"),
    "far beyond the last": ({"queue": 1 << 20}, "ERANGE, EINVAL"),
    "no such interface": ({"if_index": 9999}, "ENODEV"),
    "an interface without NAPI queues": ({"ifname": "lo", "queue": 0}, "EOPNOTSUPP"),
}
TABLES = {
    "registration": REGISTRATION, "events": EVENTS, "area": AREA, "buffer": BUFFER, "queue": QUEUE,
}  # fmt: skip


def check_bound_queue_is_free(dut: Dut, zcrx: Console, queue: int) -> None:
    """Nothing is bound, and binding works."""
    assert not netdev_state(dut).providers
    assert zcrx.register(queue, area=AREA_BYTES).errno == ""
    assert netdev_state(dut).providers == [f"rx queue {queue}"]


LATER = {"events": Capability.ZCRX_EVENTS, "buffer": Capability.ZCRX_BUFFER_LENGTH}


@pytest.mark.parametrize(
    "table",
    [
        pytest.param(name, marks=pytest.mark.needs(LATER[name]), id=name) if name in LATER else name
        for name in TABLES
    ],
)
def test_wrong_registration_is_refused(dut: Dut, where: ZcrxQueue, table: str) -> None:
    """Each wrong field has its errno and leaves queue, ring and area as they were.

    Two where kernels disagree: the newer one's first.
    """
    with console(dut) as zcrx:
        zcrx.ring()
        answers = {
            name: zcrx.register(**{"queue": where.queue, "area": AREA_BYTES, **words}).errno  # type: ignore[arg-type]
            for name, (words, _) in TABLES[table].items()
        }
        due = {name: errnos for name, (_, errnos) in TABLES[table].items()}
        assert not {
            name: f"{answer}, due: {due[name]}"
            for name, answer in answers.items()
            if answer not in due[name].split(", ")
        }
        check_bound_queue_is_free(dut, zcrx, where.queue)


@pytest.mark.parametrize(
    ("flags", "errno"),
    [
        pytest.param(DEFER_TASKRUN | SINGLE_ISSUER, "EINVAL", id="16-byte completions"),
        pytest.param(SINGLE_ISSUER | CQE32, "EINVAL", id="no deferred task work"),
        pytest.param(
            DEFER_TASKRUN | SINGLE_ISSUER | CQE_MIXED,
            "",
            id="mixed completions",
            marks=pytest.mark.needs(Capability.MIXED_COMPLETIONS),
        ),
        pytest.param(DEFER_TASKRUN | SINGLE_ISSUER | CQE32, "", id="as documented"),
    ],
)
def test_ring_has_to_be_fit(dut: Dut, where: ZcrxQueue, flags: int, errno: str) -> None:
    """Only a ring with deferred task work and large completions takes an IFQ."""
    with console(dut) as zcrx:
        assert zcrx.ring(flags=flags) == ""
        assert zcrx.register(where.queue, area=AREA_BYTES).errno == errno
        assert bool(netdev_state(dut).providers) == (not errno)


def test_ring_size_is_rounded_and_clamped(dut: Dut, where: ZcrxQueue) -> None:
    """65 entries become 128; with IORING_SETUP_CLAMP 40000 become 32768 instead of EINVAL."""
    with console(dut) as zcrx:
        assert zcrx.bind(where.queue, area=AREA_BYTES, rq_entries=65).rq_entries == 128
    with console(dut) as zcrx:
        assert zcrx.ring(flags=DEFER_TASKRUN | SINGLE_ISSUER | CQE32 | CLAMP) == ""
        wait_until_free(dut)
        answer = zcrx.register(where.queue, area=AREA_BYTES, rq_entries=40000)
        assert (answer.errno, answer.rq_entries) == ("", 32768)


@pytest.mark.finding("zcrx-ring-header-kept")
def test_old_content_of_the_region_is_cleared(dut: Dut, where: ZcrxQueue) -> None:
    """Head, tail and statistics are 0 whatever the memory held."""
    with console(dut) as zcrx:
        answer = zcrx.bind(where.queue, area=AREA_BYTES, region_content=0xFF)
        state = zcrx.state()
    assert (answer.head, answer.tail) == (0, 0)
    assert {state.copy_count, state.copy_bytes} == {nothing_copied(dut)}
