# SPDX-License-Identifier: GPL-2.0-only
"""A queue made ready for zero-copy receive by a program of the user's, and what it is told of it.

The facts are environment variables. Those that the kernel's driver tests have (drivers/net/README)
are called as there, so that such a test runs, too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ParamSpec

from testbed.dut.nic import ZcrxQueue, add_rule, dedicate_queue
from testbed.dut.protocols import Capability, Dut, Endpoint
from testbed.errors import UsageProblem

P = ParamSpec("P")

PORT = 8000
"""The default of liburing's example and of the kernel's iou-zcrx."""
NETNS_FOLDER = "/run/netns"
NEEDED = frozenset({Capability.ZCRX, Capability.DEVMEM})
"""One of them."""


def ready_queue(dut: Dut, remote: Endpoint, port: int) -> ZcrxQueue:
    """MTU, header split with hds-thresh 0, RSS off the last queue, TCP of ``port`` to it.

    Nothing is undone: the guest goes when its command has ended. Raises UsageProblem where neither
    zero-copy receive nor device memory can be had, GuestCommandFailed.
    """
    if not dut.capabilities & NEEDED:
        raise UsageProblem(
            f"--zcrx: {dut.netdev} and its kernel have neither {' nor '.join(sorted(NEEDED))}",
            remedy="use --nic bnxt, and a kernel from 6.15 on",
        )
    queue = dedicate_queue(dut, remote, _for_good, port=port)
    if Capability.NTUPLE in dut.capabilities:
        add_rule(dut, _for_good, "dst-port", str(port), flow_type="tcp6", action=queue.queue)
    return queue


def _for_good(_undo: Callable[P, object], /, *_args: P.args, **_kwargs: P.kwargs) -> None:
    """A Defer that keeps nothing."""


def facts(
    dut: Dut, remote: Endpoint, queue: ZcrxQueue, *, netns: str, nsenter: str = "nsenter"
) -> Mapping[str, str]:  # fmt: skip
    """What a program is told, as environment variables; ``netns`` has the remote endpoint.

    ``nsenter`` is the program of util-linux, as it is called where the program runs.
    """
    return {
        "NETIF": dut.netdev,
        "LOCAL_V4": dut.ipv4,
        "LOCAL_V6": dut.ipv6,
        "REMOTE_V4": remote.ipv4,
        "REMOTE_V6": remote.ipv6,
        "REMOTE_TYPE": "netns",
        "REMOTE_ARGS": netns,
        "REMOTE_RUN": f"{nsenter} --net={NETNS_FOLDER}/{netns}",
        "ZCRX_QUEUE": str(queue.queue),
        "ZCRX_PORT": str(queue.port),
    }
