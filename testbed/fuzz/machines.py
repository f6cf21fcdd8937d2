# SPDX-License-Identifier: GPL-2.0-only
"""The guests that schedules run in: a fresh one each time, on a card as the schedule wants it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from testbed.card.personality import check_card_options
from testbed.dut.protocols import Capability
from testbed.engines.open import build_options, prepare_run
from testbed.engines.uml.prepare import UmlPrepared
from testbed.engines.uml.session import UmlSession
from testbed.errors import TestbedError, UsageProblem
from testbed.findings.kernel_log import KernelEvent
from testbed.fuzz.schedule import TRACKED, UNTRACKED
from testbed.fuzz.used import UsedGuest, renew
from testbed.schema import WrongValue

MEMORY_MIB = 512
WATCHDOG_S = 15
BUSY_S = 5.0
"""CPU seconds without any access to a device: a hang."""
_COMMAND_LINE = {UNTRACKED: "kmemleak=off"}


class Machines:
    """One session of a kernel: its card's process stays, guest and card are new each time.

    ``say`` is told of what is built before. Raises UsageProblem, EnvironmentProblem.

    :ivar prepared: the kernel and what else a guest starts from.
    :ivar append: more of the kernel's command line, of guests that are started from now on.
    :ivar guest: what is known of the guest that was started last.
    """

    def __init__(
        self, folder: Path, flavour: str, kernel: str | None, *, coverage: bool,
        say: Callable[[str], None],
    ) -> None:  # fmt: skip
        self._folder, self.append = folder, ""
        options = build_options(
            {
                "engine": "uml", "flavour": flavour, "kernel": kernel, "coverage": coverage,
                "seed": 1, "memory_mib": MEMORY_MIB, "watchdog_s": WATCHDOG_S,
            }
        )  # fmt: skip
        self._options, prepared = prepare_run(options, say)
        assert isinstance(prepared, UmlPrepared)
        self.prepared = prepared
        self._session: UmlSession | None = None
        self._usable = False
        self.guest = UsedGuest()
        self._kmemleak = TRACKED
        self._capabilities: dict[str, frozenset[Capability]] = {}

    def capabilities(self, card: Mapping[str, Any]) -> frozenset[Capability]:
        """What the kernel can do with such a card: asked once, in a guest of its own.

        Raises UsageProblem for what no card can be, and what starting a guest raises.
        """
        key = json.dumps(card, sort_keys=True)
        if key not in self._capabilities:
            self._capabilities[key] = self.start(card, self._options.seed or 0).dut.capabilities
        return self._capabilities[key]

    def start(self, card: Mapping[str, Any], seed: int, kmemleak: str = TRACKED) -> UmlSession:
        """A fresh guest with such a card; ``kmemleak`` as a schedule has it.

        Raises as :meth:`capabilities`.
        """
        try:
            check_card_options(card)
        except WrongValue as wrong:
            raise UsageProblem(
                f"card: {wrong.key}: {wrong}; allowed: {', '.join(wrong.allowed)}"
            ) from wrong
        append = f"{self.append} {_COMMAND_LINE.get(kmemleak, '')}".strip()
        options = replace(self._options, card_options=card, seed=seed, append=append)
        self._kmemleak = kmemleak
        self.guest = UsedGuest()
        if self._session is None or not self._usable:
            self.close()
            folder = Path(mkdtemp(prefix="card-", dir=self._folder))
            self._session = UmlSession(options, folder, self.prepared)
            self._session.busy_s = BUSY_S
            self._session.__enter__()
            self._usable = True
            self._session.card.set_capture(on=False)
        else:
            self._session.options, self._session.seed = options, seed
            self._session.take_hits()
            self._session.restart()
        return self._session

    def again(self, most: int, kmemleak: str = TRACKED) -> UmlSession | None:
        """The guest there is, made ready for one more schedule on the usual card; None if it is
        not clean, or has served so many, or cannot be made ready, or was not started so."""
        session, guest = self.session, self.guest
        if session is None or not guest.clean or guest.runs >= most or self._kmemleak != kmemleak:
            return None
        guest.clean = False
        return session if renew(session, guest) else None

    @property
    def said(self) -> list[KernelEvent]:
        """What the kernel complained of in the guest that was started last."""
        try:
            return [] if self._session is None else self._session.kernel_log.events
        except AssertionError:  # it never came to a kernel
            return []

    @property
    def session(self) -> UmlSession | None:
        """The one there is; it is of use to nobody once :meth:`close` was called."""
        return self._session if self._usable else None

    def close(self) -> None:
        """End guest and card, whatever state they are in; what was :attr:`said` stays."""
        if self._session is not None and self._usable:
            self._usable = False
            self._session.take_hits()
            with suppress(TestbedError):
                self._session.__exit__(None, None, None)
