# SPDX-License-Identifier: GPL-2.0-only
"""Echo requests by ping (iputils), and how many were answered."""

from __future__ import annotations

import re
from dataclasses import dataclass

from testbed.dut.protocols import Completed, Endpoint
from testbed.errors import GuestCommandFailed

_LOSS = re.compile(r"(\d+) packets transmitted, (\d+) received")
_SLOWEST = re.compile(r"rtt min/avg/max/mdev = [\d.]+/[\d.]+/(\d+)")


@dataclass(frozen=True)
class Echoes:
    """What ping counted; ``text`` is all it printed."""

    sent: int
    received: int
    text: str = ""

    @property
    def lost(self) -> int:
        """Requests without an answer."""
        return self.sent - self.received

    @property
    def slowest_ms(self) -> int | None:
        """Whole milliseconds that the slowest answer took; None if ping says nothing of it."""
        found = _SLOWEST.search(self.text)
        return int(found[1]) if found else None

    def __str__(self) -> str:
        slowest = (
            "" if self.slowest_ms is None else f", the slowest answer took {self.slowest_ms} ms"
        )
        return f"ping: {self.lost} of {self.sent} lost{slowest}"


def ping_argv(target: str, count: int, interval_s: float, *options: str) -> list[str]:
    """The command that sends ``count`` requests."""
    return ["ping", "-c", str(count), "-i", str(interval_s), *options, target]


def echoes(done: Completed) -> Echoes:
    """Read what ping printed at its end. Raises GuestCommandFailed if it counted nothing."""
    found = _LOSS.search(done.text)
    if found is None:
        raise GuestCommandFailed(f"ping says {done.text!r}")
    return Echoes(int(found[1]), int(found[2]), done.text)


def ping(
    end: Endpoint,
    target: str,
    count: int,
    interval_s: float,
    *options: str,
    timeout_s: float = 60.0,
) -> Echoes:
    """Send ``count`` requests from ``end``; lost ones are counted. Raises as :func:`echoes`."""
    argv = ping_argv(target, count, interval_s, *options)
    return echoes(end.run(argv, check=False, timeout_s=timeout_s))
