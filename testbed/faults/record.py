# SPDX-License-Identifier: GPL-2.0-only
"""What a trial itself notices while it runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass
class TrialRecord:
    """What the trial itself noticed. Texts are empty where nothing went wrong.

    :ivar status: of each fault of the plan, as the engine tells it.
    :ivar failure: of the workload; ``output``: what it says of itself.
    :ivar simulated: time is, so that nothing is sent again only because it was late.
    :ivar nstat: growth of the kernel's counters that ``expect.counted`` names.
    :ivar lost: how the machine was lost.
    :ivar no_traffic: why no traffic flowed afterwards; ``undo``: which undo failed.
    """

    status: Sequence[Mapping[str, object]] = ()
    failure: str = ""
    output: list[str] = field(default_factory=list)
    nstat: Mapping[str, int] = field(default_factory=dict)
    lost: str = ""
    no_traffic: str = ""
    undo: str = ""
    simulated: bool = False
