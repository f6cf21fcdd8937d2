# SPDX-License-Identifier: GPL-2.0-only
"""Where a command prints."""

from __future__ import annotations

import os

from rich.console import Console

NO_END = 100_000
"""Columns of a file or pipe: nothing there is wrapped or cut, a line stays one line for grep."""


def console(*, stderr: bool = False) -> Console:
    """Of standard output, or error; as wide as the terminal, if that is one."""
    made = Console(stderr=stderr, highlight=False)
    if made.is_terminal or "COLUMNS" in os.environ:
        return made
    return Console(stderr=stderr, highlight=False, width=NO_END)
