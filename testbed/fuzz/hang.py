# SPDX-License-Identifier: GPL-2.0-only
"""Where a guest hangs, from the backtrace that the watchdog took of it."""

from __future__ import annotations

import re

from testbed.fuzz.signature import in_scope

# as gdb has frames, as testbed.engines.uml.backtrace guesses them, and as /proc/PID/stack has them
_FRAME = re.compile(r"^(?:\[<0>\] |#\d+\s+(?:0x[0-9a-f]+ in )?|in |\s+\? )(\w+)", re.MULTILINE)
_LOOKED_AT = 12
HANGS_IN = "the kernel hangs in "
"""What a complaint says before the function."""


def hung_in(backtrace: str) -> str:
    """The innermost function in scope, empty if there is none near: then nobody is to blame."""
    frames = _FRAME.findall(backtrace)[:_LOOKED_AT]
    return next((name for name in frames if in_scope(name)), "")


def stuck_in(tasks: str) -> str:
    """The same of tasks that wait; else the function that the first of them waits in."""
    frames = _FRAME.findall(tasks)
    return hung_in(tasks) or next((name for name in frames if name != "0"), "")
