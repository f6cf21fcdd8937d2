# SPDX-License-Identifier: GPL-2.0-only
"""Memory that the peer shared and took back: SIGBUS, which is not a bug of the card.

A file of shared memory that is truncated, or whose file system is full, raises it at the next
access. Seals would prevent the former (F_SEAL_SHRINK), but only whoever made the file can allow
them, and User Mode Linux's is no memfd.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
from collections.abc import Callable

_Handler = ctypes.CFUNCTYPE(None, ctypes.c_int)
_TEXT = (
    b"devmodel: shared memory is gone (SIGBUS): the guest's side truncated its file,"
    b" or the file system that holds it is full\n"
)
_installed: list[object] = []


def end_on_lost_memory(exit_code: int, save: Callable[[], None]) -> None:
    """From now on such an access ends the process with ``exit_code``, ``save`` called before.

    A handler of the signal module would run only after the access, which never completes.
    """

    def end(_number: int) -> None:
        with contextlib.suppress(Exception):
            save()
        os.write(2, _TEXT)
        os._exit(exit_code)

    handler = _Handler(end)
    _installed.append(handler)
    ctypes.CDLL(None).signal(signal.SIGBUS, handler)
