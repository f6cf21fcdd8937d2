# SPDX-License-Identifier: GPL-2.0-only
"""Short whole jobs for a guest, each one script: for repeating, measuring and comparing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache

from testbed.dut.protocols import LOCAL_V4, REMOTE_V4, REMOTE_V6
from testbed.engines.qemu.session import Session
from testbed.errors import GuestCommandFailed
from testbed.findings.judge import Findings
from testbed.findings.load import load_findings

CYCLE_TIMEOUT_S = 10.0

# While the interface is down, settings cost nothing: it is opened once, with all of them.
_ZCRX_SET_UP = """
ip -netns peer link set dev peer0 mtu 4096
ip link set dev nut0 down mtu 4096
ethtool -L nut0 combined 4
ethtool -G nut0 tcp-data-split on hds-thresh 0 rx 64
ip link set dev nut0 up
ethtool -X nut0 start 3 equal 1
"""
_RECEIVE = f"""
zcrx_rx nut0 3 {LOCAL_V4} 5000 --flows 1 --area 4194304 --timeout 60 >/tmp/received &
ip netns exec peer stream_tx {LOCAL_V4} 5000 --flows 1 --bytes $1 --seed 1 --timeout 60 >/tmp/sent
wait
hash() {{
    read -r text <"$1"
    hash=${{text##*'"sha256":"'}}
    hash=${{hash%%'"'*}}
    [ "${{#hash}}" = 64 ]
}}
hash /tmp/sent
sent=$hash
hash /tmp/received
[ "$hash" = "$sent" ]
case $text in
*'"copy_bytes":0'[,}}]*) ;;
*) exit 1 ;;
esac
"""


@dataclass(frozen=True)
class Scenario:
    """``script`` is run by ``sh -eu`` in the guest once the wire is up; ``words`` are its words.

    ``timeout_s`` is guest time.
    """

    purpose: str
    script: str
    words: tuple[str, ...] = ()
    timeout_s: float = 120.0


SCENARIOS: Mapping[str, Scenario] = {
    "ping": Scenario(
        "64 echo requests, IPv4 and IPv6",
        f"ping -q -c 32 -i 0.01 {REMOTE_V4}\nping -q -c 32 -i 0.01 {REMOTE_V6}\n",
    ),
    "zcrx": Scenario(
        "header split, queue restart, zero-copy receive, hashes compared, unbind",
        _ZCRX_SET_UP + _RECEIVE + "ip link set dev nut0 down\n"
        "echo 0000:00:00.0 >/sys/bus/pci/drivers/bnxt_en/unbind\n",
        ("92672",),
    ),
    "refill": Scenario(
        "zero-copy receive of twice what the area holds: buffers come back by the refill ring",
        _ZCRX_SET_UP + _RECEIVE,
        ("8388608",),
    ),
    "restart": Scenario(
        "20 restarts of one queue by a memory provider",
        _ZCRX_SET_UP + "queue_restart nut0 3 20 --timeout 60\n",
    ),
    "rebind": Scenario(
        "the driver lets go of the card and takes it again, three times",
        """
for cycle in 1 2 3; do
    echo 0000:00:00.0 >/sys/bus/pci/drivers/bnxt_en/unbind
    echo 0000:00:00.0 >/sys/bus/pci/drivers/bnxt_en/bind
    ip link set dev "$(ls /sys/bus/pci/devices/0000:00:00.0/net)" name nut0 up
done
""",
    ),
    "streams": Scenario(
        "eight ordinary TCP flows each way",
        f"""
stream_rx {LOCAL_V4} 5001 --flows 8 --timeout 60 &
ip netns exec peer stream_tx {LOCAL_V4} 5001 --flows 8 --bytes 200000 --timeout 60
wait
ip netns exec peer stream_rx {REMOTE_V4} 5002 --flows 8 --timeout 60 &
stream_tx {REMOTE_V4} 5002 --flows 8 --bytes 200000 --timeout 60
wait
""",
    ),
}


# 0x1002 is IFF_BROADCAST | IFF_MULTICAST, so not IFF_UP: down, without starting a program.
CYCLES = Scenario(
    "in one guest, so many times: interface up, 64 echo requests, down, unbind, bind",
    f"""
device=/sys/bus/pci/devices/0000:00:00.0
cycle=0
while [ "$cycle" -lt "$1" ]; do
    cycle=$((cycle + 1))
    ping -q -c 64 -i 0.01 {REMOTE_V4} >/dev/null
    echo 0x1002 >/sys/class/net/nut0/flags
    echo 0000:00:00.0 >/sys/bus/pci/drivers/bnxt_en/unbind
    echo 0000:00:00.0 >/sys/bus/pci/drivers/bnxt_en/bind
    set -- "$1" "$device"/net/*
    ip -batch - <<-END
	link set dev ${{2##*/}} name nut0
	addr replace {LOCAL_V4}/24 dev nut0
	link set dev nut0 up
	END
done
""",
)


def cycles(count: int) -> Scenario:
    """CYCLES, ``count`` times."""
    return replace(CYCLES, words=(str(count),), timeout_s=CYCLE_TIMEOUT_S * (count + 1))


@cache
def _findings() -> Findings:
    return Findings(load_findings())


def play(session: Session, scenario: Scenario) -> str:
    """Run ``scenario`` in an entered session; returns the event log's hash so far.

    Raises GuestCommandFailed, also for what the card has against it, and for complaints of the
    kernel that are not on file (docs/findings).
    """
    session.dut.run(
        ["/bin/sh", "-eus", *scenario.words],
        input=scenario.script.encode(),
        timeout_s=scenario.timeout_s,
    )
    state = session.card.state()
    if state["violations"]["counts"] or state["unknown_commands"]:
        raise GuestCommandFailed(f"the card complains: {state['violations']['counts']}")
    if session.kernel_log.events:
        complaints = _findings().sort(session.kernel_log.events, session.kernel_release)
        if complaints.unknown:
            raise GuestCommandFailed(f"the kernel complains: {complaints.unknown[0].signature}")
    digest: str = state["digest"]
    return digest
