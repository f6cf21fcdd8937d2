# SPDX-License-Identifier: GPL-2.0-only
"""XDP programs that send frames back, under what the driver closes and opens for."""

from __future__ import annotations

from testbed.dut.driver import cycle_link
from testbed.dut.nic import ethtool, ethtool_json, set_channels, set_mtu, set_ring
from testbed.dut.streams import MIB
from testbed.dut.udp_segments import leave_to_kernel
from testbed.dut.xdp import reflected, reflecting
from testbed.errors import GuestCommandFailed
from testbed.workloads import traffic
from testbed.workloads.workload import WorkloadContext

LARGE_MTU, LARGE_FRAMES, ETHERNET_BYTES = 9000, 8, 14
BURST_RING, BURST_FRAMES = 32, 64
"""Three BDs a frame of that MTU; the least that bnxt_en allows is 19 (BNXT_MIN_TX_DESC_CNT), in
memory for 256: two bursts are more than that, too."""
BURST_MODERATION = {"rx-usecs": 1000, "rx-frames": 100}


def reconfigured(context: WorkloadContext) -> None:
    """The driver closes, opens and changes its rings under an XDP program that sends back."""
    dut, remote = context.dut, context.remote
    back = 0
    with reflecting(dut, remote):
        for channels in (2, 1):
            set_channels(dut, channels, context.defer)
            back += reflected(dut, remote, traffic.FRAMES)
            cycle_link(dut)
            back += reflected(dut, remote, traffic.FRAMES)
        traffic.receive(context, total_bytes=MIB)
    context.output.append(f"{back} of {4 * traffic.FRAMES} frames came back")
    if not back:
        raise GuestCommandFailed("no frame came back from the reopened driver")


def large_frames(context: WorkloadContext) -> None:
    """Frames of several buffers: sent back by an XDP program, passed on to TCP, and on the rings
    when the interface closes.
    """
    dut, remote = context.dut, context.remote
    with reflecting(dut, remote, frags=True):
        traffic.receive(context, total_bytes=MIB)
        back = reflected(dut, remote, LARGE_FRAMES, frame_bytes=LARGE_MTU + ETHERNET_BYTES)
        cycle_link(dut)
        back += reflected(dut, remote, LARGE_FRAMES, frame_bytes=LARGE_MTU + ETHERNET_BYTES)
    context.output.append(f"{back} of {2 * LARGE_FRAMES} frames came back")
    if not back:
        raise GuestCommandFailed("no large frame came back")


def large_burst(context: WorkloadContext) -> None:
    """More frames of several buffers at once than the transmit ring takes. If NAPI gets them at
    once some are not sent back, and their buffers are the driver's again.
    """
    dut, remote = context.dut, context.remote
    with reflecting(dut, remote, frags=True):
        back = sum(
            reflected(dut, remote, BURST_FRAMES, frame_bytes=LARGE_MTU + ETHERNET_BYTES)
            for _ in range(2)
        )
    context.output.append(f"{back} of {2 * BURST_FRAMES} frames came back")
    if not back:
        raise GuestCommandFailed("no frame of the burst came back")


def redirected(context: WorkloadContext) -> None:
    """More frames of one buffer at once than the transmit ring takes, redirected to the NIC itself;
    TCP flows pass. Frames are on the ring when the interface closes."""
    dut, remote = context.dut, context.remote
    with reflecting(dut, remote, redirected=True):
        back = reflected(dut, remote, traffic.FRAMES)
        traffic.receive(context)
        cycle_link(dut)
        back += reflected(dut, remote, traffic.FRAMES)
        set_channels(dut, 2, context.defer)
        back += reflected(dut, remote, traffic.FRAMES)
    context.output.append(f"{back} of {3 * traffic.FRAMES} frames came back")
    if not back:
        raise GuestCommandFailed("no redirected frame came back")


def prepare_large_burst(context: WorkloadContext) -> None:
    """An MTU beyond a page, at both ends, a small transmit ring, and interrupts that wait until a
    burst has come."""
    prepare_large_frames(context)
    prepare_burst(context)


def prepare_burst(context: WorkloadContext) -> None:
    """A small transmit ring, and interrupts that wait until a burst has come."""
    leave_to_kernel(context.dut, context.defer)
    set_ring(context.dut, "tx", BURST_RING, context.defer)
    before = ethtool_json(context.dut, "-c")
    for name, value in BURST_MODERATION.items():
        ethtool(context.dut, "-C", context.dut.netdev, name, str(value))
        context.defer(ethtool, context.dut, "-C", context.dut.netdev, name, str(before[name]))


def prepare_large_frames(context: WorkloadContext) -> None:
    """An MTU beyond a page, at both ends."""
    set_mtu(context.dut, context.remote, LARGE_MTU, context.defer)
