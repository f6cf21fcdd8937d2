# SPDX-License-Identifier: GPL-2.0-only
"""Pins for one pulse a second (PPS), and what the driver is told of the pulses.

Source: bnxt_ptp.c and struct hwrm_func_ptp_pin_cfg_input. Guesses: an event setting replaces the
one before; pulses of the PHC itself are told while pin 0 is an input, which is what the driver
makes of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from devmodel.bnxt.hsi.ptp import PinUsage, PpsEvent
from devmodel.bnxt.phc import Phc
from devmodel.clock import Clock, Timer

PINS = 4
SECOND_NS = 1_000_000_000
_EXTERNAL = 1
_PIN_SHIFT = 1
_UPPER_SHIFT = 4
_UPPER_MASK = 0xFFFF
_LOWER_MASK = 0xFFFF_FFFF

Tell = Callable[[int, int], object]
"""Sends PPS_TIMESTAMP; called as (event_data1, event_data2)."""


@dataclass(slots=True)
class Pin:
    """One pin as FUNC_PTP_PIN_CFG set it."""

    enabled: bool = False
    usage: PinUsage = PinUsage.NONE

    def does(self, usage: PinUsage) -> bool:
        """It is on, and this is what it is for."""
        return self.enabled and self.usage is usage


class Pps:
    """The pins of the card.

    :ivar pins: by number.
    :ivar event: which pulses the driver is told of.
    :ivar last_ns: PHC time of the last pulse that was told, 0 if there was none.
    :ivar pulses_sent: on all output pins.
    """

    def __init__(self, phc: Phc, clock: Clock, tell: Tell) -> None:
        self.pins = [Pin() for _ in range(PINS)]
        self.event = PpsEvent.NONE
        self.last_ns = 0
        self.pulses_sent = 0
        self._phc = phc
        self._clock = clock
        self._tell = tell
        self._output_start_ns: int | None = None
        self._second: Timer | None = None
        self._output: Timer | None = None
        phc.on_change = self.schedule

    def reset(self) -> None:
        """No pin is used; the firmware has restarted."""
        self.pins = [Pin() for _ in range(PINS)]
        self.event = PpsEvent.NONE
        self._output_start_ns = None
        self.schedule()

    def start_output(self, start_ns: int) -> None:
        """Pulses on output pins each second from PHC time ``start_ns`` on."""
        self._output_start_ns = start_ns
        self.schedule()

    def pulse(self, pin: int) -> None:
        """A pulse arrives at a pin from outside."""
        if self.event is PpsEvent.EXTERNAL and self.pins[pin % PINS].does(PinUsage.PPS_IN):
            self._told(_EXTERNAL, pin % PINS)

    # -- seconds ------------------------------------------------------------------------------
    def schedule(self) -> None:
        """Pins, event or PHC have changed: see when the next pulses are due."""
        for timer in (self._second, self._output):
            if timer is not None:
                timer.cancel()
        self._second = self._output = None
        now_ns = self._phc.time_ns
        if self.event is PpsEvent.INTERNAL and self.pins[0].does(PinUsage.PPS_IN):
            due_ns = now_ns - now_ns % SECOND_NS + SECOND_NS
            self._second = self._call_at(due_ns, self._internal)
        start_ns = self._output_start_ns
        if start_ns is not None and any(pin.does(PinUsage.PPS_OUT) for pin in self.pins):
            passed_ns = now_ns - start_ns
            due_ns = start_ns if passed_ns < 0 else now_ns - passed_ns % SECOND_NS + SECOND_NS
            self._output = self._call_at(due_ns, self._send)

    def _call_at(self, time_ns: int, call: Callable[[], None]) -> Timer:
        delay_ns = self._phc.delay_ns(time_ns)
        return self._clock.call_later(delay_ns, call, background=True)

    def _internal(self) -> None:
        self._told(0, 0)
        self.schedule()

    def _send(self) -> None:
        self.pulses_sent += sum(pin.does(PinUsage.PPS_OUT) for pin in self.pins)
        self.schedule()

    def _told(self, kind: int, pin: int) -> None:
        self.last_ns = self._phc.time_ns
        upper = self.last_ns >> 32 & _UPPER_MASK
        self._tell(self.last_ns & _LOWER_MASK, kind | pin << _PIN_SHIFT | upper << _UPPER_SHIFT)
