# SPDX-License-Identifier: GPL-2.0-only
"""Which way payload came: by zero copy through its queue, or through others, to be copied."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from testbed.dut.counters import settled_state
from testbed.dut.protocols import Capability, Dut
from testbed.errors import GuestCommandFailed

STRAY_SHARE = 10
"""Other queues may bring a tenth: handshakes, neighbours, what a switch floods."""


def nothing_copied(dut: Dut) -> int | None:
    """What a count of copied bytes is if nothing was copied: None if the kernel keeps none."""
    return 0 if Capability.ZCRX_EVENTS in dut.capabilities else None


def _bytes_elsewhere(dut: Dut, queues: tuple[int, ...]) -> int:
    per_queue = settled_state(dut).per_queue("rx_bytes")
    return sum(count for queue, count in per_queue.items() if queue not in queues)


@contextmanager
def through_queues(dut: Dut, *queues: int, total_bytes: int) -> Iterator[None]:
    """Payload of ``total_bytes`` comes in the block, and none of it through other queues.

    Those are not restarted as an IFQ comes and goes, so their counters stand. This holds on kernels
    that do not count copies, too. Raises GuestCommandFailed.
    """
    before = _bytes_elsewhere(dut, queues)
    yield
    stray = _bytes_elsewhere(dut, queues) - before
    if stray * STRAY_SHARE > total_bytes:
        raise GuestCommandFailed(f"of {total_bytes} bytes {stray} came through other queues")
