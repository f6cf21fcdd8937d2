# SPDX-License-Identifier: GPL-2.0-only
"""The NVM across interruptions: whatever byte a write ends at, one whole directory is there."""

from __future__ import annotations

import zlib
from random import Random

import pytest

from devmodel.bnxt.hsi.nvm import (
    HwrmNvmGetDevInfoInput,
    HwrmNvmInstallUpdateInput,
    HwrmNvmWriteInput,
)
from devmodel.bnxt.identity import Identity
from devmodel.bnxt.nvm.board import BoardNvm
from devmodel.bnxt.nvm.image import CODE_TYPES, DirType, image_version
from devmodel.bnxt.nvm.media import BLOCK_BYTES, NVM_BYTES, BadMedium, DirectoryEntry
from devmodel.bnxt.nvm.store import Item, NvmStore
from tests.unit.devmodel.bnxt.cardhost import CardHost
from tests.unit.devmodel.bnxt.cmd.test_nvm import package, stage

SEED = 17
POINTS = 20


class PowerCut(BaseException):
    """The card has no power any more; it is no exception that the card might catch."""


class FailingMedium(bytearray):
    """A memory that takes only so many bytes.

    :ivar left: bytes until the power is cut.
    :ivar written: bytes so far.
    """

    left = NVM_BYTES * 16
    written = 0

    def __setitem__(self, where: slice, data: bytes) -> None:  # type: ignore[override]
        taken = min(len(data), self.left)
        at = where.start
        super().__setitem__(slice(at, at + taken), data[:taken])
        self.left -= taken
        self.written += taken
        if taken < len(data):
            raise PowerCut


def blank() -> FailingMedium:
    return FailingMedium(bytes(NVM_BYTES))


def flash(host: CardHost) -> None:
    """``devlink dev flash``: room, the package in parts, its installation."""
    host.call(HwrmNvmWriteInput(dir_type=DirType.UPDATE, dir_attr=1, dir_item_length=2 << 20))
    stage(host, package())
    assert host.call(HwrmNvmInstallUpdateInput()).result == 0


def major(host: CardHost) -> int:
    return int(host.call(HwrmNvmGetDevInfoInput()).hwrm_fw_major)


def bytes_of_a_flash() -> int:
    medium = blank()
    host = CardHost(medium=medium)
    before = medium.written
    flash(host)
    return medium.written - before


@pytest.mark.parametrize("point", sorted(Random(SEED).sample(range(bytes_of_a_flash()), POINTS)))
def test_an_interrupted_flash_leaves_a_working_card(point: int) -> None:
    medium = blank()
    host = CardHost(medium=medium)
    medium.left = point
    with pytest.raises(PowerCut):
        flash(host)
    host = CardHost(medium=FailingMedium(medium))
    assert major(host) == 232
    assert host.card.firmware.running.firmware == Identity().firmware
    nvm = host.card.firmware.nvm
    for index, entry in enumerate(nvm.entries):
        if entry.type in CODE_TYPES:
            assert image_version(entry.type, nvm.data(index)) == "232.0.1.0"
    flash(host)
    assert major(host) == 233


def test_the_last_byte_of_a_flash_is_the_new_firmware() -> None:
    medium = blank()
    flash(CardHost(medium=medium))
    assert CardHost(medium=medium).card.firmware.running.firmware[0] == 233


@pytest.mark.parametrize("point", range(0, 60, 4))
def test_a_commit_is_interrupted_anywhere_in_the_master_block(point: int) -> None:
    medium = blank()
    nvm = BoardNvm(Identity(), medium)
    kept = [entry.pack() for entry in nvm.entries]
    medium.left = BLOCK_BYTES + min(point, 39)
    with pytest.raises(PowerCut):
        nvm.erase(0)
    assert [entry.pack() for entry in BoardNvm(Identity(), medium).entries] == kept


def test_moving_items_is_interrupted_anywhere() -> None:
    def make() -> tuple[FailingMedium, NvmStore]:
        medium = blank()
        items = [Item((i, 0, 0), bytes([i]) * 5000) for i in range(1, 8)]
        store = NvmStore(medium, lambda: items)
        for kind in (1, 3, 5):
            index = store.find((kind, 0, 0))
            assert index is not None
            store.erase(index)
        return medium, store

    medium, store = make()
    before = medium.written
    store.defragment()
    whole = medium.written - before
    assert max(entry.end for entry in store.entries) == BLOCK_BYTES * 12
    for point in range(0, whole, 997):
        medium, store = make()
        medium.left = point
        with pytest.raises(PowerCut):
            store.defragment()
        found = NvmStore(medium, list)
        for kind in (2, 4, 6, 7):
            assert found.data_of((kind, 0, 0)) == bytes([kind]) * 5000


def _reseal(medium: bytearray, entries: list[DirectoryEntry]) -> None:
    """The directory in use becomes this one, its checksums right."""
    at = 2 * BLOCK_BYTES
    block = medium[at + BLOCK_BYTES : at + BLOCK_BYTES + 16]
    block[8:12] = len(entries).to_bytes(4, "little")
    block += b"".join(entry.pack() for entry in entries)
    block = block.ljust(BLOCK_BYTES, b"\xff")
    medium[at + BLOCK_BYTES : at + 2 * BLOCK_BYTES] = block
    medium[at + 32 : at + 36] = zlib.crc32(block).to_bytes(4, "little")
    medium[at + 36 : at + 40] = zlib.crc32(medium[at : at + 36]).to_bytes(4, "little")


@pytest.mark.parametrize(
    "entry",
    [
        DirectoryEntry(item_location=0, item_length=4096),
        DirectoryEntry(item_location=NVM_BYTES, item_length=4096),
        DirectoryEntry(item_location=5 * 4096, item_length=100),
        DirectoryEntry(item_location=4 * 4096, item_length=4096, data_length=5000),
        DirectoryEntry(item_location=4 * 4096, item_length=0xFFFFF000),
    ],
)
def test_a_directory_that_leads_elsewhere_is_not_used(entry: DirectoryEntry) -> None:
    medium = bytearray(NVM_BYTES)
    store = NvmStore(medium, lambda: [Item((1, 0, 0), b"x")])
    _reseal(medium, store.entries)
    assert NvmStore(medium, list).data_of((1, 0, 0)) == b"x"
    _reseal(medium, [entry])
    with pytest.raises(BadMedium, match="no directory is whole"):
        NvmStore(medium, list)


def test_what_is_no_nvm_is_left_alone() -> None:
    with pytest.raises(BadMedium, match="4096 bytes instead of"):
        NvmStore(bytearray(4096), list)
    medium = bytearray(b"somebody's data".ljust(NVM_BYTES, b"."))
    with pytest.raises(BadMedium, match="no directory is whole"):
        NvmStore(medium, list)
    assert medium.startswith(b"somebody's data...")


def test_a_master_block_that_was_cut_off_in_the_factory_is_not_blank() -> None:
    medium = blank()
    medium.left = 5 * BLOCK_BYTES + 20
    with pytest.raises(PowerCut):
        NvmStore(medium, lambda: [Item((1, 0, 0), bytes(4 * BLOCK_BYTES))])
    with pytest.raises(BadMedium):
        NvmStore(medium, list)
