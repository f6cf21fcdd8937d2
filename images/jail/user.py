# SPDX-License-Identifier: GPL-2.0-only
"""User ids for jailed programs."""

from __future__ import annotations

import os
import pwd
import random
from contextlib import suppress
from pathlib import Path

# The range systemd uses for its dynamic users: no account of the host has such a number.
DYNAMIC_UIDS = range(61184, 65520)


def draw_uid() -> int | None:
    """A user id nobody uses, if we are root and so able to give one away; else None."""
    if os.getuid() != 0:
        return None
    taken = {entry.pw_uid for entry in pwd.getpwall()}
    with suppress(OSError):
        taken |= {entry.stat().st_uid for entry in Path("/proc").iterdir() if entry.name.isdigit()}
    return random.SystemRandom().choice([uid for uid in DYNAMIC_UIDS if uid not in taken])
