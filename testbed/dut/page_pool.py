# SPDX-License-Identifier: GPL-2.0-only
"""Page pools of the NIC under test: their counters, and buffers kept out of them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from testbed.dut.counters import netdev_state
from testbed.dut.nic import ethtool_json
from testbed.dut.pause import pause
from testbed.dut.programs import program, result_of
from testbed.dut.protocols import Dut, Endpoint
from testbed.dut.streams import (
    Stream,
    Transfer,
    differences_of,
    flows_of,
    require_equal,
    timeout_words,
)
from testbed.errors import GuestCommandFailed

PAGE_BYTES = 4096
_SEED = 1
WAIT_S = 10.0
STILL_S = 0.5


@dataclass(frozen=True)
class PoolStats:
    """``page-pool-stats-get`` (linux/netdev.h): counts of pages since the pool was made.

    Of pages handed out: ``alloc_fast`` from the cache of the NAPI, ``alloc_refill`` after the cache
    was filled from the ring of those that others returned, ``alloc_slow`` after the page allocator
    gave a batch. Of pages returned: ``recycle_cached``, ``recycle_ring``; the others left the pool.
    """

    alloc_fast: int = 0
    alloc_slow: int = 0
    alloc_slow_high_order: int = 0
    alloc_empty: int = 0
    alloc_refill: int = 0
    alloc_waive: int = 0
    recycle_cached: int = 0
    recycle_cache_full: int = 0
    recycle_ring: int = 0
    recycle_ring_full: int = 0
    recycle_released_refcnt: int = 0

    @classmethod
    def of(cls, counters: Mapping[str, Any]) -> PoolStats:
        """From what netdev_dump printed of one pool."""
        return cls(**{field.name: int(counters[field.name]) for field in fields(cls)})

    def __add__(self, other: PoolStats) -> PoolStats:
        return PoolStats(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    def __sub__(self, other: PoolStats) -> PoolStats:
        return PoolStats(*(getattr(self, f.name) - getattr(other, f.name) for f in fields(self)))

    @property
    def handed_out(self) -> int:
        """Pages the driver was given."""
        return self.alloc_fast + self.alloc_slow + self.alloc_slow_high_order + self.alloc_refill

    @property
    def recycled(self) -> int:
        """Pages that came back and stayed in the pool, mapped as they were."""
        return self.recycle_cached + self.recycle_ring

    @property
    def returned(self) -> int:
        """Pages that came back, be it to leave the pool."""
        return self.recycled + self.recycle_ring_full + self.recycle_released_refcnt


@dataclass(frozen=True)
class Pools:
    """All page pools of the interface: their counters by id, and those without an interface."""

    by_id: Mapping[int, PoolStats]
    orphans: tuple[Mapping[str, Any], ...]

    @property
    def total(self) -> PoolStats:
        """Over all pools that are there; those that are gone took their counts with them."""
        return sum(self.by_id.values(), PoolStats())


def pools(end: Endpoint) -> Pools:
    """Ask the kernel now. Raises GuestCommandFailed."""
    result = result_of(end.run([program("netdev_dump"), end.netdev, "--pool-stats"]))
    by_id = {int(one["id"]): PoolStats.of(one) for one in result["pool_stats"]}
    # a pool whose interface moved to another namespace has none either, but is in use
    orphans = tuple(one for one in result["orphans"] if one["detached"])
    return Pools(by_id, orphans)


def inflight(end: Endpoint) -> dict[int, int]:
    """Pages each pool answers for, by its id: with the driver, with users, and in its own lists."""
    return {pool["id"]: pool["inflight"] for pool in netdev_state(end).page_pools}


def attached_pools(end: Endpoint) -> list[Mapping[str, Any]]:
    """Pools whose queue lives."""
    return [pool for pool in netdev_state(end).page_pools if not pool["detached"]]


def burst(dut: Dut, remote: Endpoint, address: str, *, frames: int, frame_bytes: int) -> None:
    """Frames nobody listens to, so that the stack drops them where the driver handed them over."""
    words = [remote.netdev, address, str(frames), "--wait", "20", "--bytes", str(frame_bytes)]
    remote.run([program("frame_burst"), *words])


class Held(Transfer):
    """A TCP flow whose first bytes stay in a socket, or a pipe, of the device under test.

    Between entering the block and :meth:`release` the buffers they lie in are away from their pool.
    """

    def __init__(
        self,
        dut: Dut,
        remote: Endpoint,
        *,
        port: int,
        hold_bytes: int,
        total_bytes: int,
        by_pipe: bool = False,
        timeout_s: float = 180.0,
    ) -> None:
        both = ["--seed", str(_SEED), *timeout_words(dut, timeout_s)]
        receiver = [program("pool_hold"), dut.ipv4, str(port), "--hold", str(hold_bytes), *both]
        sender = [program("stream_tx"), dut.ipv4, str(port), "--bytes", str(total_bytes), *both]
        super().__init__(dut, remote, [*receiver, *(["--pipe"] * by_pipe)], sender, timeout_s)
        self._dut = dut
        self.held_bytes = 0

    def release(self) -> Stream:
        """Read what was held and the rest; the data must be what was sent.

        Raises GuestCommandFailed, GuestTimeout.
        """
        self._dut.run(["kill", "-s", "USR1", str(self.receiver_pid)])
        sent, received = self.results()
        self.held_bytes = int(received["held"])
        stream = Stream(
            flows_of(sent), flows_of(received), 0.0, differs=differences_of(received), seed=_SEED
        )
        require_equal(stream)
        return stream


def outstanding(dut: Dut) -> int:
    """Pages handed out and not returned, over the pools that are there."""
    total = pools(dut).total
    return total.handed_out - total.returned


def heads_posted(dut: Dut) -> int:
    """Heads of packets in the receive ring; by how many pages idle rings may differ.

    Several heads share a page, which is out while one of them is: a ring just filled has them side
    by side, one in use each on a page of its own.
    """
    return int(ethtool_json(dut, "-g")["rx"])


def await_outstanding(dut: Dut, pages: int) -> None:
    """Wait until at least so many pages are out. Raises GuestCommandFailed."""
    deadline = time.monotonic() + WAIT_S * dut.patience
    while (now := outstanding(dut)) < pages:
        if time.monotonic() > deadline:
            raise GuestCommandFailed(f"{now} pages are out, not {pages}")
        pause(dut, 0.05)


def await_still(dut: Dut) -> None:
    """Wait until no page is handed out for a while. Raises GuestCommandFailed."""
    deadline = time.monotonic() + WAIT_S * dut.patience
    before = -1
    while before != (before := pools(dut).total.handed_out):
        if time.monotonic() > deadline:
            raise GuestCommandFailed("pages are handed out all the time")
        pause(dut, STILL_S)


def await_pools_gone(dut: Dut) -> None:
    """Wait until no pool is left over without its interface. Raises GuestCommandFailed."""
    deadline = time.monotonic() + WAIT_S * dut.patience
    while True:
        left = pools(dut).orphans
        if not left:
            return
        if time.monotonic() > deadline:
            raise GuestCommandFailed(f"still there: {[dict(one) for one in left]}")
        pause(dut, 0.2)
