# SPDX-License-Identifier: GPL-2.0-only
"""After the faults: does traffic flow again, and is nothing left when the driver has gone?"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from testbed.dut import kmemleak
from testbed.dut.defer import DeferStack, UndoFailed
from testbed.dut.nic import flush_neighbours
from testbed.dut.permissions import RequirementMissing
from testbed.dut.ping import ping_argv
from testbed.dut.probing import NONSENSE
from testbed.dut.protocols import Capability
from testbed.engines.session import Session
from testbed.errors import GuestCommandFailed, GuestTimeout, LostVM
from testbed.workloads.interface import rebind, up_down
from testbed.workloads.workload import Work, WorkloadContext, in_turn

FAILED = (GuestCommandFailed, GuestTimeout, RequirementMissing)
BOUND_AGAIN, BOUND = "bound again", "bound"
"""Of a driver that had its interface, and of one that could not be bound before."""
PORT_BACK = "port set up"
"""Firmware keeps speed and FEC for the next driver. One that was told that a setting had failed
which was made knows of nothing to take back, until it is bound again and asks."""
_HONEST = (
    ("link", {"up": True}),
    ("msix_mask", {"masked": False}),
    ("health", {"fw_status": 0x8000}),
    ("grant", {"what": "", "most": -1}),
    ("partner", {"autoneg": "auto", "speed": "100G", "fec": "rs", "pause": "both"}),
)
"""Card actions that take back what a card action of a plan may have left."""

# $1 interface, $2 seconds in which whoever holds a packet lets go of it
_LET_GO = """
ip link set dev "$1" down 2>/dev/null
cd /proc/sys/net/ipv4
read -r orphans <tcp_max_orphans
echo 0 >tcp_max_orphans
sleep "$2"
echo "$orphans" >tcp_max_orphans
"""
# $1 driver, $2 PCI address, $3 whether to end all programs then; prints which pools have no
# interface at first, whether the driver let go, then the pools that are left, then "Total N
# objects" of DMA buffers that nobody can hold any more
_TEAR_DOWN = """
echo "$(netdev_dump lo --pool-stats)"
[ ! -e "/sys/bus/pci/drivers/$1/$2" ] || echo "$2" >"/sys/bus/pci/drivers/$1/unbind"
if [ -e "/sys/bus/pci/drivers/$1/$2" ]; then echo bound; else echo gone; fi
for wait in 1 4 20 60 120 0; do
    left=$(netdev_dump lo --pool-stats)
    case $left in
    *'"detached":true'*) sleep $wait ;;
    *) break ;;
    esac
done
echo "$left"
[ "$3" = 1 ] || exit 0
kill -9 -1 2>/dev/null
for wait in 0.1 1 4 20 60 0; do
    total=
    while read -r line; do
        case $line in Total*) total=$line ;; esac
    done </sys/kernel/debug/dma_buf/bufinfo
    case $total in
    '' | 'Total 0 '*) break ;;
    *) sleep $wait ;;
    esac
done
echo "$total"
"""
_DMABUFS = re.compile(r"^Total (\d{1,9}) objects", re.M)
"""dma_buf_debug_show() in drivers/dma-buf/dma-buf.c."""
_LET_GO_S = 330
"""Fragments wait for others of their packet for 30 s, those of IPv6 for 60 (IP_FRAG_TIME in
include/net/ip.h, IPV6_FRAG_TIMEOUT in ipv6.h), a ring that was closed for its worker, and a socket
without a program for its last retransmission, which is 120 s away at most (TCP_RTO_MAX in
include/net/tcp.h): with no such socket allowed it ends then (tcp_out_of_resources()). A page that
one of them holds when the driver goes is no bug, and hides those that are. The worker of a ring
that never ends says so after 300 s (io_ring_exit_work() in io_uring/io_uring.c). In simulated time,
with the interface down, it costs nothing."""
_TEAR_DOWN_S = 600.0


@dataclass
class Recovery:
    """What was found.

    :ivar line: lines that the kernel's log had when it began, all of the guest's counted.
    :ivar tried: what it took until traffic flowed: ``up and down``, :data:`BOUND_AGAIN` or
        :data:`BOUND`, :data:`PORT_BACK`.
    :ivar silent: why none flows with all that; empty if it does.
    :ivar bound: the driver did not let go of the card.
    :ivar pools: page pools that outlive it, as netdev_dump prints them.
    :ivar resources: what the firmware holds then, by kind.
    :ivar dmabufs: how many DMA buffers are left when all programs have ended, in simulated time.
    """

    line: int = 0
    tried: list[str] = field(default_factory=list)
    silent: str = ""
    bound: bool = False
    pools: list[Mapping[str, Any]] = field(default_factory=list)
    resources: dict[str, int] = field(default_factory=dict)
    dmabufs: int = 0


def make_honest(session: Session, injections: list[dict[str, Any]]) -> None:
    """Take back what the card has done of its own, as far as it can be. Raises ModelFailure."""
    done = {record["action"] for record in injections}
    acts = [(name, params) for name, params in _HONEST if name in done]
    if not acts:
        return
    faults = [
        {"id": name, "where": "now", "what": {"action": "card", "do": name, "params": params}}
        for name, params in acts
    ]
    session.card.faults_disarm(session.card.faults_arm({"version": 1, "fault": faults}))


def bring_back(
    session: Session, context: WorkloadContext, undo: DeferStack, found: Recovery
) -> None:
    """Settings taken back, then traffic: as it is, after down and up, after binding again; with
    the port's settings once more if the work has changed them.

    Raises LostVM.
    """
    _unwind(undo)
    repairs: list[tuple[str, Work | None]] = [
        ("", None), ("up and down", up_down), (BOUND_AGAIN, rebind),
    ]  # fmt: skip
    if context.put_back_port is not None:
        repairs.append((PORT_BACK, in_turn(context.put_back_port, rebind)))
    for name, repair in repairs:
        found.silent = ""
        try:
            if repair is rebind:
                name = BOUND_AGAIN if _has_interface(session) else BOUND
                _let_go(session)
            if repair is not None:
                found.tried.append(name)
                repair(context)
                flush_neighbours(context.remote)
            _echo(context)
        except FAILED as failed:
            found.silent = str(failed)
        else:
            return


def _has_interface(session: Session) -> bool:
    """One with its address: a workload whose shell has died behind binding has given it none."""
    dut = session.dut
    said = dut.run(["ip", "-4", "-o", "address", "show", "dev", dut.netdev], check=False).text
    return f" {dut.ipv4}/" in said


def _unwind(undo: DeferStack) -> None:
    try:
        undo.unwind()
    except UndoFailed as failed:  # after a fault not every setting can be taken back
        lost = next((one for one in failed.exceptions if isinstance(one, LostVM)), None)
        if lost is not None:
            raise lost from failed


def echoes(context: WorkloadContext) -> bool:
    """Whether traffic flows as things are. Raises LostVM."""
    try:
        _echo(context)
    except FAILED:
        return False
    return True


def _echo(context: WorkloadContext) -> None:
    end = context.remote
    done = end.run(ping_argv(end, context.dut.ipv4, 3, 0.2, "-q", "-w", "10"), check=False)
    if done.returncode:
        raise GuestCommandFailed("no echo comes back")


def _let_go(session: Session) -> None:
    """The interface goes down, and in simulated time whoever holds a packet has time to let go."""
    dut = session.dut
    let_go_s = 0 if Capability.REAL_TIME in dut.offered else _LET_GO_S
    words = ["sh", "-c", _LET_GO, "sh", dut.netdev, str(let_go_s)]
    dut.run(words, check=False, timeout_s=_TEAR_DOWN_S)


def tear_down(session: Session, context: WorkloadContext, found: Recovery) -> None:
    """Unbind the driver; what is left then. Raises LostVM, ModelFailure."""
    dut = session.dut
    _let_go(session)
    ends = Capability.REAL_TIME not in dut.offered
    words = [dut.driver, context.address or dut.pci_address, str(int(ends))]
    done = dut.run(
        ["sh", "-s", *words], input=_TEAR_DOWN.encode(), check=False, timeout_s=_TEAR_DOWN_S
    )
    before, _, rest = done.text.partition("\n")
    said, _, rest = rest.partition("\n")
    pools, _, rest = rest.partition("\n")
    found.bound = said != "gone"
    found.pools = orphans(before, pools)
    found.dmabufs = left_dmabufs(rest)
    state = session.card.state()
    found.resources = {kind: count for kind, count in state["card"]["resources"].items() if count}


def scan_for_leaks(session: Session) -> None:
    """Have kmemleak tell in the kernel's log what nothing points to. Raises LostVM."""
    kmemleak.look_for_leaks(session.dut, check=False)


def orphans(before: str, behind: str) -> list[Mapping[str, Any]]:
    """Pools that outlive their driver, of what netdev_dump printed before and behind its end: those
    with pages out (detached), and those that it forgot to destroy. Interfaces that were moved to
    another namespace have lost theirs before; where that is not known, none is forgotten. The
    guest may print anything."""
    try:
        moved: set[str] | None = {str(one["id"]) for one in json.loads(before)["orphans"]}
    except NONSENSE:
        moved = None
    try:
        return [
            one for one in json.loads(behind)["orphans"]
            if one["detached"] or (moved is not None and str(one["id"]) not in moved)
        ]  # fmt: skip
    except NONSENSE:
        return []


def left_dmabufs(printed: str) -> int:
    """How many DMA buffers there are, of what the kernel's list ends with; the guest may print
    anything."""
    found = _DMABUFS.search(printed)
    return int(found[1]) if found else 0
