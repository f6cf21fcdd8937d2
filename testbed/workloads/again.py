# SPDX-License-Identifier: GPL-2.0-only
"""What is done in several steps, each of which may fail; then again, then down and up.

A step behind the point of no return that fails must leave a state from which all of this works.
"""

from __future__ import annotations

from testbed.dut.driver import cycle_link
from testbed.dut.nic import ethtool, ethtool_json, restart_queue
from testbed.errors import GuestCommandFailed
from testbed.workloads.interface import rebind
from testbed.workloads.traffic import TIMEOUT_S, require_echo
from testbed.workloads.workload import WorkloadContext

_TIMES = 2
_SETTINGS = (
    ("-L", "combined", "2"), ("-G", "rx", "255"), ("-K", "rx-gro-hw", "off"), ("-A", "rx", "off"),
    ("-X", "equal", "1"), ("-C", "rx-usecs", "20"), ("-G", "tx", "255"), ("-L", "combined", "1"),
)  # fmt: skip


def restart(context: WorkloadContext) -> None:
    """A queue restart that may fail, twice, then down and up, then one that has to work."""
    dut, queue = context.dut, context.queue.queue
    for _ in range(_TIMES):
        try:
            context.restarts += restart_queue(dut, queue, 2, timeout_s=TIMEOUT_S).restarts
        except GuestCommandFailed as failed:
            context.output.append(f"not restarted: {failed.message}")
    cycle_link(dut)
    context.restarts += restart_queue(dut, queue, 2, timeout_s=TIMEOUT_S).restarts
    require_echo(context)


def settings(context: WorkloadContext) -> None:
    """Settings that close and open the driver, each twice and allowed to fail, then down and up."""
    dut = context.dut
    channels, rings = ethtool_json(dut, "-l"), ethtool_json(dut, "-g")
    context.defer(ethtool, dut, "-X", dut.netdev, "default")
    context.defer(ethtool, dut, "-L", dut.netdev, "combined", str(channels["combined"]))
    for ring in ("rx", "tx"):
        context.defer(ethtool, dut, "-G", dut.netdev, ring, str(rings[ring]))
    refused = 0
    for option, *words in _SETTINGS * _TIMES:
        argv = ["ethtool", option, dut.netdev, *words]
        refused += dut.run(argv, check=False).returncode != 0
    cycle_link(dut)
    require_echo(context, after="settings")
    context.output.append(f"{refused} of {_TIMES * len(_SETTINGS)} settings refused")


def open_interface(context: WorkloadContext) -> None:
    """Down and up, which may fail, three times; then it has to work."""
    dut = context.dut
    for _ in range(_TIMES + 1):
        dut.run(["ip", "link", "set", "dev", dut.netdev, "down"], check=False)
        failed = dut.run(["ip", "link", "set", "dev", dut.netdev, "up"], check=False).returncode
        context.output.append(f"up: {'failed' if failed else 'done'}")
    cycle_link(dut)
    require_echo(context, after="opening")


def bind(context: WorkloadContext) -> None:
    """The driver unbound and bound, which may fail, twice; then it has to work."""
    for _ in range(_TIMES):
        try:
            rebind(context)
        except GuestCommandFailed as failed:
            context.output.append(f"not bound: {failed.message}")
    rebind(context)
    require_echo(context, after="binding")
