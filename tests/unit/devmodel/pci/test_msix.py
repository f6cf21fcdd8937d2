# SPDX-License-Identifier: GPL-2.0-only
"""The MSI-X table where the guest's accesses reach it (a transport that does not keep it)."""

from __future__ import annotations

import struct

import pytest

from devmodel.clock import Clock
from devmodel.faults.points import FaultRegistry
from devmodel.pci.caps import Express, Msix
from devmodel.pci.function import Function
from devmodel.pci.header import Bar, PciIdentity
from devmodel.pci.msix import MsixTable
from devmodel.trace import Trace

VECTORS = 70
MSIX_OFFSET, EXPRESS_OFFSET = 0x60, 0x80
MSIX_BAR, MSIX_PBA_OFFSET = 4, 0x4000


class TableHost:
    """A host that leaves the table to the function."""

    keeps_msix_table = False

    def __init__(self) -> None:
        self.sent: list[int] = []

    def msix(self, vector: int) -> bool:
        self.sent.append(vector)
        return True


@pytest.fixture
def table() -> MsixTable:
    return MsixTable(VECTORS, 0x1000, 0x2000)


def make_function(vectors: int, bars: dict[int, Bar]) -> Function:
    msix = Msix(MSIX_OFFSET, vectors, MSIX_BAR, 0, MSIX_PBA_OFFSET)
    return Function(
        identity=PciIdentity(1, 2, 3, 0x020000, 5, 6), bars=bars,
        capabilities=[msix, Express(EXPRESS_OFFSET, speed=1, width=1)],
        faults=FaultRegistry(), clock=Clock(1), trace=Trace(),
    )  # fmt: skip


@pytest.fixture
def function() -> Function:
    function = make_function(VECTORS, {0: Bar(4096), MSIX_BAR: Bar(32768)})
    function.config_write(4, b"\x06\x00")
    function.config_write(MSIX_OFFSET + 2, b"\x00\x80")
    return function


@pytest.fixture
def host(function: Function) -> TableHost:
    host = TableHost()
    function.attach(host)
    return host


def test_reset_state_is_masked(table: MsixTable) -> None:
    assert all(table.is_masked(v) for v in range(VECTORS))
    assert table.pending_vectors() == []


def test_entry_is_what_was_written(table: MsixTable) -> None:
    entry = struct.pack("<QII", 0xFEE00000, 0x4041, 0)
    assert table.write(0x1000 + 16 * 3, entry)
    assert table.read(0x1000 + 16 * 3, 16) == entry
    assert table.message(3) == (0xFEE00000, 0x4041)
    assert not table.is_masked(3)
    assert table.is_masked(2)
    assert table.is_masked(4)


def test_reserved_bits_of_vector_control_stay_zero(table: MsixTable) -> None:
    table.write(0x100C, b"\xff" * 4)
    assert table.read(0x100C, 4) == b"\1\0\0\0"


def test_pending_bits(table: MsixTable) -> None:
    table.set_pending(0, True)
    table.set_pending(69, True)
    assert table.read(0x2000, 8) == b"\1" + bytes(7)
    assert table.read(0x2008, 8) == b"\x20" + bytes(7)
    assert table.pending_vectors() == [0, 69]
    assert not table.write(0x2000, bytes(8))
    assert table.pending_vectors() == [0, 69]


def test_what_lies_in_the_structure(table: MsixTable) -> None:
    inside = [0x1000, 0x1000 + 16 * VECTORS - 1, 0x2000, 0x200F]
    outside = [0xFFF, 0x1000 + 16 * VECTORS, 0x1FFF, 0x2010]
    assert [table.holds(a) for a in inside + outside] == [True] * 4 + [False] * 4


def test_write_that_runs_off_the_table(table: MsixTable) -> None:
    assert not table.write(0x1000 + 16 * VECTORS - 4, bytes(8))


def test_masked_vector_waits_for_its_mask_bit(function: Function, host: TableHost) -> None:
    function.raise_msix(5)
    assert host.sent == []
    assert function.mmio_read(MSIX_BAR, MSIX_PBA_OFFSET, 8) == b"\x20" + bytes(7)
    function.mmio_write(MSIX_BAR, 16 * 5 + 12, bytes(4))
    assert host.sent == [5]
    assert function.mmio_read(MSIX_BAR, MSIX_PBA_OFFSET, 8) == bytes(8)
    function.raise_msix(5)
    assert host.sent == [5, 5]


def test_unmasking_does_not_send_what_is_not_pending(function: Function, host: TableHost) -> None:
    function.mmio_write(MSIX_BAR, 12, bytes(4))
    assert host.sent == []


def test_reset_masks_everything_and_forgets_pending(function: Function, host: TableHost) -> None:
    function.raise_msix(1)
    function.config_write(EXPRESS_OFFSET + 8, b"\x00\x80")
    assert function.msix.pending_vectors() == []
    function.raise_msix(1)
    assert host.sent == []


def test_negative_and_large_vectors_are_violations(function: Function) -> None:
    function.raise_msix(-1)
    function.raise_msix(VECTORS)
    assert function.trace.violation_counts == {"msix_vector_out_of_range": 2}


def test_without_a_host_interrupts_stay_pending(function: Function) -> None:
    function.raise_msix(2)
    assert function.msix.pending_vectors() == [2]


@pytest.mark.parametrize("vectors", [0, 2049])
def test_impossible_number_of_vectors(vectors: int) -> None:
    with pytest.raises(ValueError, match="MSI-X vectors"):
        make_function(vectors, {MSIX_BAR: Bar(32768)})
