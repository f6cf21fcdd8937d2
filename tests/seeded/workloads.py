# SPDX-License-Identifier: GPL-2.0-only
"""Workloads that only seeded bugs ask for, beside those of the one table."""

from __future__ import annotations

from collections.abc import Mapping

from testbed.dut.driver import cycle_link, pci_address
from testbed.dut.nic import set_link, set_mtu
from testbed.dut.pause import pause
from testbed.workloads.table import WORKLOADS as COMMON
from testbed.workloads.workload import Workload, WorkloadContext

KMEMLEAK = "/sys/kernel/debug/kmemleak"
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
    "leak-scan": Workload(
        f"interface down and up {LEAKS} times, then a search for leaked memory", _leak,
        _prepare_leak, rings=True,
    ),
}  # fmt: skip
