# SPDX-License-Identifier: GPL-2.0-only
"""Echo requests and verified streams by ordinary sockets, and the settings they are done with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from shlex import join

from testbed.dut.nic import (
    RX_RING,
    combined_channels,
    ethtool,
    ethtool_json,
    link,
    set_ring,
    split_headers,
)
from testbed.dut.pause import pause
from testbed.dut.ping import echoes, ping, ping_argv, waiting
from testbed.dut.programs import program
from testbed.dut.protocols import Endpoint
from testbed.dut.qdisc import drop_nothing_that_waits
from testbed.dut.streams import MIB, Stream, Traffic, receive_by_socket, require_equal
from testbed.dut.udp_segments import (
    FEATURE,
    LEAST_RING,
    MESSAGES,
    leave_to_kernel,
    send_segments,
)
from testbed.dut.xdp import reflected, reflecting
from testbed.errors import GuestCommandFailed
from testbed.workloads.judge import DATA_DIFFERS, require
from testbed.workloads.workload import WorkloadContext

PORT, CHECK_PORT, OTHER_PORT = 5600, 5602, 5603
STREAM_BYTES = 512 << 10
TIMEOUT_S = 60.0
FRAMES, BURSTS = 64, 4
FLOWS_AT_ONCE, FLOW_BURSTS = 300, 2
"""bnxt_en has room for 256 (MAX_TPA_P5), or for as many as the firmware allows beyond that."""
PACE = 2 * MIB
_TX_RINGS = (LEAST_RING, 255, 1023)
_WAIT_S = 1


def _quiet(end: Endpoint) -> list[str]:
    return ["-q", *waiting(end, _WAIT_S)]


def echo(context: WorkloadContext) -> None:
    """20 echo requests, of which some may be lost."""
    heard = ping(
        context.remote, context.dut.ipv4, 20, 0.05, "-q", wait_s=_WAIT_S, timeout_s=TIMEOUT_S
    )
    context.output.append(str(heard))
    if not heard.received:
        raise GuestCommandFailed(f"no echo of {heard.sent} came back")


def require_echo(context: WorkloadContext, *, after: str = "the restart") -> None:
    """Raise GuestCommandFailed unless an echo comes back now."""
    argv = ping_argv(context.remote, context.dut.ipv4, 3, 0.2, *_quiet(context.remote))
    if context.remote.run(argv, check=False).returncode:
        raise GuestCommandFailed(f"no echo comes back after {after}")


@contextmanager
def pinging(context: WorkloadContext, seconds: float, interval_s: float) -> Iterator[None]:
    """Echo requests from the remote endpoint beside what the block does."""
    end, count = context.remote, round(seconds / interval_s)
    argv = ping_argv(end, context.dut.ipv4, count, interval_s, *_quiet(end))
    running = end.start(["sh", "-c", join(argv)])
    try:
        yield
    except BaseException:
        running.kill()
        raise
    context.output.append(str(echoes(running.wait(seconds + TIMEOUT_S))))


def long_ping(context: WorkloadContext) -> None:
    """Echo requests for ten seconds, answered or not."""
    with pinging(context, 10.0, 0.25):
        pause(context.dut, 9.5)


def receive(
    context: WorkloadContext, *, flows: int = 2, total_bytes: int = STREAM_BYTES, port: int = PORT,
    timeout_s: float = TIMEOUT_S,
) -> Stream:  # fmt: skip
    """TCP flows to the device under test, hashes compared."""
    stream = receive_by_socket(
        context.dut, context.remote, port=port, total_bytes=total_bytes, flows=flows,
        seed=context.seed, timeout_s=timeout_s,
    )  # fmt: skip
    require_equal(stream)
    context.output.append(f"{stream.bytes} bytes received")
    return stream


def send(context: WorkloadContext) -> None:
    """Two TCP flows from the device under test, hashes compared."""
    stream = receive_by_socket(
        context.remote, context.dut, port=PORT, total_bytes=STREAM_BYTES, flows=2,
        seed=context.seed, timeout_s=TIMEOUT_S,
    )  # fmt: skip
    require_equal(stream)
    context.output.append(f"{stream.bytes} bytes sent")


def no_drops(context: WorkloadContext) -> None:
    """What waits for the rings is kept: nobody sends a datagram again."""
    drop_nothing_that_waits(context.dut, context.defer)


def segments(context: WorkloadContext, *, messages: int = MESSAGES) -> None:
    """UDP messages of both kinds of IP, which driver or card cut into segments."""
    for ipv6 in (False, True):
        said = send_segments(
            context.dut, context.remote, port=PORT, messages=messages, ipv6=ipv6,
            seed=context.seed, timeout_s=TIMEOUT_S,
        )  # fmt: skip
        require(said.sent[0] > 0, f"all {said.refused} messages were refused")
        require(not said.wrong, f"{DATA_DIFFERS}: in {said.wrong} segments")
        require(not said.kept, f"the pages of {said.kept} messages did not come back")
        require(
            said.sent == said.received,
            f"{said.sent} segments and bytes were sent, {said.received} came",
        )
        context.output.append(f"{said.received[0]} segments received, {said.refused} refused")


def segments_by_rings(context: WorkloadContext) -> None:
    """The same with transmit rings of several sizes, for each of which the interface goes down: of
    too few descriptors, where the kernel cuts, of just enough, and of more. Neither driver nor card
    may be able to: then the kernel cuts for all of them."""
    dut = context.dut
    able = leave_to_kernel(dut, context.defer)
    before = str(ethtool_json(dut, "-g")["tx"])
    context.defer(ethtool, dut, "-G", dut.netdev, "tx", before)
    for ring in _TX_RINGS:
        if able:
            ethtool(dut, "-K", dut.netdev, FEATURE, "off")
        ethtool(dut, "-G", dut.netdev, "tx", str(ring))
        if able and ring >= LEAST_RING:
            ethtool(dut, "-K", dut.netdev, FEATURE, "on")
        segments(context)


def exchange(
    context: WorkloadContext, *, flows: int = 2, total_bytes: int = STREAM_BYTES,
    port: int = OTHER_PORT, timeout_s: float = TIMEOUT_S,
) -> None:  # fmt: skip
    """TCP flows to the device under test, then as many from it, hashes compared."""
    for end, other in ((context.dut, context.remote), (context.remote, context.dut)):
        stream = receive_by_socket(
            end, other, port=port, total_bytes=total_bytes, flows=flows, seed=context.seed,
            timeout_s=timeout_s,
        )  # fmt: skip
        require_equal(stream)
    context.output.append("streams arrived whole")


def stopped_socket(context: WorkloadContext) -> None:
    """One flow to a reader that is stopped twice: the window closes."""
    with Traffic(
        context.dut, context.remote, port=OTHER_PORT, flows=1, pace=PACE, seed=context.seed,
        timeout_s=TIMEOUT_S,
    ) as traffic:  # fmt: skip
        for signal in ("STOP", "CONT", "STOP", "CONT"):
            pause(context.dut, 0.4)
            context.dut.run(["pkill", "-x", f"-{signal}", "stream_rx"])
        require_equal(traffic.stop())
    context.output.append("the stream arrived whole")


def reflect(context: WorkloadContext) -> None:
    """Frames that an XDP program sends back, and a stream that it passes on."""
    with reflecting(context.dut, context.remote):
        back = sum(reflected(context.dut, context.remote, FRAMES) for _ in range(BURSTS))
        context.output.append(f"{back} of {FRAMES * BURSTS} frames came back")
        receive(context)


def burst_of_flows(context: WorkloadContext) -> None:
    """Segments of more connections than hardware GRO has room for; nobody has these connections."""
    dut, remote = context.dut, context.remote
    words = [remote.netdev, str(link(dut)["address"]), remote.ipv4, dut.ipv4, str(OTHER_PORT)]
    burst = [program("segment_burst"), *words, "--flows", str(FLOWS_AT_ONCE)]
    for _ in range(FLOW_BURSTS):
        remote.run(burst)
        require_echo(context, after="the burst")
    context.output.append(f"{FLOW_BURSTS} bursts of {FLOWS_AT_ONCE} flows")


def check_traffic(context: WorkloadContext) -> None:
    """Raise GuestCommandFailed unless echoes and a small stream pass both ways."""
    for end, other in ((context.dut, context.remote), (context.remote, context.dut)):
        end.run(ping_argv(end, other.ipv4, 3, 0.2, "-q", "-w", f"{20 * end.patience:.0f}"))
        require_equal(
            receive_by_socket(
                end, other, port=CHECK_PORT, total_bytes=64 << 10, timeout_s=TIMEOUT_S
            )
        )


def small_rings(context: WorkloadContext) -> None:
    """Receive rings that go around every 2 MiB."""
    set_ring(context.dut, "rx", RX_RING, context.defer)


def set_gro(context: WorkloadContext, *, wanted: bool) -> None:
    """Hardware GRO on or off: it decides what kind of completion a packet has."""
    dut = context.dut
    if ethtool_json(dut, "-k")["rx-gro-hw"]["active"] is wanted:
        return
    on, off = ("on", "off") if wanted else ("off", "on")
    ethtool(dut, "-K", dut.netdev, "rx-gro-hw", on)
    context.defer(ethtool, dut, "-K", dut.netdev, "rx-gro-hw", off)


def tell_rx_errors(context: WorkloadContext) -> None:
    """The driver's messages of class rx_err, which are off by default."""
    dut = context.dut
    ethtool(dut, "-s", dut.netdev, "msglvl", "rx_err", "on")
    context.defer(ethtool, dut, "-s", dut.netdev, "msglvl", "rx_err", "off")


def split(context: WorkloadContext) -> None:
    """Header-data split."""
    split_headers(context.dut, context.defer)


def separate_rings(context: WorkloadContext) -> None:
    """Receive and transmit rings on vectors of their own."""
    dut = context.dut
    before = str(combined_channels(dut))
    ethtool(dut, "-L", dut.netdev, "combined", "0", "rx", "1", "tx", "1")
    context.defer(ethtool, dut, "-L", dut.netdev, "combined", before, "rx", "0", "tx", "0")
