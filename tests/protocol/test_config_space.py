# SPDX-License-Identifier: GPL-2.0-only
"""Configuration space over the wire: what a guest sees, FLR, DEVICE_RESET, D3hot, VPD."""

from __future__ import annotations

import pytest

from devmodel.pci.function import ResetKind
from docs.examples import ring_nic
from tests.protocol import client as c
from tests.protocol import toy as t
from tests.protocol.client import CONFIG
from tests.protocol.conftest import Bench, fired

DEVICE_CONTROL = ring_nic.EXPRESS_OFFSET + 8
PMCSR = ring_nic.PM_OFFSET + 4
INITIATE_FLR = 0x8000


def test_header(bench: Bench) -> None:
    read = bench.client.read_int
    assert read(CONFIG, 0) == t.DEVICE_AND_VENDOR
    assert read(CONFIG, 8) == 0x020000_01
    assert read(CONFIG, 0x2C) == 0x0001_1234
    assert read(CONFIG, 6, 2) & 0x10


def test_capabilities_can_be_walked(bench: Bench) -> None:
    found, at = [], bench.client.read_int(CONFIG, 0x34, 1)
    while at:
        found.append(bench.client.read_int(CONFIG, at, 1))
        at = bench.client.read_int(CONFIG, at + 1, 1)
    assert found == [0x01, 0x03, 0x11, 0x10]
    extended, at = [], 0x100
    while at:
        word = bench.client.read_int(CONFIG, at)
        extended.append(word & 0xFFFF)
        at = word >> 20
    assert extended == [0x0001, 0x0003]


def test_link_is_trained_at_8_gts_x4(bench: Bench) -> None:
    status = bench.client.read_int(CONFIG, ring_nic.EXPRESS_OFFSET + 18, 2)
    assert (status & 0xF, status >> 4 & 0x3F) == (3, 4)


def test_serial_number_holds_the_mac(bench: Bench) -> None:
    raw = bench.client.read(CONFIG, ring_nic.DSN_OFFSET + 4, 8)
    assert raw[::-1].hex("-") == "02-00-5e-ff-fe-00-00-01"


def test_bars_answer_sizing(bench: Bench) -> None:
    for bar, size in bench.toy.bar_sizes.items():
        offset = 0x10 + 4 * bar
        bench.client.write(CONFIG, offset, b"\xff" * 8)
        value = bench.client.read_int(CONFIG, offset, 8)
        assert value & 0xF == 0xC
        assert (1 << 64) - (value & ~0xF) == size
        bench.client.write_int(CONFIG, offset, 0x7000_0000_0000, 8)
        assert bench.client.read_int(CONFIG, offset, 8) == 0x7000_0000_000C


@pytest.mark.parametrize("offset", [0, 8, 0x2C, 0x34, ring_nic.DSN_OFFSET + 4, 0xF00])
def test_read_only_and_reserved_registers_stay(bench: Bench, offset: int) -> None:
    before = bench.client.read(CONFIG, offset, 4)
    bench.client.write(CONFIG, offset, bytes(b ^ 0xFF for b in before))
    assert bench.client.read(CONFIG, offset, 4) == before


def test_whole_space_written_with_ones_keeps_the_function_usable(bench: Bench) -> None:
    for offset in range(0, 4096, 4):
        if offset != DEVICE_CONTROL:
            bench.client.write(CONFIG, offset, b"\xff" * 4)
    assert bench.client.read_int(CONFIG, 0) == t.DEVICE_AND_VENDOR
    bench.client.write_int(CONFIG, PMCSR, 0, 2)
    bench.enable()
    assert bench.client.read_int(0, 0) == t.MAGIC


def test_flr_through_device_control(bench: Bench) -> None:
    bench.client.dma_map(0, 4096, bench.memory_fd)
    bench.client.write_int(0, t.REG_SCRATCH, 7)
    control = bench.client.read_int(CONFIG, DEVICE_CONTROL, 2)
    bench.client.write_int(CONFIG, DEVICE_CONTROL, control | INITIATE_FLR, 2)
    assert bench.toy.resets == [ResetKind.FLR]
    assert bench.client.read_int(CONFIG, DEVICE_CONTROL, 2) & INITIATE_FLR == 0
    assert bench.client.read_int(CONFIG, 4, 2) == 0
    assert not bench.toy.dma.bus_master_enabled
    assert bench.toy.dma.live_mappings == 1, "mappings are the host's"
    bench.enable()
    assert bench.client.read_int(0, t.REG_SCRATCH) == 0


def test_flr_keeps_eventfds_connected(bench: Bench, eventfds: list[int]) -> None:
    """QEMU does not send SET_IRQS again when the guest restores MSI-X after an FLR."""
    bench.connect(eventfds[:1])
    bench.client.write_int(CONFIG, DEVICE_CONTROL, INITIATE_FLR, 2)
    bench.enable()
    bench.enable_msix()
    bench.interrupt(0)
    assert fired(eventfds[0]) == 1


def test_device_reset(bench: Bench) -> None:
    bench.client.write_int(0, t.REG_SCRATCH, 7)
    bench.interrupt(2)
    reply = bench.client.call(c.DEVICE_RESET)
    assert (reply.error, reply.body) == (0, b"")
    assert bench.toy.resets == [ResetKind.TRANSPORT]
    bench.enable()
    assert bench.client.read_int(0, t.REG_SCRATCH) == 0
    assert bench.client.read_int(4, 0x4000, 8) == 0, "pending bits are gone"


def test_d3hot_stops_mmio_and_dma_and_d0_brings_them_back(bench: Bench) -> None:
    bench.client.write_int(0, t.REG_SCRATCH, 7)
    bench.client.write_int(CONFIG, PMCSR, 3, 2)
    assert bench.client.read_int(CONFIG, PMCSR, 2) & 3 == 3
    assert bench.client.read(0, 0, 4) == b"\xff" * 4
    assert not bench.toy.dma.bus_master_enabled
    bench.client.write_int(CONFIG, PMCSR, 0, 2)
    assert bench.client.read_int(0, t.REG_SCRATCH) == 7, "NoSoftRst+"
    assert bench.toy.dma.bus_master_enabled


def read_vpd(bench: Bench, address: int) -> bytes:
    bench.client.write_int(CONFIG, ring_nic.VPD_OFFSET + 2, address, 2)
    assert bench.client.read_int(CONFIG, ring_nic.VPD_OFFSET + 2, 2) == address | 0x8000
    return bench.client.read(CONFIG, ring_nic.VPD_OFFSET + 4, 4)


def test_vpd_is_read_word_by_word(bench: Bench) -> None:
    data = b"".join(read_vpd(bench, at) for at in range(0, 64, 4))
    assert data.startswith(b"\x82\x04\x00Ring\x90")
    assert b"PN\x06RING-1SN\x011RV\x01" in data
    end = data.index(b"RV\x01") + 4
    assert sum(data[:end]) & 0xFF == 0
    assert data[end] == 0x78
    assert read_vpd(bench, 0x7FFC) == bytes(4)


def test_vpd_write_completes_and_changes_nothing(bench: Bench) -> None:
    bench.client.write(CONFIG, ring_nic.VPD_OFFSET + 4, b"evil")
    bench.client.write_int(CONFIG, ring_nic.VPD_OFFSET + 2, 0x8000, 2)
    assert bench.client.read_int(CONFIG, ring_nic.VPD_OFFSET + 2, 2) == 0
    assert read_vpd(bench, 0) == b"\x82\x04\x00R"
    assert bench.trace.violation_counts["vpd_write"] == 1
