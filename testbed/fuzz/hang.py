# SPDX-License-Identifier: GPL-2.0-only
"""Where a guest hangs, from the backtrace that the watchdog took of it."""

from __future__ import annotations

import re

from testbed.fuzz.signature import in_scope

# as gdb has frames, as testbed.engines.uml.backtrace guesses them, and as /proc/PID/stack has them
_FRAME = re.compile(r"^(?:\[<0>\] |#\d+\s+(?:0x[0-9a-f]+ in )?|in |\s+\? )(\w+)", re.MULTILINE)
_TASK = re.compile(r"^(?=in )", re.MULTILINE)
_LOCKS = re.compile(r"_*(mutex_lock|rt_mutex_lock|down_read|down_write|rwsem_down)")
_WAITS = re.compile(rf"{_LOCKS.pattern}|lock_release|_*switch_to|_*schedule|msleep")
_LOOKED_AT = 12
HANGS_IN = "the kernel hangs in "
"""What a complaint says before the function."""
HANGS = "the guest hangs"
_BUSY = "busy without end"


def is_hang(lost: str) -> bool:
    """Whether a guest that was lost so went on without an end, by its CPU time."""
    return HANGS in lost or _BUSY in lost


def hung_in(backtrace: str) -> str:
    """The innermost function in scope, empty if there is none near: then nobody is to blame."""
    frames = _FRAME.findall(backtrace)[:_LOOKED_AT]
    return next((name for name in frames if in_scope(name)), "")


def stuck_in(tasks: str) -> str:
    """The same of tasks that wait, each "in FUNCTION" and its stack. One that waits for a lock
    waits for another of them, and says less. With none in scope, the first function that does more
    than wait; empty if there is no task."""
    stacks = [_FRAME.findall(one) for one in _TASK.split(tasks)]
    stacks.sort(key=lambda frames: any(map(_LOCKS.match, frames)))
    for names in stacks:
        if function := next(filter(in_scope, names), ""):
            return function
    waits = (name for names in stacks for name in names if name != "0")
    first = next(waits, "")
    return next((name for name in (first, *waits) if not _WAITS.match(name)), first)
