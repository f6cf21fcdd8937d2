# SPDX-License-Identifier: GPL-2.0-only
"""Memory of the application sent from where it lies: by io_uring's SEND_ZC, and out of a dmabuf."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from testbed.dut import sendzc
from testbed.dut.devmem import BUFFER_BYTES, WAIT_MS, DevmemSetup
from testbed.dut.driver import reload_driver
from testbed.dut.ping import ping
from testbed.workloads.judge import DATA_DIFFERS, require
from testbed.workloads.workload import WorkloadContext

PORT = 5605
_JOINED, _MIXED = 32, 8
_WHOLE = (
    *sendzc.BEGIN, "send 0 user=1 slot=0 len=256K waitall report", "completions 2",
    *(f"send 0 user={2 + i} slot=0 offset={256 + i}K len=1K" for i in range(_JOINED)),
    f"completions {2 * _JOINED}", "send 0 user=99 mem=0 offset=288K len=64K waitall",
    "completions 2",
    *(
        f"send 0 user={100 + i} {where}=0 offset={352 + 4 * i}K len=4K waitall"
        for i, where in enumerate(("mem", "slot") * _MIXED)
    ),
    f"completions {4 * _MIXED}", *sendzc.OTHERS_WANT_MEMORY, "shutdown 0",
    f"hash 0 0 {352 + 8 * _MIXED}K",
)  # fmt: skip
_LET_GO = (
    *sendzc.SLOW_BEGIN, "send 0 user=1 slot=0 len=48K", "submit", "hash 0 0 48K",
    *sendzc.LET_GO, "tell 1", "completions 2", "shutdown 0",
)  # fmt: skip
_RING_GOES = (
    *sendzc.SLOW_BEGIN, "send 0 user=1 slot=0 len=48K", "submit", "hash 0 0 48K", "end", "tell 1",
)  # fmt: skip
_PIECES, _SHORT = 60, 48
_IN_PIECES = (
    sendzc.SLOW_BEGIN[0], *sendzc.BEGIN[1:],
    *(
        f"send 0 user={1 + i} slot=0 offset={_SHORT * i} len={_SHORT} more linked"
        for i in range(_PIECES - 1)
    ),
    f"send 0 user={_PIECES} slot=0 offset={_SHORT * (_PIECES - 1)} len={_SHORT}",
    f"completions {2 * _PIECES}", *sendzc.OTHERS_WANT_MEMORY, "shutdown 0",
    f"hash 0 0 {_SHORT * _PIECES}",
)  # fmt: skip
"""Two segments: SEND_ZC makes each piece a fragment, whatever lies beside it, and a piece counts in
the socket's buffer as its page, so that some may have to wait for room: in their order."""
_SCRIPTS = (
    (_WHOLE, sendzc.READER), (_LET_GO, sendzc.SLOW_READER), (_RING_GOES, sendzc.SLOW_READER),
)  # fmt: skip
_PIECE_BYTES = 50_000
_NOBODY = "02:00:00:00:00:99"
_ECHOES, _PATIENCE_MS = 5, 5000


def send_zc(context: WorkloadContext) -> None:
    """One send, many that are joined, one from memory that is not registered, and many from either
    in turn; memory that is let go, and a ring that is closed, while what was sent lies in a socket.
    Hashes compared, of all memory when others may have taken what the kernel has let go of."""
    completions = sum(play(context, here, there) for here, there in _SCRIPTS)
    context.output.append(f"{completions} completions")


def send_pieces(context: WorkloadContext) -> None:
    """Many short sends that are joined: more of them to a segment than an skb has fragments."""
    context.output.append(f"{play(context, _IN_PIECES, sendzc.READER)} completions")


def play(
    context: WorkloadContext, here: Sequence[str], there: Sequence[str],
    refused: Collection[int] = (),
) -> int:  # fmt: skip
    """A script for each end: what one sends is what the other reads, and only the sends of those
    numbers are refused; how many completions came. Raises CheckFailed, GuestCommandFailed,
    GuestTimeout."""
    sent, read = sendzc.play(context.dut, context.remote, here, there)
    errors = sent.errors + read.errors
    require(not errors, f"refused: {errors}")
    for cqe in sent.completions:
        fails = cqe.user in refused and not cqe.notification
        require((cqe.error is not None) == fails, f"send {cqe.user}: {cqe.error or 'not refused'}")
    # Last: what a refused send would have sent is missing at the other end, and that is no wonder.
    require(
        bool(sent.hashes) and sent.hashes == read.hashes,
        f"{DATA_DIFFERS}: {sent.hashes} sent, {read.hashes} read",
    )
    return len(sent.completions)


def send_devmem(context: WorkloadContext) -> None:
    """Out of a dmabuf that nobody receives into, then out of one that was received into, whose
    pieces are given back at once; the binding goes with data under way. Hashes compared."""
    setup = context.devmem_setup
    console = setup.console
    console.do(f"udmabuf out {BUFFER_BYTES} scattered")
    out = _bind(setup, "sending", "out")
    written = console.do(f"random out {context.seed} 0 {_PIECE_BYTES}")["sha256"]
    _connect(setup, "up")
    _send(setup, "up", out, f"0:{_PIECE_BYTES}")
    _arrives(setup, "up", written)

    setup.bind_and_connect()
    back = _bind(setup, "returning", "memory")
    received = setup.send(_PIECE_BYTES)
    held = setup.fragments(_PIECE_BYTES)
    _connect(setup, "back")
    _send(setup, "back", back, *(f"{piece['offset']}:{piece['size']}" for piece in held))
    console.do("return flow")
    _arrives(setup, "back", received)

    _connect(setup, "last")
    _send(setup, "last", out, f"0:{_PIECE_BYTES}")
    console.do("unbind sending")
    _arrives(setup, "last", written)
    console.do("unbind returning")
    console.do("close flow")
    setup.unbind()
    context.output.append(f"{3 * _PIECE_BYTES} bytes sent, {len(held)} pieces of them received")


def sent_over_a_reload(context: WorkloadContext) -> None:
    """What the other end has not acknowledged is due again when the driver has left and come back:
    the dmabuf was for the device that has gone, and nothing of it may be sent."""
    dut, remote, setup = context.dut, context.remote, context.devmem_setup
    console = setup.console
    console.do(f"udmabuf out {BUFFER_BYTES} scattered")
    out = _bind(setup, "sending", "out")
    console.do(f"random out {context.seed} 0 {_PIECE_BYTES}")
    _connect(setup, "up")
    nobody = ["lladdr", _NOBODY, "dev", dut.netdev, "nud", "permanent"]
    dut.run(["ip", "neighbour", "replace", remote.ipv4, *nobody])
    gone = ["ip", "neighbour", "del", remote.ipv4, "dev", dut.netdev]  # with the device
    context.defer(dut.run, gone, check=False)
    _send(setup, "up", out, f"0:{_PIECE_BYTES}")
    reload_driver(dut, address=context.address)
    ping(remote, dut.ipv4, _ECHOES, 1.0, wait_s=_ECHOES + 1)
    came = setup.sender.attempt(f"drain up {_PIECE_BYTES} {_PATIENCE_MS} keep")
    sent = came.get("bytes", 0)
    require(
        not sent, f"{DATA_DIFFERS}: {sent} bytes sent out of a dmabuf of a device that has gone"
    )
    context.output.append("nothing sent out of a dmabuf of a device that has gone")
    console.do("close up")
    setup.sender.do("close up")
    console.do("unbind sending")


def _bind(setup: DevmemSetup, binding: str, buffer: str) -> int:
    """A dmabuf bound to transmit; the binding's id."""
    return int(setup.console.do(f"bind-tx {binding} {setup.dut.netdev} {buffer}")["id"])


def _connect(setup: DevmemSetup, name: str) -> None:
    """A connection to the remote endpoint that sends without copying."""
    address = setup.remote.ipv4
    setup.sender.accept(
        name, address, PORT, lambda: setup.console.do(f"connect {name} {address} {PORT}")
    )
    setup.console.do(f"zerocopy {name}")


def _send(setup: DevmemSetup, name: str, binding: int, *pieces: str) -> None:
    sent = setup.console.do(f"send-dmabuf {name} {binding} zerocopy {' '.join(pieces)}")["bytes"]
    require(sent == _PIECE_BYTES, f"of {_PIECE_BYTES} bytes the socket took {sent}")


def _arrives(setup: DevmemSetup, name: str, wanted: str) -> None:
    """All of it comes, as it was, and its completion says that nothing was copied."""
    came = setup.sender.do(f"drain {name} {_PIECE_BYTES} {WAIT_MS} keep")["sha256"]
    require(came == wanted, f"{DATA_DIFFERS}: {wanted} sent, {came} read")
    done = setup.console.do(f"completions {name} 1 {WAIT_MS}")
    require(done == {"done": 1, "copied": 0}, f"{name}: completions say {done}")
    setup.console.do(f"close {name}")
    setup.sender.do(f"close {name}")
