# SPDX-License-Identifier: GPL-2.0-only
"""Items of the NVM: found, read, written, erased. Every change is whole or has not happened.

New data goes to blocks that no item of the directory has; then the directory changes at once. Only
the update area is written in place: it is a place to put a package, and nothing runs from it.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Sequence

from devmodel.bnxt.nvm.media import (
    BLOCK_BYTES,
    DATA_OFFSET,
    MAX_ENTRIES,
    NVM_BYTES,
    BadMedium,
    DirectoryEntry,
    Medium,
    copy_of,
    is_blank,
    read_directory,
    write_directory,
)

Key = tuple[int, int, int]
"""Type, ordinal and extension: what an item is found by."""


class NoSpace(Exception):
    """There is no room for an item.

    :ivar fragmented: there would be, if all free blocks were in one place.
    """

    def __init__(self, *, fragmented: bool) -> None:
        super().__init__("fragmented" if fragmented else "full")
        self.fragmented = fragmented


class Item:
    """What is to be written: data, and room for more if ``item_length`` is more."""

    __slots__ = ("attr", "data", "item_length", "key")

    def __init__(self, key: Key, data: bytes, *, attr: int = 0, item_length: int = 0) -> None:
        self.key = key
        self.data = data
        self.attr = attr
        self.item_length = -(-max(item_length, len(data)) // BLOCK_BYTES) * BLOCK_BYTES


def key_of(entry: DirectoryEntry) -> Key:
    """What it is found by."""
    return entry.type, entry.ordinal, entry.ext


class NvmStore:
    """The directory and its items.

    :ivar entries: the directory. Its order is that of the indices that commands name.
    """

    def __init__(self, medium: Medium, factory: Callable[[], Sequence[Item]]) -> None:
        """Read what is there; a blank one gets the items of ``factory``.

        Raises BadMedium if it is neither blank nor whole.
        """
        if len(medium) != NVM_BYTES:
            raise BadMedium(f"{len(medium)} bytes instead of {NVM_BYTES}")
        self._medium = medium
        self._generation = 0
        self.entries: list[DirectoryEntry] = []
        if is_blank(medium):
            self.put(factory())
        else:
            self._generation, self.entries = read_directory(medium)

    # -- reading ------------------------------------------------------------------------------
    def find(self, key: Key) -> int | None:
        """Index of an item, or None."""
        return next((i for i, entry in enumerate(self.entries) if key_of(entry) == key), None)

    def data(self, index: int) -> bytes:
        """The data of an item that exists, without what pads it."""
        entry = self.entries[index]
        return self.read(index, 0, entry.data_length)

    def data_of(self, key: Key) -> bytes | None:
        """The data of an item if it exists and its checksum is right, else None."""
        index = self.find(key)
        if index is None:
            return None
        data = self.data(index)
        return data if zlib.crc32(data) == self.entries[index].data_chksum else None

    def read(self, index: int, offset: int, length: int) -> bytes:
        """Bytes of an item that exists; the caller has checked that they are inside."""
        at = self.entries[index].item_location + offset
        return bytes(self._medium[at : at + length])

    @property
    def free_bytes(self) -> int:
        """Bytes in blocks that no item has."""
        return sum(end - start for start, end in self._gaps(self.entries))

    @staticmethod
    def _gaps(entries: Sequence[DirectoryEntry]) -> Iterator[tuple[int, int]]:
        """(start, end) of what is free, from the lowest on."""
        start = DATA_OFFSET
        for entry in sorted(entries, key=lambda one: one.item_location):
            if entry.item_location > start:
                yield start, entry.item_location
            start = max(start, entry.end)
        if start < NVM_BYTES:
            yield start, NVM_BYTES

    # -- writing ------------------------------------------------------------------------------
    def put(self, items: Sequence[Item]) -> None:
        """Create items or give them new contents: all of them or none. Raises NoSpace."""
        entries = list(self.entries)
        places = {key_of(entry): i for i, entry in enumerate(entries)}
        only_room = {item.key for item in items if not item.data}
        taken = [entry for entry in entries if key_of(entry) not in only_room]
        for item in items:
            entry = self._place(item, taken)
            taken.append(entry)
            if item.key in places:
                entries[places[item.key]] = entry
            else:
                places[item.key] = len(entries)
                entries.append(entry)
        if len(entries) > MAX_ENTRIES:
            raise NoSpace(fragmented=False)
        self._commit(entries)

    def _place(self, item: Item, taken: Sequence[DirectoryEntry]) -> DirectoryEntry:
        """Write an item's data to blocks that nothing has."""
        gaps = list(self._gaps(taken))
        at = next((start for start, end in gaps if end - start >= item.item_length), None)
        if at is None:
            free = sum(end - start for start, end in gaps)
            raise NoSpace(fragmented=free >= item.item_length)
        self._medium[at : at + len(item.data)] = item.data
        kind, ordinal, ext = item.key
        return DirectoryEntry(
            type=kind, ordinal=ordinal, ext=ext, attr=item.attr, item_location=at,
            item_length=item.item_length, data_length=len(item.data),
            data_chksum=zlib.crc32(item.data),
        )  # fmt: skip

    def write_in_place(self, index: int, offset: int, data: bytes) -> None:
        """Write to the item itself; its checksum is not kept."""
        entry = copy_of(self.entries[index])
        at = entry.item_location + offset
        self._medium[at : at + len(data)] = data
        if offset + len(data) > entry.data_length:
            entry.data_length = offset + len(data)
            self._replace(index, entry)

    def erase(self, index: int) -> None:
        """Take an item out of the directory."""
        self._commit([entry for i, entry in enumerate(self.entries) if i != index])

    def defragment(self) -> None:
        """Move items to lower blocks, one at a time, each as safely as it is written."""
        order = sorted(range(len(self.entries)), key=lambda i: self.entries[i].item_location)
        for index in order:
            entry = self.entries[index]
            below = (
                start
                for start, end in self._gaps(self.entries)
                if start < entry.item_location and end - start >= entry.item_length
            )
            start = next(below, None)
            if start is None:
                continue
            self._medium[start : start + entry.data_length] = self.data(index)
            moved = copy_of(entry)
            moved.item_location = start
            self._replace(index, moved)

    def _replace(self, index: int, entry: DirectoryEntry) -> None:
        entries = list(self.entries)
        entries[index] = entry
        self._commit(entries)

    def _commit(self, entries: list[DirectoryEntry]) -> None:
        generation = self._generation + 1 & 0xFFFF_FFFF
        write_directory(self._medium, generation, entries)
        self._generation, self.entries = generation, entries
