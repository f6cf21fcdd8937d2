# SPDX-License-Identifier: GPL-2.0-only
"""The host's time stamp counter frequency, for guests whose own calibration cannot be trusted.

Under TCG the guest's TSC is the host's. The guest calibrates it against an emulated timer at boot;
on a busy host the result may be wrong by a factor of 25, and then every guest second, HWRM
time-out and TCP timer is. The kernel takes the true value from ``tsc_early_khz``.
"""

from __future__ import annotations

import ctypes
import functools
import mmap
import platform
import time
from collections.abc import Callable

# rdtsc; shl rdx, 32; or rax, rdx; ret
_READ_TSC = bytes.fromhex("0f3148c1e2204809d0c3")
_WINDOW_S = 0.02
_TRIES = 50


@functools.cache
def host_tsc_khz() -> int | None:
    """Frequency of the host's TSC in kHz, or None where it cannot be read."""
    if platform.machine() != "x86_64":
        return None
    try:
        page = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    except OSError:  # a security policy forbids code that is not in a file
        return None
    page.write(_READ_TSC)
    address = ctypes.addressof(ctypes.c_char.from_buffer(page))
    read = ctypes.CFUNCTYPE(ctypes.c_uint64)(address)
    first_ns, first = _sample(read)
    time.sleep(_WINDOW_S)
    last_ns, last = _sample(read)
    return round((last - first) / (last_ns - first_ns) * 1e6)


def _sample(read: Callable[[], int]) -> tuple[float, int]:
    """(time in ns, counter) read closest together."""
    best: tuple[int, float, int] | None = None
    for _ in range(_TRIES):
        before = time.monotonic_ns()
        counter = read()
        after = time.monotonic_ns()
        if best is None or after - before < best[0]:
            best = after - before, (before + after) / 2, counter
    assert best is not None
    return best[1], best[2]
