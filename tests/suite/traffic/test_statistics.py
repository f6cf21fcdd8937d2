# SPDX-License-Identifier: GPL-2.0-only
"""Counters agree: the NIC's, the kernel's per queue, and those of the other end of the wire."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from testbed.dut.counters import delta, ethtool_statistics, netdev_state, tcp_counters
from testbed.dut.defer import Defer
from testbed.dut.foreign import StrangerWatch
from testbed.dut.nic import link, set_channels
from testbed.dut.pause import pause
from testbed.dut.protocols import Capability, Dut, Endpoint
from testbed.dut.qdisc import drop_nothing_that_waits

PORT = 5600
FLOWS = 8
ATTEMPTS = 3
SETTLE_S = 2.0  # the card's statistics reach memory once a second
LOOKS = 5

END_S = 150  # on one CPU of a busy host iperf3 takes a minute to end its threads

DIRECTIONS = {"rx": [], "tx": ["-R"], "both": ["--bidir"]}
# 32 threads of both ends that never wait leave one CPU to none that would end them
SEVERAL_CPUS = {"both": [pytest.mark.needs(Capability.SMP)]}


def iperf3(dut: Dut, remote: Endpoint, words: list[str], seconds: int) -> dict[str, Any]:
    """Server at the device under test, client at the other end; the client's JSON."""
    server = dut.start(["iperf3", "-s", "-1", "-p", str(PORT), "-B", dut.ipv4])
    try:
        deadline = time.monotonic() + 10
        while dut.run(
            ["sh", "-c", f"ss -Hltn sport = :{PORT} | grep -q ."], check=False
        ).returncode:
            assert time.monotonic() < deadline, "iperf3 does not listen"
            pause(dut, 0.05)
        client = ["iperf3", "-c", dut.ipv4, "-p", str(PORT), "-J", "-t", str(seconds)]
        done = remote.run([*client, "-P", str(FLOWS), *words], timeout_s=seconds + END_S)
        answer: dict[str, Any] = json.loads(done.text)
        return answer
    finally:
        server.kill()


def snapshot(dut: Dut, remote: Endpoint) -> dict[str, int]:
    """Packets each way as five places count them, once all is quiet: no packet comes between one
    place and the next, which a second look would show. The wire of a lab may never be quiet."""
    pause(dut, SETTLE_S)
    counts = counted(dut, remote)
    for _ in range(LOOKS):
        pause(dut, SETTLE_S)
        again = counted(dut, remote)
        if again == counts:
            break
        counts = again
    return counts


def counted(dut: Dut, remote: Endpoint) -> dict[str, int]:
    """The same as they are."""
    queues = netdev_state(dut)
    local, far = link(dut)["stats64"], link(remote)["stats64"]
    nic = ethtool_statistics(dut)

    def rings(way: str) -> int:
        kinds = tuple(f"{way}_{cast}_packets" for cast in ("ucast", "mcast", "bcast"))
        return sum(n for name, n in nic.items() if name.startswith("[") and name.endswith(kinds))

    return {
        "rx queues": queues.total("rx_packets"), "rx netdev": local["rx"]["packets"],
        "rx rings": rings("rx"), "rx wire": far["tx"]["packets"],
        "tx queues": queues.total("tx_packets"), "tx netdev": local["tx"]["packets"],
        "tx rings": rings("tx"), "tx wire": far["rx"]["packets"],
    }  # fmt: skip


@pytest.mark.needs(Capability.REAL_TIME)  # iperf3 ends by the clock, and paces itself by it
@pytest.mark.parametrize(
    "direction",
    [pytest.param(name, marks=SEVERAL_CPUS.get(name, [])) for name in sorted(DIRECTIONS)],
)
def test_counters_agree_packet_for_packet(
    dut: Dut, remote: Endpoint, defer: Defer, direction: str, traffic_seconds: int
) -> None:
    """8 iperf3 flows over 8 queues: every place counts the same frames, so none was lost."""
    set_channels(dut, 8, defer)
    one_packet_is_one_frame(dut, remote, defer)
    for end in (dut, remote):
        drop_nothing_that_waits(end, defer)
    shown = []
    for _ in range(ATTEMPTS):
        resent = counters_agree(dut, remote, DIRECTIONS[direction], traffic_seconds)
        if not any(lost_any(tcp) for tcp in resent):
            return
        shown.append([{name: grown for name, grown in tcp.items() if grown} for tcp in resent])
    pytest.fail(f"TCP took packets for lost, each time: {shown}")


def one_packet_is_one_frame(dut: Dut, remote: Endpoint, defer: Defer) -> None:
    """Where the remote endpoint's NIC does not count frames: a virtio-net NIC gives, and is given,
    what TSO would cut.
    """
    driver = remote.run(["ethtool", "-i", remote.netdev]).text
    if "driver: virtio_net\n" not in driver:
        return
    for end in (dut, remote):
        for feature in ("tso", "gso"):
            end.run(["ethtool", "-K", end.netdev, feature, "off"])
            defer(end.run, ["ethtool", "-K", end.netdev, feature, "on"])


def counters_agree(
    dut: Dut, remote: Endpoint, words: list[str], seconds: int
) -> list[dict[str, int]]:
    """Check it for one run of iperf3; what TCP counted meanwhile at either end.

    The wire of a lab is not silent: what a switch, a router or a third machine sends, and what
    only the next bridge gets, is counted apart.
    """
    watches = [StrangerWatch(dut, remote), StrangerWatch(remote, dut)]
    try:
        pause(dut, SETTLE_S)
        return counters_agree_beside(watches, dut, remote, words, seconds)
    finally:
        for watch in watches:
            watch.kill()


def counters_agree_beside(
    watches: Sequence[StrangerWatch], dut: Dut, remote: Endpoint, words: list[str], seconds: int
) -> list[dict[str, int]]:
    """The same, with what strangers send subtracted."""
    before = snapshot(dut, remote)
    tcp_before = [tcp_counters(end) for end in (dut, remote)]
    result = iperf3(dut, remote, words, seconds)
    grown = delta(snapshot(dut, remote), before)
    here, there = (watch.stop() for watch in watches)
    ends = zip((dut, remote), tcp_before, strict=True)
    resent = [delta(tcp_counters(end), then) for end, then in ends]
    assert "error" not in result
    from_remote = grown["rx wire"] - there.kept
    assert grown["rx netdev"] == grown["rx rings"] == from_remote + here.foreign
    assert grown["rx rings"] == grown["rx queues"]
    assert grown["tx rings"] - here.kept == grown["tx wire"] - there.foreign
    assert grown["tx netdev"] == grown["tx queues"]
    return resent


def lost_any(tcp: Mapping[str, int]) -> bool:
    """Whether TCP's counters say that packets were lost, or came in another order.

    A slow guest's timers fire. What they send again was not lost: it is a loss probe, or the
    receiver says that it is a duplicate (DSACK). A guest that was not run for a while takes what
    comes late for lost: that does not happen each time.
    """
    resent = tcp["RetransSegs"] > tcp["TCPDSACKRecv"] + tcp["TCPLossProbes"]
    return resent or tcp["TCPFastRetrans"] != 0 or tcp["TCPSackRecovery"] != 0
