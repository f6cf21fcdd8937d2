# SPDX-License-Identifier: GPL-2.0-only
"""A queue bound by a console, with traffic that reaches it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from testbed.dut.counters import netdev_state
from testbed.dut.defer import Defer
from testbed.dut.nic import ZcrxQueue, dedicate_queue
from testbed.dut.pause import pause
from testbed.dut.protocols import Capability, Dut, Endpoint
from testbed.dut.streams import ENDLESS
from testbed.dut.zcrx import Collected, Console, Sender, console, sending
from testbed.errors import GuestCommandFailed, GuestTimeout

BUFFER_BYTES = 4096
RX_RING = 32
BUFFERS = 224
"""Of an area: the aggregation ring takes 128, the cache of a page pool up to 64."""
ROUND_BYTES = BUFFERS * BUFFER_BYTES * 5 // 4
"""Enough for each buffer in circulation to be used again."""
SPARE_BYTES = 72 * 4000
"""More than the 64 a page pool takes at once, and 24 buffers less than all beside a full ring."""
RECEIVE_BUFFER = 32 << 10
"""Of a socket: some 16 packets of a buffer each wait in it, as the kernel doubles what is set.

If packets could fill the area behind a lost one it would be lost whenever it came again, and all
would stand. A limit of what the sender has under way is none: what was acknowledged selectively
does not count (seen: 65 packets in a queue out of order, 16 under way at most).
"""
DRAIN_STEP, DRAIN_STEP_MS = 8, 1000
DRAIN_PACE = 2_000_000
"""Bytes per second: little is under way as the buffers run out."""
DRAIN_LIMIT_S = 30.0
DETACHED_LIMIT_S = 10.0
LISTENER = 63
_FIRST_SEED = 11


@dataclass
class BoundQueue:
    """``queue`` of ``dut``, bound by ``zcrx`` as IFQ 0 of ring 0 to an area of BUFFERS buffers.

    :ivar receive_buffer: SO_RCVBUF of its sockets; to be changed before the first of them.
    :ivar listener: number of the socket that listens; each queue of a console has its own.
    """

    dut: Dut
    remote: Endpoint
    queue: int
    port: int
    zcrx: Console
    receive_buffer: int = RECEIVE_BUFFER
    listener: int = LISTENER
    _senders: int = field(default=0)

    @contextmanager
    def stream(self, total_bytes: int, *, socket: int = 1, pace: int = 0) -> Iterator[Sender]:
        """A connection from the remote end, accepted as ``socket``, with a verified sender."""
        self._senders += 1
        with sending(
            self.remote, self.zcrx, self.dut.ipv4, self.port, total_bytes,
            socket=socket, listener=self.listener, pace=pace, seed=_FIRST_SEED + self._senders,
            listen=self._senders == 1, receive_buffer=self.receive_buffer,
        ) as sender:  # fmt: skip
            yield sender

    def transfer(
        self, total_bytes: int = ROUND_BYTES, *, socket: int = 62, ifq: int = 0, ring: int = 0
    ) -> Collected:
        """A whole stream over a connection of its own, received and returned, data verified.

        Raises GuestCommandFailed if it does not come whole.
        """
        with self.stream(total_bytes, socket=socket) as sender:
            self.zcrx.receive(socket, ifq=ifq, ring=ring)
            got = self.zcrx.collect(ring=ring, bytes=total_bytes, ends=1)
            seen = self.zcrx.digest(socket)
            if seen[0] != total_bytes or not got.complete:
                raise GuestCommandFailed(f"of {total_bytes} bytes came {seen[0]}: {got}")
            sent = sender.sent()
        if (sent.bytes, sent.sha256) != seen:
            raise GuestCommandFailed(f"data differs: sent {sent}, received {seen}")
        return got

    def hold(self, total_bytes: int) -> int:
        """A whole stream, all buffers of which are kept; how many references that is."""
        with self.stream(total_bytes, socket=61):
            self.zcrx.receive(61)
            got = self.zcrx.collect(bytes=total_bytes, ends=1, hold=1)
            self.zcrx.step("close", socket=61)
        if not got.complete:
            raise GuestCommandFailed(f"of {total_bytes} bytes came {got.bytes}: {got}")
        return got.completions

    def take_returned(self) -> int:
        """Let the kernel take what is in the refill ring now, if it can be asked to.

        How many entries it left; 0 if it takes them as the driver needs buffers.
        """
        return self.zcrx.flush() if Capability.ZCRX_CONTROL in self.dut.capabilities else 0

    def use_all(self) -> None:
        """Have every buffer used that nobody holds, also those in the free list.

        None leaves the free list while others return: what comes is kept until the list is empty,
        and then goes round. Raises GuestCommandFailed if buffers or data do not come.
        """
        held, deadline = 0, time.monotonic() + DRAIN_LIMIT_S * self.dut.patience
        with self.stream(ENDLESS, socket=60, pace=DRAIN_PACE) as sender:
            self.zcrx.receive(60)
            while (out := self._out_of_free_list()) < BUFFERS:
                if time.monotonic() > deadline:
                    raise GuestCommandFailed(f"{BUFFERS - out} buffers stay in the free list")
                held += self.zcrx.collect(
                    bytes=DRAIN_STEP * BUFFER_BYTES, hold=1, timeout=DRAIN_STEP_MS
                ).completions
            self.zcrx.give_back(count=held)
            sender.stop()
            if not self.zcrx.collect(ends=1).complete:
                raise GuestCommandFailed("the stream does not end")
            sender.sent()
        for _ in range(2):  # once into the NIC's ring, once through it
            self.transfer()

    def _out_of_free_list(self) -> int:
        """Buffers the queue's page pool has, or has given to others."""
        return sum(int(pool["inflight"]) for pool in self.pools() if not pool["detached"])

    def pools(self) -> list[dict[str, Any]]:
        """The page pools with an io_uring memory provider."""
        return [dict(pool) for pool in netdev_state(self.dut).page_pools if pool["io_uring"]]


def await_no_detached_pool(dut: Dut) -> None:
    """Wait until no page pool outlives its queue. Raises GuestTimeout."""
    deadline = time.monotonic() + DETACHED_LIMIT_S * dut.patience
    while pools := netdev_state(dut).detached_pools:
        if time.monotonic() > deadline:
            raise GuestTimeout(f"after {DETACHED_LIMIT_S:.0f} s: {', '.join(pools)}")
        pause(dut, 0.1)


@contextmanager
def bound_queue(
    dut: Dut, remote: Endpoint, defer: Defer, port: int, **words: int
) -> Iterator[BoundQueue]:
    """Set a queue aside and bind it; ``words`` are those of a registration.

    The console is killed at the end of the block; that the queue is let go then, with every
    buffer, is seen to as the queue's own settings are undone.
    """
    where: ZcrxQueue = dedicate_queue(dut, remote, defer, port=port, rx_ring=RX_RING)
    with console(dut) as zcrx:
        zcrx.bind(where.queue, **{"area": BUFFERS * BUFFER_BYTES, "rq_entries": 512, **words})
        yield BoundQueue(dut, remote, where.queue, port, zcrx)
