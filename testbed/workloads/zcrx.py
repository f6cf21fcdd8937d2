# SPDX-License-Identifier: GPL-2.0-only
"""Receive into memory of the application: zero-copy receive and device memory TCP."""

from __future__ import annotations

from testbed.dut.devmem import Console, DevmemSetup, sent_by
from testbed.dut.huge_pages import reserve_huge_pages
from testbed.dut.nic import RESTART_AREA_BYTES, dedicate_queue, set_mtu, wait_until_free
from testbed.dut.pause import pause
from testbed.dut.programs import program, result_of
from testbed.dut.sendzc_echo import echo
from testbed.dut.streams import (
    ENDLESS,
    MIB,
    STREAM_TIMEOUT_S,
    ZcrxStream,
    check_stream,
    receive_by_zcrx,
    require_equal,
)
from testbed.workloads.judge import DATA_DIFFERS, require
from testbed.workloads.traffic import PACE, STREAM_BYTES, TIMEOUT_S
from testbed.workloads.workload import WorkloadContext

PORT, OTHER_PORT = 5601, 5604
MTU = 1500
LARGE_BYTES = 16 << 10
HUGE_PAGES = 16
"""Of 2 MiB: the largest area is one of `zcrx-large-drawn`, 28 MiB and a page."""


def prepare(context: WorkloadContext, *, port: int = PORT, steered: bool = True) -> None:
    """Set a queue aside for it."""
    context.zcrx = dedicate_queue(
        context.dut, context.remote, context.defer, port=port, steered=steered
    )


def make_room(context: WorkloadContext) -> None:
    """Memory for buffers of several pages, where the kernel has huge pages."""
    reserve_huge_pages(context.dut, HUGE_PAGES, context.defer)


def small_frames(context: WorkloadContext) -> None:
    """Frames so small that GRO joins more of them than an skb has frags."""
    set_mtu(context.dut, context.remote, MTU, context.defer)


def transfer(
    context: WorkloadContext, *, flows: int = 1, total_bytes: int, area_bytes: int = 8 * MIB,
    port: int | None = None, timeout_s: float = STREAM_TIMEOUT_S,
) -> ZcrxStream:  # fmt: skip
    """A stream to the queue set aside, on its port or another; the reader judges it.

    The queue restarts as the client comes and as it goes.
    """
    queue = context.queue
    return receive_by_zcrx(
        context.dut, context.remote, queue=queue.queue, port=port or queue.port, flows=flows,
        total_bytes=total_bytes, seed=context.seed, area_bytes=area_bytes, timeout_s=timeout_s,
    )  # fmt: skip


def receive(
    context: WorkloadContext, *, total_bytes: int = STREAM_BYTES, area_bytes: int = 4 * MIB,
    flows: int = 1, timeout_s: float = TIMEOUT_S,
) -> None:  # fmt: skip
    """The same with equal data at both ends; some of it may have been copied."""
    stream = transfer(
        context, flows=flows, total_bytes=total_bytes, area_bytes=area_bytes, timeout_s=timeout_s
    )
    require_equal(stream)
    context.output.append(f"{stream.copied_bytes} bytes copied, {stream.outstanding} outstanding")


def receive_large(context: WorkloadContext) -> None:
    """Buffers of four pages, hashes compared; then what the queue receives is copied again, from
    buffers of one page."""
    queue = context.queue
    stream = receive_by_zcrx(
        context.dut, context.remote, queue=queue.queue, port=queue.port,
        total_bytes=STREAM_BYTES, seed=context.seed, area_bytes=8 * MIB, rx_buf_len=LARGE_BYTES,
        timeout_s=TIMEOUT_S,
    )  # fmt: skip
    require_equal(stream)
    context.output.append(f"{stream.copied_bytes} bytes copied, {stream.outstanding} outstanding")
    wait_until_free(context.dut)
    check_stream(
        context.dut, context.remote, port=queue.port, total_bytes=STREAM_BYTES // 4, flows=2
    )


def require_zero_copy(stream: ZcrxStream, total_bytes: int) -> None:
    """Equal data, nothing copied, every buffer given back. Raises GuestCommandFailed."""
    require_equal(stream)
    require(stream.bytes == total_bytes, f"{stream.bytes} of {total_bytes} bytes came")
    require(not stream.copied_bytes, f"the kernel copied {stream.copied_bytes} bytes")
    require(
        stream.every_buffer_returned,
        f"{stream.outstanding} buffers not given back, {stream.left_in_refill_ring} not taken",
    )


def stopped_reader(context: WorkloadContext) -> None:
    """A client that is stopped twice for a second and gives no buffer back meanwhile."""
    dut, queue = context.dut, context.queue
    client = dut.start(
        [
            program("zcrx_rx"), dut.netdev, str(queue.queue), dut.ipv4, str(queue.port),
            "--area", str(RESTART_AREA_BYTES), "--timeout", f"{TIMEOUT_S * dut.patience:.0f}",
        ]
    )  # fmt: skip
    words = [program("stream_tx"), dut.ipv4, str(queue.port), "--bytes", str(ENDLESS)]
    sender = context.remote.start([*words, "--pace", str(PACE)])
    try:
        for signal, seconds in (("STOP", 1.0), ("CONT", 0.2), ("STOP", 1.0), ("CONT", 0.0)):
            pause(dut, 0.3)
            dut.run(["kill", "-s", signal, str(client.pid)])
            pause(dut, seconds)
        context.remote.run(["kill", "-s", "TERM", str(sender.pid)])  # ends its stream in order
        sent, received = result_of(sender.wait(TIMEOUT_S)), result_of(client.wait(TIMEOUT_S))
    except BaseException:
        sender.kill()
        client.kill()
        raise
    hashes = [[flow["sha256"] for flow in end["flows"]] for end in (sent, received)]
    require(hashes[0] == hashes[1], f"{DATA_DIFFERS}: the stream of the stopped client")
    context.output.append(f"{received['outstanding']} buffers outstanding")


def send_on(context: WorkloadContext) -> None:
    """What comes by zero-copy receive is sent back by SEND_ZC from where it lies."""
    result = echo(
        context.dut, context.remote, context.queue, total_bytes=8 * MIB, timeout_s=TIMEOUT_S
    )
    require(len(set(result.digests)) == 1, f"{DATA_DIFFERS}: {result.digests}")
    require(not result.copied_bytes, f"the kernel copied {result.copied_bytes} bytes")
    require(not result.outstanding, f"{result.outstanding} buffers not given back")
    context.output.append(f"{result.bundles} bundles of {result.entries} pieces")


def prepare_other(context: WorkloadContext) -> None:
    """The same for another port, that no stream of a check has."""
    prepare(context, port=OTHER_PORT)


def prepare_devmem(context: WorkloadContext, *, steered: bool = True) -> None:
    """Set a queue aside, and a console at either end."""
    prepare(context, steered=steered)
    start_consoles(context)


def start_consoles(context: WorkloadContext) -> None:
    """Those of device memory TCP, for the queue set aside."""
    console, sender = Console(context.dut, "devmem"), Console(context.remote, "sender")
    for one in (console, sender):
        context.defer(one.kill)
    context.devmem = DevmemSetup(
        context.dut, context.remote, context.defer, context.queue, console, sender
    )


def receive_by_devmem(context: WorkloadContext) -> None:
    """Bind a dmabuf of 4 MiB, receive twice as much into it, hashes compared."""
    setup = context.devmem_setup
    setup.bind()
    sender = setup.start_sending(8 * MIB)
    received = setup.drain(0)
    setup.console.do("close flow")
    sent = sent_by(sender)
    require(
        (received["bytes"], received["sha256"]) == (sent["bytes"], sent["sha256"]),
        f"{DATA_DIFFERS}: {sent['bytes']} bytes sent, {received['bytes']} received",
    )
    require(not received["linear"], f"the kernel copied {received['linear']} bytes")
    context.output.append(f"{received['fragments']} fragments, {received['taken']} tokens taken")
