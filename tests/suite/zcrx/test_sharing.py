# SPDX-License-Identifier: GPL-2.0-only
"""Several queues on one ring, and one queue on several rings (export and import)."""

from __future__ import annotations

import time

import pytest

from testbed.dut.counters import netdev_state
from testbed.dut.defer import Defer
from testbed.dut.nic import add_rule, spread_over, steer_everything, wait_until_free
from testbed.dut.pause import pause
from testbed.dut.protocols import Capability, Dut
from testbed.dut.zcrx_account import nothing_copied
from testbed.dut.zcrx_queue import BUFFER_BYTES, BoundQueue

pytestmark = pytest.mark.needs(Capability.ZCRX, Capability.HEADER_SPLIT)

PORT = 5125
BYTES = 40 * BUFFER_BYTES
AREA_BYTES = 1 << 20


def steer_to(bound: BoundQueue, queue: int, defer: Defer) -> None:
    """Send what comes to ``queue``, which need not be the bound one."""
    if Capability.NTUPLE in bound.dut.capabilities:
        spread_over(bound.dut, queue, defer)
        match = ("dst-port", str(bound.port), "src-ip", bound.remote.ipv4)
        add_rule(bound.dut, defer, *match, flow_type="tcp4", action=queue)
    else:
        steer_everything(bound.dut, queue, defer)


def providers(bound: BoundQueue) -> list[str]:
    """Queues with a provider, once changes have had their time."""
    pause(bound.dut, 0.1)
    return netdev_state(bound.dut).providers


def await_providers(bound: BoundQueue, wanted: list[str]) -> None:
    """Wait until exactly these queues have one: closing a ring ends in a worker."""
    deadline = time.monotonic() + 10 * bound.dut.patience
    while (seen := providers(bound)) != wanted:
        assert time.monotonic() < deadline, seen


def test_two_queues_on_one_ring(bound: BoundQueue, defer: Defer) -> None:
    """One ring serves two queues, each with its area and refill ring, one after the other."""
    other = bound.queue - 1
    assert bound.zcrx.register(other, ifq=1, area=AREA_BYTES).id == 1
    assert providers(bound) == [f"rx queue {other}", f"rx queue {bound.queue}"]
    bound.transfer(ifq=0)
    steer_to(bound, other, defer)
    bound.transfer(ifq=1)
    assert {bound.zcrx.state(ifq).copy_bytes for ifq in (0, 1)} == {nothing_copied(bound.dut)}


def test_data_of_another_queue_is_refused(bound: BoundQueue) -> None:
    """Payload in the area of one queue cannot be received through the IFQ of another: EFAULT.

    ``io_zcrx_recv_frag()``; nothing is lost: the right IFQ then gets it.
    """
    bound.zcrx.register(bound.queue - 1, ifq=1, area=AREA_BYTES)
    with bound.stream(BYTES) as sender:
        bound.zcrx.receive(ifq=1)
        got = bound.zcrx.collect(ends=1)
        assert (got.bytes, got.ends[0].errno) == (0, "EFAULT")
        bound.zcrx.receive(ifq=0)
        bound.zcrx.collect(ends=1)
        assert bound.zcrx.digest() == (BYTES, sender.sent().sha256)


@pytest.mark.needs(Capability.ZCRX_CONTROL)
def test_imported_queue_receives(bound: BoundQueue) -> None:
    """A second ring imports the queue and receives from it, refill ring and area shared."""
    zcrx = bound.zcrx
    assert zcrx.step("export")["errno"] == ""
    zcrx.ring(1)
    assert zcrx.step("import", ifq=1, ring=1, of=0)["errno"] == ""
    bound.transfer(ifq=1, ring=1)
    bound.transfer()
    with bound.stream(BYTES, socket=1) as first, bound.stream(BYTES, socket=2) as second:
        zcrx.receive(1)
        zcrx.receive(2, ifq=1, ring=1)
        zcrx.collect(ends=1)
        zcrx.collect(ring=1, ends=1)
        assert zcrx.digest(1) == (BYTES, first.sent().sha256)
        assert zcrx.digest(2) == (BYTES, second.sent().sha256)


@pytest.mark.needs(Capability.ZCRX_CONTROL)
def test_queue_lives_until_its_last_user(bound: BoundQueue, dut: Dut) -> None:
    """First the exporting ring goes, then the exported file, then the importing ring: only then
    does the queue (``user_refs`` of ``struct io_zcrx_ifq``)."""
    queue = [f"rx queue {bound.queue}"]
    bound.zcrx.step("export")
    bound.zcrx.ring(1)
    bound.zcrx.step("import", ifq=1, ring=1, of=0)
    bound.zcrx.step("close", ring=0)
    assert providers(bound) == queue
    bound.zcrx.step("close", export=0)
    assert providers(bound) == queue
    bound.transfer(ifq=1, ring=1)
    bound.zcrx.step("close", ring=1)
    wait_until_free(dut)


@pytest.mark.needs(Capability.ZCRX_CONTROL)
def test_exported_file_alone_keeps_the_queue(bound: BoundQueue, dut: Dut) -> None:
    """Without any ring the file holds the queue; a later import finds it working."""
    bound.hold(BYTES)
    bound.zcrx.step("export")
    bound.zcrx.step("close", ring=0)
    assert providers(bound) == [f"rx queue {bound.queue}"]
    bound.zcrx.ring(1)
    assert bound.zcrx.step("import", ifq=1, ring=1, of=0)["errno"] == ""
    bound.transfer(ifq=1, ring=1)
    assert bound.zcrx.verify().changed == 0
    bound.zcrx.give_back()
    bound.zcrx.step("close", ring=1)
    assert providers(bound) == [f"rx queue {bound.queue}"]
    bound.zcrx.step("close", export=0)
    wait_until_free(dut)


@pytest.mark.needs(Capability.ZCRX_CONTROL)
def test_wrong_imports(bound: BoundQueue) -> None:
    """Only an exported IFQ can be imported, and nothing but the file may be given."""
    bound.zcrx.step("export")
    bound.zcrx.ring(1)
    wrong: dict[str, tuple[dict[str, int], str]] = {
        "no such file": ({"fd": 999}, "EBADF"),
        "another file": ({"fd": 0}, "EBADF"),
        "a queue": ({"queue": 1}, "EINVAL"),
        "entries": ({"rq_entries": 64}, "EINVAL"),
        "an area": ({"area": 4096}, "EINVAL"),
        "a region": ({"region": 4096}, "EINVAL"),
        "events": ({"events": 4096}, "EINVAL"),
        "without device": ({"flags": 2}, "EINVAL"),
    }
    seen = {
        name: bound.zcrx.step("import", ifq=1, ring=1, of=0, **words)["errno"]
        for name, (words, _) in wrong.items()
    }
    assert seen == {name: errno for name, (_, errno) in wrong.items()}
    bound.zcrx.step("close", export=0)
    bound.zcrx.step("close", ring=0)
    await_providers(bound, [])


@pytest.mark.needs(Capability.ZCRX_NODEV)
def test_ids_of_one_ring(bound: BoundQueue) -> None:
    """IFQs of one ring are numbered from 0 on, with a device and without."""
    ids = [bound.zcrx.register_without_device(ifq=ifq, area=AREA_BYTES).id for ifq in range(1, 6)]
    assert ids == [1, 2, 3, 4, 5]
    bound.transfer()
