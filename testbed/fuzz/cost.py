# SPDX-License-Identifier: GPL-2.0-only
"""What a run costs: CPU seconds of this process, the card and the guest."""

from __future__ import annotations

import time

from testbed.engines.uml.session import UmlSession
from testbed.host.cputime import used_s


class Cost:
    """Of one run, from its making on. ``cpu_s`` is what :meth:`stop` found, or our own part."""

    def __init__(self) -> None:
        self._own = time.process_time()
        self._card_before = 0.0
        self._guest_before = 0.0
        self._others = 0.0

    def watch(self, session: UmlSession | None) -> None:
        """Called before the guest starts, with the session that is used again, if one is."""
        card = None if session is None else session.card.process
        self._card_before = 0.0 if card is None else used_s(card.pid)
        self._guest_before = 0.0

    def watch_guest(self, session: UmlSession) -> None:
        """Called if the guest is used again as well."""
        guest = session.machine.process_id
        self._guest_before = 0.0 if guest is None else used_s(guest)

    def stop(self, session: UmlSession) -> None:
        """Called while guest and card are still there, if they are."""
        card, guest = session.card.process, session.machine.process_id
        self._others = 0.0 if card is None else used_s(card.pid) - self._card_before
        self._others += 0.0 if guest is None else used_s(guest) - self._guest_before

    @property
    def cpu_s(self) -> float:
        """CPU seconds so far."""
        return time.process_time() - self._own + self._others
