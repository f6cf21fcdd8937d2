# SPDX-License-Identifier: GPL-2.0-only
"""What one run of a schedule showed, as plain data: it goes from a worker to the coordinator."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Ended(StrEnum):
    """How a run ended; only the first four say something of the kernel.

    Timed out: it took too long, of which this host's load may be the reason. Illegal: the card
    refused the schedule. Environment: this host was at fault, and the run counts for nothing.
    """

    DONE = "done"
    CRASHED = "crashed"
    HUNG = "hung"
    AGENT_LOST = "agent lost"
    TIMED_OUT = "timed out"
    MODEL_BUG = "model bug"
    ILLEGAL = "illegal schedule"
    ENVIRONMENT = "environment"


@dataclass(frozen=True, kw_only=True)
class Complaint:
    """One thing that is wrong.

    :ivar signature: equal for equal bugs: oracle, kind, functions in scope; no number, no line.
    :ivar oracle: ``kernel``, ``dma``, ``ledger``, ``leak``, ``liveness``, ``data``, ``trace``.
    :ivar text: what a person reads, in many lines; the guest's words, not escaped.
    :ivar finding: id of the finding on record that it is; empty for a new one.
    """

    signature: str
    oracle: str
    text: str = ""
    finding: str = ""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """One run.

    :ivar schedule: name of the schedule.
    :ivar edges: place in the kernel's text (as in coverage.hits) -> bucket of its count, 1 to 8.
    :ivar states: transitions of the card's own state, each as one word such as
        ``hwrm:RING_ALLOC>RING_FREE`` or ``fault:cqe.write@tpa-open``.
    :ivar event_hash: of what card and driver did to each other.
    :ivar fired: id of a fault -> how often it was injected.
    :ivar events: injection point -> how many events passed while the plan was armed.
    :ivar cpu_s: CPU seconds of card, guest and worker; ``wall_s`` is real time.
    :ivar guest: name of the guest it ran in; ``served``: how many schedules that had run before.
    :ivar log: the last lines of the kernel log, for a run with complaints.
    """

    schedule: str
    ended: Ended
    complaints: tuple[Complaint, ...] = ()
    edges: Mapping[int, int] = field(default_factory=dict)
    states: frozenset[str] = frozenset()
    event_hash: str = ""
    fired: Mapping[str, int] = field(default_factory=dict)
    events: Mapping[str, int] = field(default_factory=dict)
    output: tuple[str, ...] = ()
    log: str = ""
    problem: str = ""
    cpu_s: float = 0.0
    wall_s: float = 0.0
    guest: str = ""
    served: int = 0

    @property
    def signatures(self) -> frozenset[str]:
        """Of all complaints."""
        return frozenset(one.signature for one in self.complaints)

    @property
    def new(self) -> tuple[Complaint, ...]:
        """Complaints that are no finding on record."""
        return tuple(one for one in self.complaints if not one.finding)
