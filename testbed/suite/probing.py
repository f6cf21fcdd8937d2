# SPDX-License-Identifier: GPL-2.0-only
"""What the kernel under test is able to do, found by asking it, never by its version."""

from __future__ import annotations

import json

from testbed.dut import Capability, Endpoint
from testbed.suite.programs import program

_SCRIPT = '"$1" --probe; ethtool --json -g "$2"'
_DEBUGFS = {
    Capability.FAILING_ALLOCATIONS: "failslab",
    Capability.FAILING_FUNCTIONS: "fail_function",
}


def lacking_in_kernel(dut: Endpoint) -> frozenset[Capability]:
    """Capabilities that a NIC could have but this kernel, or its driver, does not offer.

    Zero-copy receive: the io_uring operation exists. Header split: ``hds-thresh`` can be set.
    Queue restart: user space asks for one by binding a memory provider, so it needs the former.
    What fails on request: debugfs has its knobs.
    """
    done = dut.run(["sh", "-c", _SCRIPT, "sh", program("zcrx_rx"), dut.netdev], check=False)
    first, _, rest = done.text.partition("\n")
    lacking = set()
    try:
        knows_zcrx = bool(json.loads(first)["recv_zc"])
    except (ValueError, KeyError, TypeError):
        knows_zcrx = False
    if not knows_zcrx:
        lacking |= {Capability.ZCRX, Capability.QUEUE_RESTART}
    try:
        (rings,) = json.loads(rest)
        threshold = rings.get("hds-thresh")
    except (ValueError, TypeError, AttributeError):
        threshold = None
    if not isinstance(threshold, int):
        lacking.add(Capability.HEADER_SPLIT)
    there = dut.run(["ls", "/sys/kernel/debug"], check=False).text.split()
    lacking |= {capability for capability, name in _DEBUGFS.items() if name not in there}
    return frozenset(lacking)
