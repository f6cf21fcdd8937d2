# SPDX-License-Identifier: GPL-2.0-only
"""Rules, RSS contexts and tables: what outlives a reopen, a restart, a reset; and as many as go."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from testbed.dut.counters import delta, settled_state
from testbed.dut.defer import no_undo
from testbed.dut.driver import activate_firmware, cycle_link
from testbed.dut.nic import HASH_KEY, add_rule, delete_rule, ethtool, restart_queue, set_hash_key
from testbed.dut.protocols import Capability
from testbed.dut.rss_contexts import add_context, delete_context, new_context
from testbed.dut.streams import check_stream
from testbed.errors import GuestCommandFailed
from testbed.workloads import traffic
from testbed.workloads.judge import NOT_AGAIN, require
from testbed.workloads.workload import WorkloadContext
from testbed.workloads.zcrx import OTHER_PORT

FIRST_PORT = 5606
CONTEXTS: Mapping[int, Sequence[int]] = {FIRST_PORT: (1, 2), 5609: (2, 3)}
"""Port -> queues of the context that takes it. The first stands for all where there is one only."""
RESTARTED = (2, 3, 1)
"""Queues of both, of the second alone, of the first alone."""
QUEUE_PORT, QUEUE = 5607, 1
FLOWS, FLOW_BYTES = 8, 16 << 10
MOST_CONTEXTS, MOST_RULES = 40, 12
_RX_RING = 128
T = TypeVar("T")


def reopened(context: WorkloadContext) -> None:
    """Down and up, rings of another size, restarts of the contexts' queues."""
    dut = context.dut

    def restart() -> None:
        for queue in RESTARTED:
            done = restart_queue(dut, queue, 2, timeout_s=traffic.TIMEOUT_S)
            context.restarts += done.restarts

    def resize() -> None:
        ethtool(dut, "-G", dut.netdev, "rx", str(_RX_RING))

    steps = {"down and up": lambda: cycle_link(dut), "other rings": resize, "restarts": restart}
    for after, step in steps.items():
        _stays(context, after, step)


def reset(context: WorkloadContext) -> None:
    """The firmware is reset by its administrator."""
    _stays(context, "a reset of the firmware", lambda: activate_firmware(context.dut))


def steer(context: WorkloadContext) -> None:
    """Two contexts of two queues, a rule for each that sends a port there, and one to a queue;
    without ntuple filters a table of two queues."""
    dut, defer = context.dut, context.defer
    set_hash_key(dut, HASH_KEY, defer)
    if Capability.NTUPLE not in dut.capabilities:
        ethtool(dut, "-X", dut.netdev, *_table(FIRST_PORT))
        return
    for port in CONTEXTS:
        made = add_context(dut, defer, *_table(port))
        add_rule(dut, defer, "dst-port", str(port), flow_type="tcp4", context=made)
    add_rule(dut, defer, "dst-port", str(QUEUE_PORT), flow_type="tcp4", action=QUEUE)


def _table(port: int) -> tuple[str, ...]:
    """How ethtool is told the queues of a context."""
    return ("start", str(CONTEXTS[port][0]), "equal", str(len(CONTEXTS[port])))


def _stays(context: WorkloadContext, after: str, step: Callable[[], object]) -> None:
    """Rules and tables are after ``step`` what they were, and flows still go where they say."""
    before = _said(context)
    step()
    require(_said(context) == before, f"other rules or tables after {after}")
    due: Mapping[int, Sequence[int]] = {FIRST_PORT: CONTEXTS[FIRST_PORT]}
    if Capability.NTUPLE in context.dut.capabilities:
        due = {**CONTEXTS, QUEUE_PORT: (QUEUE,)}
    for port, queues in due.items():
        busy = _busy(context, port)
        require(busy == set(queues), f"port {port} goes to queues {sorted(busy)} after {after}")
    context.output.append(f"as before after {after}")


def _said(context: WorkloadContext) -> list[str]:
    """What ethtool says of them."""
    options = ["-x", *(["-n"] if Capability.NTUPLE in context.dut.capabilities else [])]
    return [ethtool(context.dut, option, context.dut.netdev) for option in options]


def _busy(context: WorkloadContext, port: int) -> set[int]:
    """The queues that took what several flows sent to ``port``."""
    dut = context.dut
    before = settled_state(dut).per_queue("rx_bytes")
    check_stream(dut, context.remote, port=port, total_bytes=FLOWS * FLOW_BYTES, flows=FLOWS)
    counts = delta(settled_state(dut).per_queue("rx_bytes"), before)
    return {queue for queue, count in counts.items() if count > FLOW_BYTES // 2}


def fill(context: WorkloadContext) -> None:
    """RSS contexts until one is refused, then rules to each queue; all deleted, and as many again.

    Without ntuple filters the driver reckons with more contexts than there are: finding
    rss-contexts-uncounted.
    """
    for what, make in (("contexts", _contexts), ("rules", _rules)):
        first, again = make(context), make(context)
        require(first == again, f"{first} {what} {NOT_AGAIN}: {again}")
        context.output.append(f"{first} {what}")
    traffic.require_echo(context, after="all that was deleted")


def _contexts(context: WorkloadContext) -> int:
    dut = context.dut
    made: list[str] = []
    try:
        _until_refused(made, MOST_CONTEXTS, lambda _: new_context(dut, *_table(FIRST_PORT)))
    finally:
        for one in made:
            delete_context(dut, one)
    return len(made)


def _rules(context: WorkloadContext) -> int:
    dut = context.dut
    made: list[int] = []

    def add(number: int) -> int:
        match = ("dst-port", str(OTHER_PORT + 100 + number))
        return add_rule(dut, no_undo, *match, flow_type="tcp4", action=number % 4)

    try:
        _until_refused(made, MOST_RULES, add)
    finally:
        for rule in made:
            delete_rule(dut, rule)
    return len(made)


def _until_refused(made: list[T], most: int, make: Callable[[int], T]) -> None:
    while len(made) < most:
        try:
            made.append(make(len(made)))
        except GuestCommandFailed:
            return
