# SPDX-License-Identifier: GPL-2.0-only
"""Queues of the NIC leased to a netkit device, as a container has them.

Source: netkit_queue_create() of drivers/net/netkit.c, netdev_nl_queue_create_doit() of
net/core/netdev-genl.c (linux 7.2).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from testbed.dut.programs import only_object, program, result_of
from testbed.dut.protocols import Dut, Endpoint
from testbed.errors import GuestCommandFailed

DEVICE = "tb_lease"
"""The netkit device at our end. Its peer has the queues, and a name that the kernel chooses."""
_MAKE = ["ip", "link", "add", DEVICE, "numrxqueues"]
_TOO_MANY = "9999"
_OWN_QUEUES = 1
TAKE_BACK = ("ip", "link", "delete", "dev", DEVICE)
"""The command by which the device goes, and its lease with it."""


@dataclass(frozen=True)
class Lease:
    """Queue number ``queue`` of the virtual device ``netdev``, which is one of the NIC."""

    netdev: str
    queue: int


def lease(dut: Dut, queue: int) -> Lease:
    """Lease that queue to a new device, which is up. Raises GuestCommandFailed.

    A device that a lost session has left goes before.
    """
    (leased,) = lease_all(dut, [queue])
    return leased


def lease_all(dut: Dut, queues: Sequence[int]) -> list[Lease]:
    """Lease those queues to one new device, as :func:`lease` does. Raises GuestCommandFailed."""
    take_back(dut)
    dut.run([*_MAKE, str(_OWN_QUEUES + len(queues)), "type", "netkit"])
    try:
        shown = only_object(dut.run(["ip", "-json", "link", "show", "dev", DEVICE]))
        peer = str(shown["link"])
        for one in (DEVICE, peer):
            dut.run(["ip", "link", "set", "dev", one, "up"])
        return [Lease(peer, _lease(dut, peer, queue)) for queue in queues]
    except BaseException:
        take_back(dut)
        raise


def refusal(dut: Dut, leased: Lease, queue: int) -> str:
    """Why another queue of the NIC cannot be leased to the same device, too; empty if it is."""
    return dut.run(_words(dut, leased.netdev, queue), check=False).error_text


def _words(dut: Dut, peer: str, queue: int) -> list[str]:
    return [program("queue_lease"), peer, dut.netdev, str(queue)]


def _lease(dut: Dut, peer: str, queue: int) -> int:
    return int(result_of(dut.run(_words(dut, peer, queue)))["queue"])


def take_back(dut: Dut) -> None:
    """The device goes, if it is there."""
    dut.run([*TAKE_BACK], check=False)


def leases_queues(dut: Endpoint) -> bool:
    """Whether the kernel has netkit devices, and queues can be leased to them.

    It looks at the kind of a device before it refuses one of so many queues.
    """
    refused = dut.run([*_MAKE, _TOO_MANY, "type", "netkit"], check=False)
    if "number of receive queues" not in refused.error_text:
        return False
    try:
        answer = json.loads(dut.run([program("queue_lease"), "--probe"]).text)
        return bool(answer["queue_create"])
    except (GuestCommandFailed, ValueError, KeyError, TypeError):
        return False
