# SPDX-License-Identifier: GPL-2.0-only
"""What the loop waits for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

Handler = Callable[[bool], None]
"""Called with True when its source can be written, with False when it can be read."""


class EventSource(Protocol):
    """Something to wait for."""

    def fileno(self) -> int:
        """Descriptor to wait on."""
        ...


class WritableSource(EventSource, Protocol):
    """A source that sometimes also waits until it can write."""

    @property
    def wants_write(self) -> bool:
        """Something is left to write."""
        ...


class BufferedSource(EventSource, Protocol):
    """A source that may hold what has arrived already."""

    @property
    def has_input(self) -> bool:
        """Its handler is to be called, whether its descriptor can be read or not."""
        ...
