# SPDX-License-Identifier: GPL-2.0-only
"""Counters of the NIC under test, from each place the kernel offers them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

from testbed.dut.pause import pause
from testbed.dut.programs import only_object, program, result_of
from testbed.dut.protocols import Endpoint

SETTLE_FACTOR = 1.25
_ETHTOOL_LINE = re.compile(r"^\s*(?:\[(\d+)\]: )?([^:]+): (\d+)\s*$", re.MULTILINE)


@dataclass(frozen=True)
class NetdevState:
    """The kernel's ``netdev`` netlink family on one interface; see ``netdev_dump.c``."""

    queues: tuple[Mapping[str, Any], ...]
    page_pools: tuple[Mapping[str, Any], ...]
    qstats: tuple[Mapping[str, Any], ...]

    @property
    def providers(self) -> list[str]:
        """Queues with a memory provider (io_uring or device memory), in words."""
        return [
            f"rx queue {queue['id']}"
            for queue in self.queues
            if queue["io_uring"] or queue["dmabuf"]
        ]

    @property
    def detached_pools(self) -> list[str]:
        """Page pools whose queue is gone but whose buffers are still out, in words."""
        return [
            f"page pool {pool['id']} with {pool['inflight']} buffers"
            for pool in self.page_pools
            if pool["detached"]
        ]

    def per_queue(self, counter: str) -> dict[int, int]:
        """One queue counter by queue number, e.g. ``rx_packets``."""
        wanted = counter[:2]
        return {
            stats["id"]: stats.get(counter, 0) for stats in self.qstats if stats["type"] == wanted
        }

    def total(self, counter: str) -> int:
        """One queue counter over all queues."""
        return sum(self.per_queue(counter).values())


def netdev_state(end: Endpoint) -> NetdevState:
    """Ask the kernel now. Raises GuestCommandFailed."""
    result = result_of(end.run([program("netdev_dump"), end.netdev]))
    return NetdevState(
        tuple(result["queues"]), tuple(result["page_pools"]), tuple(result["qstats"])
    )


@dataclass(frozen=True, kw_only=True)
class NapiSettings:
    """Of every NAPI instance (Documentation/networking/napi.rst), as a kernel begins with them.

    :ivar defer: polls without work before interrupts are enabled again.
    :ivar flush_ns: until such a poll comes.
    :ivar suspend_ns: how long interrupts may stay off while a program polls.
    :ivar threaded: polls in a thread.
    """

    defer: int = 0
    flush_ns: int = 0
    suspend_ns: int = 0
    threaded: bool = False


def ask_netdev(end: Endpoint, napi: NapiSettings | None = None) -> tuple[int, int]:
    """Ask that family all that it can be asked, NAPI instances set first if so wanted.

    How much was asked, and how much of that was refused, as it is of what is not there. Raises
    GuestCommandFailed.
    """
    result = result_of(end.run(ask_netdev_argv(end, napi)))
    return int(result["asked"]), int(result["refused"])


def ask_netdev_argv(end: Endpoint, napi: NapiSettings | None = None) -> list[str]:
    """Its command."""
    settings = () if napi is None else (napi.defer, napi.flush_ns, napi.suspend_ns, napi.threaded)
    return [program("netdev_ask"), end.netdev, *(str(int(one)) for one in settings)]


def settled_state(end: Endpoint) -> NetdevState:
    """Like :func:`netdev_state`, once counters a card writes to memory now and then are there.

    Cards do so every ``stats-block-usecs`` (drivers/net selftests, ``wait_hw_stats_settle``).
    """
    settings = only_object(end.run(["ethtool", "--json", "-c", end.netdev]))
    period_us = settings.get("stats-block-usecs") or 0
    pause(end, SETTLE_FACTOR * period_us / 1e6)
    return netdev_state(end)


def ethtool_statistics(end: Endpoint) -> dict[str, int]:
    """``ethtool -S``. Per-ring lines ``[3]: rx_ucast_packets: 7`` are called ``[3]: rx_...``."""
    text = end.run(["ethtool", "-S", end.netdev]).text
    return {
        f"[{ring}]: {name}" if ring else name: int(value)
        for ring, name, value in _ETHTOOL_LINE.findall(text)
    }


def tcp_counters(end: Endpoint) -> dict[str, int]:
    """``/proc/net/snmp`` and ``netstat`` counters of TCP in the end's network namespace."""
    return _protocol_counters(end, "Tcp", "TcpExt")


def ip_counters(end: Endpoint) -> dict[str, int]:
    """``/proc/net/snmp`` counters of IPv4 in the end's network namespace."""
    return _protocol_counters(end, "Ip")


def protocol_counters(end: Endpoint) -> dict[str, int]:
    """All of ``/proc/net/snmp`` and ``netstat``, under the names of ``nstat``: TcpRetransSegs."""
    return {group + name: value for group, name, value in _protocol_lines(end)}


def _protocol_counters(end: Endpoint, *wanted: str) -> dict[str, int]:
    return {name: value for group, name, value in _protocol_lines(end) if group in wanted}


def _protocol_lines(end: Endpoint) -> Iterator[tuple[str, str, int]]:
    lines = end.run(["cat", "/proc/net/snmp", "/proc/net/netstat"]).text.splitlines()
    for names, values in zip(lines[::2], lines[1::2], strict=True):
        group, *columns = names.split()
        for name, value in zip(columns, values.split()[1:], strict=True):
            yield group.rstrip(":"), name, int(value)


def interrupts(end: Endpoint) -> int:
    """Interrupts that the end's kernel has taken of its NIC (``/proc/interrupts``), all vectors."""
    lines = end.run(["cat", "/proc/interrupts"]).text.splitlines()
    of_nic = (line.split() for line in lines[1:] if line.split()[-1].startswith(f"{end.netdev}-"))
    return sum(int(count) for words in of_nic for count in takewhile(str.isdigit, words[1:]))


def delta(after: Mapping[Any, int], before: Mapping[Any, int]) -> dict[Any, int]:
    """What each counter grew by; new counters count from 0."""
    return {name: value - before.get(name, 0) for name, value in after.items()}
