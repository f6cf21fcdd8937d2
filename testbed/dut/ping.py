# SPDX-License-Identifier: GPL-2.0-only
"""Echo requests by ping (iputils), and how many were answered."""

from __future__ import annotations

import re
from dataclasses import dataclass

from testbed.dut.protocols import Completed, Endpoint
from testbed.errors import GuestCommandFailed

TOGETHER = 3
ANSWER_S = 3.0
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


def ping_argv(
    end: Endpoint, target: str, count: int, interval_s: float, *options: str
) -> list[str]:
    """The command that sends ``count`` requests from ``end``.

    Once one answer has come ping waits for the last ones twice the longest round trip, or one
    interval if that is longer, whatever -W says (iputils ping_common.c schedule_exit()). So the
    interval is stretched by the end's patience.
    """
    return ["ping", "-c", str(count), "-i", f"{interval_s * end.patience:g}", *options, target]


def waiting(end: Endpoint, wait_s: float) -> list[str]:
    """Option for ping: wait so long if no answer came at all, or longer at an end that is slow."""
    return ["-W", f"{wait_s * end.patience:.0f}"]


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
    wait_s: float | None = None,
    timeout_s: float = 60.0,
) -> Echoes:
    """Send ``count`` requests from ``end``; lost ones are counted. Raises as :func:`echoes`.

    ``wait_s`` as in :func:`waiting`.
    """
    words = [] if wait_s is None else waiting(end, wait_s)
    argv = ping_argv(end, target, count, interval_s, *words, *options)
    return echoes(end.run(argv, check=False, timeout_s=timeout_s))


def three_echoes(end: Endpoint, target: str, *options: str) -> Echoes:
    """Three requests at once, for each of whose answers ping waits ANSWER_S. Raises as ``ping``."""
    words = ["-l", str(TOGETHER), *waiting(end, ANSWER_S), *options]
    return echoes(end.run(ping_argv(end, target, TOGETHER, ANSWER_S, *words), check=False))
