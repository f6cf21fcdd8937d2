# SPDX-License-Identifier: GPL-2.0-only
"""What a client of zero-copy receive can do, and what is done to its queue, in an order that is
drawn."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack

from testbed.dut.nic import CHANNELS, wait_until_free
from testbed.dut.protocols import Capability
from testbed.dut.streams import check_stream
from testbed.dut.zcrx import ALLOC_FAIL, ARM, COPY, Sender, console
from testbed.dut.zcrx_local import CLIENT, SERVER, connect_locally, send_locally
from testbed.dut.zcrx_queue import BUFFER_BYTES, BUFFERS, BoundQueue
from testbed.workloads.drawn import Steps, take
from testbed.workloads.judge import DATA_DIFFERS, require
from testbed.workloads.workload import WorkloadContext

STEPS = 12
_AREAS = (2, 3, 4)
"""As many times what a small ring and its page pool take."""
_MEMORY: Sequence[Mapping[str, int]] = ({}, {}, {"dmabuf": 1}, {"scattered": 1})
_LARGE = (8 << 10, 16 << 10, 32 << 10)
"""Bytes of a buffer; BNXT_MAX_RX_PAGE_SIZE is the last."""
_REGIONS: Sequence[Mapping[str, int]] = ({}, {}, {"kernel_region": 1})
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
_FIRST, _SECOND, _WITHOUT_DEVICE = 0, 1, 2
"""IFQs; those of the first two are one queue, the second's belongs to the second ring."""
_COMPLETIONS = (8, 64, 4096)
_LOCAL = ((1, 1), (5000, 700), (40_000, 4000))
"""Bytes, and how many one request takes at most where there is a device: within a fragment the next
goes on where the last has ended."""
_NODEV_AREA = 64 * BUFFER_BYTES
_NO_EVENT = 7
_MOST_ENDS = 1000
"""Of requests for one stream: a kernel that ends each of them at once does not hold the run up."""


class _Client(Steps):
    """A client that comes and goes; ``most_held`` buffers at most are with it."""

    rx_rings = (16, 24, 32)

    def __init__(self, context: WorkloadContext, stack: ExitStack) -> None:
        super().__init__(context)
        self.stack, self.here = stack, False
        self.rings: set[int] = set()
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
        memory = self.memory()
        bytes_each = memory.get("rx_buf_len", BUFFER_BYTES)
        area = {"area": buffers * bytes_each, **memory, **draw(_REGIONS)}
        self.zcrx.bind(queue.queue, **area, rq_entries=draw(_ENTRIES))
        self.bound = BoundQueue(context.dut, context.remote, queue.queue, queue.port, self.zcrx)
        self.here, self.rings = True, {_FIRST}
        self.shared = self.local = self.without_device = False

    def memory(self) -> Mapping[str, int]:
        """What the area is made of, in words of the console."""
        return self.context.random.choice(_MEMORY)

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
            for ring in sorted(self.rings):
                self.zcrx.step("close", ring=ring)
        self.stack.close()
        self.here = False
        wait_until_free(self.context.dut)

    def share(self) -> None:
        """A second ring has the queue, too; or one of two goes, and the other goes on."""
        if not self.here or Capability.ZCRX_CONTROL not in self.context.dut.capabilities:
            return
        draw = self.context.random.choice
        if len(self.rings) == 2:
            gone = draw(sorted(self.rings))
            self.zcrx.step("close", ring=gone)
            self.rings.remove(gone)
        elif self.rings == {_FIRST}:
            for step in (
                f"export ifq={_FIRST} ring={_FIRST}",
                f"ring ring={_SECOND} sq=8 cq={draw(_COMPLETIONS)}",
                f"import ifq={_SECOND} ring={_SECOND} of={_FIRST}", "close export=0",
            ):  # fmt: skip
                (answer,) = self.zcrx.steps(step)
                require(not answer.get("errno"), f"{step}: {answer.get('errno')}")
            self.rings.add(_SECOND)
            self.shared = True

    def a_ring(self) -> int:
        """One of those that have the queue; its IFQ has the same number."""
        return self.context.random.choice(sorted(self.rings))

    def transfer(self) -> None:
        """A stream whose buffers are given back at once, hashes compared."""
        self.up()
        if not self.here:
            return
        ring = self.a_ring()
        if ring == _FIRST:
            self.bound.transfer(_TRANSFER_BYTES)
            return
        with self.bound.stream(_TRANSFER_BYTES, socket=_HOLDER) as sender:
            self.receive_all(sender, ring, hold=0)

    def hold(self) -> None:
        """A stream in pieces that are held, so that a buffer is held several times."""
        self.up()
        if not self.here:
            return
        draw = self.context.random.choice
        total, piece, ring = draw(_HELD_BYTES), draw(_PIECES), self.a_ring()
        if sum(self.held().values()) + total // BUFFER_BYTES > self.most_held:
            return
        with self.bound.stream(total, socket=_HOLDER) as sender:
            left = total
            for _ in range(_MOST_REQUESTS if piece else 0):
                if left > piece:
                    self.zcrx.receive(_HOLDER, ifq=ring, ring=ring, bytes=piece)
                    left -= self.zcrx.collect(ring=ring, ends=1, hold=1).bytes
            self.receive_all(sender, ring, hold=1)

    def cancel(self) -> None:
        """A request is cancelled in the middle of a stream; the next one goes on where it was."""
        self.up()
        if not self.here:
            return
        ring = self.a_ring()
        with self.bound.stream(_TRANSFER_BYTES, socket=_HOLDER) as sender:
            self.zcrx.receive(_HOLDER, ifq=ring, ring=ring)
            seen = self.zcrx.collect(ring=ring, completions=1).ends
            if not seen:
                self.zcrx.step("cancel", socket=_HOLDER, ring=ring)
                (end,) = self.zcrx.collect(ring=ring, ends=1).ends
                require(end.errno in ("", "ECANCELED", "ENOSPC"), f"it ends with {end.errno}")
            self.receive_all(sender, ring, hold=0)

    def receive_all(self, sender: Sender, ring: int, *, hold: int) -> None:
        """All of a stream, through a completion ring that may be too small for it: the kernel ends
        a request then. Hashes compared."""
        errno = ""
        for _ in range(_MOST_ENDS):
            self.zcrx.receive(sender.socket, ifq=ring, ring=ring)
            got = self.zcrx.collect(ring=ring, ends=1, hold=hold)
            require(got.complete, f"no end of it: {got}")
            errno = got.ends[0].errno
            if errno != "ENOSPC":
                break
        require(not errno, f"it ends with {errno}")
        read, sent = self.zcrx.digest(sender.socket), sender.sent()
        require(read == (sent.bytes, sent.sha256), f"{DATA_DIFFERS}: {sent}, read {read}")

    def copy(self) -> None:
        """Data that came by another way is copied into the queue's area, or into one without a
        device; what does not fit is read."""
        if not self.here or _FIRST not in self.rings:
            return
        context, draw = self.context, self.context.random.choice
        if not self.local:
            connect_locally(context.dut, self.zcrx)
            self.local = True
        ifq, (total, piece) = draw((_FIRST, _WITHOUT_DEVICE)), draw(_LOCAL)
        if ifq == _WITHOUT_DEVICE and not self.without_device:
            if Capability.ZCRX_NODEV not in context.dut.capabilities:
                return
            made = self.zcrx.register_without_device(ifq, area=_NODEV_AREA)
            require(not made.errno, f"without a device: {made.errno}")
            self.without_device = True
        send_locally(self.zcrx, total)
        left, wanted = total, total if ifq == _WITHOUT_DEVICE else piece
        while left:
            self.zcrx.receive(SERVER, ifq=ifq, bytes=min(wanted, left))
            got = self.zcrx.collect(ends=1)
            left -= got.bytes
            if got.bytes < wanted:
                break
        require(not left or got.ends[0].errno == "ENOMEM", f"{left} bytes left: {got}")
        while left:
            read = int(self.zcrx.step("read", socket=SERVER, bytes=left)["bytes"])
            require(read > 0, f"{left} bytes do not come")
            left -= read
        ours, theirs = self.zcrx.digest(CLIENT), self.zcrx.digest(SERVER)
        require(ours == theirs, f"{DATA_DIFFERS}: {ours}, read {theirs}")

    def held(self) -> dict[int, int]:
        """IFQ -> references, of those that ever received from the queue."""
        return {ifq: self.zcrx.state(ifq).held for ifq in range(1 + self.shared)}

    def give_back(self) -> None:
        """Some of what is held, or all of it."""
        if not self.here:
            return
        half = self.context.random.random() < 0.5
        for ifq, references in self.held().items():
            require(not self.zcrx.verify(ifq).changed, f"{DATA_DIFFERS}: held bytes changed")
            if half:
                self.zcrx.give_back(ifq, count=references // 2)
            else:
                self.zcrx.give_back(ifq)

    def control(self) -> None:
        """The kernel takes what was given back; or tells once more of copies, of no buffers, or of
        what it cannot tell of."""
        if not self.here or Capability.ZCRX_CONTROL not in self.context.dut.capabilities:
            return
        draw, ring = self.context.random.choice, self.a_ring()
        event = draw((None, ALLOC_FAIL, COPY, _NO_EVENT))
        if event is None:
            self.zcrx.flush(ring, ring)
            return
        errno, _ = self.zcrx.control(ARM, ring, ring, payload=event)
        may = {"EINVAL", "EOPNOTSUPP"} if event == _NO_EVENT else {"", "EINVAL", "EOPNOTSUPP"}
        require(errno in may, f"event {event}: {errno or 'no error'}")

    def key(self) -> None:
        """Another key for RSS: some drivers open anew for it."""
        self.ethtool("-X", "hkey", self.context.random.randbytes(40).hex(":"))


_STEPS: Mapping[Callable[[_Client], None], int] = {
    _Client.begin: 3, _Client.end: 2, _Client.transfer: 4, _Client.hold: 4, _Client.give_back: 3,
    _Client.restart: 1, _Client.ask_netdev: 1, _Client.down: 2, _Client.up: 1,
    _Client.resize: 2, _Client.key: 1, _Client.no_such_queue: 1, _Client.wrong: 2,
    _Client.share: 3, _Client.cancel: 2, _Client.copy: 3, _Client.control: 2,
}  # fmt: skip
"""How often one is drawn."""


class _LargeClient(_Client):
    """One whose buffers have several pages."""

    def memory(self) -> Mapping[str, int]:
        """In pieces of physical memory as long as a buffer, or twice as long."""
        size = self.context.random.choice(_LARGE)
        return {"contiguous": size * self.context.random.choice((1, 2)), "rx_buf_len": size}


def use(context: WorkloadContext, kind: type[_Client] = _Client) -> None:
    """Steps that are drawn, then a client that receives, and nothing is left of it."""
    with ExitStack() as stack:
        client = kind(context, stack)
        done = take(client, _STEPS, STEPS)
        client.up()
        if not client.here:
            client.begin()
        client.give_back()
        client.transfer()
    wait_until_free(context.dut)
    context.output.append(str(done))


def use_large(context: WorkloadContext) -> None:
    """The same with buffers of several pages; then what the queue receives is copied again, from
    buffers of one page, without another restart."""
    use(context, _LargeClient)
    check_stream(
        context.dut, context.remote, port=context.queue.port, total_bytes=_TRANSFER_BYTES, flows=2
    )
