# SPDX-License-Identifier: GPL-2.0-only
"""Ordinary life of an interface in phases: what a seeded bug has to show itself in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from contextlib import suppress
from dataclasses import dataclass

from testbed.dut.pause import pause
from testbed.dut.protocols import LOCAL_V4, REMOTE_V4
from testbed.engines.qemu.session import Session
from testbed.errors import GuestTimeout, LostVM
from testbed.findings.kernel_log import KernelEvent
from testbed.options import Switch

TIMEOUT_S = 600.0
SETTLE_S = 6.0
"""With an IOMMU the card looks for leaked mappings some seconds after the driver has left."""

# While the interface is down, settings cost nothing. A phase that fails does not end the others:
# a bug may break traffic and yet be due to show itself in the teardown.
_BEGIN = """
device=$(basename "$(readlink -f /sys/class/net/nut0/device)")
ip -netns peer link set dev peer0 mtu 4096
ip link set dev nut0 down mtu 4096
ethtool -L nut0 combined 4
ethtool -G nut0 tcp-data-split on hds-thresh 0 rx 64
ip link set dev nut0 up
ethtool -X nut0 start 3 equal 1
"""
PHASES = {
    # to the interface and from it, by ordinary sockets: more packets than the rings have entries
    "stream": f"""
stream_rx {LOCAL_V4} 5001 --flows 2 --timeout 20 &
ip netns exec peer stream_tx {LOCAL_V4} 5001 --flows 2 --bytes 1M --timeout 20
wait
ip netns exec peer stream_rx {REMOTE_V4} 5002 --flows 2 --timeout 20 &
stream_tx {REMOTE_V4} 5002 --flows 2 --bytes 1M --timeout 20
wait
""",
    # two queue restarts, and an area of little more than the ring's 256 buffers goes round
    "zcrx": f"""
zcrx_rx nut0 3 {LOCAL_V4} 5003 --flows 1 --area 1280K --timeout 20 &
ip netns exec peer stream_tx {LOCAL_V4} 5003 --flows 1 --bytes 2M --timeout 20
wait
""",
    "restart": """
queue_restart nut0 3 4 --area 1280K --timeout 60
""",
}
_END = """
ip link set dev nut0 down
ip link set dev nut0 up
ip link set dev nut0 down
echo "$device" >/sys/bus/pci/drivers/bnxt_en/unbind
"""


def script(phases: Sequence[str] = tuple(PHASES)) -> str:
    """For ``sh`` in the guest: the interface set up for zero-copy receive, the phases, its end."""
    return _BEGIN + "".join(PHASES[name] for name in phases) + _END


@dataclass(frozen=True)
class Life:
    """What a run of the script left.

    :ivar rules: rules that were broken -> how often.
    :ivar culprits: who is to blame according to the verdicts (of the latest 1000).
    :ivar complaints: what the kernel complained of.
    """

    output: str
    rules: Mapping[str, int]
    culprits: Set[str]
    complaints: Sequence[KernelEvent]


def live(session: Session, phases: Sequence[str] = tuple(PHASES)) -> Life:
    """Play the script in an entered session. A guest that dies of its bug is part of the answer."""
    try:
        done = session.dut.run(
            ["sh", "-s"], input=script(phases).encode(), timeout_s=TIMEOUT_S, check=False
        )
        output = done.text + done.error_text
    except (LostVM, GuestTimeout) as lost:
        output = lost.message
    if session.options.iommu is Switch.ON:
        with suppress(LostVM):
            pause(session.dut, SETTLE_S)
    violations = session.card.state()["violations"]
    culprits = {str(verdict["culprit"]) for verdict in violations["kept"]}
    return Life(output, violations["counts"], culprits, tuple(session.kernel_log.events))
