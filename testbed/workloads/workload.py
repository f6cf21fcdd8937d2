# SPDX-License-Identifier: GPL-2.0-only
"""What a workload is, and what it works with."""

from __future__ import annotations

from collections.abc import Callable, Set
from dataclasses import dataclass, field
from random import Random

from testbed.dut.defer import Defer
from testbed.dut.devmem import DevmemSetup
from testbed.dut.nic import ZcrxQueue
from testbed.dut.protocols import Capability, Dut, Endpoint


@dataclass(frozen=True)
class FailNth:
    """``attempts`` at an operation: in the first its ``first`` allocation fails, then the next, in
    each with so many ``behind`` it, of each kind that may fail. If ``first`` is 0, the last one is
    looked for, which takes attempts; then those before it fail, one after the other."""

    first: int
    attempts: int
    behind: int = 0


def _nothing() -> None:
    pass


@dataclass
class WorkloadContext:
    """Both ends, undo, and what a workload remembers between preparing and working.

    :ivar seed: of the data that streams carry.
    :ivar random: what workloads that vary draw their settings from.
    :ivar zcrx: the queue that was set aside for zero-copy receive.
    :ivar devmem: that queue with a dmabuf bound to it.
    :ivar address: PCI address of the card, if the driver has been or will be unbound.
    :ivar put_back_port: what sets speed and FEC as they were, if the work changes them.
    :ivar output: what the work says of itself, a line each.
    :ivar restarts: queue restarts so far.
    :ivar fail_nth: which allocations of an operation fail, one in each attempt at it.
    :ivar operation_ended: told when that operation has been done; what comes then puts in order.
    """

    dut: Dut
    remote: Endpoint
    defer: Defer
    seed: int = 1
    random: Random = field(default_factory=lambda: Random(1))
    zcrx: ZcrxQueue | None = None
    devmem: DevmemSetup | None = None
    address: str = ""
    put_back_port: Work | None = None
    output: list[str] = field(default_factory=list)
    restarts: int = 0
    fail_nth: FailNth | None = None
    operation_ended: Callable[[], None] = _nothing

    @property
    def queue(self) -> ZcrxQueue:
        """The queue that was set aside for zero-copy receive."""
        assert self.zcrx is not None, "nothing has set a queue aside"
        return self.zcrx

    @property
    def devmem_setup(self) -> DevmemSetup:
        """That queue with a console at either end."""
        assert self.devmem is not None, "nothing has started the consoles"
        return self.devmem


Work = Callable[[WorkloadContext], object]


def in_turn(*works: Work) -> Work:
    """One after the other; without any, nothing."""

    def work(context: WorkloadContext) -> None:
        for one in works:
            one(context)

    return work


_NOTHING = in_turn()


@dataclass(frozen=True)
class Scenario:
    """A workload as one script for ``sh -eu`` in a User Mode Linux guest once the wire is up.

    :ivar words: the script's positional parameters.
    :ivar timeout_s: guest time.
    :ivar sets_up: it makes its settings and brings nut0 up itself.
    """

    script: str
    words: tuple[str, ...] = ()
    timeout_s: float = 120.0
    sets_up: bool = False


@dataclass(frozen=True)
class Workload:
    """What a guest is made to do.

    ``work`` raises GuestCommandFailed or GuestTimeout if it cannot be done or if what it promises
    (equal data, answered echoes) does not hold. Where faults are armed, that is after ``prepare``
    and until ``work`` ends.

    :ivar needs: capabilities without which it cannot be done.
    :ivar rings: the work itself allocates rings, so that allocating some is no sign of a reset.
    :ivar channels: combined channels it is done with, 0 for as many as there are. With one, what
        comes next on a ring comes next at all, whatever machine it is.
    :ivar removes: the driver is gone afterwards: nothing else can be done with this machine.
    :ivar nth: it is an operation, or some, of which the n-th allocation may be made to fail.
    :ivar rounds: how often it does the same, each of which may fail.
    :ivar complaints: of the driver that belong to it: regular expressions.
    :ivar scenario: much the same in simulated time, as one script; see :mod:`.scripts`.
    """

    purpose: str
    work: Work
    prepare: Work = _NOTHING
    needs: frozenset[Capability] = frozenset()
    rings: bool = False
    channels: int = 0
    removes: bool = False
    nth: bool = False
    rounds: int = 1
    complaints: tuple[str, ...] = ()
    scenario: Scenario | None = None

    def lacking(self, capabilities: Set[Capability]) -> list[Capability]:
        """What a machine with ``capabilities`` lacks for it."""
        return sorted(self.needs - capabilities)

    def run(self, context: WorkloadContext) -> None:
        """Prepare and work. Raises as ``work`` does."""
        self.prepare(context)
        self.work(context)
