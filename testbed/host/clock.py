# SPDX-License-Identifier: GPL-2.0-only
"""When this process began, so that a run's wall time is what its user waited."""

from __future__ import annotations

import os
import time

from testbed.host.reaper import start_time


def process_began() -> float:
    """The start of this process as a reading of ``time.monotonic()``, to a clock tick (10 ms)."""
    ticks = start_time(os.getpid())
    assert ticks is not None  # we live
    age_s = time.clock_gettime(time.CLOCK_BOOTTIME) - int(ticks) / os.sysconf("SC_CLK_TCK")
    return time.monotonic() - age_s
