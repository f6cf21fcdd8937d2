# SPDX-License-Identifier: GPL-2.0-only
"""What the loop waits for, and whom it calls then."""

from __future__ import annotations

import select
from collections.abc import Callable, Collection, Sequence
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


class BothWays(WritableSource, BufferedSource, Protocol):
    """A source that is all of this."""


class Sources:
    """Every source there is, by its descriptor, and its handler."""

    def __init__(self) -> None:
        self._handlers: dict[int, Handler] = {}
        self._readers: list[int] = []
        self._writers: dict[int, WritableSource] = {}
        self._buffered: dict[int, BufferedSource] = {}

    def watch(self, source: EventSource, handler: Handler) -> None:
        """Call ``handler`` when the source can be read."""
        self._handlers[source.fileno()] = handler
        self._readers = list(self._handlers)

    def watch_both(self, source: WritableSource, handler: Handler) -> None:
        """The same, and when it can be written while it wants to."""
        self._writers[source.fileno()] = source
        self.watch(source, handler)

    def watch_all(self, source: BothWays, handler: Handler) -> None:
        """The same, and while it has input."""
        self._buffered[source.fileno()] = source
        self.watch_both(source, handler)

    def forget(self, fd: int) -> None:
        """The source has gone."""
        self._handlers.pop(fd, None)
        self._writers.pop(fd, None)
        self._buffered.pop(fd, None)
        self._readers = list(self._handlers)

    def wait(self, timeout_s: Callable[[], float | None]) -> tuple[Collection[int], Sequence[int]]:
        """Wait so long at most, for None without end. Returns what can be read, and written."""
        # select() rather than epoll: its time-outs are in microseconds, as moderation is.
        writers = [fd for fd, source in self._writers.items() if source.wants_write]
        behind = [fd for fd, source in self._buffered.items() if source.has_input]
        limit_s = 0.0 if behind else timeout_s()
        can_read, can_write, _ = select.select(self._readers, writers, (), limit_s)
        return dict.fromkeys((*can_read, *behind)), can_write

    def handle(self, can_read: Collection[int], can_write: Sequence[int]) -> None:
        """Call the handlers; one that a handler before it has forgotten is left out."""
        for fds, is_write in ((can_write, True), (can_read, False)):
            for fd in fds:
                handler = self._handlers.get(fd)
                if handler is not None:
                    handler(is_write)

    def write_out(self) -> None:
        """What this turn queued goes out before the loop sleeps.

        Only a source that gathers does; of :meth:`watch_both` each sends at once, and what it still
        holds its peer has not taken.
        """
        for fd in list(self._buffered):
            source = self._writers.get(fd)
            if source is not None and source.wants_write:
                self._handlers[fd](True)
