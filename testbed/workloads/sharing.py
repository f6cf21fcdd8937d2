# SPDX-License-Identifier: GPL-2.0-only
"""Zero-copy receive with several queues, several rings, and data that has to be copied."""

from __future__ import annotations

from collections.abc import Mapping

from testbed.dut.nic import add_rule, steer_everything, wait_until_free
from testbed.dut.protocols import Capability
from testbed.dut.zcrx import Console, console
from testbed.dut.zcrx_local import CLIENT, SERVER, connect_locally, send_locally
from testbed.dut.zcrx_queue import BUFFER_BYTES, BUFFERS, SPARE_BYTES, BoundQueue
from testbed.workloads.judge import DATA_DIFFERS, require
from testbed.workloads.workload import WorkloadContext

PORT, LISTENER = 5608, 58
BYTES, LOCAL_BYTES = 256 << 10, 100_000
BURST_BYTES, COMPLETIONS, BURSTS = 40_000, 8, 3
_MOST_REQUESTS = 2000
"""A kernel that ends each of them at once does not hold the run up."""
OVERFLOW_BYTES = 9 * BUFFERS * COMPLETIONS * BUFFER_BYTES // 8
"""The completion queue is full more often than the area has buffers."""
_AREA = {"area": BUFFERS * BUFFER_BYTES, "rq_entries": 512}
_ROOMY = {"area": 4 * BUFFERS * BUFFER_BYTES, "rq_entries": 512}
"""Copies take buffers from the free list, which the driver must not have emptied."""


def two_queues(context: WorkloadContext) -> None:
    """One ring has two queues, each with an area and a refill ring, used in turn; it is killed with
    buffers of both held."""
    dut, remote, last = context.dut, context.remote, context.queue
    held = 0
    with console(dut) as zcrx:
        zcrx.bind(last.queue, **_AREA)
        other = zcrx.register(last.queue - 1, ifq=1, **_AREA)
        require(not other.errno, f"the second queue cannot be bound: {other.errno}")
        queues = (
            BoundQueue(dut, remote, last.queue, last.port, zcrx),
            BoundQueue(dut, remote, last.queue - 1, PORT, zcrx, listener=LISTENER),
        )
        for ifq, bound in enumerate(queues):
            if ifq:
                _steer(context, bound)
            bound.transfer(ifq=ifq)
            with bound.stream(BYTES) as sender:
                zcrx.receive(ifq=ifq)
                zcrx.collect(bytes=BYTES, ends=1, hold=1)
                read, sent = zcrx.digest(), sender.sent()
                require(read == (sent.bytes, sent.sha256), f"{DATA_DIFFERS}: {sent}, read {read}")
        for ifq in range(len(queues)):
            found = zcrx.verify(ifq)
            require(not found.changed, f"{DATA_DIFFERS}: held bytes of queue {ifq} changed")
            held += found.held
    wait_until_free(dut)
    context.output.append(f"{held} pieces held as the ring went")


def _steer(context: WorkloadContext, bound: BoundQueue) -> None:
    """The port of ``bound`` to its queue; without ntuple filters everything."""
    if Capability.NTUPLE in context.dut.capabilities:
        match = ("dst-port", str(bound.port))
        add_rule(context.dut, context.defer, *match, flow_type="tcp4", action=bound.queue)
    else:
        steer_everything(context.dut, bound.queue, context.defer)


def two_rings(context: WorkloadContext) -> None:
    """A queue is exported to a second ring; both receive, then the first goes, then the file, and
    with the second ring the queue."""
    dut, queue = context.dut, context.queue
    with console(dut) as zcrx:
        zcrx.bind(queue.queue, **_AREA)
        bound = BoundQueue(dut, context.remote, queue.queue, queue.port, zcrx)
        for step in ("export", "ring ring=1", "import ifq=1 ring=1 of=0"):
            (answer,) = zcrx.steps(step)
            require(not answer.get("errno"), f"{step}: {answer.get('errno')}")
        held = bound.hold(BYTES // 2)
        bound.transfer(ifq=1, ring=1)
        zcrx.step("close", ring=0)
        zcrx.step("close", export=0)
        bound.transfer(ifq=1, ring=1)
        zcrx.step("close", ring=1)
        wait_until_free(dut)
    context.output.append(f"{held} pieces held as the first ring went")


def copied(context: WorkloadContext) -> None:
    """What comes from the NIC lies in the area already, what comes from elsewhere is copied there;
    by turns, and into buffers that have just come back."""
    dut, queue = context.dut, context.queue
    with console(dut) as zcrx:
        zcrx.bind(queue.queue, **_ROOMY)
        bound = BoundQueue(dut, context.remote, queue.queue, queue.port, zcrx)
        connect_locally(dut, zcrx)
        for hold in (0, 1):
            bound.transfer()
            send_locally(zcrx, LOCAL_BYTES)
            zcrx.receive(SERVER, bytes=LOCAL_BYTES)
            got = zcrx.collect(ends=1, hold=hold)
            require(got.bytes == LOCAL_BYTES, f"of {LOCAL_BYTES} bytes came {got.bytes}")
            read, sent = zcrx.digest(SERVER), zcrx.digest(CLIENT)
            require(read == sent, f"{DATA_DIFFERS}: {sent} sent, {read} read")
        require(not zcrx.verify().changed, f"{DATA_DIFFERS}: held bytes changed")
        zcrx.give_back()
        bound.transfer()
    context.output.append(f"{2 * LOCAL_BYTES} bytes copied")


def _bind_small_ring(zcrx: Console, queue: int, area: Mapping[str, int]) -> None:
    """The queue to a ring whose completion queue is soon full."""
    errno = zcrx.ring(sq=COMPLETIONS, cq=COMPLETIONS)
    require(not errno, f"no ring: {errno}")
    made = zcrx.register(queue, **area)
    require(not made.errno, f"the queue cannot be bound: {made.errno}")


def burst(context: WorkloadContext) -> None:
    """A request waits for data of a local connection, all of which come at once and are more than
    the completion ring takes; nothing comes behind them."""
    dut, queue = context.dut, context.queue
    with console(dut) as zcrx:
        _bind_small_ring(zcrx, queue.queue, _ROOMY)
        connect_locally(dut, zcrx)
        zcrx.receive(SERVER)
        requests = 1
        for _ in range(BURSTS):
            send_locally(zcrx, BURST_BYTES)
            left = BURST_BYTES
            while left:
                got = zcrx.collect(completions=1)
                left -= got.bytes
                require(bool(got.completions or got.ends), f"{left} bytes do not come")
                for end in got.ends:
                    require(end.errno == "ENOSPC", f"it ends with {end.errno or 'no error'}")
                    require(requests < _MOST_REQUESTS, f"{requests} requests, {left} bytes left")
                    zcrx.receive(SERVER)
                    requests += 1
        read, sent = zcrx.digest(SERVER), zcrx.digest(CLIENT)
        require(read == sent, f"{DATA_DIFFERS}: {sent} sent, {read} read")
    context.output.append(f"{BURSTS * BURST_BYTES} bytes copied for {requests} requests")


def overflow(context: WorkloadContext) -> None:
    """Streams for a ring whose completion queue is full again and again. No buffer may stay behind:
    what comes last is held, for which most of them are needed."""
    dut, queue = context.dut, context.queue
    with console(dut) as zcrx:
        _bind_small_ring(zcrx, queue.queue, _AREA)
        bound = BoundQueue(dut, context.remote, queue.queue, queue.port, zcrx)
        requests = _overflowing(bound, OVERFLOW_BYTES, socket=1)
        _overflowing(bound, SPARE_BYTES, socket=2, hold=1)
    context.output.append(f"{OVERFLOW_BYTES} bytes received for {requests} requests")


def _overflowing(bound: BoundQueue, total_bytes: int, *, socket: int, hold: int = 0) -> int:
    """Receive a whole stream: each time a request ends it comes anew. How many that were."""
    zcrx = bound.zcrx
    with bound.stream(total_bytes, socket=socket) as sender:
        zcrx.receive(socket)
        left, requests = total_bytes, 1
        while left:
            got = zcrx.collect(ends=1, hold=hold)
            left -= got.bytes
            require(bool(got.completions or got.ends), f"{left} bytes do not come")
            for end in got.ends:
                failed = end.errno not in ("", "ENOSPC")
                require(not failed, f"it ends with {end.errno}, {left} bytes left")
                require(requests < _MOST_REQUESTS, f"{requests} requests, {left} bytes left")
                if left:
                    zcrx.receive(socket)
                    requests += 1
        read, sent = zcrx.digest(socket), sender.sent()
        require(read == (sent.bytes, sent.sha256), f"{DATA_DIFFERS}: {sent}, read {read}")
    return requests
