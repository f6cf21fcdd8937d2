# SPDX-License-Identifier: GPL-2.0-only
"""Queue disciplines: what waits in front of a NIC's rings (tc(8))."""

from __future__ import annotations

import re
from dataclasses import dataclass

from testbed.dut.defer import Defer
from testbed.dut.nic import link
from testbed.dut.programs import objects
from testbed.dut.protocols import Endpoint

_OF_RING = re.compile(r"1?:([0-9a-f]{1,4})")
"""The class of mq, the kernel's own or that of :func:`drop_nothing_that_waits`."""


def drop_nothing_that_waits(end: Endpoint, defer: Defer) -> None:
    """A plain queue (pfifo) before each ring of ``end``; undone, the kernel's default is back.

    fq_codel, the default of Debian's kernels, drops what has waited for 5 ms, which in a guest of
    a busy host is any packet. Raises GuestCommandFailed.
    """

    replace = f"qdisc replace dev {end.netdev}"
    rings = int(link(end)["num_tx_queues"])
    lines = [f"{replace} root pfifo"]
    if rings > 1:
        each = [f"{replace} parent 1:{ring:x} pfifo" for ring in range(1, rings + 1)]
        lines = [f"{replace} root handle 1: mq", *each]
    defer(end.run, ["tc", "qdisc", "del", "dev", end.netdev, "root"])
    # a card may have hundreds of rings, and a program in the guest costs milliseconds
    end.run(["tc", "-batch", "-"], input="".join(f"{line}\n" for line in lines).encode())


@dataclass(frozen=True)
class Queued:
    """Packets that went through the queue in front of a ring since it was made; that met a ring
    which was stopped; and that wait."""

    packets: int
    stopped: int
    waiting: int


def queued(end: Endpoint) -> dict[int, Queued]:
    """Of each transmit ring, from 0, as mq numbers them. Raises GuestCommandFailed."""
    shown = objects(end.run(["tc", "-s", "-json", "qdisc", "show", "dev", end.netdev]))
    return {
        int(ring[1], 16) - 1: Queued(int(one["packets"]), int(one["requeues"]), int(one["qlen"]))
        for one in shown
        if (ring := _OF_RING.fullmatch(one.get("parent", "")))
    }
