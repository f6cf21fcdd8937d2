# SPDX-License-Identifier: GPL-2.0-only
"""Scenarios: workloads as one script each, so that in simulated time one command is the whole run.

A guest of User Mode Linux has nut0 at 0000:00:00.0, and peer0 in namespace "peer".
"""

from __future__ import annotations

import shlex

from testbed.dut.protocols import LOCAL_V4, LOCAL_V6, REMOTE_V4, REMOTE_V6
from testbed.workloads.workload import Scenario

CYCLE_TIMEOUT_S = 10.0

# While the interface is down, settings cost nothing: it is opened once, with all of them.
_SET_UP = """
net_setup "
enter peer
mtu peer0 4096
enter .
down nut0
mtu nut0 4096
channels nut0 4
rings nut0 64 0
spread nut0 3 1
up nut0"
"""
# $1 bytes
_RECEIVE = f"""
zcrx_rx nut0 3 {LOCAL_V4} 5000 --flows 1 --area 4194304 --timeout 60 >/tmp/received &
net_setup "enter peer" stream_tx {LOCAL_V4} 5000 --flows 1 --bytes $1 --seed 1 --timeout 60 \\
    >/tmp/sent
wait
"""
_SAME_HASHES = """\
hash() {
    read -r text <"$1"
    hash=${text##*'"sha256":"'}
    hash=${hash%%'"'*}
    [ "${#hash}" = 64 ]
}
hash /tmp/sent
sent=$hash
hash /tmp/received
[ "$hash" = "$sent" ]
case $text in
*'"copy_bytes":0'[,}]*) ;;
*) exit 1 ;;
esac
"""
_ZCRX = _SET_UP + _RECEIVE + _SAME_HASHES

PING = Scenario(f"ping -q -c 32 -i 0.01 {REMOTE_V4}\nping -q -c 32 -i 0.01 {REMOTE_V6}\n")
ZCRX = Scenario(
    _ZCRX + "echo 0x1002 >/sys/class/net/nut0/flags\n"
    "echo 0000:00:00.0 >/sys/bus/pci/drivers/bnxt_en/unbind\n",
    ("92672",),
    sets_up=True,
)
REFILL = Scenario(_ZCRX, ("8388608",), sets_up=True)
RESTART = Scenario(_SET_UP + "queue_restart nut0 3 20 --timeout 60\n", sets_up=True)
REBIND = Scenario("""
for cycle in 1 2 3; do
    echo 0000:00:00.0 >/sys/bus/pci/drivers/bnxt_en/unbind
    echo 0000:00:00.0 >/sys/bus/pci/drivers/bnxt_en/bind
    set -- /sys/bus/pci/devices/0000:00:00.0/net/*
    net_setup "
name ${1##*/} nut0
up nut0"
done
""")
STREAMS = Scenario(f"""
stream_rx {LOCAL_V4} 5001 --flows 8 --timeout 60 &
net_setup "enter peer" stream_tx {LOCAL_V4} 5001 --flows 8 --bytes 200000 --timeout 60
wait
net_setup "enter peer" stream_rx {REMOTE_V4} 5002 --flows 8 --timeout 60 &
stream_tx {REMOTE_V4} 5002 --flows 8 --bytes 200000 --timeout 60
wait
""")

# 0x1002 is IFF_BROADCAST | IFF_MULTICAST, so not IFF_UP: down, without starting a program.
_RENEW = f"""
    [ ! -e /sys/class/net/nut0 ] || echo 0x1002 >/sys/class/net/nut0/flags
    [ ! -e "$device/driver" ] || echo 0000:00:00.0 >/sys/bus/pci/drivers/bnxt_en/unbind
    echo 0000:00:00.0 >/sys/bus/pci/drivers/bnxt_en/bind
    set -- "$device"/net/*
    net_setup "
name ${{1##*/}} nut0
address nut0 {LOCAL_V4} 24
address nut0 {LOCAL_V6} 64
$last"
"""


def cycles(scenario: Scenario, count: int) -> Scenario:
    """``scenario`` so many times in one guest; after each the driver is unbound and bound again.

    The interface is left down for a scenario that begins with its settings.
    """
    script = f"""
device=/sys/bus/pci/devices/0000:00:00.0 last='{"" if scenario.sets_up else "up nut0"}'
play() {{
{scenario.script}
}}
for cycle in $(seq {count}); do
    play {shlex.join(scenario.words)}
{_RENEW}
done
"""
    return Scenario(script, timeout_s=CYCLE_TIMEOUT_S * (count + 1))
