# SPDX-License-Identifier: GPL-2.0-only
"""Frames on the wire that are of neither end's doing, or that the other end cannot get."""

from __future__ import annotations

from dataclasses import dataclass

from testbed.dut.nic import link
from testbed.dut.programs import program, result_of
from testbed.dut.protocols import Endpoint

STOP_S = 20.0


@dataclass(frozen=True)
class Strangers:
    """What one end counted: ``foreign`` frames came from a third party, ``kept`` went no further.

    ``kept`` are sent to an address that no bridge forwards (LLDP).
    """

    foreign: int
    kept: int


class StrangerWatch:
    """Counts at ``end`` what ``other`` has not sent, or will not get, until :meth:`stop`.

    A frame that comes while it starts may be counted by the interface and not here.
    """

    def __init__(self, end: Endpoint, other: Endpoint) -> None:
        self._end = end
        words = [program("frame_watch"), end.netdev, str(link(other)["address"])]
        self._running = end.start(words)

    def stop(self) -> Strangers:
        """End it; what it counted. Raises GuestCommandFailed, GuestTimeout."""
        self._end.run(["kill", "-s", "TERM", str(self._running.pid)])
        counted = result_of(self._running.wait(STOP_S))
        return Strangers(counted["foreign"], counted["kept"])

    def kill(self) -> None:
        """End it, whatever it counted."""
        self._running.kill()
