# SPDX-License-Identifier: GPL-2.0-only
"""Work during which something is taken away: queue, function, memory, the reader of a stream."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from testbed.dut.driver import pci_address
from testbed.dut.nic import (
    CHANNELS,
    RESTART_AREA_BYTES,
    dedicate_queue,
    ethtool,
    restart_queue,
)
from testbed.dut.pause import pause
from testbed.dut.programs import program, result_of
from testbed.dut.protocols import Capability, Endpoint
from testbed.dut.streams import ENDLESS, MIB, Traffic, receive_by_socket, require_equal
from testbed.errors import GuestCommandFailed
from testbed.workloads.workload import Workload, WorkloadContext

PORT, ZCRX_PORT = 5603, 5604
STREAM_BYTES = 512 << 10
TIMEOUT_S = 60.0
PACE = 2 * MIB
_LOSS = re.compile(r"(\d+) packets transmitted, (\d+) received")
_ZCRX = frozenset({Capability.ZCRX, Capability.HEADER_SPLIT})

# $1 folder in debugfs, $2 every how many-th allocation, $3 at most so many
_FAIL = """
cd "/sys/kernel/debug/$1"
echo 0 >probability
echo 0 >verbose
echo N >task-filter
echo "$2" >interval
echo "$3" >times
echo 100 >probability
"""


def _echoes(bench: WorkloadContext, seconds: float, interval_s: float) -> str:
    """Echo requests in the background of the remote endpoint: the words to start."""
    count = round(seconds / interval_s)
    return f"ping -q -c {count} -i {interval_s} -W 1 {bench.dut.ipv4}"


@contextmanager
def _pinging(bench: WorkloadContext, seconds: float, interval_s: float) -> Iterator[None]:
    running = bench.remote.start(["sh", "-c", _echoes(bench, seconds, interval_s)])
    try:
        yield
    except BaseException:
        running.kill()
        raise
    done = running.wait(seconds + TIMEOUT_S)
    found = _LOSS.search(done.text)
    if found is None:
        raise GuestCommandFailed(f"ping says {done.text!r}")
    sent, received = int(found[1]), int(found[2])
    bench.said.append(f"ping: {sent - received} of {sent} lost")


def _require_echo(bench: WorkloadContext, after: str) -> None:
    """Raise GuestCommandFailed unless an echo comes back now."""
    done = bench.remote.run(
        ["ping", "-q", "-c", "3", "-i", "0.2", "-W", "1", bench.dut.ipv4], check=False
    )
    if done.returncode:
        raise GuestCommandFailed(f"no echo comes back after {after}")


def _prepare_queue(bench: WorkloadContext) -> None:
    bench.zcrx = dedicate_queue(bench.dut, bench.remote, bench.defer, port=ZCRX_PORT)


def _restart_beside_echoes(bench: WorkloadContext) -> None:
    assert bench.zcrx is not None
    with _pinging(bench, 1.0, 0.02):
        pause(bench.dut, 0.3)
        for _ in range(2):
            restart_queue(bench.dut, bench.zcrx.queue, 2, timeout_s=TIMEOUT_S)
            pause(bench.dut, 0.1)
    _require_echo(bench, "the restart")


def _prepare_spread(bench: WorkloadContext) -> None:
    """All queues are in the RSS table, and the restarted one is not the VNIC's default."""
    _prepare_queue(bench)
    ethtool(bench.dut, "-X", bench.dut.netdev, "equal", str(CHANNELS))


def _restart_one_of_several(bench: WorkloadContext) -> None:
    assert bench.zcrx is not None
    restart_queue(bench.dut, bench.zcrx.queue, 2, timeout_s=TIMEOUT_S)
    _require_echo(bench, "the restart")


def _restart_and_wait(bench: WorkloadContext) -> None:
    """A restart that may fail, and time for whatever the driver does about it."""
    assert bench.zcrx is not None
    try:
        restart_queue(bench.dut, bench.zcrx.queue, 2, timeout_s=5 * TIMEOUT_S)
        bench.said.append("restarted")
    except GuestCommandFailed as failed:
        bench.said.append(f"not restarted: {failed.message}")
    pause(bench.dut, 15.0)
    _require_echo(bench, "the restart")


def _long_ping(bench: WorkloadContext) -> None:
    with _pinging(bench, 10.0, 0.25):
        pause(bench.dut, 9.5)


def _prepare_address(bench: WorkloadContext) -> None:
    bench.address = pci_address(bench.dut)


def _function_reset(bench: WorkloadContext) -> None:
    """The administrator resets the function (FLR) while echoes come and go."""
    with _pinging(bench, 8.0, 0.25):
        pause(bench.dut, 1.0)
        path = f"/sys/bus/pci/devices/{bench.address}/reset"
        bench.dut.run(["sh", "-c", f"echo 1 >{path}"], timeout_s=TIMEOUT_S)


def _both_ways(bench: WorkloadContext) -> None:
    for end, other in ((bench.dut, bench.remote), (bench.remote, bench.dut)):
        stream = receive_by_socket(
            end, other, port=PORT, total_bytes=STREAM_BYTES, flows=2, address=end.ipv4,
            timeout_s=TIMEOUT_S,
        )  # fmt: skip
        require_equal(stream)
    bench.said.append("streams arrived whole")


def _large_stream(bench: WorkloadContext) -> None:
    """More than all buffers of a ring."""
    stream = receive_by_socket(
        bench.dut, bench.remote, port=PORT, total_bytes=16 * MIB, flows=2, timeout_s=20.0
    )
    require_equal(stream)
    bench.said.append(f"{stream.bytes} bytes received")


def _failing(folder: str, interval: int, times: int) -> Callable[[WorkloadContext], None]:
    """Streams both ways while every ``interval``-th allocation fails, ``times`` at most."""

    def work(bench: WorkloadContext) -> None:
        words = ["sh", "-euc", _FAIL, "sh", folder, str(interval), str(times)]
        bench.dut.run(words)
        try:
            _both_ways(bench)
        finally:
            left = _end_of_failures(bench.dut, folder)
        bench.said.append(f"{times - left} allocations failed")

    return work


def _end_of_failures(end: Endpoint, folder: str) -> int:
    """Stop them; how many more were allowed."""
    script = 'cd "/sys/kernel/debug/$1"; cat times; echo 0 >probability; echo 1 >times'
    return int(end.run(["sh", "-euc", script, "sh", folder]).text)


# the functions that fail_function refuses belong to the driver and the page pool
_FAIL_FUNCTION = """
cd /sys/kernel/debug/fail_function
echo "$1" >inject
echo 0 >"$1/retval"
"""


def _failing_function(name: str, interval: int, times: int) -> Callable[[WorkloadContext], None]:
    """The same with calls of the function ``name``, which return 0 instead."""
    fail = _failing("fail_function", interval, times)

    def work(bench: WorkloadContext) -> None:
        bench.dut.run(["sh", "-euc", _FAIL_FUNCTION, "sh", name])
        try:
            fail(bench)
        finally:
            bench.dut.run(["sh", "-c", "echo >/sys/kernel/debug/fail_function/inject"])

    return work


def _stopped_reader(bench: WorkloadContext) -> None:
    """A zcrx client that is stopped for a second and gives no buffer back meanwhile."""
    assert bench.zcrx is not None
    dut = bench.dut
    client = dut.start(
        [
            program("zcrx_rx"), dut.netdev, str(bench.zcrx.queue), dut.ipv4, str(ZCRX_PORT),
            "--area", str(RESTART_AREA_BYTES), "--timeout", f"{TIMEOUT_S * dut.patience:.0f}",
        ]
    )  # fmt: skip
    words = [program("stream_tx"), dut.ipv4, str(ZCRX_PORT), "--bytes", str(ENDLESS)]
    sender = bench.remote.start([*words, "--pace", str(PACE)])
    try:
        for signal, seconds in (("STOP", 1.0), ("CONT", 0.2), ("STOP", 1.0), ("CONT", 0.0)):
            pause(dut, 0.3)
            dut.run(["kill", "-s", signal, str(client.pid)])
            pause(dut, seconds)
        bench.remote.run(["kill", "-s", "TERM", str(sender.pid)])  # ends its stream in order
        sent, received = result_of(sender.wait(TIMEOUT_S)), result_of(client.wait(TIMEOUT_S))
    except BaseException:
        sender.kill()
        client.kill()
        raise
    hashes = [[flow["sha256"] for flow in end["flows"]] for end in (sent, received)]
    if hashes[0] != hashes[1]:
        raise GuestCommandFailed("data differs: the stream of the stopped client")
    bench.said.append(f"{received['outstanding']} buffers outstanding")


def _stopped_socket(bench: WorkloadContext) -> None:
    """The same with a socket: the window closes."""
    with Traffic(
        bench.dut, bench.remote, port=PORT, flows=1, pace=PACE, timeout_s=TIMEOUT_S,
    ) as traffic:  # fmt: skip
        for signal in ("STOP", "CONT", "STOP", "CONT"):
            pause(bench.dut, 0.4)
            bench.dut.run(["pkill", "-x", f"-{signal}", "stream_rx"])
        require_equal(traffic.stop())
    bench.said.append("the stream arrived whole")


DISRUPTIONS: Mapping[str, Workload] = {
    "restart-ping": Workload(
        "one queue restarted four times beside echo requests that come to it",
        _restart_beside_echoes,
        _prepare_queue,
        _ZCRX | {Capability.QUEUE_RESTART},
        rings=True,
    ),
    "restart-spread": Workload(
        "one of four queues of the RSS table restarted twice, then echo requests",
        _restart_one_of_several,
        _prepare_spread,
        _ZCRX | {Capability.QUEUE_RESTART},
        rings=True,
    ),
    "restart-wait": Workload(
        "one queue restarted twice, which may fail, and 15 seconds",
        _restart_and_wait,
        _prepare_queue,
        _ZCRX | {Capability.QUEUE_RESTART},
        rings=True,
    ),
    "long-ping": Workload(
        "echo requests for ten seconds, answered or not",
        _long_ping,
        _prepare_address,
        rings=True,
        channels=1,
    ),
    "function-reset": Workload(
        "the function is reset from user space beside echo requests",
        _function_reset,
        _prepare_address,
        rings=True,
        channels=1,
    ),
    "zcrx-stopped": Workload(
        "zero-copy receive by a client that is stopped twice, in a small area, hashes compared",
        _stopped_reader,
        _prepare_queue,
        _ZCRX,
        rings=True,
    ),
    "stream-large": Workload(
        "two TCP flows of 8 MiB to the device under test", _large_stream, channels=1
    ),
    "stream-stopped": Workload(
        "one TCP flow to a reader that is stopped twice, hashes compared",
        _stopped_socket,
        channels=1,
    ),
    "slab-fails": Workload(
        "two TCP flows each way, every 40th atomic slab allocation fails, hashes compared",
        _failing("failslab", 40, 100),
        channels=1,
        needs=frozenset({Capability.FAILING_ALLOCATIONS}),
    ),
    "pages-fail": Workload(
        "two TCP flows each way, every 20th atomic page allocation fails, hashes compared",
        _failing("fail_page_alloc", 20, 100),
        channels=1,
        needs=frozenset({Capability.FAILING_ALLOCATIONS}),
    ),
    "page-pool-fails": Workload(
        "two TCP flows each way, every 20th page_pool_alloc_netmems() fails, hashes compared",
        _failing_function("page_pool_alloc_netmems", 20, 100),
        channels=1,
        needs=frozenset({Capability.FAILING_FUNCTIONS}),
    ),
}
