# SPDX-License-Identifier: GPL-2.0-only
"""SIGINT, SIGTERM and SIGHUP: each ends a command in the same way, at whatever stage it is.

The first of them raises :class:`Interrupted` in the main thread. What then fails on the way out
fails because of it, so whoever judges an error asks :func:`received` first. Where Python ignores
what was raised (in a destructor, in the callback of a weak reference: the import system has one
for each module), it is raised again a moment later. Nothing but the standard library is imported
here: the handlers are there before the rest of the testbed is.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
AGAIN_S = 0.05  # from the end of what ignores exceptions until one is raised again
Hook = Callable[["sys.UnraisableHookArgs"], object]


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

    def again(self, _number: int, _frame: FrameType | None) -> None:
        """The handler of the alarm: an exception has been lost."""
        if self.first is not None:
            self.take(self.first, None)


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
    hear_what_is_ignored()
    # ./tb blocks them until somebody is there to take them
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)


def hear_what_is_ignored() -> None:
    """Raise Interrupted again where Python ignores it. To be said again by who sets
    ``sys.unraisablehook`` after :func:`install`, as pytest does.
    """
    sys.unraisablehook = _hook_before(sys.unraisablehook)


def _hook_before(others: Hook) -> Hook:
    def hook(ignored: sys.UnraisableHookArgs, /) -> None:
        if issubclass(ignored.exc_type, Interrupted):  # what is raised here would be ignored, too
            signal.signal(signal.SIGALRM, _state.again)
            signal.setitimer(signal.ITIMER_REAL, AGAIN_S)
        else:
            others(ignored)

    return hook


def _forget_alarm() -> None:
    """If it is ours."""
    if signal.getsignal(signal.SIGALRM) == _state.again:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)


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
    hook = sys.unraisablehook
    install()
    try:
        yield
    finally:
        _forget_alarm()
        sys.unraisablehook = hook
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
    _forget_alarm()
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
