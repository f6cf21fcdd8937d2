# SPDX-License-Identifier: GPL-2.0-only
"""The card as a PCI function: registers, doorbells, reset, options."""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import Any

import pytest

from devmodel.bnxt.card import BnxtCard
from devmodel.bnxt.hsi.regs import DOORBELL_PF_OFFSET, DbType
from devmodel.bnxt.hsi.ver import HwrmVerGetInput
from devmodel.bnxt.make import make_card
from devmodel.bnxt.options import OptionError
from devmodel.clock import Clock
from devmodel.config import ConfigError
from devmodel.net.port import ScriptedWire
from devmodel.pci.function import ResetKind
from devmodel.trace import Trace
from tests.unit.devmodel.bnxt.cardhost import CardHost, OpenQueue


def test_firmware_status_through_register_and_window(host: CardHost) -> None:
    read = host.card.mmio_read
    assert read(0, 0x520, 4) == struct.pack("<I", 0x8000)
    assert read(0, 0x31F0, 4) == bytes(4)
    host.card.mmio_write(0, 0x408, struct.pack("<I", 0x03100000))
    signature, location = struct.unpack("<II", read(0, 0x31F0, 4) + read(0, 0x31F4, 4))
    assert signature >> 8 == 0x484353
    assert location & 3 == 1
    assert read(0, 0x3000 + (location & 0xFFC), 4) == struct.pack("<I", 0x8000)
    assert not host.rules


def test_reserved_registers(host: CardHost) -> None:
    assert host.card.mmio_read(0, 0x7000, 4) == bytes(4)
    assert host.card.mmio_read(2, DOORBELL_PF_OFFSET, 4) == bytes(4)
    for bar, offset in ((0, 0x104), (0, 0xA00), (0, 0xB00), (0, 0xFFFC), (4, 0x7000)):
        host.card.mmio_write(bar, offset, bytes(4))
    assert host.trace.violation_counts == {"reserved_register_write": 5}
    host.call(HwrmVerGetInput())


def test_bus_master_off_stops_every_answer(host: CardHost) -> None:
    host.card.config_write(0x04, struct.pack("<H", 0x2))
    host.submit(HwrmVerGetInput())
    assert host.rules == {"hwrm_request_address"}


@pytest.mark.parametrize(
    ("kind", "ring", "rule"),
    [
        (DbType.SQ, "rx", "doorbell_wrong_type"),
        (DbType.SRQ, "tx", "doorbell_wrong_type"),
        (DbType.CQ_ARMALL, "nq", "doorbell_wrong_type"),
        (DbType.NQ_ARM, "rx_cq", "doorbell_wrong_type"),
        (DbType.RQ, "rx", "doorbell_wrong_type"),
        (DbType.SQ, None, "doorbell_unknown_ring"),
        (DbType.NQ, None, "doorbell_unknown_ring"),
        (12, None, "doorbell_unknown_ring"),
    ],
)
def test_doorbell_that_leads_nowhere(
    host: CardHost, queue: OpenQueue, kind: int, ring: str | None, rule: str
) -> None:
    host.doorbell(kind, getattr(queue, ring) if ring else 0xFFFFF, 1)
    assert host.rules == {rule}


def test_doorbell_in_two_halves(host: CardHost, queue: OpenQueue) -> None:
    value = struct.pack("<Q", DbType.SRQ << 60 | queue.rx << 32 | 9)
    host.card.mmio_write(2, DOORBELL_PF_OFFSET, value[:4])
    host.card.mmio_write(2, DOORBELL_PF_OFFSET + 4, value[4:])
    assert host.card.resources.rx_rings[queue.rx].prod == 9
    assert "doorbell_offset" not in host.rules


@pytest.mark.parametrize(
    ("offset", "length"), [(0, 8), (DOORBELL_PF_OFFSET + 8, 8), (DOORBELL_PF_OFFSET + 4, 4)]
)
def test_doorbell_elsewhere(host: CardHost, offset: int, length: int) -> None:
    host.card.mmio_write(2, offset, bytes(length))
    assert host.rules == {"doorbell_offset"}


def test_doorbell_outside_the_ring(host: CardHost, queue: OpenQueue) -> None:
    host.doorbell(DbType.SQ, queue.tx, 256)
    host.doorbell(DbType.SRQ, queue.agg, 0xFFFFFF)
    host.doorbell(DbType.CQ, queue.rx_cq, 3)
    host.doorbell(DbType.NQ, queue.nq, 3)
    assert host.trace.violation_counts == {"doorbell_index": 2, "doorbell_past_producer": 2}


@pytest.mark.parametrize("kind", list(ResetKind))
def test_reset_forgets_everything(host: CardHost, queue: OpenQueue, kind: ResetKind) -> None:
    host.card.reset(kind)
    assert not any(host.card.resources.ledger().values())
    assert not host.card.dma.bus_master_enabled
    host.card.config_write(0x04, struct.pack("<H", 0x6))
    assert host.card.mmio_read(0, 0x408, 4) == bytes(4)
    host.call(HwrmVerGetInput())


def test_no_dma_after_reset(host: CardHost, queue: OpenQueue) -> None:
    ctx = host.card.resources.stat_ctxs[queue.stat]
    ctx.counters[0] = 5
    host.card.reset(ResetKind.FLR)
    host.card.config_write(0x04, struct.pack("<H", 0x6))
    before = bytes(host.memory)
    host.clock.advance_to(10**11)
    host.card.receive([b"\xff" * 60])
    assert bytes(host.memory) == before


def test_state_is_json(host: CardHost, queue: OpenQueue) -> None:
    state = host.card.state()
    assert state["resources"]["rx_rings"] == 1
    assert state["reservation"]["tx_rings"] == 8
    assert {r["kind"] for r in state["rings"]} == {"TX", "RX", "RX_AGG"}


def build(options: dict[str, Any]) -> BnxtCard:
    card = make_card(Clock(1), Trace(), ScriptedWire(), options)
    assert isinstance(card, BnxtCard)
    return card


def test_options_change_the_identity() -> None:
    identity = {"chip_rev": 0, "mac": "020304050607", "adv_flow": 0x2000}
    card = build({**identity, "limits": {"msix": 9}, "id_policy": "fresh"})
    nic = card.firmware.identity
    assert (nic.chip_rev, nic.mac.hex(), nic.adv_flow) == (0, "020304050607", 0x2000)
    assert card.msix_vectors == nic.limits.msix == 9


def test_bad_option() -> None:
    with pytest.raises(ConfigError, match="option colour: unknown key; allowed: adv_flow, board"):
        build({"colour": 1})


def test_the_nvm_is_the_file_that_was_given(tmp_path: Path) -> None:
    def make() -> BnxtCard:
        fd = os.open(tmp_path / "board.nvm", os.O_RDWR | os.O_CREAT)
        try:
            card = make_card(Clock(1), Trace(), ScriptedWire(), {"store_fd": fd})
        finally:
            os.close(fd)
        assert isinstance(card, BnxtCard)
        return card

    make().firmware.nvm.set_value(164, 0, 1)
    assert make().firmware.nvm.value(164, 0) == 1
    (tmp_path / "board.nvm").write_bytes(b"x" * 100)
    with pytest.raises(OptionError, match="100 bytes instead of"):
        make()
    assert (tmp_path / "board.nvm").read_bytes() == b"x" * 100
