# SPDX-License-Identifier: GPL-2.0-only
"""Zero-copy receive over a queue that is leased to a virtual device; leases that are taken back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from testbed.dut.leases import lease, refusal, take_back
from testbed.dut.nic import RESTART_AREA_BYTES
from testbed.dut.streams import receive_by_socket, receive_by_zcrx, require_equal
from testbed.dut.zcrx import console
from testbed.workloads import zcrx
from testbed.workloads.judge import require
from testbed.workloads.traffic import STREAM_BYTES, TIMEOUT_S
from testbed.workloads.workload import WorkloadContext

_TIMES = 2
_ENTRIES = 256
_NO_QUEUE = 9999


def prepare(context: WorkloadContext) -> None:
    """Set a queue aside for it."""
    zcrx.prepare(context)
    context.defer(take_back, context.dut)


def receive(context: WorkloadContext) -> None:
    """Lease the queue, receive into memory of the application by it, and take it back."""
    leased = lease(context.dut, context.queue.queue)
    for number in (context.queue.queue, _NO_QUEUE):
        require(bool(refusal(context.dut, leased, number)), f"queue {number} can be leased, too")
    stream = receive_by_zcrx(
        context.dut, context.remote, netdev=leased.netdev, queue=leased.queue,
        port=context.queue.port, total_bytes=STREAM_BYTES, seed=context.seed, timeout_s=TIMEOUT_S,
    )  # fmt: skip
    require_equal(stream)
    take_back(context.dut)
    context.output.append(f"{stream.copied_bytes} bytes copied, {stream.outstanding} outstanding")


@contextmanager
def bound(context: WorkloadContext) -> Iterator[None]:
    """Have a program that has bound the queue by its lease; in the end it goes."""
    leased = lease(context.dut, context.queue.queue)
    with console(context.dut) as client:
        client.bind(
            leased.queue, ifname=leased.netdev, area=RESTART_AREA_BYTES, rq_entries=_ENTRIES
        )
        yield


def receive_by_sockets(context: WorkloadContext) -> None:
    """What comes to the queue now is as any other."""
    stream = receive_by_socket(
        context.dut, context.remote, port=context.queue.port, total_bytes=STREAM_BYTES,
        seed=context.seed, timeout_s=TIMEOUT_S,
    )  # fmt: skip
    require_equal(stream)


def taken_back(context: WorkloadContext) -> None:
    """The device goes that the queue is leased to, while a program has it bound."""
    for _ in range(_TIMES):
        with bound(context):
            take_back(context.dut)
            receive_by_sockets(context)
    receive(context)
