# SPDX-License-Identifier: GPL-2.0-only
"""Workloads that only seeded bugs ask for, beside those of the one table."""

from __future__ import annotations

import re
from collections.abc import Mapping

from testbed.dut.driver import cycle_link, pci_address
from testbed.dut.nic import add_rule, ethtool, set_link, set_mtu
from testbed.dut.pause import pause
from testbed.dut.protocols import Capability
from testbed.dut.streams import MIB, check_stream
from testbed.workloads import restart, zcrx
from testbed.workloads.table import WORKLOADS as COMMON
from testbed.workloads.workload import Workload, WorkloadContext

KMEMLEAK = "/sys/kernel/debug/kmemleak"
CONTEXT_PORT = 5611
LEAKS = 10
LEAK_AGE_S = 6.0  # kmemleak reports nothing younger than 5 s
LEFT_MAPPINGS_S = 6.0
"""With an IOMMU the card looks for leaked mappings some seconds after the driver has left."""


def _unbind(context: WorkloadContext) -> None:
    address = pci_address(context.dut)
    try:
        cycle_link(context.dut)
        set_link(context.dut, "down")
    finally:
        unbind = f"echo {address} >/sys/bus/pci/drivers/{context.dut.driver}/unbind"
        context.dut.run(["sh", "-c", unbind], timeout_s=60.0)
        pause(context.dut, LEFT_MAPPINGS_S)


def _prepare_context(context: WorkloadContext) -> None:
    """An RSS context over all queues, and a rule that sends a port's flows to it."""
    dut = context.dut
    zcrx.prepare(context, port=zcrx.OTHER_PORT)
    number = re.findall(r"\d+", ethtool(dut, "-X", dut.netdev, "context", "new"))[-1]
    context.defer(ethtool, dut, "-X", dut.netdev, "context", number, "delete")
    if Capability.NTUPLE in dut.capabilities:
        match = ("dst-port", str(CONTEXT_PORT), "context", number)
        add_rule(dut, context.defer, *match, flow_type="tcp4", action=0)


def _restart_context(context: WorkloadContext) -> None:
    """A queue of the context restarts; flows that the context spreads arrive before and after."""
    dut, remote = context.dut, context.remote
    for _ in range(2):
        check_stream(dut, remote, port=CONTEXT_PORT, total_bytes=MIB, flows=8, address=dut.ipv4)
        restart.restart(context)
    check_stream(dut, remote, port=CONTEXT_PORT, total_bytes=MIB, flows=8, address=dut.ipv4)


def _prepare_leak(context: WorkloadContext) -> None:
    set_mtu(context.dut, context.remote, 4096, context.defer)
    context.dut.put(b"1\n", "/sys/module/kmemleak/parameters/verbose")


def _leak(context: WorkloadContext) -> None:
    """Twice: kmemleak gives what has just changed a second chance."""
    cycle_link(context.dut, LEAKS)  # a stale pointer somewhere hides one of them
    for _ in range(2):
        pause(context.dut, LEAK_AGE_S)
        context.dut.put(b"scan\n", KMEMLEAK)


WORKLOADS: Mapping[str, Workload] = {
    **COMMON,
    "unbind": Workload("interface down and up, driver unbound for good", _unbind, rings=True),
    "restart-context": Workload(
        "a queue of an RSS context restarted four times, TCP flows to the context between",
        _restart_context, _prepare_context, rings=True,
    ),
    "leak-scan": Workload(
        f"interface down and up {LEAKS} times, then a search for leaked memory", _leak,
        _prepare_leak, rings=True,
    ),
}  # fmt: skip
