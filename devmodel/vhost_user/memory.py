# SPDX-License-Identifier: GPL-2.0-only
"""Guest memory as SET_MEM_TABLE hands it over."""

from __future__ import annotations

import mmap
import os
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from devmodel.vhost_user.messages import MemRegion, Refused

_HEAD = struct.Struct("<II")
MAX_REGIONS = 8


@dataclass(frozen=True, slots=True)
class Region:
    """A stretch of guest memory; ``view`` are its bytes."""

    guest_addr: int
    user_addr: int
    size: int
    view: memoryview


class MemoryFiles:
    """Files of guest memory, each mapped once however many devices are handed it."""

    def __init__(self) -> None:
        self._views: dict[tuple[int, int], memoryview] = {}

    def view(self, fd: int, end: int) -> memoryview:
        """The first ``end`` bytes. Raises Refused."""
        try:
            status = os.fstat(fd)
            if end > status.st_size:
                raise Refused(f"region up to {end:#x} beyond its file")
            key = (status.st_dev, status.st_ino)
            known = self._views.get(key)
            if known is None or len(known) < end:
                if known is None and len(self._views) >= MAX_REGIONS:
                    raise Refused("too many memory files")
                known = memoryview(mmap.mmap(fd, status.st_size, mmap.MAP_SHARED))
                self._views[key] = known
        except (OSError, ValueError, OverflowError) as e:
            raise Refused(f"memory table: {e}") from e
        return known

    def forget(self) -> None:
        """The guest is gone."""
        self._views.clear()


class MemoryTable:
    """The regions in force."""

    def __init__(self, files: MemoryFiles) -> None:
        self.regions: list[Region] = []
        self._files = files

    def replace(self, body: bytes, fds: Sequence[int]) -> None:
        """SET_MEM_TABLE. Takes no descriptor over. Raises Refused."""
        if len(body) < _HEAD.size:
            raise Refused("memory table without a head")
        count, _ = _HEAD.unpack_from(body)
        if not 0 < count <= MAX_REGIONS or len(body) < _HEAD.size + count * MemRegion.SIZE:
            raise Refused(f"memory table of {count} regions in {len(body)} bytes")
        if len(fds) != count:
            raise Refused(f"memory table of {count} regions with {len(fds)} descriptors")
        regions = [
            self._map(MemRegion.unpack(body, _HEAD.size + i * MemRegion.SIZE), fd)
            for i, fd in enumerate(fds)
        ]
        regions.sort(key=lambda region: region.guest_addr)
        for lower, upper in pairwise(regions):
            if lower.guest_addr + lower.size > upper.guest_addr:
                raise Refused(f"regions overlap at {upper.guest_addr:#x}")
        self.regions = regions

    def _map(self, region: MemRegion, fd: int) -> Region:
        if not region.size or region.guest_addr + region.size > 1 << 64:
            raise Refused(f"region of {region.size:#x} bytes")
        end = region.mmap_offset + region.size
        view = self._files.view(fd, end)
        return Region(
            region.guest_addr, region.user_addr, region.size, view[region.mmap_offset : end]
        )

    def forget(self) -> None:
        """The front end is gone."""
        self.regions = []

    def at_user(self, address: int, length: int) -> memoryview:
        """Memory at a front-end address. Raises Refused."""
        for r in self.regions:
            if r.user_addr <= address and address + length <= r.user_addr + r.size:
                start = address - r.user_addr
                return r.view[start : start + length]
        raise Refused(f"{length} bytes at {address:#x} are outside the memory table")

    def at_guest(self, address: int, length: int) -> memoryview:
        """Memory at a guest-physical address. Raises Refused."""
        for r in self.regions:
            start = address - r.guest_addr
            if start >= 0 and start + length <= r.size:
                return r.view[start : start + length]
        raise Refused(f"{length} bytes at {address:#x} are outside the memory table")
