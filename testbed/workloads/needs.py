# SPDX-License-Identifier: GPL-2.0-only
"""What the workloads of the table need of a kernel and a NIC, where several need the same."""

from __future__ import annotations

from testbed.dut.protocols import Capability

SPLIT = frozenset({Capability.HEADER_SPLIT})
ZCRX = SPLIT | {Capability.ZCRX}
LARGE_BUFFERS = frozenset({Capability.ZCRX_BUFFER_LENGTH, Capability.HUGE_PAGES})
RESTART = SPLIT | {Capability.QUEUE_RESTART}
LEASE = RESTART | ZCRX | {Capability.QUEUE_LEASE}
LINK = frozenset({Capability.LINK_CYCLE})
RELOAD = frozenset({Capability.DRIVER_RELOAD})
RESET = frozenset({Capability.DEVICE_RESET})
DEVMEM = SPLIT | {Capability.DEVMEM}
STEERED = RESTART | ZCRX | LINK | {Capability.RSS, Capability.RSS_CONTEXTS}
STEER = frozenset({Capability.RSS, Capability.RSS_CONTEXTS, Capability.NTUPLE})
PORT = frozenset({Capability.HARDWARE_CLOCK, Capability.DCB, Capability.FLOWER})
FAILING = frozenset({Capability.FAILING_ALLOCATIONS})
