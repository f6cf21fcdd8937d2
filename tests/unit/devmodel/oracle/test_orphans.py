# SPDX-License-Identifier: GPL-2.0-only
"""Buffers that were posted when a reset took their ring: unmapped later, or forgotten."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest

from devmodel.bnxt.ledger import FirmwareLedger
from devmodel.dma import Access, Mapping
from tests.unit.devmodel.bnxt.rig import BASE, HDS_FLAGS, Queue, Rig
from tests.unit.devmodel.frames import tcp

PAGES = 4
Done = Callable[[FirmwareLedger], None]


class Driver:
    """Four pages posted in an aggregation ring, each mapped by itself."""

    def __init__(self, *, agg_size: int = 4096, in_one_run: bool = False) -> None:
        self.rig = Rig(paged=True, oracle=True)
        assert self.rig.oracle is not None
        self.ledger = FirmwareLedger(self.rig.resources, self.rig.clock, self.rig.oracle)
        self.queue: Queue = self.rig.add_queue(
            rx_entries=32, agg_entries=64, agg_size=agg_size, post=False
        )
        self.rig.add_vnic().plcmodes.flags = HDS_FLAGS
        size = max(agg_size, 4096)
        self.pages = [self.rig.allocate(size) for _ in range(PAGES)]
        for at in self.pages:
            self.rig.dma.unmap(at, 4096)
        for at in self.pages:
            self.map(at)
        if not in_one_run:
            self.unmap(*self.pages)
            for index in (1, 3, 0, 2):
                self.map(self.pages[index])
            self.unmap(self.pages[3])
            self.map(self.pages[3])
        for index, at in enumerate(self.pages):
            word = self.queue.agg.BD_TYPE | agg_size << 16
            bd = word.to_bytes(4, "little") + bytes(4) + at.to_bytes(8, "little")
            self.rig.poke(self.queue.agg.memory.address(index), bd)
        self.queue.agg.doorbell(PAGES)

    def map(self, at: int) -> None:
        both = Access.READ | Access.WRITE
        self.rig.dma.map(Mapping(at, 4096, both, self.rig.memory, at - BASE))

    def unmap(self, *pages: int) -> None:
        for at in pages:
            assert self.rig.dma.unmap(at, 4096)

    def reset(self) -> None:
        """FUNC_RESET or FLR."""
        self.rig.resources.reset()
        self.ledger.reset()

    @property
    def orphans(self) -> list[object]:
        """Addresses of verdicts; there are no others."""
        assert set(self.rig.trace.violation_counts) <= {"mapped_after_reset"}
        return [one["address"] for one in self.rig.trace.violations]


@pytest.fixture(
    params=[
        FirmwareLedger.driver_registered,
        partial(FirmwareLedger.driver_unregistered, comes_back=False),
    ],
    ids=["registered", "unregistered"],
)
def done(request: pytest.FixtureRequest) -> Done:
    """What the driver says when it is through."""
    way: Done = request.param
    return lambda ledger: way(ledger)


def test_all_unmapped_after_the_reset(done: Done) -> None:
    driver = Driver()
    driver.reset()
    driver.unmap(*driver.pages)
    done(driver.ledger)
    assert not driver.orphans


def test_one_is_forgotten(done: Done) -> None:
    driver = Driver()
    driver.reset()
    driver.unmap(*driver.pages[1:])
    assert not driver.orphans, "it may still be at it"
    done(driver.ledger)
    done(driver.ledger)
    assert driver.orphans == [driver.pages[0]]
    assert driver.rig.trace.violations[0]["culprit"] == "driver"


def test_all_are_forgotten(done: Done) -> None:
    """Pages are apart though one follows another, if something was unmapped between them."""
    driver = Driver()
    driver.reset()
    done(driver.ledger)
    assert sorted(map(str, driver.orphans)) == sorted(map(str, driver.pages))


def test_sleep_and_the_reset_after_it(done: Done) -> None:
    """A driver that wakes the function resets it."""
    driver = Driver()
    driver.ledger.power_changed(is_awake=False)
    driver.ledger.power_changed(is_awake=True)
    driver.reset()
    driver.unmap(*driver.pages[1:])
    done(driver.ledger)
    assert driver.orphans == [driver.pages[0]]


def test_a_page_mapped_anew_is_another(done: Done) -> None:
    driver = Driver()
    driver.reset()
    driver.unmap(*driver.pages)
    driver.map(driver.pages[0])
    done(driver.ledger)
    assert not driver.orphans


def test_what_was_taken_is_the_drivers(done: Done) -> None:
    """It may be in a socket's queue."""
    driver = Driver()
    driver.rig.post_rx(driver.queue, 1)
    driver.rig.rx.receive([tcp(100)])
    driver.reset()
    driver.unmap(*driver.pages[1:])
    done(driver.ledger)
    assert not driver.orphans


@pytest.mark.parametrize(("agg_size", "in_one_run"), [(4096, True), (2048, False), (8192, False)])
def test_memory_that_may_outlive_its_ring(done: Done, agg_size: int, in_one_run: bool) -> None:
    """An area mapped in one piece, a page with fragments, a buffer of several pages."""
    driver = Driver(agg_size=agg_size, in_one_run=in_one_run)
    driver.reset()
    done(driver.ledger)
    assert not driver.orphans


@pytest.mark.parametrize("comes_back", [True, False])
def test_who_goes_for_a_restart_of_the_firmware_keeps_mappings(*, comes_back: bool) -> None:
    """bnxt_fw_reset_close() unregisters and disables the device, as a removal does."""
    driver = Driver()
    driver.ledger.driver_unregistered(comes_back=comes_back)
    driver.rig.dma.bus_master_enabled = False
    driver.ledger.power_changed(is_awake=True)
    driver.rig.dma.bus_master_enabled = True
    driver.ledger.driver_registered()
    assert bool(driver.rig.trace.violation_counts["mapping_leaked"]) is not comes_back
