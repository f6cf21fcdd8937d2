# SPDX-License-Identifier: GPL-2.0-only
"""The kernel's search for memory that nobody refers to (mm/kmemleak.c)."""

from __future__ import annotations

from testbed.dut.protocols import Dut

_TIMEOUT_S = 600.0
_SCAN = """
cd /sys
echo 1 >module/kmemleak/parameters/verbose
echo scan >kernel/debug/kmemleak
sleep 6
echo scan >kernel/debug/kmemleak
"""
"""The first search believes nothing that has changed, which is all; nor does any believe what is
younger than 5 s (MSECS_MIN_AGE in mm/kmemleak.c)."""


def look_for_leaks(dut: Dut, *, check: bool = True) -> None:
    """What is found is in the kernel's log.

    Raises GuestTimeout; with ``check`` GuestCommandFailed, if the kernel does not look.
    """
    dut.run(["sh", "-ec" if check else "-c", _SCAN], check=check, timeout_s=_TIMEOUT_S)
