# SPDX-License-Identifier: GPL-2.0-only
"""A session: one machine with its NIC up, and everything gone again afterwards.

::

    options, prepared = prepare_run(options, report=print)
    with new_session(options, run_dir, prepared) as session:
        session.dut.run(["ethtool", "-i", "nut0"])
        session.remote.run(["ping", "-c", "1", LOCAL_V4])
        session.card.state()
"""

from __future__ import annotations

import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Self, TypeVar

from rich.console import Console
from rich.text import Text

from testbed.card.process import EmulatedCard
from testbed.engines.guest import GuestDut, GuestEndpoint, Machine
from testbed.errors import EnvironmentProblem
from testbed.findings.kernel import GuestKernel
from testbed.findings.kernel_log import KernelEvent, KernelLogWatcher
from testbed.host import interrupt
from testbed.host.loop import BackgroundLoop
from testbed.host.private import PrivateFolder
from testbed.options import RunOptions

T = TypeVar("T")
_log = logging.getLogger("testbed.engines")


def entered(thing: T | None) -> T:
    """What a session has once it has been entered."""
    assert thing is not None, "the session has not been entered"
    return thing


class Session(ABC):
    """What every machine has, whatever runs it; a context manager.

    ``options`` come from ``prepare_run()``, ``run_dir`` takes the logs. Entering raises
    LaunchFailure, EnvironmentProblem, LostVM, ModelFailure; leaving raises ModelFailure if the
    card failed while it was being put away and nothing else went wrong.

    :ivar seconds: wall time of each stage of the start, by its name.
    """

    def __init__(self, options: RunOptions, run_dir: Path, console: Console | None = None) -> None:
        if options.seed is None:
            raise ValueError("options must come from prepare_run()")
        self.options = options
        self.run_dir = run_dir
        self.seed = options.seed
        self.seconds: dict[str, float] = {}
        self._console = console
        self._stack = ExitStack()
        self._loop: BackgroundLoop | None = None
        self._private: PrivateFolder | None = None
        self._dut: GuestDut | None = None
        self._remote: GuestEndpoint | None = None

    @property
    def loop(self) -> BackgroundLoop:
        """The loop in which the machine's coroutines run."""
        return entered(self._loop)

    @property
    def private(self) -> PrivateFolder:
        """The folder of the run's sockets."""
        return entered(self._private)

    @property
    def dut(self) -> GuestDut:
        """The end with the NIC under test."""
        return entered(self._dut)

    @property
    def remote(self) -> GuestEndpoint:
        """The other end of the wire."""
        return entered(self._remote)

    @property
    @abstractmethod
    def machine(self) -> Machine:
        """What runs the kernel under test (its coroutines run in :attr:`loop`)."""

    @property
    @abstractmethod
    def kernel_release(self) -> str:
        """`uname -r` of the kernel under test."""

    @property
    def kernel(self) -> GuestKernel:
        """The kernel under test, as the findings on record are asked about it."""
        return GuestKernel.of(
            self.kernel_release, self.kernel_log.build, stock=self._is_stock_kernel
        )

    @property
    def _is_stock_kernel(self) -> bool:
        """Whether it is known to be built of what Debian publishes, without a patch."""
        return False

    @property
    @abstractmethod
    def patience(self) -> float:
        """How many times longer than usual this machine takes; it stretches all time-outs."""

    @property
    def has_card(self) -> bool:
        """Whether the NIC under test is the emulated card."""
        return False

    @property
    def card(self) -> EmulatedCard:
        """The emulated card. Raises EnvironmentProblem in a session with another NIC."""
        raise EnvironmentProblem(
            "the NIC under test of this session is no emulated card",
            remedy="use --nic bnxt, and no --lab",
        )

    @property
    def kernel_log(self) -> KernelLogWatcher:
        """The kernel log as read so far."""
        return self.machine.kernel_log

    @property
    def boot_seconds(self) -> float:
        """Wall time from the start of the machine to a usable agent."""
        return self.seconds["launch"] + self.seconds["boot"]

    def check(self) -> None:
        """Raise LostVM or ModelFailure if either end of the session is gone."""
        if self.machine.lost is not None:
            raise self.machine.lost

    def catch_up(self) -> None:  # noqa: B027 - in most sessions it comes by itself
        """Have :attr:`kernel_log` up to now."""

    def restart(self) -> None:
        """A fresh guest on a fresh card: the same run again, without starting the rest anew.

        Raises EnvironmentProblem where ``Engine.can_restart`` is not set, and what entering
        raises; the session is then of no more use.
        """
        raise self._lacks("cannot restart its guest")

    def plug_card(self) -> None:
        """Plug a card into the guest again that was unplugged, as it is after power-on.

        Its interface has the name the kernel gives it. Raises EnvironmentProblem where the engine
        cannot do so, GuestCommandFailed, LostVM.
        """
        raise self._lacks("cannot plug a card in again")

    def relay_terminal(self, wake_fd: int) -> None:
        """Connect our terminal, which is raw, to a shell of the guest until that ends or LEAVE
        (testbed.engines.shell) is typed; ``wake_fd`` is readable when the terminal's size changed.
        A shell that ends leaves its status in the guest's file STATUS (testbed.engines.shell).

        Raises EnvironmentProblem where there is no such shell, LostVM.
        """
        raise self._lacks("has no prompt")

    def _lacks(self, what: str) -> EnvironmentProblem:
        return EnvironmentProblem(
            f"--engine {self.options.engine} {what}", remedy="use another engine"
        )

    def __enter__(self) -> Self:
        try:
            with interrupt.held():
                self._loop = BackgroundLoop()
                self._stack.callback(self._loop.close)
                self._private = self._stack.enter_context(PrivateFolder())
            self._start()
        except BaseException as error:
            with interrupt.held():
                self._put_away(error)
            raise
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        with interrupt.held():
            self._put_away(error)

    @abstractmethod
    def _start(self) -> None:
        """Start everything up to both ends; what has to end again goes on the stack."""

    def _put_away(self, error: BaseException | None) -> None:
        """End everything, in reverse order; ``error`` is why, if it is not the usual end."""
        self._stack.close()

    @contextmanager
    def _stage(self, name: str, text: str) -> Iterator[None]:
        _log.info("%s", text)
        started = time.monotonic()
        yield
        self.seconds[name] = time.monotonic() - started
        if self._console is not None:
            self._console.print(f"  {text} [dim]{self.seconds[name]:.1f} s[/dim]")

    def _on_kernel_event(self, event: KernelEvent) -> None:
        if self._console is not None:
            self._console.print(Text(f"  kernel: {event}", style="yellow"))
