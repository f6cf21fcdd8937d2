# SPDX-License-Identifier: GPL-2.0-only
"""Which kernels of ours are UML's, and which of them run in simulated time."""

from __future__ import annotations

from kernels.flavours import FLAVOURS, flavour

NAMES = tuple(one.name for one in FLAVOURS if one.arch == "um")
TIME_TRAVEL = "UML_TIME_TRAVEL_SUPPORT"


SIMULATED = tuple(
    name for name in NAMES if any(TIME_TRAVEL in group.options for group in flavour(name).groups)
)
"""Those whose time is simulated, which excludes SMP: one seed is one run. The quick one first."""

REAL_TIME = tuple(name for name in NAMES if name not in SIMULATED)

SHADOWED = tuple(
    name for name in NAMES if any("KASAN" in group.options for group in flavour(name).groups)
)
"""Those that reserve terabytes of address space for KASAN's shadow."""
