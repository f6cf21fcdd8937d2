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
from testbed.dut.programs import program
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

_DMABUFS = re.compile(r"^Total (\d{1,9}) objects", re.M)
"""dma_buf_debug_show() in drivers/dma-buf/dma-buf.c."""
_LET_GO_S, _LET_GO_MOST_S = 8, 330
"""Fragments wait for others of their packet for 30 s, those of IPv6 for 60 (IP_FRAG_TIME in
include/net/ip.h, IPV6_FRAG_TIMEOUT in ipv6.h), a ring that was closed for its worker, and a socket
without a program for its last retransmission, which is 120 s away at most (TCP_RTO_MAX in
include/net/tcp.h): with no such socket allowed it ends then (tcp_out_of_resources()). A page that
one of them holds when the driver goes is no bug, and hides those that are. The worker of a ring
that never ends says so after 300 s (io_ring_exit_work() in io_uring/io_uring.c), and the kernel of
a task that waits uninterruptibly after 120. While there is any of these (driver_end knows), that
is waited for. Otherwise it is the 8 s in which a driver gives up a reset of its firmware (6 s,
BNXT_DFLT_FW_RST_MAX_DSECS in bnxt.h) and a transmission (5 s, BNXT_TX_TIMEOUT in bnxt.c): with its
interface down the driver reads the card's clock each second, which was a seventh of a run when all
waited for the longest."""
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


def _ending(session: Session, *, whole: bool) -> list[str]:
    """The program that takes the interface down and, in simulated time, waits until nobody holds a
    packet; a ``whole`` wait is as long as any could be."""
    first_s, most_s = (_LET_GO_MOST_S if whole else _LET_GO_S), _LET_GO_MOST_S
    if Capability.REAL_TIME in session.dut.offered:
        first_s = most_s = 0
    return [program("driver_end"), session.dut.netdev, str(first_s), str(most_s)]


def _let_go(session: Session) -> None:
    session.dut.run(_ending(session, whole=False), check=False, timeout_s=_TEAR_DOWN_S)


def tear_down(
    session: Session, context: WorkloadContext, found: Recovery, *, whole: bool = False
) -> None:
    """Unbind the driver; what is left then. What nobody points to has had time to go if the wait
    for it was the ``whole`` one. Raises LostVM, ModelFailure."""
    dut = session.dut
    alone = Capability.REAL_TIME not in dut.offered
    words = [dut.driver, context.address or dut.pci_address, str(int(alone))]
    argv = [*_ending(session, whole=whole), *words]
    done = dut.run(argv, check=False, timeout_s=2 * _TEAR_DOWN_S)
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
