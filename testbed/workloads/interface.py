# SPDX-License-Identifier: GPL-2.0-only
"""The interface and its driver as a whole: settings, down and up, resets, reload, remove."""

from __future__ import annotations

from testbed.dut.driver import (
    activate_firmware,
    cycle_link,
    pci_address,
    reload_driver,
    reset_card,
    reset_function,
)
from testbed.dut.nic import (
    combined_channels,
    ethtool,
    ethtool_json,
    set_channels,
    set_link,
    set_mtu,
    split_headers,
)
from testbed.dut.pause import pause
from testbed.dut.streams import MIB, STREAM_TIMEOUT_S, Traffic, require_equal
from testbed.workloads import traffic
from testbed.workloads.judge import CheckFailed
from testbed.workloads.traffic import pinging
from testbed.workloads.workload import WorkloadContext

_SETTINGS = 3
_CHANNELS = (1, 2, 3, 4)
_MTUS = (1500, 2000, 4096, 9000)
_RX_RINGS = (64, 256, 511)
_UNDER_TRAFFIC = (
    ("-L", "combined", "2"), ("-G", "rx", "255"), ("-K", "rx-gro-hw", "off"), ("-X", "equal", "1"),
    ("-G", "rx", "511"), ("-K", "rx-gro-hw", "on"), ("-X", "default"), ("-L", "combined", "4"),
)  # fmt: skip
_BETWEEN_S = 0.3
_FEATURES = ("rx-gro-hw", "ntuple-filters", "rx-vlan-offload")

# $1 driver, $2 PCI address, $3 interface
_REMOVE = """
set -eu
if grep -q "^$1 " /proc/modules 2>/dev/null; then
    modprobe -r "$1"
    [ ! -e "/sys/module/$1" ]
    echo "$1 unloaded"
else
    echo "$2" >"/sys/bus/pci/drivers/$1/unbind"
    echo "$1 unbound"
fi
[ ! -e "/sys/class/net/$3" ]
"""


def remember_address(context: WorkloadContext) -> None:
    """Where the card is, also when it has no interface."""
    context.address = pci_address(context.dut)


def wait(context: WorkloadContext, *, seconds: float) -> None:
    """Nothing is done."""
    pause(context.dut, seconds)


def settings(context: WorkloadContext) -> None:
    """Ring size and coalescing changed, counters read."""
    dut = context.dut
    before = str(ethtool_json(dut, "-g")["rx"])
    ethtool(dut, "-G", dut.netdev, "rx", "255")
    context.defer(ethtool, dut, "-G", dut.netdev, "rx", before)
    ethtool(dut, "-C", dut.netdev, "rx-usecs", "20")
    ethtool(dut, "-S", dut.netdev)


def reconfigure(context: WorkloadContext) -> None:
    """Settings at random that close and open the interface, with traffic between."""
    dut, draw = context.dut, context.random.choice
    for _ in range(_SETTINGS):
        set_channels(dut, draw(_CHANNELS), context.defer)
        set_mtu(dut, context.remote, draw(_MTUS), context.defer)
        split_headers(dut, context.defer, rx_ring=draw(_RX_RINGS))
        traffic.receive(context, flows=4, total_bytes=MIB, timeout_s=180)


def settings_under_traffic(context: WorkloadContext) -> None:
    """Channels, rings, aggregation and RSS table change, and each time back, under four flows."""
    dut = context.dut
    channels, rings = combined_channels(dut), ethtool_json(dut, "-g")
    context.defer(ethtool, dut, "-X", dut.netdev, "default")
    context.defer(ethtool, dut, "-K", dut.netdev, "rx-gro-hw", "on")
    context.defer(ethtool, dut, "-G", dut.netdev, "rx", str(rings["rx"]))
    context.defer(ethtool, dut, "-L", dut.netdev, "combined", str(channels))
    with _flows(context) as beside:
        for option, *words in _UNDER_TRAFFIC:
            ethtool(dut, option, dut.netdev, *words)
            pause(dut, _BETWEEN_S)
        beside.check_running()
        require_equal(beside.stop())
    context.output.append(f"{len(_UNDER_TRAFFIC)} settings under traffic")


def firmware_reset(context: WorkloadContext) -> None:
    """The administrator has the firmware reset under four flows, twice."""
    with _flows(context) as beside:
        for _ in range(2):
            activate_firmware(context.dut)
            pause(context.dut, _BETWEEN_S)
        beside.check_running()
        require_equal(beside.stop())
    traffic.require_echo(context, after="the resets")


def _flows(context: WorkloadContext) -> Traffic:
    """Four paced flows to the device under test, which go on beside what the block does."""
    return Traffic(
        context.dut, context.remote, port=traffic.OTHER_PORT, flows=4, pace=traffic.PACE // 8,
        seed=context.seed, timeout_s=STREAM_TIMEOUT_S,
    )  # fmt: skip


def up_down(context: WorkloadContext, *, cycles: int = 1) -> None:
    """Down and up."""
    cycle_link(context.dut, cycles)


def rebind(context: WorkloadContext, *, cycles: int = 1) -> None:
    """Unbind the driver, if it is bound, and bind it. Raises GuestCommandFailed."""
    reload_driver(context.dut, cycles, address=context.address)


def reload(context: WorkloadContext) -> None:
    """The driver unbound and bound; what the interface then offers."""
    rebind(context)
    for feature in _FEATURES:
        state = ethtool_json(context.dut, "-k")[feature]
        fixed = " [fixed]" if state["fixed"] else ""
        context.output.append(f"{feature} {'on' if state['active'] else 'off'}{fixed}")
    context.output.append(f"{combined_channels(context.dut)} channels")


def function_reset(context: WorkloadContext) -> None:
    """The administrator resets the function (FLR) while echoes come and go."""
    with pinging(context, 8.0, 0.25):
        pause(context.dut, 1.0)
        reset_function(context.dut)


def devlink_reset(context: WorkloadContext) -> None:
    """The card is reset under its interface, and receives as before."""
    reset_card(context.dut)
    traffic.receive(context, flows=1, total_bytes=MIB, timeout_s=180)


def remove(context: WorkloadContext) -> str:
    """Interface down, module out; a driver that is built in lets go of the card."""
    dut = context.dut
    set_link(dut, "down")
    done = dut.run(
        ["sh", "-s", dut.driver, context.address, dut.netdev], input=_REMOVE.encode(), check=False
    )
    if done.returncode:
        raise CheckFailed(f"{dut.driver} is still there", detail=done.error_text)
    context.output.append(done.text)
    return done.text
