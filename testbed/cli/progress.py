# SPDX-License-Identifier: GPL-2.0-only
"""What a command says besides its result: on standard error, whatever becomes of the result."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

errors = Console(stderr=True, highlight=False)


def progress(text: str) -> None:
    """One line of progress."""
    errors.print(Text(text, style="dim"), soft_wrap=True)
