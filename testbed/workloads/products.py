# SPDX-License-Identifier: GPL-2.0-only
"""Two things at once: providers and RSS contexts with restarts, reopens and reloads."""

from __future__ import annotations

from testbed.dut.defer import no_undo
from testbed.dut.driver import cycle_link, reload_driver
from testbed.dut.nic import (
    CHANNELS,
    dedicate_queue,
    ethtool,
    restart_queue,
    wait_until_free,
)
from testbed.dut.protocols import Capability
from testbed.dut.rss_contexts import delete_context, new_context
from testbed.dut.zcrx import console
from testbed.dut.zcrx_queue import BUFFER_BYTES, BUFFERS, RX_RING, BoundQueue
from testbed.workloads import traffic
from testbed.workloads.judge import DATA_DIFFERS, require
from testbed.workloads.workload import WorkloadContext
from testbed.workloads.zcrx import OTHER_PORT

PIECE_BYTES, PIECES = 1000, 3
"""What is read of a stream between the rounds of another; its packets have some 4,000 bytes."""
SLOW_BYTES = 128 << 10
CONTEXTS = 3
_FIRST_TO_GO = 1
"""The first queue that goes if the firmware takes queues away: a driver opens with one for each
CPU then."""
_AREA = {"area": BUFFERS * BUFFER_BYTES, "rq_entries": 512}


def prepare(context: WorkloadContext) -> None:
    """Set a queue aside with rings so short that a small area is more than they hold."""
    context.zcrx = dedicate_queue(
        context.dut, context.remote, context.defer, port=OTHER_PORT, rx_ring=RX_RING
    )


def prepare_to_reopen(context: WorkloadContext) -> None:
    """The same, and where a rule steers to that queue, RSS to those up to the first that goes."""
    prepare(context)
    if Capability.NTUPLE in context.dut.capabilities:
        ethtool(context.dut, "-X", context.dut.netdev, "equal", str(_FIRST_TO_GO + 1))


def prepare_to_leave(context: WorkloadContext) -> None:
    """The same, with nothing to undo but at the other end: a reload takes every setting back."""
    context.zcrx = dedicate_queue(
        context.dut, context.remote, no_undo, port=OTHER_PORT, rx_ring=RX_RING
    )
    remote = context.remote
    context.defer(remote.run, ["ip", "link", "set", "dev", remote.netdev, "mtu", "1500"])


def pieces(context: WorkloadContext) -> None:
    """Pieces of a buffer are returned at once while the rest of it waits in its socket.

    Meanwhile another connection takes every other buffer of a small area through the page pool's
    cache, the NIC's ring and back, and more than once. Hashes of both are compared.
    """
    dut, queue = context.dut, context.queue
    with console(dut) as zcrx:
        zcrx.bind(queue.queue, **_AREA)
        bound = BoundQueue(dut, context.remote, queue.queue, queue.port, zcrx)
        with bound.stream(SLOW_BYTES, socket=1) as slow:
            for _ in range(PIECES):
                zcrx.receive(1, bytes=PIECE_BYTES)
                zcrx.collect(bytes=PIECE_BYTES, ends=1)
                bound.transfer(socket=2)
            zcrx.receive(1)
            zcrx.collect(bytes=SLOW_BYTES - PIECES * PIECE_BYTES, ends=1)
            read, sent = zcrx.digest(1), slow.sent()
            require(read == (sent.bytes, sent.sha256), f"{DATA_DIFFERS}: {sent}, read {read}")
    context.output.append(f"{read[0]} bytes came, some of them in {PIECES} pieces")


def held_beside_restarts(context: WorkloadContext) -> None:
    """Buffers of one queue's area are held while another queue restarts; then they are used."""
    dut, queue = context.dut, context.queue
    with console(dut) as zcrx:
        zcrx.bind(queue.queue, **_AREA)
        bound = BoundQueue(dut, context.remote, queue.queue, queue.port, zcrx)
        held = bound.hold(256 << 10)
        restarts = restart_queue(dut, queue.queue - 1, 4, timeout_s=traffic.TIMEOUT_S)
        context.restarts += restarts.restarts
        require(not zcrx.verify().changed, f"{DATA_DIFFERS}: held bytes changed")
        zcrx.give_back(count=held)
        bound.transfer()
    context.output.append(f"{held} pieces held over {restarts.restarts} restarts")


def reopened_while_held(context: WorkloadContext) -> None:
    """The interface goes down and up while two of its queues have a provider, and buffers are
    held."""
    dut, queue = context.dut, context.queue
    with console(dut) as zcrx:
        zcrx.bind(queue.queue, **_AREA)
        other = zcrx.register(_FIRST_TO_GO, ifq=1, **_AREA)
        require(not other.errno, f"queue {_FIRST_TO_GO} cannot be bound: {other.errno}")
        bound = BoundQueue(dut, context.remote, queue.queue, queue.port, zcrx)
        held = bound.hold(128 << 10)
        cycle_link(dut)
        zcrx.give_back(count=held)
        bound.transfer()
    context.output.append(f"{held} pieces held over a reopen")


def unbound_while_held(context: WorkloadContext) -> None:
    """The driver leaves while a client of zero-copy receive holds buffers of two page pools, the
    queue's and the one it had before it was opened again; and comes back."""
    dut, queue = context.dut, context.queue
    with console(dut) as zcrx:
        zcrx.bind(queue.queue, **_AREA)
        bound = BoundQueue(dut, context.remote, queue.queue, queue.port, zcrx)
        held = bound.hold(64 << 10)
        cycle_link(dut)
        held += bound.hold(64 << 10)
        reload_driver(dut, address=context.address)
        zcrx.give_back(count=held)
    wait_until_free(dut)
    context.output.append(f"{held} pieces held over a reload")


def contexts_beside_restarts(context: WorkloadContext) -> None:
    """RSS contexts come and go beside restarts of a queue that is in their tables."""
    dut = context.dut
    for _ in range(CONTEXTS):  # one at a time: docs/findings/rss-contexts-uncounted.md
        made = new_context(dut, "start", "1", "equal", str(CHANNELS - 1))
        try:
            done = restart_queue(dut, context.queue.queue, 2, timeout_s=traffic.TIMEOUT_S)
            context.restarts += done.restarts
        finally:
            delete_context(dut, made)
    traffic.require_echo(context)
    context.output.append(f"{CONTEXTS} contexts")


def unbound_with_contexts(context: WorkloadContext) -> None:
    """The driver leaves while it has an RSS context, and comes back without it."""
    new_context(context.dut)
    reload_driver(context.dut, address=context.address)
    traffic.require_echo(context, after="the reload")
