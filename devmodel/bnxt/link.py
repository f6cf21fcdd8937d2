# SPDX-License-Identifier: GPL-2.0-only
"""Link state of the port, as the wire and the driver set it."""

from __future__ import annotations

from collections.abc import Callable

LINK_SPEED_100GB = 1000
"""Units of 100 Mb/s (PORT_PHY_QCFG_RESP_LINK_SPEED_100GB)."""


class Link:
    """Link state of the port.

    :ivar wire_up: the far end is there (set by the runner).
    :ivar forced_down: the driver asked for FORCE_LINK_DWN.
    :ivar down_events: times the link went down.
    """

    def __init__(self, changed: Callable[[bool], None]) -> None:
        self.wire_up = True
        self.forced_down = False
        self.down_events = 0
        self._changed = changed

    @property
    def up(self) -> bool:
        """Frames pass."""
        return self.wire_up and not self.forced_down

    def set_wire(self, up: bool) -> None:
        """Plug or pull the cable."""
        before = self.up
        self.wire_up = up
        self._report(before)

    def force_down(self, down: bool) -> None:
        """PORT_PHY_CFG with or without FORCE_LINK_DWN."""
        before = self.up
        self.forced_down = down
        self._report(before)

    def reset(self) -> None:
        """Power-on state of the PHY; the cable stays as it is."""
        self.force_down(False)
        self.down_events = 0

    def _report(self, before: bool) -> None:
        if self.up != before:
            self.down_events += before
            self._changed(self.up)
