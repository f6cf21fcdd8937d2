# SPDX-License-Identifier: GPL-2.0-only
"""What a client of zero-copy receive can do, and what is done to its queue, in an order that is
drawn."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack

from testbed.dut.nic import CHANNELS, wait_until_free
from testbed.dut.zcrx import console
from testbed.dut.zcrx_queue import BUFFER_BYTES, BUFFERS, BoundQueue
from testbed.workloads.drawn import Steps, take
from testbed.workloads.judge import DATA_DIFFERS, require
from testbed.workloads.workload import WorkloadContext

STEPS = 10
_AREAS = (2, 3, 4)
"""As many times what a small ring and its page pool take."""
_MEMORY: Sequence[Mapping[str, int]] = ({}, {}, {"dmabuf": 1}, {"scattered": 1})
_WRONG: Sequence[Mapping[str, int]] = (
    {"hole": 8192}, {"read_only": 1}, {"dmabuf": 1, "area_bytes": 16 * BUFFER_BYTES},
    {"rx_buf_len": 1 << 30}, {"stats_offset": 1 << 20}, {"if_index": 9999},
)  # fmt: skip
"""What shows to be wrong when some of a registration has been done already."""
_ENTRIES = (64, 256, 512)
_PIECES = (0, 1, 700, 1448, 4000, 4096, 9000)
"""How much one request takes at most; 0: all that comes."""
_HELD_BYTES = (8 << 10, 64 << 10, 128 << 10)
_TRANSFER_BYTES = 1 << 20
_HOLDER = 57
_MOST_REQUESTS = 24


class _Client(Steps):
    """A client that comes and goes; ``most_held`` buffers at most are with it."""

    rx_rings = (16, 24, 32)

    def __init__(self, context: WorkloadContext, stack: ExitStack) -> None:
        super().__init__(context)
        self.stack, self.here = stack, False
        self.begin()

    def begin(self) -> None:
        """A client comes; where there is one, or no queue to be had, it is refused."""
        if self.here or not self.is_up:
            self.must_be_refused(self.context.queue.queue, "EEXIST", "EBUSY", "ENETDOWN")
            return
        context, draw = self.context, self.context.random.choice
        queue, buffers = context.queue, draw(_AREAS) * BUFFERS
        self.most_held = (buffers - BUFFERS) // 2
        self.zcrx = self.stack.enter_context(console(context.dut))
        area = {"area": buffers * BUFFER_BYTES, **draw(_MEMORY)}
        self.zcrx.bind(queue.queue, **area, rq_entries=draw(_ENTRIES))
        self.bound = BoundQueue(context.dut, context.remote, queue.queue, queue.port, self.zcrx)
        self.here = True

    def must_be_refused(self, queue: int, *errnos: str, **words: int) -> None:
        """A registration that is an error, of any kind or one of ``errnos``."""
        with console(self.context.dut) as other:
            other.ring()
            said = other.register(queue, area=64 * BUFFER_BYTES, **words).errno
        require(said in errnos if errnos else bool(said), f"queue {queue}: {said or 'no error'}")

    def wrong(self) -> None:
        """A registration that cannot be had."""
        self.must_be_refused(self.context.queue.queue, **self.context.random.choice(_WRONG))

    def no_such_queue(self) -> None:
        """The queue behind the last one."""
        self.must_be_refused(CHANNELS, "ERANGE", "EINVAL", "ENETDOWN")

    def end(self) -> None:
        """The client is killed, whatever it holds; or it closes its ring first."""
        if not self.here:
            return
        if self.context.random.random() < 0.5:
            self.zcrx.step("close", ring=0)
        self.stack.close()
        self.here = False
        wait_until_free(self.context.dut)

    def transfer(self) -> None:
        """A stream whose buffers are given back at once, hashes compared."""
        self.up()
        if self.here:
            self.bound.transfer(_TRANSFER_BYTES)

    def hold(self) -> None:
        """A stream in pieces that are held, so that a buffer is held several times."""
        self.up()
        if not self.here:
            return
        draw = self.context.random.choice
        total, piece = draw(_HELD_BYTES), draw(_PIECES)
        if self.zcrx.state().held + total // BUFFER_BYTES > self.most_held:
            return
        with self.bound.stream(total, socket=_HOLDER) as sender:
            left = total
            for _ in range(_MOST_REQUESTS if piece else 0):
                if left > piece:
                    self.zcrx.receive(_HOLDER, bytes=piece)
                    left -= self.zcrx.collect(bytes=piece, ends=1, hold=1).bytes
            self.zcrx.receive(_HOLDER)
            self.zcrx.collect(bytes=left, ends=1, hold=1)
            read, sent = self.zcrx.digest(_HOLDER), sender.sent()
        require(read == (sent.bytes, sent.sha256), f"{DATA_DIFFERS}: {sent}, read {read}")

    def give_back(self) -> None:
        """Some of what is held, or all of it."""
        if not self.here:
            return
        require(not self.zcrx.verify().changed, f"{DATA_DIFFERS}: held bytes changed")
        references = self.zcrx.state().held
        if self.context.random.random() < 0.5:
            self.zcrx.give_back(count=references // 2)
        else:
            self.zcrx.give_back()

    def key(self) -> None:
        """Another key for RSS: some drivers open anew for it."""
        self.ethtool("-X", "hkey", self.context.random.randbytes(40).hex(":"))


_STEPS: Mapping[Callable[[_Client], None], int] = {
    _Client.begin: 3, _Client.end: 2, _Client.transfer: 4, _Client.hold: 4, _Client.give_back: 3,
    _Client.restart: 1, _Client.ask_netdev: 1, _Client.down: 2, _Client.up: 1,
    _Client.resize: 2, _Client.key: 1, _Client.no_such_queue: 1, _Client.wrong: 2,
}  # fmt: skip
"""How often one is drawn."""


def use(context: WorkloadContext) -> None:
    """Steps that are drawn, then a client that receives, and nothing is left of it."""
    with ExitStack() as stack:
        client = _Client(context, stack)
        done = take(client, _STEPS, STEPS)
        client.up()
        if not client.here:
            client.begin()
        client.give_back()
        client.transfer()
    wait_until_free(context.dut)
    context.output.append(str(done))
