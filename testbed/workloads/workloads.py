# SPDX-License-Identifier: GPL-2.0-only
"""Short deterministic work to try faults under, and the check that traffic flows again.

Each workload prepares the NIC before the faults are armed, works while they are, and raises
GuestCommandFailed or GuestTimeout if its work cannot be done. Written against :mod:`testbed.dut`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from testbed.dut.driver import cycle_link, pci_address, reload_driver
from testbed.dut.nic import (
    combined_channels,
    dedicate_queue,
    ethtool,
    ethtool_json,
    restart_queue,
    split_headers,
)
from testbed.dut.pause import pause
from testbed.dut.protocols import Capability
from testbed.dut.streams import (
    MIB,
    Traffic,
    receive_by_socket,
    receive_by_zcrx,
    require_equal,
)
from testbed.errors import GuestCommandFailed
from testbed.workloads.disruptions import DISRUPTIONS
from testbed.workloads.workload import Workload, WorkloadContext

PORT, ZCRX_PORT, CHECK_PORT = 5600, 5601, 5602
STREAM_BYTES = 512 << 10
TIMEOUT_S = 60.0
DATA_DIFFERS = "data differs"
_LOSS = re.compile(r"(\d+) packets transmitted, (\d+) received")


def _receive(bench: WorkloadContext, *, flows: int = 2, total_bytes: int = STREAM_BYTES) -> None:
    stream = receive_by_socket(
        bench.dut, bench.remote, port=PORT, total_bytes=total_bytes, flows=flows,
        timeout_s=TIMEOUT_S,
    )  # fmt: skip
    require_equal(stream)
    bench.said.append(f"{stream.bytes} bytes received")


def _send(bench: WorkloadContext) -> None:
    stream = receive_by_socket(
        bench.remote, bench.dut, port=PORT, total_bytes=STREAM_BYTES, flows=2,
        address=bench.remote.ipv4, timeout_s=TIMEOUT_S,
    )  # fmt: skip
    require_equal(stream)
    bench.said.append(f"{stream.bytes} bytes sent")


def _ping(bench: WorkloadContext) -> None:
    words = ["ping", "-q", "-c", "20", "-i", "0.05", "-W", "1", bench.dut.ipv4]
    done = bench.remote.run(words, check=False, timeout_s=TIMEOUT_S)
    found = _LOSS.search(done.text)
    if found is None:
        raise GuestCommandFailed(f"ping says {done.text!r}")
    sent, received = int(found[1]), int(found[2])
    bench.said.append(f"ping: {sent - received} of {sent} lost")
    if not received:
        raise GuestCommandFailed(f"no echo of {sent} came back")


def _ping_up_down(bench: WorkloadContext) -> None:
    _ping(bench)
    cycle_link(bench.dut)


def _ping_reload(bench: WorkloadContext) -> None:
    _ping(bench)
    reload_driver(bench.dut)


def _prepare_zcrx(bench: WorkloadContext) -> None:
    bench.zcrx = dedicate_queue(bench.dut, bench.remote, bench.defer, port=ZCRX_PORT)


def _prepare_zcrx_plain(bench: WorkloadContext) -> None:
    _set_gro(bench, False)
    _prepare_zcrx(bench)


def _zcrx(bench: WorkloadContext) -> None:
    assert bench.zcrx is not None
    stream = receive_by_zcrx(
        bench.dut, bench.remote, queue=bench.zcrx.queue, port=ZCRX_PORT,
        total_bytes=STREAM_BYTES, area_bytes=4 * MIB, timeout_s=TIMEOUT_S,
    )  # fmt: skip
    if stream.difference():
        raise GuestCommandFailed(f"{DATA_DIFFERS}: {stream.difference()}")
    bench.said.append(f"{stream.copied_bytes} bytes copied, {stream.outstanding} outstanding")


def _restart(bench: WorkloadContext) -> None:
    assert bench.zcrx is not None
    done = restart_queue(bench.dut, bench.zcrx.queue, 2, timeout_s=TIMEOUT_S)
    bench.said.append(f"{done.restarts} restarts")


def _restart_under_traffic(bench: WorkloadContext) -> None:
    # Without ntuple filters all traffic goes to the restarted queue.
    with Traffic(
        bench.dut, bench.remote, port=PORT, flows=2, pace=200_000, timeout_s=TIMEOUT_S
    ) as traffic:
        _restart(bench)
        require_equal(traffic.stop())


def _set_gro(bench: WorkloadContext, wanted: bool) -> None:
    """Hardware GRO on or off: it decides what kind of completion a packet has."""
    if ethtool_json(bench.dut, "-k")["rx-gro-hw"]["active"] is wanted:
        return
    on, off = ("on", "off") if wanted else ("off", "on")
    ethtool(bench.dut, "-K", bench.dut.netdev, "rx-gro-hw", on)
    bench.defer(ethtool, bench.dut, "-K", bench.dut.netdev, "rx-gro-hw", off)


def _prepare_plain(bench: WorkloadContext) -> None:
    _set_gro(bench, False)


def _prepare_split(bench: WorkloadContext) -> None:
    _set_gro(bench, False)
    split_headers(bench.dut, bench.defer)


def _prepare_gro(bench: WorkloadContext) -> None:
    _set_gro(bench, True)


def _prepare_separate(bench: WorkloadContext) -> None:
    """Receive and transmit rings on vectors of their own."""
    _set_gro(bench, False)
    before = str(combined_channels(bench.dut))
    netdev = bench.dut.netdev
    ethtool(bench.dut, "-L", netdev, "combined", "0", "rx", "1", "tx", "1")
    bench.defer(
        ethtool, bench.dut, "-L", netdev, "combined", before, "rx", "0", "tx", "0"
    )  # fmt: skip


def _settings(bench: WorkloadContext) -> None:
    before = str(ethtool_json(bench.dut, "-g")["rx"])
    ethtool(bench.dut, "-G", bench.dut.netdev, "rx", "255")
    bench.defer(ethtool, bench.dut, "-G", bench.dut.netdev, "rx", before)
    ethtool(bench.dut, "-C", bench.dut.netdev, "rx-usecs", "20")
    ethtool(bench.dut, "-S", bench.dut.netdev)


def _prepare_reload(bench: WorkloadContext) -> None:
    bench.address = pci_address(bench.dut)


def reload_bench(bench: WorkloadContext) -> None:
    """Unbind the driver, if it is bound, and bind it. Raises GuestCommandFailed."""
    reload_driver(bench.dut, address=bench.address)


def _reload(bench: WorkloadContext) -> None:
    reload_bench(bench)
    for feature in ("rx-gro-hw", "ntuple-filters", "rx-vlan-offload"):
        is_on = ethtool_json(bench.dut, "-k")[feature]["active"]
        bench.said.append(f"{feature} {'on' if is_on else 'off'}")
    bench.said.append(f"{combined_channels(bench.dut)} channels")


def _idle(bench: WorkloadContext) -> None:
    pause(bench.dut, 5.0)


def _reload_and_wait(bench: WorkloadContext) -> None:
    reload_bench(bench)
    pause(bench.dut, 30.0)


WORKLOADS: Mapping[str, Workload] = {
    **DISRUPTIONS,
    "stream": Workload(
        "two TCP flows to the device under test without hardware GRO, hashes compared",
        _receive,
        _prepare_plain,
        channels=1,
    ),
    "send": Workload(
        "two TCP flows from the device under test, hashes compared", _send, channels=1
    ),
    "ping": Workload("20 echo requests from the remote endpoint", _ping, channels=1),
    "split-stream": Workload(
        "two TCP flows with header-data split, hashes compared",
        _receive,
        _prepare_split,
        frozenset({Capability.HEADER_SPLIT}),
        channels=1,
    ),
    "gro-stream": Workload(
        "two TCP flows with hardware GRO (TPA), hashes compared",
        _receive,
        _prepare_gro,
        frozenset({Capability.HW_GRO}),
        channels=1,
    ),
    "channels-stream": Workload(
        "eight TCP flows over four queues, hashes compared",
        lambda bench: _receive(bench, flows=8),
        _prepare_plain,
        channels=4,
    ),
    "separate-stream": Workload(
        "two TCP flows, receive and transmit rings on vectors of their own, hashes compared",
        _receive,
        _prepare_separate,
    ),
    "zcrx": Workload(
        "zero-copy receive (two queue restarts), hashes compared",
        _zcrx,
        _prepare_zcrx,
        frozenset({Capability.ZCRX, Capability.HEADER_SPLIT}),
        rings=True,
    ),
    "zcrx-plain": Workload(
        "zero-copy receive without hardware GRO, hashes compared",
        _zcrx,
        _prepare_zcrx_plain,
        frozenset({Capability.ZCRX, Capability.HEADER_SPLIT}),
        rings=True,
    ),
    "restart": Workload(
        "one queue restarted twice",
        _restart,
        _prepare_zcrx,
        frozenset({Capability.QUEUE_RESTART, Capability.HEADER_SPLIT}),
        rings=True,
    ),
    "restart-traffic": Workload(
        "one queue restarted twice beside paced, verified traffic",
        _restart_under_traffic,
        _prepare_zcrx,
        frozenset({Capability.QUEUE_RESTART, Capability.HEADER_SPLIT, Capability.NTUPLE}),
        rings=True,
    ),
    "up-down": Workload("interface down and up", lambda bench: cycle_link(bench.dut), rings=True),
    "ping-up-down": Workload(
        "20 echo requests, then interface down and up", _ping_up_down, rings=True
    ),
    "ping-reload": Workload(
        "20 echo requests, then driver unbound and bound again", _ping_reload, rings=True
    ),
    "reload": Workload("driver unbound and bound again", _reload, _prepare_reload, rings=True),
    "settings": Workload("ring size and coalescing changed, counters read", _settings, rings=True),
    "idle": Workload("nothing for five seconds", _idle, channels=1),
    "reload-wait": Workload(
        "driver unbound and bound again, then nothing for thirty seconds",
        _reload_and_wait,
        _prepare_reload,
        rings=True,
    ),
}


def check_traffic(bench: WorkloadContext) -> None:
    """Raise GuestCommandFailed unless echoes and a small stream pass both ways."""
    deadline = 20
    for end, other in ((bench.dut, bench.remote), (bench.remote, bench.dut)):
        end.run(["ping", "-q", "-c", "3", "-i", "0.2", "-w", str(deadline), other.ipv4])
        stream = receive_by_socket(
            end, other, port=CHECK_PORT, total_bytes=64 << 10, address=end.ipv4,
            timeout_s=TIMEOUT_S,
        )  # fmt: skip
        require_equal(stream)
