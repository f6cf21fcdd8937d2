# SPDX-License-Identifier: GPL-2.0-only
"""Undo, registered right after each change, run last in first out; a failing undo is a failure.

The habit is that of the kernel's selftests (net/lib/py, ``defer``).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import ParamSpec, Protocol

P = ParamSpec("P")


class Defer(Protocol):
    """What a test calls: ``defer(function, *arguments)``."""

    def __call__(self, undo: Callable[P, object], /, *args: P.args, **kwargs: P.kwargs) -> None:
        """Register ``undo``."""


def no_undo(*_: object, **__: object) -> None:
    """In the place of a :class:`Defer`, where something else takes all back."""


class UndoFailed(ExceptionGroup[Exception]):
    """One or more undo steps failed; the machine may no longer be as the next test expects it."""


class DeferStack:
    """The stack behind :class:`Defer`."""

    def __init__(self) -> None:
        self._steps: list[Callable[[], object]] = []

    def __call__(self, undo: Callable[P, object], /, *args: P.args, **kwargs: P.kwargs) -> None:
        """Register ``undo(*args, **kwargs)``."""
        self._steps.append(partial(undo, *args, **kwargs))

    def __len__(self) -> int:
        return len(self._steps)

    def unwind(self) -> None:
        """Run every step, newest first, also when one fails. Raises UndoFailed."""
        failures: list[Exception] = []
        while self._steps:
            step = self._steps.pop()
            try:
                step()
            except Exception as err:  # noqa: BLE001 - each failure is kept and raised below
                failures.append(err)
        if failures:
            raise UndoFailed("undo failed", failures)
