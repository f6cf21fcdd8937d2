# SPDX-License-Identifier: GPL-2.0-only
"""A binding goes in every order: netlink socket, process, interface, driver, each of them first."""

from __future__ import annotations

from dataclasses import replace

import pytest

from testbed.dut.devmem import BUFFER, Console, DevmemSetup, on_queue, pieces, sent_by
from testbed.dut.driver import cycle_link, reload_driver, reset_card
from testbed.dut.nic import ethtool, wait_until_free
from testbed.dut.pause import pause
from testbed.dut.ping import ping
from testbed.dut.protocols import Capability, Running
from testbed.dut.streams import ENDLESS, MIB

pytestmark = pytest.mark.needs(Capability.DEVMEM, Capability.HEADER_SPLIT)

COUNT = 30_000
PACE = 10_000_000  # without pauses simulated time would stand still, and with it whoever sleeps
REBINDS = 20
AT_ONCE = 4


def receives(bench: DevmemSetup, name: str) -> None:
    """A new connection receives into the dmabuf."""
    bench.connect(name)
    digest = bench.send(COUNT, name=name)
    received = bench.drain(COUNT, name=name)
    assert (received["sha256"], received["fragment_bytes"]) == (digest, COUNT)


def finish(bench: DevmemSetup, sender: Running, name: str = "flow") -> None:
    """The sender ends; everything it has sent arrives, in whatever memory."""
    bench.remote.run(["kill", "-s", "TERM", str(sender.pid)])
    received = bench.drain(0, name=name)
    bench.console.do(f"close {name}")
    sent = sent_by(sender)
    assert (received["stream_bytes"], received["sha256"]) == (sent["bytes"], sent["sha256"])


def test_unbind_with_data_in_flight(bench: DevmemSetup) -> None:
    """In the middle of a stream: device memory before, ordinary after, all of it whole."""
    bench.bind()
    sender = bench.start_sending(ENDLESS, pace=PACE)
    assert bench.drain(2 * MIB)["linear"] == 0
    bench.console.do("unbind binding")
    after = bench.drain(2 * MIB)
    assert after["fragment_bytes"] < after["bytes"]
    finish(bench, sender)
    wait_until_free(bench.dut)


def test_bind_with_data_in_flight(bench: DevmemSetup) -> None:
    """And the other way round: the stream moves into device memory, whole."""
    sender = bench.start_sending(ENDLESS, pace=PACE)
    assert bench.drain(2 * MIB)["fragment_bytes"] == 0
    bench.bind()
    after = bench.drain(2 * MIB)
    assert after["fragment_bytes"] > 0
    finish(bench, sender)


def test_unbind_with_fragments_held(bench: DevmemSetup) -> None:
    """Held fragments outlive their binding, untouched; the pool waits for them and then goes."""
    number = bench.bind_and_connect()
    digest = bench.send(COUNT)
    held = bench.fragments(COUNT)
    bench.console.do("unbind binding")
    assert bench.bound_queues() == {}
    (pool,) = bench.bound_pools()
    assert (pool["detached"], pool["dmabuf"], pool["inflight"]) == (True, number, len(held))
    bench.send(COUNT, seed=2)  # into ordinary memory
    assert bench.drain(COUNT, keep=True)["fragment_bytes"] == 0
    assert bench.console.do(f"digest {pieces(held)}")["sha256"] == digest
    assert bench.console.do("return flow")["taken"] == len(held)
    wait_until_free(bench.dut)


def test_unbind_with_data_unread(bench: DevmemSetup) -> None:
    """What is still in the socket can be read after the binding, and given back."""
    bench.bind_and_connect()
    digest = bench.send(COUNT)
    bench.receive(1, "devmem", "peek")
    bench.console.do("unbind binding")
    received = bench.drain(COUNT)
    assert received["sha256"] == digest
    bench.console.do("return flow")
    wait_until_free(bench.dut)


def test_socket_closed_with_data_unread(bench: DevmemSetup) -> None:
    """The socket goes first, with data that nobody read."""
    number = bench.bind_and_connect()
    bench.send(COUNT)
    bench.receive(1, "devmem", "peek")
    bench.console.do("close flow")
    assert bench.bound_queues() == {bench.where.queue: number}
    receives(bench, "second")
    bench.unbind()


@pytest.mark.only_oracle("the NIC writes to no page that was given back")
def test_killed_while_receiving(bench: DevmemSetup) -> None:
    """SIGKILL with data in flight, data unread, fragments held: the kernel takes it all back."""
    bench.bind()
    sender = bench.start_sending(ENDLESS, pace=PACE)
    bench.drain(MIB)
    bench.drain(MIB, keep=True)
    bench.console.kill()
    sender.kill()
    wait_until_free(bench.dut)
    again = replace(bench, console=Console(bench.dut, "again"))
    bench.defer(again.console.kill)
    again.bind()
    receives(again, "second")


def test_bound_many_times(bench: DevmemSetup) -> None:
    """Twenty bindings of one dmabuf, and one that receives; each has a number of its own.

    Unmapping is a worker's job, and the kernel's DMA debugging complains of more than seven
    mappings of the same memory: so only a few at a time.
    """
    bench.console.do(f"udmabuf {BUFFER} {4 * MIB}")
    numbers = []
    cycle = (bench.bind_step(), "unbind binding")
    for _ in range(REBINDS // AT_ONCE):
        answers = bench.console.ask(*cycle * AT_ONCE)
        numbers += [answer["id"] for answer in answers[::2]]
        assert answers[1::2] == [{}] * AT_ONCE
        wait_until_free(bench.dut)
        pause(bench.dut, 0.1)
    numbers.append(bench.rebind())
    receives(bench, "flow")
    bench.console.do("unbind binding")
    assert len(set(numbers)) == REBINDS + 1
    wait_until_free(bench.dut)


def test_interface_down_and_up(bench: DevmemSetup) -> None:
    """The binding survives its interface going down and up, and receives again."""
    number = bench.bind()
    receives(bench, "before")
    cycle_link(bench.dut)
    assert bench.bound_queues() == {bench.where.queue: number}
    receives(bench, "after")


def test_interface_down_with_fragments_held(bench: DevmemSetup) -> None:
    """Fragments held across down and up stay as they are, and are taken back afterwards."""
    bench.bind_and_connect()
    digest = bench.send(COUNT)
    held = bench.fragments(COUNT)
    cycle_link(bench.dut)
    receives(bench, "after")
    assert bench.console.do(f"digest {pieces(held)}")["sha256"] == digest
    assert bench.console.do("return flow")["taken"] == len(held)


def test_unbind_while_down(bench: DevmemSetup) -> None:
    """The binding goes while the interface is down; up again, the queue is an ordinary one."""
    bench.bind()
    bench.dut.run(["ip", "link", "set", "dev", bench.dut.netdev, "down"])
    bench.defer(bench.dut.run, ["ip", "link", "set", "dev", bench.dut.netdev, "up"])
    bench.unbind()
    cycle_link(bench.dut)
    bench.connect()
    digest = bench.send(COUNT)
    received = bench.drain(COUNT)
    assert (received["sha256"], received["fragments"]) == (digest, 0)


def test_ring_resized_while_bound(bench: DevmemSetup) -> None:
    """Other ring sizes, with a stream under way: the binding stays, nothing is lost."""
    number = bench.bind()
    sender = bench.start_sending(ENDLESS, pace=PACE)
    for entries in ("32", "64"):
        bench.drain(MIB)
        ethtool(bench.dut, "-G", bench.dut.netdev, "rx", entries)
        assert bench.bound_queues() == {bench.where.queue: number}
    assert bench.drain(MIB)["fragment_bytes"] > 0
    finish(bench, sender)


@pytest.mark.finding("devlink-reload-port-left")
def test_reset_while_bound(passing_bench: DevmemSetup) -> None:
    """The card is reset under a binding of its first queue: it stays, and receives again."""
    bench = passing_bench
    first = on_queue(bench, 0)
    number = first.bind()
    first.connect()
    digest = first.send(COUNT)
    held = first.fragments(COUNT)
    ethtool(bench.dut, "-X", bench.dut.netdev, "default")
    reset_card(bench.dut)
    assert bench.bound_queues() == {0: number}
    assert bench.console.do(f"digest {pieces(held)}")["sha256"] == digest
    keeps_rule = Capability.NTUPLE in bench.dut.capabilities  # RSS was set back above
    receives(first if keeps_rule else on_queue(bench, 0), "after")
    assert bench.console.do("return flow")["taken"] == len(held)
    bench.unbind()


@pytest.mark.needs(Capability.FATAL_FAULTS)
@pytest.mark.finding("devlink-reload-rss-stale")
@pytest.mark.new_machine
def test_reset_with_a_table_of_its_own(passing_bench: DevmemSetup) -> None:
    """The card is reset under a binding of its last queue, to which RSS sends everything.

    A kernel with the bug that goes on after its fault, with the lock of all network settings held,
    is of no use until it boots. What lies behind an array decides how the bug shows.
    """
    bench = passing_bench
    ethtool(bench.dut, "-X", bench.dut.netdev, "start", str(bench.where.queue), "equal", "1")
    bench.bind()
    reset_card(bench.dut)
    receives(bench, "after")


@pytest.mark.finding("devmem-mapped-after-unbind")
@pytest.mark.parametrize("held", [False, True], ids=["idle", "fragments held"])
def test_driver_removed_while_bound(passing_bench: DevmemSetup, held: bool) -> None:
    """The driver leaves under a binding; closing the netlink socket afterwards is no mistake."""
    bench, dut = passing_bench, passing_bench.dut
    bench.bind_and_connect()
    digest = bench.send(COUNT)
    fragments = bench.fragments(COUNT)
    if not held:
        bench.console.do("return flow")
    reload_driver(dut)
    assert bench.bound_queues() == {}
    if held:
        assert bench.console.do(f"digest {pieces(fragments)}")["sha256"] == digest
        assert bench.console.do("return flow")["taken"] == len(fragments)
    bench.console.do("unbind binding")
    bench.console.do("close flow")
    wait_until_free(dut)
    assert ping(bench.remote, dut.ipv4, 2, 0.05, wait_s=3).received
