# SPDX-License-Identifier: GPL-2.0-only
"""What is on the board beside the chip's data path: LEDs, sensors, wake-on-LAN filters."""

from __future__ import annotations

from dataclasses import dataclass, field

from devmodel.bnxt.hsi.port import LedState, LedType

MAX_WOL_FILTERS = 8
"""A guess."""


@dataclass(frozen=True, slots=True)
class Led:
    """One LED of the port, as PORT_LED_QCAPS tells it."""

    number: int
    kind: LedType
    group: int


LEDS = (Led(0, LedType.SPEED, 1), Led(1, LedType.ACTIVITY, 1))
"""How many a board has is a guess; the driver needs a group that is not 0."""


@dataclass(frozen=True, slots=True)
class Temperatures:
    """Degrees Celsius: what a BCM957508-P2100G's hwmon showed (netdev, 2023)."""

    chip: int = 78
    warning: int = 95
    critical: int = 100
    fatal: int = 110
    shutdown: int = 105


@dataclass(slots=True)
class Board:
    """State of the board.

    :ivar leds: by id, as the driver set it.
    :ivar wol_filters: MAC address of magic packets by filter id; they outlive a function reset.
    """

    leds: dict[int, LedState] = field(
        default_factory=lambda: {led.number: LedState.DEFAULT for led in LEDS}
    )
    wol_filters: dict[int, bytes] = field(default_factory=dict)
    temperatures: Temperatures = field(default_factory=Temperatures)

    def power_on(self) -> None:
        """LEDs as the firmware drives them."""
        self.leds = {led.number: LedState.DEFAULT for led in LEDS}
