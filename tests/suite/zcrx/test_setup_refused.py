# SPDX-License-Identifier: GPL-2.0-only
"""Queues that cannot be bound as things stand: taken, not split, not allowed, no memory."""

from __future__ import annotations

import pytest

from testbed.dut.counters import netdev_state
from testbed.dut.defer import Defer
from testbed.dut.nic import CHANNELS, ZcrxQueue, ethtool, link, set_mtu, wait_until_free
from testbed.dut.page_pool import attached_pools
from testbed.dut.pause import pause
from testbed.dut.programs import program
from testbed.dut.protocols import Capability, Dut, Endpoint
from testbed.dut.streams import MIB
from testbed.dut.zcrx import console
from testbed.dut.zcrx_queue import BoundQueue
from testbed.errors import GuestCommandFailed

pytestmark = pytest.mark.needs(Capability.ZCRX, Capability.HEADER_SPLIT)

PORT = 5130
AREA_BYTES = 2 * MIB
MEMLOCK_BYTES = 1 * MIB
ALLOCATIONS_BEFORE_RESTART = 100
KNOBS = "/sys/kernel/debug"
WITHOUT_NET_ADMIN = ("setpriv", "--bounding-set", "-net_admin", "--inh-caps", "-net_admin")
WITHOUT_IPC_LOCK = ("setpriv", "--bounding-set", "-ipc_lock", "--inh-caps", "-ipc_lock")


def test_queue_that_is_bound(bound: BoundQueue, dut: Dut) -> None:
    """A queue has one provider: the second gets EEXIST, from the same ring and from another."""
    assert bound.zcrx.register(bound.queue, ifq=1, area=AREA_BYTES).errno == "EEXIST"
    with console(dut) as other:
        other.ring()
        assert other.register(bound.queue, area=AREA_BYTES).errno == "EEXIST"
    bound.transfer()


def test_queue_without_header_split(dut: Dut, where: ZcrxQueue) -> None:
    """A split threshold, or a split left to the driver: EINVAL (``__netif_mp_open_rxq()``)."""
    with console(dut) as zcrx:
        zcrx.ring()
        ethtool(dut, "-G", dut.netdev, "hds-thresh", "128")
        assert zcrx.register(where.queue, area=AREA_BYTES).errno == "EINVAL"
        ethtool(dut, "-G", dut.netdev, "hds-thresh", "0", "tcp-data-split", "auto")
        assert zcrx.register(where.queue, area=AREA_BYTES).errno == "EINVAL"
        ethtool(dut, "-G", dut.netdev, "tcp-data-split", "on")
        assert zcrx.register(where.queue, area=AREA_BYTES).errno == ""


def test_interface_with_an_xdp_program(dut: Dut, remote: Endpoint, defer: Defer) -> None:
    """XDP reads what zero-copy receive hides: who comes second is refused, EEXIST."""
    set_mtu(dut, remote, 1500, defer)
    with console(dut) as zcrx:
        zcrx.ring()
        running = dut.start([program("xdp_reflect"), dut.netdev])
        try:
            for _ in range(40):
                if "xdp" in link(dut):
                    break
                pause(dut, 0.05)
            assert "xdp" in link(dut)
            # header split and XDP exclude each other in bnxt_en
            with pytest.raises(GuestCommandFailed):
                ethtool(dut, "-G", dut.netdev, "tcp-data-split", "on", "hds-thresh", "0")
            assert zcrx.register(0, area=AREA_BYTES).errno in ("EINVAL", "EEXIST")
        finally:
            running.kill()


def test_xdp_program_for_a_bound_interface(bound: BoundQueue, dut: Dut) -> None:
    """The other way round: a program is refused while a queue is bound."""
    done = dut.run([program("xdp_reflect"), dut.netdev], check=False, timeout_s=20)
    assert done.returncode == 1
    bound.transfer()


def test_binding_takes_a_privilege(dut: Dut, where: ZcrxQueue) -> None:
    """Without CAP_NET_ADMIN: EPERM, for an IFQ without device as well."""
    with console(dut, WITHOUT_NET_ADMIN) as zcrx:
        zcrx.ring()
        assert zcrx.register(where.queue, area=AREA_BYTES).errno == "EPERM"
        assert zcrx.register_without_device(area=AREA_BYTES).errno == "EPERM"


def test_area_beyond_the_memory_limit(dut: Dut, where: ZcrxQueue) -> None:
    """Without CAP_IPC_LOCK the area counts against RLIMIT_MEMLOCK, after it has been mapped for
    DMA: ENOMEM takes the mapping back (``io_import_umem()``). Areas one after the other count once.
    """
    prefix = ("prlimit", f"--memlock={MEMLOCK_BYTES}", *WITHOUT_IPC_LOCK)
    with console(dut, prefix) as zcrx:
        zcrx.ring()
        for _ in range(3):
            assert zcrx.register(where.queue, area=AREA_BYTES).errno == "ENOMEM"
        for _ in range(3):  # no longer than it exists
            assert zcrx.register(where.queue, area=MEMLOCK_BYTES // 2).errno == ""
            zcrx.step("close", ring=0)
            wait_until_free(dut)
            zcrx.ring()


@pytest.mark.finding("vnic-default-ring-stale")
def test_as_many_queues_as_there_are(bound: BoundQueue, dut: Dut) -> None:
    """Every queue can be bound by one process; the next number is out of range."""
    for queue in range(CHANNELS - 1):
        assert bound.zcrx.register(queue, ifq=queue + 1, area=AREA_BYTES).errno == ""
    answer = bound.zcrx.register(CHANNELS, ifq=7, area=AREA_BYTES)
    assert answer.errno in ("ERANGE", "EINVAL")  # the latter on older kernels
    assert len(netdev_state(dut).providers) == CHANNELS


def let_waiting_allocations_fail(dut: Dut, defer: Defer) -> None:
    """Allocations that may sleep fail on request, too, which they do not by default."""
    for knob in ("failslab/ignore-gfp-wait", "fail_page_alloc/ignore-gfp-wait"):
        before = dut.run(["cat", f"{KNOBS}/{knob}"]).text
        dut.run(["sh", "-c", f"echo N >{KNOBS}/{knob}"])
        defer(dut.run, ["sh", "-c", f"echo {before} >{KNOBS}/{knob}"])


@pytest.mark.needs(Capability.FAILING_ALLOCATIONS)
def test_allocations_before_the_restart_may_fail(dut: Dut, where: ZcrxQueue, defer: Defer) -> None:
    """Each access to user memory and each of the first allocations fails, of later ones some.

    Part-way through pinning, mapping and the driver's own memory: ENOMEM (EFAULT), what was done
    before is undone, and the queue can be bound. Where the kernel can do without it is bound.
    """
    let_waiting_allocations_fail(dut, defer)
    seen = {}
    with console(dut) as zcrx:
        zcrx.ring()
        nth = 1
        while nth < ALLOCATIONS_BEFORE_RESTART:
            answer = zcrx.register(where.queue, area=AREA_BYTES // 4, fail_nth=nth)
            assert answer.allocation_failed, nth
            seen[nth] = answer.errno
            if not answer.errno:
                zcrx.step("close", ring=0)
                wait_until_free(dut)
                zcrx.ring()
            nth += 1 + nth // 20
        assert netdev_state(dut).providers == []
        assert zcrx.register(where.queue, area=AREA_BYTES).errno == ""
    assert set(seen.values()) <= {"ENOMEM", "EFAULT", ""}, seen
    assert list(seen.values()).count("ENOMEM") >= 5, seen


@pytest.mark.needs(Capability.FAILING_ALLOCATIONS)
@pytest.mark.finding("restart-refused-napi-lost")
def test_pools_of_a_refused_restart_keep_their_napi(
    dut: Dut, where: ZcrxQueue, defer: Defer
) -> None:
    """A queue for whose restart there is no memory goes on as it was, with pools that NAPI may
    recycle into directly (``page_pool_nl_fill()``: they name it)."""
    let_waiting_allocations_fail(dut, defer)
    with console(dut) as zcrx:
        zcrx.ring()
        for nth in range(1, ALLOCATIONS_BEFORE_RESTART, 3):
            if zcrx.register(where.queue, area=AREA_BYTES // 4, fail_nth=nth).errno:
                kept = {pool["id"]: pool["napi_id"] for pool in attached_pools(dut)}
                assert all(kept.values()), f"refused at allocation {nth}: pools and NAPI: {kept}"
            else:
                zcrx.step("close", ring=0)
                wait_until_free(dut)
                zcrx.ring()
