# SPDX-License-Identifier: GPL-2.0-only
"""A process of ours that is of no use without the one that started it."""

from __future__ import annotations

import ctypes
import os
import signal

_LIBC = ctypes.CDLL(None)
_PR_SET_PDEATHSIG = 1


def die_with_parent(parent: int) -> None:
    """Be killed when process ``parent``, which started us, ends in whatever way: prctl(2).

    Also as ``preexec_fn`` of a process that has one thread.
    """
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it ended before that
        os.kill(os.getpid(), signal.SIGKILL)
