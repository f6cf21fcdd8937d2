# SPDX-License-Identifier: GPL-2.0-only
"""Three signals, one way to end."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
import weakref
from collections.abc import Callable

import pytest

from testbed import ROOT
from testbed.host import interrupt
from testbed.host.interrupt import Interrupted


@pytest.mark.parametrize("number", interrupt.SIGNALS)
def test_each_signal_raises_and_is_remembered(number: signal.Signals) -> None:
    with pytest.raises(Interrupted, match=number.name) as caught:
        signal.raise_signal(number)
    assert caught.value.number == interrupt.received() == number
    assert isinstance(caught.value, KeyboardInterrupt)


def test_the_first_one_counts() -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        with pytest.raises(Interrupted, match="SIGTERM"):
            signal.raise_signal(number)


def test_a_lost_exception_is_raised_again_by_check() -> None:
    interrupt.check()
    with pytest.raises(Interrupted):
        signal.raise_signal(signal.SIGHUP)
    with pytest.raises(Interrupted, match="SIGHUP"):
        interrupt.check()


class Loud:
    """A signal comes while it goes."""

    def __del__(self) -> None:
        signal.raise_signal(signal.SIGTERM)


def in_destructor() -> None:
    Loud()


def in_callback() -> None:
    gone: set[int] = set()
    reference = weakref.ref(gone, lambda _gone: signal.raise_signal(signal.SIGTERM))
    del gone
    assert reference() is None


@pytest.mark.parametrize("lose", [in_destructor, in_callback])
def test_what_python_ignores_is_raised_again(lose: Callable[[], None]) -> None:
    lose()
    assert interrupt.received() == signal.SIGTERM
    with pytest.raises(Interrupted, match="SIGTERM"):
        time.sleep(20)


def test_nothing_is_raised_when_nobody_takes_signals_any_more() -> None:
    with interrupt.installed():
        in_destructor()
        assert interrupt.received() == signal.SIGTERM
    time.sleep(4 * interrupt.AGAIN_S)
    assert interrupt.received() is None
    assert signal.getsignal(signal.SIGALRM) is signal.SIG_DFL


def test_other_exceptions_are_ignored_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda ignored: heard.append(ignored.exc_type))
    interrupt.hear_what_is_ignored()
    gone: set[int] = set()
    reference = weakref.ref(gone, lambda _gone: [][0])
    del gone
    assert reference() is None
    assert heard == [IndexError]
    assert interrupt.received() is None


def test_held_signal_comes_at_the_end_of_the_outermost() -> None:
    done = []

    def put_away() -> None:
        with interrupt.held():
            with interrupt.held():
                signal.raise_signal(signal.SIGTERM)
                done.append("inner")
            done.append("outer")
        done.append("never")

    with pytest.raises(Interrupted):
        put_away()
    assert done == ["inner", "outer"]
    with interrupt.held():
        done.append("not again")


def test_after_the_verdict_nothing_is_raised() -> None:
    assert interrupt.too_late() is None
    with interrupt.held():
        signal.raise_signal(signal.SIGTERM)
    signal.raise_signal(signal.SIGINT)


def test_everything_is_as_before_afterwards() -> None:
    before = [signal.getsignal(number) for number in interrupt.SIGNALS]
    with interrupt.installed():
        interrupt.too_late()
        signal.raise_signal(signal.SIGINT)
        assert interrupt.received() == signal.SIGINT
    assert interrupt.received() is None
    assert [signal.getsignal(number) for number in interrupt.SIGNALS] == before


def test_what_was_ignored_stays_so_and_what_was_blocked_comes() -> None:
    program = (
        "import os, signal; from testbed.host import interrupt\n"
        "signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
        "signal.pthread_sigmask(signal.SIG_BLOCK, interrupt.SIGNALS)\n"
        "os.kill(os.getpid(), signal.SIGTERM); os.kill(os.getpid(), signal.SIGHUP)\n"
        "try: interrupt.install()\n"
        "except interrupt.Interrupted as end: print(end)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout == "interrupted by SIGTERM\n"
