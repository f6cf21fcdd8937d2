# SPDX-License-Identifier: GPL-2.0-only
"""How directory and items lie in the memory: two places for the directory, of which one is valid.

Structures and types are those of Broadcom's bnxnvm_defs.h (2016-2020, BSD-3-Clause): a master block
that leads to a directory. How a real card makes a change atomic is not published. Here the
directory is written to the other place, and its master block, with a checksum over both, last.
"""

from __future__ import annotations

import dataclasses
import mmap
import os
import zlib
from functools import partial
from typing import Protocol

from devmodel.layout import Layout, layout, le16, le32

BLOCK_BYTES = 4096
NVM_BYTES = 8 << 20
MAX_ENTRIES = 128
DATA_OFFSET = 4 * BLOCK_BYTES
"""Two places of a master block and a directory block each come first."""
_SLOTS = (0, 2 * BLOCK_BYTES)
_MASTER_SIGNATURE = int.from_bytes(b"BNX4", "little")
_DIRECTORY_SIGNATURE = int.from_bytes(b"Dir0", "little")
_BLANK = (b"\0\0\0\0", b"\xff\xff\xff\xff")


class Medium(Protocol):
    """The memory itself: a bytearray, or a file that is mapped."""

    def __len__(self) -> int: ...

    def __getitem__(self, where: slice, /) -> bytes | bytearray: ...

    def __setitem__(self, where: slice, data: bytes, /) -> None: ...


class BadMedium(Exception):
    """What is there is no NVM, or neither of its directories is whole."""


@layout(size=40, c_name="")
class MasterBlock(Layout):
    """bnxnvm_master_block_header_t; the last three members are ours."""

    sig: le32 = _MASTER_SIGNATURE
    length: le32 = 40
    block_size: le32 = BLOCK_BYTES
    directory_offset: le32 = 0
    redirect_offset: le32 = 0
    reserved_size: le32 = 0
    nvram_size: le32 = NVM_BYTES
    generation: le32 = 0
    directory_chksum: le32 = 0
    chksum: le32 = 0


@layout(size=16, c_name="")
class DirectoryBlock(Layout):
    """bnxnvm_directory_block_header_t."""

    sig: le32 = _DIRECTORY_SIGNATURE
    length: le32 = 16
    entries: le32 = 0
    entry_length: le32 = 24


@layout(size=24, c_name="")
class DirectoryEntry(Layout):
    """bnxnvm_directory_entry_t: offsets and lengths in bytes, the item's in whole blocks."""

    type: le16 = 0
    ordinal: le16 = 0
    ext: le16 = 0
    attr: le16 = 0
    item_location: le32 = 0
    item_length: le32 = 0
    data_length: le32 = 0
    data_chksum: le32 = 0

    @property
    def end(self) -> int:
        """Where the next item may begin."""
        return self.item_location + self.item_length


def copy_of(entry: DirectoryEntry) -> DirectoryEntry:
    """An entry to be changed."""
    return dataclasses.replace(entry)


def map_medium(fd: int) -> Medium:
    """A file as memory; an empty one gets its size. Raises OSError, ValueError."""
    if not os.fstat(fd).st_size:
        os.ftruncate(fd, NVM_BYTES)
    return mmap.mmap(fd, 0)


def is_blank(medium: Medium) -> bool:
    """Nothing was ever written to either place of the master block."""
    return all(bytes(medium[at : at + 4]) in _BLANK for at in _SLOTS)


def read_directory(medium: Medium) -> tuple[int, list[DirectoryEntry]]:
    """(generation, entries) of the newer of the directories that are whole. Raises BadMedium."""
    found = [slot for slot in map(partial(_read_slot, medium), range(2)) if slot is not None]
    if not found:
        raise BadMedium("no directory is whole")
    first, last = found[0], found[-1]
    return last if last[0] - first[0] & 0xFFFF_FFFF < 1 << 31 else first


def _read_slot(medium: Medium, number: int) -> tuple[int, list[DirectoryEntry]] | None:
    at = _SLOTS[number]
    raw = bytes(medium[at : at + MasterBlock.SIZE])
    master = MasterBlock.unpack(raw)
    expected = MasterBlock(
        directory_offset=at + BLOCK_BYTES,
        generation=master.generation,
        directory_chksum=master.directory_chksum,
        chksum=zlib.crc32(raw[:-4]),
    )
    block = bytes(medium[at + BLOCK_BYTES : at + 2 * BLOCK_BYTES])
    if master != expected or master.generation % 2 != number:
        return None
    if zlib.crc32(block) != master.directory_chksum:
        return None
    header = DirectoryBlock.unpack(block)
    if header != DirectoryBlock(entries=header.entries) or header.entries > MAX_ENTRIES:
        return None
    places = (DirectoryBlock.SIZE + i * DirectoryEntry.SIZE for i in range(header.entries))
    entries = [DirectoryEntry.unpack(block, place) for place in places]
    return (master.generation, entries) if _is_sound(entries) else None


def _is_sound(entries: list[DirectoryEntry]) -> bool:
    """Items are in whole blocks of the data area, and none shares a byte with another."""
    free_from = DATA_OFFSET
    for entry in sorted(entries, key=lambda one: (one.item_location, one.item_length)):
        whole = entry.item_location % BLOCK_BYTES == 0 == entry.item_length % BLOCK_BYTES
        if not whole or entry.item_location < free_from or entry.data_length > entry.item_length:
            return False
        free_from = entry.end
    return free_from <= NVM_BYTES


def write_directory(medium: Medium, generation: int, entries: list[DirectoryEntry]) -> None:
    """Make ``entries`` the directory. Until the last byte is written the old one is valid."""
    at = _SLOTS[generation % 2]
    block = DirectoryBlock(entries=len(entries)).pack() + b"".join(e.pack() for e in entries)
    block = block.ljust(BLOCK_BYTES, b"\xff")
    master = MasterBlock(
        directory_offset=at + BLOCK_BYTES,
        generation=generation,
        directory_chksum=zlib.crc32(block),
    )
    master.chksum = zlib.crc32(master.pack()[:-4])
    medium[at + BLOCK_BYTES : at + 2 * BLOCK_BYTES] = block
    medium[at : at + MasterBlock.SIZE] = master.pack()
