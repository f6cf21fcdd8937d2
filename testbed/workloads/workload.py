# SPDX-License-Identifier: GPL-2.0-only
"""What a workload is, and what it works with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from testbed.dut.defer import Defer
from testbed.dut.nic import ZcrxQueue
from testbed.dut.protocols import Capability, Dut, Endpoint


@dataclass
class WorkloadContext:
    """Both ends, undo, and what a workload remembers between preparing and working.

    :ivar address: PCI address of the card, if the driver has been or will be unbound.
    """

    dut: Dut
    remote: Endpoint
    defer: Defer
    zcrx: ZcrxQueue | None = None
    address: str = ""
    said: list[str] = field(default_factory=list)


def _nothing(bench: WorkloadContext) -> None:
    """No preparation."""


@dataclass(frozen=True)
class Workload:
    """What goes on while the faults of a trial are armed.

    :ivar rings: the work itself allocates rings, so that allocating some is no sign of a reset.
    :ivar channels: combined channels it is done with, 0 for as many as there are. With one, what
        comes next on a ring comes next at all, whatever machine it is.
    """

    purpose: str
    work: Callable[[WorkloadContext], None]
    prepare: Callable[[WorkloadContext], None] = _nothing
    needs: frozenset[Capability] = frozenset()
    rings: bool = False
    channels: int = 0
