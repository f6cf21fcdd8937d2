# SPDX-License-Identifier: GPL-2.0-only
"""A disk that refuses to be written, for tests: root writes to any folder, whatever its mode."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest


def read_only(patch: pytest.MonkeyPatch) -> None:
    """Until `patch` is undone, have what Path and os would write fail as on a read-only disk."""
    open_path = Path.open

    def refuse(path: Any, *_: Any, **__: Any) -> Any:
        raise OSError(errno.EROFS, "Read-only file system", str(path))

    def open_to_read(path: Path, mode: str = "r", *rest: Any, **named: Any) -> Any:
        return (open_path if "r" in mode else refuse)(path, mode, *rest, **named)

    patch.setattr(Path, "open", open_to_read)
    for name in ("unlink", "rename", "chmod", "touch", "mkdir"):
        patch.setattr(Path, name, refuse)
    patch.setattr(os, "utime", refuse)
