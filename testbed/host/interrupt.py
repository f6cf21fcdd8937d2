# SPDX-License-Identifier: GPL-2.0-only
"""SIGINT, SIGTERM and SIGHUP: each ends a command in the same way, at whatever stage it is.

The first of them raises :class:`Interrupted` in the main thread. What then fails on the way out
fails because of it, so whoever judges an error asks :func:`received` first. Nothing but the
standard library is imported here: the handlers are there before the rest of the testbed is.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(KeyboardInterrupt):
    """A signal told us to end; ``number`` is which."""

    def __init__(self, number: int) -> None:
        super().__init__(f"interrupted by {signal.Signals(number).name}")
        self.number = number


class _State:
    """What has come. Signal handlers run in the main thread, so nothing here needs a lock."""

    def __init__(self) -> None:
        self.first: int | None = None
        self.holds = 0
        self.waiting = False

    def take(self, number: int, _frame: FrameType | None) -> None:
        """The handler."""
        if self.first is None:
            self.first = number
        if self.holds:
            self.waiting = True
        else:
            raise Interrupted(self.first)


_state = _State()


def install() -> None:
    """Take the signals from now on; forget what came before.

    One that we were started with as ignored (nohup, a shell's background job) stays ignored.
    """
    global _state
    _state = _State()
    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _state.take)
    # ./tb blocks them until somebody is there to take them
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)


def ignore() -> None:
    """In a process whose parent decides when it ends, and which is sent the same signals.

    Programs that it starts do not inherit this.
    """
    for number in SIGNALS:
        signal.signal(number, lambda _number, _frame: None)


@contextmanager
def installed() -> Iterator[None]:
    """The same for a while; afterwards everything is as it was."""
    global _state
    before, handlers = _state, {number: signal.getsignal(number) for number in SIGNALS}
    install()
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        _state = before


def received() -> int | None:
    """The first signal that came, or None."""
    return _state.first


def check() -> None:
    """Raise Interrupted if a signal has come: its exception may have been lost on the way."""
    if _state.first is not None:
        raise Interrupted(_state.first)


@contextmanager
def comes_first() -> Iterator[None]:
    """What fails after a signal fails because of it: Interrupted is raised in its place."""
    try:
        yield
    except Exception as error:
        if _state.first is not None:
            raise Interrupted(_state.first) from error
        raise


@contextmanager
def held() -> Iterator[None]:
    """A signal that comes meanwhile raises Interrupted at the end. For what must be whole, and is
    bounded in time: putting a machine away, in the main thread.
    """
    state = _state
    state.holds += 1
    try:
        yield
    finally:
        state.holds -= 1
        if state.waiting and not state.holds:
            state.waiting = False
            assert state.first is not None
            raise Interrupted(state.first)


def too_late() -> int | None:
    """From now on signals change nothing: the verdict is written. Returns :func:`received`."""
    _state.holds += 1
    return _state.first


def over() -> None:
    """Nothing is left to be interrupted. Python takes its handlers back before a process has gone,
    but leaves alone what is ignored: a signal then would make another end of a good one.
    """
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
