# SPDX-License-Identifier: GPL-2.0-only
"""Further RSS contexts: they outlive what takes rings down, and a refusal changes nothing."""

from __future__ import annotations

from functools import partial

import pytest

from testbed.dut.counters import delta, netdev_state, settled_state
from testbed.dut.defer import Defer
from testbed.dut.driver import cycle_link
from testbed.dut.faults import RESOURCE_ALLOC_ERROR, Faults, refusing
from testbed.dut.nic import (
    HASH_KEY,
    add_rule,
    disable_ntuple,
    enable_ntuple,
    ethtool,
    flush_neighbours,
    restart_queue,
    set_channels,
    set_feature,
    set_hash_key,
)
from testbed.dut.pause import pause
from testbed.dut.ping import ping
from testbed.dut.protocols import Capability, Dut, Endpoint
from testbed.dut.rss_contexts import add_context, delete_context, has_context, new_context
from testbed.dut.segments import ENDLESS, FIRST_PORT, arriving, segment
from testbed.dut.streams import MIB, Traffic, check_stream, require_equal
from testbed.dut.zcrx_queue import bound_queue

pytestmark = pytest.mark.needs(Capability.RSS, Capability.RSS_CONTEXTS)

ZCRX_PORT, CONTEXT_PORT, QUEUE_PORT = 5220, 5221, 5222
CONTEXT_QUEUES = (1, 2)
CONTEXT_TABLE = ("start", "1", "equal", "2")
RESTARTS = 10
FEW_PACKETS = 50  # neighbour discovery and the like
HELD_BYTES = 256 << 10
PACKETS, SEGMENTS = "rx_hw_gro_packets", "rx_hw_gro_wire_packets"
ATTEMPTS = 20
REFUSED = "hwrm req_type 0x40 seq id 0x[0-9a-f]+ error 0x4$"  # VNIC_ALLOC
REFUSED_TABLE = (
    "hwrm req_type 0x46 seq id 0x[0-9a-f]+ error 0x4$",  # VNIC_RSS_CFG
    r"hwrm vnic -1 set rss failure rc: -\d+$",
)


def busy_queues(dut: Dut, remote: Endpoint, port: int) -> set[int]:
    """The queues that took what 16 flows sent to ``port``."""
    before = settled_state(dut).per_queue("rx_packets")
    check_stream(dut, remote, port=port, total_bytes=4 * MIB, flows=16)
    counts = delta(settled_state(dut).per_queue("rx_packets"), before)
    return {queue for queue, count in counts.items() if count > FEW_PACKETS}


@pytest.mark.needs(
    Capability.NTUPLE, Capability.QUEUE_RESTART, Capability.HEADER_SPLIT, Capability.ZCRX
)
@pytest.mark.only_oracle("VNICs of contexts and rules pause, and then name the new ring")
def test_restart_beside_rules_and_held_data(dut: Dut, remote: Endpoint, defer: Defer) -> None:
    """A queue that a context and a rule name restarts; zero-copy data is held beside it.

    The context's other queue loses nothing meanwhile. Afterwards flows still go where context and
    rules say, and the queue with the held data still receives.
    """
    set_hash_key(dut, HASH_KEY, defer)
    with bound_queue(dut, remote, defer, ZCRX_PORT) as zcrx:
        context = add_context(dut, defer, *CONTEXT_TABLE)
        add_rule(dut, defer, "dst-port", str(CONTEXT_PORT), flow_type="tcp4", context=context)
        for queue in CONTEXT_QUEUES:
            rule = ["dst-port", str(QUEUE_PORT + queue)]
            add_rule(dut, defer, *rule, flow_type="tcp4", action=queue)
        held = zcrx.hold(HELD_BYTES)
        other, restarted = CONTEXT_QUEUES  # while that has a provider, only who holds it can read
        with Traffic(dut, remote, port=QUEUE_PORT + other, flows=8, timeout_s=300) as traffic:
            restart_queue(dut, restarted, RESTARTS)
            traffic.check_running()
            require_equal(traffic.stop())
        assert busy_queues(dut, remote, CONTEXT_PORT) == {*CONTEXT_QUEUES}
        for queue in CONTEXT_QUEUES:
            assert busy_queues(dut, remote, QUEUE_PORT + queue) == {queue}
        zcrx.zcrx.give_back(count=held)
        zcrx.transfer()


@pytest.mark.needs(Capability.NTUPLE, Capability.LINK_CYCLE)
def test_context_outlives_the_interface(dut: Dut, remote: Endpoint, defer: Defer) -> None:
    """Down and up again: the context and its rule are there, and flows go where they say."""
    set_channels(dut, 4, defer)
    set_hash_key(dut, HASH_KEY, defer)
    enable_ntuple(dut, defer)
    context = add_context(dut, defer, *CONTEXT_TABLE)
    add_rule(dut, defer, "dst-port", str(CONTEXT_PORT), flow_type="tcp4", context=context)
    cycle_link(dut)
    assert busy_queues(dut, remote, CONTEXT_PORT) == {*CONTEXT_QUEUES}


def joined(dut: Dut, remote: Endpoint, faults: Faults) -> tuple[int, int]:
    """Two times a segment and a shorter one: as how many packets they arrive, and of how many
    segments these are.

    No time-out ends an aggregation: that of another flow waits until the rings are closed.
    """
    sizes = (1000, 500, 1000, 500)
    to = partial(segment, dut, remote, dport=CONTEXT_PORT)
    frames = [to(sport=FIRST_PORT + 1, sequence=0)]
    for n, size in enumerate(sizes):
        last = n == len(sizes) - 1
        frames.append(to(sport=FIRST_PORT, sequence=sum(sizes[:n]), size=size, push=last))
    before = grown = netdev_state(dut)
    with faults.inject(ENDLESS, *map(arriving, frames)):
        for _ in range(ATTEMPTS):
            grown = netdev_state(dut)
            if grown.total(SEGMENTS) - before.total(SEGMENTS) == len(sizes):
                break
            pause(dut, 0.1)
    packets, segments = (grown.total(name) - before.total(name) for name in (PACKETS, SEGMENTS))
    return packets, segments


@pytest.mark.finding("rss-context-gro-lost")
@pytest.mark.needs(Capability.FAULTS, Capability.HW_GRO, Capability.LINK_CYCLE, Capability.NTUPLE)
def test_context_joins_by_the_rules_of_gro(
    dut: Dut, remote: Endpoint, defer: Defer, faults: Faults
) -> None:
    """Hardware GRO in a context, also once the interface was down and up: nothing is joined behind
    a segment that is shorter than the first, so that each packet can be taken apart again."""
    set_channels(dut, 4, defer)
    set_hash_key(dut, HASH_KEY, defer)
    set_feature(dut, "rx-gro-hw", "on", defer)
    enable_ntuple(dut, defer)
    context = add_context(dut, defer, *CONTEXT_TABLE)
    add_rule(dut, defer, "dst-port", str(CONTEXT_PORT), flow_type="tcp4", context=context)
    assert joined(dut, remote, faults) == (2, 4)
    cycle_link(dut)
    assert joined(dut, remote, faults) == (2, 4), "joined otherwise after down and up"


@pytest.mark.finding("rss-contexts-uncounted")
@pytest.mark.needs(Capability.LINK_CYCLE)
def test_context_without_ntuple_filters(dut: Dut, defer: Defer) -> None:
    """The same without ntuple filters, which no context needs."""
    set_channels(dut, 2, defer)
    disable_ntuple(dut, defer)
    context = add_context(dut, defer)
    cycle_link(dut)
    assert has_context(dut, context), "the context is gone"


@pytest.mark.finding("rss-context-refused")
@pytest.mark.expect_complaint(REFUSED)
@pytest.mark.needs(Capability.FAULTS, Capability.LINK_CYCLE)
def test_refused_context_changes_nothing(
    dut: Dut, remote: Endpoint, defer: Defer, faults: Faults
) -> None:
    """The firmware has no VNIC left for a context: the command fails, and that is all."""
    set_channels(dut, 2, defer)
    defer(flush_neighbours, remote)  # which may still ask when its ping gives up
    defer(cycle_link, dut)
    refuse = refusing("VNIC_ALLOC", RESOURCE_ALLOC_ERROR)
    with faults.inject(refuse):
        refused = dut.run(["ethtool", "-X", dut.netdev, "context", "new"], check=False)
    assert refused.returncode
    assert ping(remote, dut.ipv4, 2, 0.05, wait_s=3).received, "nothing arrives any more"


@pytest.mark.finding("rss-context-change-kept")
@pytest.mark.expect_complaint(*REFUSED_TABLE)
@pytest.mark.needs(Capability.FAULTS)
def test_refused_table_changes_nothing(dut: Dut, defer: Defer, faults: Faults) -> None:
    """The firmware refuses another table of a context: the command fails, and that is all."""
    set_channels(dut, 4, defer)
    context = (dut.netdev, "context", add_context(dut, defer, *CONTEXT_TABLE))
    before = ethtool(dut, "-x", *context)
    refuse = refusing("VNIC_RSS_CFG", RESOURCE_ALLOC_ERROR)
    with faults.inject(refuse):
        refused = dut.run(["ethtool", "-X", *context, "start", "3", "equal", "1"], check=False)
    assert refused.returncode
    assert ethtool(dut, "-x", *context) == before, "the context is told to have the refused table"


@pytest.mark.finding("ntuple-l2-filter-freed")
@pytest.mark.expect_complaint(REFUSED, "Failed to restore RSS ctx 1$", "RSS context 1 lost$")
@pytest.mark.needs(Capability.FAULTS, Capability.LINK_CYCLE, Capability.NTUPLE)
def test_context_that_is_not_restored(
    dut: Dut, remote: Endpoint, defer: Defer, faults: Faults
) -> None:
    """The firmware has no VNIC left for a context as the interface is opened again: it is lost with
    its rule, of which the firmware knows nothing any more, and another rule stays."""
    set_channels(dut, 2, defer)
    enable_ntuple(dut, defer)
    context = new_context(dut)
    defer(delete_context, dut, context)
    match = ("dst-port", str(CONTEXT_PORT))
    ethtool(dut, "-N", dut.netdev, "flow-type", "tcp4", *match, "context", context)
    stays = add_rule(dut, defer, "dst-port", str(QUEUE_PORT), flow_type="tcp4", action=1)
    # behind its own, and that of rules
    refuse = refusing("VNIC_ALLOC", RESOURCE_ALLOC_ERROR, nth=3)
    with faults.inject(refuse):
        cycle_link(dut)
    assert not has_context(dut, context)
    assert f"Filter: {stays}\n" in ethtool(dut, "-n", dut.netdev)
    assert busy_queues(dut, remote, QUEUE_PORT) == {1}
