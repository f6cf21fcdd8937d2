# SPDX-License-Identifier: GPL-2.0-only
"""What a BCM57508 shows in its configuration space (PCI Express Base Specification, chapter 7)."""

from __future__ import annotations

from devmodel.bnxt.config_space import DSN_OFFSET, EXPRESS_OFFSET
from devmodel.bnxt.identity import Identity
from tests.unit.devmodel.bnxt.cardhost import CardHost

PM, VPD, MSIX, EXPRESS = 0x01, 0x03, 0x11, 0x10
AER, DSN = 0x0001, 0x0003


def test_ids(host: CardHost) -> None:
    read = host.card.config_read
    assert (read(0, 4).hex(), read(8, 4).hex()) == ("e4145017", "12000002")


def test_another_board() -> None:
    nic = Identity(pci_device_id=0x1802, pci_revision=0x11, doorbell_bar_mib=1, subsystem_id=0x2200)
    card = CardHost(nic).card
    assert (card.config_read(0, 4).hex(), card.config_read(8, 1).hex()) == ("e4140218", "11")
    assert card.config_read(0x2E, 2).hex() == "0022"
    card.config_write(0x18, b"\xff\xff\xff\xff")
    assert card.config_read(0x18, 4).hex() == "0c00f0ff"


def test_capabilities_in_their_order(host: CardHost) -> None:
    read = host.card.config_read
    found, at = [], read(0x34, 1)[0]
    while at:
        found.append(read(at, 1)[0])
        at = read(at + 1, 1)[0]
    assert found == [PM, VPD, MSIX, EXPRESS]
    extended, at = [], 0x100
    while at:
        word = int.from_bytes(read(at, 4), "little")
        extended.append(word & 0xFFFF)
        at = word >> 20
    assert extended == [AER, DSN]


def test_link_is_16_gt_s_by_16_lanes(host: CardHost) -> None:
    status = int.from_bytes(host.card.config_read(EXPRESS_OFFSET + 18, 2), "little")
    assert (status & 0xF, status >> 4 & 0x3F) == (4, 16)


def test_serial_number_is_made_of_the_mac_address(host: CardHost) -> None:
    assert host.card.config_read(DSN_OFFSET + 4, 8)[::-1].hex("-") == "00-10-18-ff-fe-20-aa-01"
