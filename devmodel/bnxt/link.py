# SPDX-License-Identifier: GPL-2.0-only
"""Link state of the port, as the wire, its other end and the driver set it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from devmodel.bnxt.hsi.phy import ActiveFec, Loopback, PauseBits
from devmodel.bnxt.module import ModuleKind, modes_of_module
from devmodel.bnxt.phy import Outcome, Partner, PhySettings, resolve
from devmodel.clock import Clock, Timer, Timing

TRAINING_NS = 50_000_000
"""From the reset of a PHY to the link. A guess; a public log has 67 ms from probe to link."""
_NS_OF_CODEWORD = 51_200
"""How long 5120 bits take at 100 Mb/s."""
_NO_CODEWORDS = (ActiveFec.NONE, ActiveFec.CLAUSE74)


class Link:
    """Link state of the port.

    :param changed: called with the new state when frames begin or cease to pass.
    :ivar wire_up: the far end is there (set by the runner).
    :ivar forced_down: the driver asked for FORCE_LINK_DWN.
    :ivar settings: as the driver set them.
    :ivar partner: the port at the other end.
    :ivar outcome: the link there is, or None.
    :ivar down_events: times the link went down.
    """

    def __init__(
        self, clock: Clock, partner: Partner, module: ModuleKind, changed: Callable[[bool], None]
    ) -> None:
        self.wire_up = True
        self.forced_down = False
        self.down_events = 0
        self.settings = PhySettings()
        self.partner = partner
        self.media = modes_of_module(module)
        self._clock = clock
        self._changed = changed
        self._training: Timer | None = None
        self._queries = 0
        self._codewords = 0
        self._since_ns = clock.now_ns
        self.outcome: Outcome | None = self._resolve()

    @property
    def up(self) -> bool:
        """Frames pass."""
        return self.outcome is not None

    @property
    def codewords(self) -> int:
        """RS codewords of 5120 bits of data that came in, in virtual time."""
        return self._codewords + self._codewords_since()

    def state(self) -> dict[str, str] | None:
        """The link in words, as JSON types; None without."""
        if self.outcome is None:
            return None
        pause = self.outcome.pause & (PauseBits.RX | PauseBits.TX)
        return {
            "mode": self.outcome.mode.value,
            "fec": self.outcome.fec.name,
            "pause": "|".join(bit.name or "" for bit in pause),
        }

    def set_wire(self, up: bool) -> None:
        """Plug or pull the cable."""
        self.wire_up = up
        self._settle()

    def force_down(self, down: bool) -> None:
        """PORT_PHY_CFG with or without FORCE_LINK_DWN."""
        if down != self.forced_down:
            self.forced_down = down
            self._settle()

    def set_partner(self, partner: Partner) -> None:
        """The other end is set anew: if that matters, the link is trained again."""
        self.partner = partner
        if self._resolve() != self.outcome:
            self.train(queries=1)

    def configure(self, settings: PhySettings) -> None:
        """Settings that need no training: pause where it is forced, loopback."""
        was_looping = self.settings.loopback
        self.settings = settings
        outcome = self._resolve()
        if was_looping is not settings.loopback:
            self._settle()
        elif self.outcome is not None and outcome is not None and self._training is None:
            self.outcome = dataclasses.replace(self.outcome, pause=outcome.pause)

    def end_loopback(self) -> None:
        """Frames pass to the cable again, if they did not."""
        if self.settings.loopback is not Loopback.NONE:
            self.configure(dataclasses.replace(self.settings, loopback=Loopback.NONE))

    def train(self, *, queries: int) -> None:
        """The PHY is reset, and no longer forced down: the link goes, and comes if both ends agree.

        :param queries: where time does not pass while a guest's program waits, it comes with that
            many queries, or earlier with time. A link that was down comes at once.
        """
        was_up = self.up
        self.forced_down = False
        self._stop()
        self._set(None)
        is_simulated = self._clock.timing is Timing.SYNCHRONOUS
        self._queries = queries if was_up and is_simulated else 0
        self._training = self._clock.call_later(
            TRAINING_NS, self._settle, background=bool(self._queries)
        )

    def queried(self) -> None:
        """The driver has asked for the state, and has its answer next."""
        if self._queries:
            self._queries -= 1
            if not self._queries:
                self._stop()
                self._training = self._clock.call_later(0, self._settle)

    def reset(self) -> None:
        """Power-on state of the PHY; cable and partner stay as they are."""
        self.forced_down = False
        self.settings = PhySettings()
        self._settle()
        self.down_events = 0

    def _resolve(self) -> Outcome | None:
        if self.forced_down:
            return None
        is_internal = self.settings.loopback is Loopback.LOCAL
        if not self.wire_up and not is_internal:
            return None
        return resolve(self.settings, self.partner, self.media)

    def _stop(self) -> None:
        self._queries = 0
        if self._training is not None:
            self._training.cancel()
            self._training = None

    def _settle(self) -> None:
        self._stop()
        self._set(self._resolve())

    def _set(self, outcome: Outcome | None) -> None:
        self._codewords += self._codewords_since()
        self._since_ns = self._clock.now_ns
        before, self.outcome = self.outcome, outcome
        if (before is None) != (outcome is None):
            self.down_events += outcome is None
            self._changed(self.up)

    def _codewords_since(self) -> int:
        if self.outcome is None or self.outcome.fec in _NO_CODEWORDS:
            return 0
        elapsed_ns = self._clock.now_ns - self._since_ns
        return self.outcome.mode.speed * elapsed_ns // _NS_OF_CODEWORD
