# SPDX-License-Identifier: GPL-2.0-only
"""Zero-copy receive over a queue that is leased to a netkit device, as a container has it."""

from __future__ import annotations

import pytest

from testbed.dut.defer import Defer, no_undo
from testbed.dut.driver import cycle_link, pci_address, reload_driver
from testbed.dut.faults import GRANTING_ALL, Faults, granting
from testbed.dut.leases import DEVICE, Lease, lease, lease_all, refusal, take_back
from testbed.dut.nic import ZcrxQueue, combined_channels, dedicate_queue, ethtool
from testbed.dut.protocols import Capability, Dut, Endpoint
from testbed.dut.streams import MIB, check_stream, receive_by_zcrx
from testbed.dut.unending import ask_in_time
from testbed.dut.zcrx import console
from testbed.dut.zcrx_account import nothing_copied, through_queues
from testbed.errors import GuestCommandFailed

pytestmark = pytest.mark.needs(
    Capability.ZCRX, Capability.HEADER_SPLIT, Capability.QUEUE_LEASE, Capability.QUEUE_RESTART
)

PORT = 5440
BYTES = 4 * MIB
AREA = {"area": MIB, "rq_entries": 512}


@pytest.fixture
def queue(dut: Dut, remote: Endpoint, defer: Defer) -> ZcrxQueue:
    where = dedicate_queue(dut, remote, defer, port=PORT)
    defer(take_back, dut)
    return where


def check_receives(dut: Dut, remote: Endpoint, where: ZcrxQueue, leased: Lease) -> None:
    """Equal data, all of it through the NIC's queue, nothing copied, nothing kept."""
    with through_queues(dut, where.queue, total_bytes=BYTES):
        stream = receive_by_zcrx(
            dut, remote, netdev=leased.netdev, queue=leased.queue, port=PORT, total_bytes=BYTES
        )
    assert not stream.difference()
    assert (stream.bytes, stream.copied_bytes) == (BYTES, nothing_copied(dut))
    assert stream.every_buffer_returned


def test_nothing_is_copied_over_a_leased_queue(
    dut: Dut, remote: Endpoint, queue: ZcrxQueue
) -> None:
    for _ in range(2):
        check_receives(dut, remote, queue, lease(dut, queue.queue))
        take_back(dut)


def test_leased_queue_is_not_bound_by_its_own_name(dut: Dut, queue: ZcrxQueue) -> None:
    lease(dut, queue.queue)
    with console(dut) as zcrx, pytest.raises(GuestCommandFailed, match="cannot be bound"):
        zcrx.bind(queue.queue, **AREA)
    take_back(dut)
    with console(dut) as zcrx:
        zcrx.bind(queue.queue, **AREA)


@pytest.mark.parametrize(("number", "error"), [(None, "EBUSY"), (9999, "ERANGE")])
def test_queue_is_leased_once(
    dut: Dut, queue: ZcrxQueue, defer: Defer, number: int | None, error: str
) -> None:
    """Nor is one that there is not; the lease that there is stays."""
    defer(take_back, dut)
    leased = lease(dut, queue.queue)
    assert error in refusal(dut, leased, queue.queue if number is None else number)
    with console(dut) as zcrx:
        zcrx.bind(leased.queue, ifname=leased.netdev, **AREA)


def test_queue_that_is_taken_back_is_as_before(
    dut: Dut, remote: Endpoint, queue: ZcrxQueue
) -> None:
    """The device goes while a program has its queue bound: ordinary sockets receive what comes."""
    leased = lease(dut, queue.queue)
    with console(dut) as zcrx:
        zcrx.bind(leased.queue, ifname=leased.netdev, **AREA)
        take_back(dut)
        check_stream(dut, remote, port=PORT, total_bytes=MIB, flows=2)
    check_receives(dut, remote, queue, lease(dut, queue.queue))


@pytest.mark.needs(Capability.LINK_CYCLE)
def test_two_queues_of_one_device(dut: Dut, remote: Endpoint, queue: ZcrxQueue) -> None:
    """Each bound by a program of its own, also while the NIC opens anew; they go together."""
    leases = lease_all(dut, [queue.queue, queue.queue - 1])
    with console(dut) as one, console(dut) as other:
        for program, leased in zip((one, other), leases, strict=True):
            program.bind(leased.queue, ifname=leased.netdev, **AREA)
        cycle_link(dut)
        take_back(dut)
        check_stream(dut, remote, port=PORT, total_bytes=MIB, flows=2)
    check_receives(dut, remote, queue, lease(dut, queue.queue))


@pytest.mark.needs(Capability.DRIVER_RELOAD)
def test_lease_goes_with_the_nic(dut: Dut, remote: Endpoint, defer: Defer) -> None:
    queue = dedicate_queue(dut, remote, no_undo, port=PORT)  # a reload takes every setting back
    defer(remote.run, ["ip", "link", "set", "dev", remote.netdev, "mtu", "1500"])
    defer(take_back, dut)
    leased = lease(dut, queue.queue)
    with console(dut) as zcrx:
        zcrx.bind(leased.queue, ifname=leased.netdev, **AREA)
        reload_driver(dut)
        shown = dut.run(["ip", "link", "show", "dev", DEVICE], check=False)
        assert shown.returncode, f"{DEVICE} is still there, with queues of a NIC that is not"


@pytest.mark.needs(
    Capability.FAULTS, Capability.FATAL_FAULTS, Capability.LINK_CYCLE, Capability.DRIVER_RELOAD
)
@pytest.mark.finding("leased-queue-gone")
def test_leased_queue_that_the_firmware_takes_away(
    dut: Dut, remote: Endpoint, defer: Defer, faults: Faults
) -> None:
    """The firmware grants one transmit ring, and the interface opens with one queue. The lease
    stands for one that is not there until the firmware grants more."""
    defer(reload_driver, dut)
    where = dedicate_queue(dut, remote, defer, port=PORT)
    defer(take_back, dut)
    channels = combined_channels(dut)
    ethtool(dut, "-X", dut.netdev, "equal", "1")
    leased = lease(dut, where.queue)
    with console(dut) as zcrx:
        zcrx.bind(leased.queue, ifname=leased.netdev, **AREA)
        with faults.inject(granting("tx_rings", 1)):
            cycle_link(dut)
        assert combined_channels(dut) < channels
    with console(dut) as zcrx, pytest.raises(GuestCommandFailed, match="cannot be bound"):
        zcrx.bind(leased.queue, ifname=leased.netdev, **AREA)
    with faults.inject(GRANTING_ALL):
        cycle_link(dut)
    ethtool(dut, "-L", dut.netdev, "combined", str(channels))
    with console(dut) as zcrx:
        zcrx.bind(leased.queue, ifname=leased.netdev, **AREA)
    take_back(dut)
    check_stream(dut, remote, port=PORT, total_bytes=MIB, flows=2)


@pytest.mark.needs(Capability.FAULTS, Capability.LINK_CYCLE, Capability.DRIVER_RELOAD)
@pytest.mark.finding("lease-of-gone-queue-kept")
def test_nic_goes_whose_leased_queue_is_gone(
    dut: Dut, remote: Endpoint, defer: Defer, faults: Faults
) -> None:
    """The lease stands for a queue that is not there any more, and goes with the NIC."""
    address = pci_address(dut)

    def undo() -> None:
        with faults.inject(GRANTING_ALL):
            reload_driver(dut, address=address)

    defer(undo)
    where = dedicate_queue(dut, remote, no_undo, port=PORT)
    defer(take_back, dut)
    ethtool(dut, "-X", dut.netdev, "equal", "1")
    lease(dut, where.queue)
    with faults.inject(granting("tx_rings", 1)):
        cycle_link(dut)
    unbind = ["sh", "-c", 'echo "$1" >"/sys/bus/pci/drivers/$2/unbind"; echo gone', "sh"]
    said = ask_in_time(dut, [*unbind, address, dut.driver])
    assert said, "the unbinding of the driver does not end"
    assert dut.run(["ip", "link", "show", "dev", DEVICE], check=False).returncode
