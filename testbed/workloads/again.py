# SPDX-License-Identifier: GPL-2.0-only
"""What is done in several steps, each of which may fail; then again, then down and up.

A step behind the point of no return that fails must leave a state from which all of this works.
What is done often is done with as little around it as may be: something else can go wrong in each
round.
"""

from __future__ import annotations

from testbed.dut.driver import cycle_link, pci_address
from testbed.dut.nic import ethtool, ethtool_json, restart_queue
from testbed.dut.rss_contexts import delete_context, new_context
from testbed.dut.udp_segments import LEAST_RING
from testbed.errors import GuestCommandFailed
from testbed.workloads.interface import rebind
from testbed.workloads.judge import NOT_AGAIN, require
from testbed.workloads.traffic import TIMEOUT_S, require_echo
from testbed.workloads.workload import WorkloadContext

ROUNDS = 10
"""Of what is done often."""
_TIMES = 2
_CHANNELS_MOST = 4
_SETTINGS = (
    ("-L", "combined", "2"), ("-G", "rx", "255"), ("-K", "rx-gro-hw", "off"), ("-A", "rx", "off"),
    ("-X", "equal", "1"), ("-C", "rx-usecs", "20"), ("-G", "tx", str(LEAST_RING)),
    ("-L", "combined", "1"),
)  # fmt: skip

# $1 rounds, $2 interface
_OPEN = """
done=0
for round in $(seq "$1"); do
    ip link set dev "$2" down || true
    ! ip link set dev "$2" up || done=$((done + 1))
done
echo "up: $done of $1"
"""
# $1 rounds, $2 interface, $3 channels, $4 one less
_CHANNELS = """
done=0
for round in $(seq "$1"); do
    ip link set dev "$2" up || true
    for channels in "$3" "$4"; do
        ! ethtool -L "$2" combined "$channels" || done=$((done + 1))
    done
done
echo "changed: $done of $(($1 * 2))"
"""
# $1 rounds, $2 driver, $3 PCI address; the interface has the name that its driver gave it
_BIND = """
rounds=$1 driver=/sys/bus/pci/drivers/$2 address=$3 done=0
for round in $(seq "$rounds"); do
    [ ! -e "$driver/$address" ] || echo "$address" >"$driver/unbind"
    echo "$address" >"$driver/bind" || continue
    set -- /sys/bus/pci/devices/"$address"/net/*
    ip link set dev "${1##*/}" up || continue
    ! ethtool -S "${1##*/}" >/dev/null || done=$((done + 1))
done
echo "bound: $done of $rounds"
"""

# $1 rounds, $2 interface. What a round has left the next ones may be refused for, until all goes.
# In two rounds of four the driver sets both up again as the interface opens: behind a round that
# was refused comes a whole one without that, too.
_STEER = """
rounds=$1 netdev=$2 done=0
clear_all() {
    for rule in $(ethtool -n "$netdev" | sed -n 's/^Filter: //p'); do
        ethtool -N "$netdev" delete "$rule" || true
    done
    for context in $made; do
        ! ethtool -x "$netdev" context "$context" >/dev/null ||
            ethtool -X "$netdev" context "$context" delete || true
    done
}
made=
for round in $(seq "$rounds"); do
    ip link set dev "$netdev" up || continue
    context=$(ethtool -X "$netdev" context new | sed -n 's/.*context is //p')
    [ -n "$context" ] || continue
    made="$made $context"
    rule=$(ethtool -N "$netdev" flow-type tcp4 dst-port 5608 context "$context" |
        sed -n 's/.*with ID //p')
    if [ $((round % 4)) -lt 2 ]; then
        ip link set dev "$netdev" down
        ip link set dev "$netdev" up || true
    fi
    [ -z "$rule" ] || ethtool -N "$netdev" delete "$rule"
    ! ethtool -X "$netdev" context "$context" delete || done=$((done + 1))
done
clear_all
echo "steered: $done of $rounds"
"""
# $1 rounds, $2 interface, $3 what devlink calls the card
_RELOAD = """
done=0
for round in $(seq "$1"); do
    ip link set dev "$2" up || true
    ! devlink dev reload "$3" >/dev/null || done=$((done + 1))
done
echo "reloaded: $done of $1"
"""


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


def restart_often(context: WorkloadContext) -> None:
    """Ten restarts of a queue that may fail, down and up behind each that did; then one that has to
    work."""
    dut, queue, done = context.dut, context.queue.queue, 0
    for _ in range(ROUNDS):
        try:
            done += restart_queue(dut, queue, 2, timeout_s=TIMEOUT_S).restarts
        except GuestCommandFailed:
            dut.run(["sh", "-s", "1", dut.netdev], input=_OPEN.encode())
    context.restarts += done
    cycle_link(dut)
    context.restarts += restart_queue(dut, queue, 2, timeout_s=TIMEOUT_S).restarts
    require_echo(context, after="restarts")
    context.output.append(f"restarted: {done} of {ROUNDS}")


def open_often(context: WorkloadContext) -> None:
    """Down and up ten times, each of which may fail; then it has to work."""
    dut = context.dut
    argv = ["sh", "-s", str(ROUNDS), dut.netdev]
    context.output.append(dut.run(argv, input=_OPEN.encode()).text)
    cycle_link(dut)
    require_echo(context, after="opening")


def change_channels_often(context: WorkloadContext) -> None:
    """Four channels and three ten times, each of which may fail; then it has to work."""
    dut = context.dut
    channels = ethtool_json(dut, "-l")
    context.defer(ethtool, dut, "-L", dut.netdev, "combined", str(channels["combined"]))
    most = min(_CHANNELS_MOST, channels["combined-max"])
    argv = ["sh", "-s", str(ROUNDS), dut.netdev, str(most), str(max(most - 1, 1))]
    context.output.append(dut.run(argv, input=_CHANNELS.encode()).text)
    cycle_link(dut)
    require_echo(context, after="changing channels")


def bind_often(context: WorkloadContext) -> None:
    """Unbound, bound, up and asked for its counters ten times, each of which may fail; then it has
    to work."""
    dut = context.dut
    argv = ["sh", "-s", str(ROUNDS), dut.driver, context.address]
    context.output.append(dut.run(argv, input=_BIND.encode()).text)
    rebind(context)
    require_echo(context, after="binding")


def steer_often(context: WorkloadContext) -> None:
    """An RSS context, a rule that sends flows there, and both deleted, ten times, half of them
    behind down and up, each step of which may fail; then until what the rounds did not come to has
    failed, too."""
    dut = context.dut
    argv = ["sh", "-s", str(ROUNDS), dut.netdev]
    context.output.append(dut.run(argv, input=_STEER.encode()).text)
    cycle_link(dut)
    for left in reversed(range(ROUNDS)):
        try:
            delete_context(dut, new_context(dut))
            break
        except GuestCommandFailed as failed:
            require(left > 0, f"an RSS context {NOT_AGAIN}: {failed.message}")
    require_echo(context, after="steering")


def reload_often(context: WorkloadContext) -> None:
    """The card reset by devlink ten times, each of which may fail; then it has to work."""
    dut = context.dut
    argv = ["sh", "-s", str(ROUNDS), dut.netdev, f"pci/{pci_address(dut)}"]
    context.output.append(dut.run(argv, input=_RELOAD.encode()).text)
    cycle_link(dut)
    require_echo(context, after="reloading")
