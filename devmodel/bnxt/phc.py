# SPDX-License-Identifier: GPL-2.0-only
"""The PTP hardware clock (PHC): nanoseconds in 64 bits, which run with the card's virtual clock.

It is the port's: no reset of the function and no restart of the firmware stops or sets it (a
guess). It begins at 0 when the card gets power.
"""

from __future__ import annotations

from collections.abc import Callable

from devmodel.clock import Clock

MAX_PPB = 31_000_000
"""How much faster or slower it can be made, in parts per 10^9 (BNXT_MAX_PHC_DRIFT)."""
REGISTER_BITS = 48
"""What the registers and PPS events show of the time."""
_BILLION = 1_000_000_000
_TIME_MASK = (1 << 64) - 1


class Phc:
    """One clock.

    :ivar is_set: somebody has set it (RTC_CONFIGURED).
    :ivar on_change: called when pulses are due at another moment than they were.
    """

    def __init__(self, clock: Clock) -> None:
        self.is_set = False
        self.on_change: Callable[[], None] = lambda: None
        self._clock = clock
        self._ppb = 0
        self._base_ns = 0
        self._since_ns = 0

    @property
    def _elapsed_ns(self) -> int:
        """Virtual time since it was last changed."""
        return self._clock.now_ns - self._since_ns

    @property
    def _run_ns(self) -> int:
        """How far it has run since."""
        return self._elapsed_ns * (_BILLION + self._ppb) // _BILLION

    @property
    def time_ns(self) -> int:
        """The time, in 64 bits."""
        return self._base_ns + self._run_ns & _TIME_MASK

    def _go_on_from(self, time_ns: int, ppb: int) -> None:
        self._base_ns = time_ns & _TIME_MASK
        self._ppb = ppb
        self._since_ns = self._clock.now_ns
        self.on_change()

    def set_time(self, time_ns: int) -> None:
        """Set it."""
        self.is_set = True
        self._go_on_from(time_ns, self._ppb)

    def adjust_phase(self, delta_ns: int) -> None:
        """Step it by a signed number of nanoseconds."""
        self._go_on_from(self.time_ns + delta_ns, self._ppb)

    def adjust_frequency(self, ppb: int) -> None:
        """Let it run faster by ``ppb`` parts per 10^9, up to MAX_PPB either way."""
        self._go_on_from(self.time_ns, ppb)

    def delay_ns(self, time_ns: int) -> int:
        """Virtual time until it shows ``time_ns`` or later; 0 if it does."""
        left_ns = time_ns - self.time_ns
        if left_ns <= 0:
            return 0
        run_ns = self._run_ns + left_ns
        return -(-run_ns * _BILLION // (_BILLION + self._ppb)) - self._elapsed_ns
