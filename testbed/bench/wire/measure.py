# SPDX-License-Identifier: GPL-2.0-only
"""Rounds: in each of them every contender has its turn in every cell, all guests being up."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from statistics import median

from testbed.bench.wire.contenders import Contender
from testbed.bench.wire.guests import Cost, WireGuest, options_of
from testbed.bench.wire.plan import Cell, Direction, WirePlan
from testbed.engines.qemu.engine import ENGINE as QEMU
from testbed.engines.qemu.session import QemuSession
from testbed.report.results import RunReport
from testbed.workloads.seen import SessionAccount


@dataclass(frozen=True)
class Sample:
    """One stream of a contender. ``start``: what a stream of a byte costs its guest, usually."""

    contender: Contender
    cell: Cell
    round: int
    cost: Cost
    start: Cost

    @property
    def bytes_per_second(self) -> float:
        """By the receiver's clock."""
        return self.cost.bytes / self.cost.seconds

    @property
    def qemu_ns_per_byte(self) -> float:
        """CPU time of QEMU, guest included, without that of starting and ending programs."""
        return (self.cost.qemu_cpu_s - self.start.qemu_cpu_s) * 1e9 / self.cost.bytes

    @property
    def card_ns_per_byte(self) -> float:
        """The same of the card's process; 0 for QEMU's own NICs."""
        return (self.cost.card_cpu_s - self.start.card_cpu_s) * 1e9 / self.cost.bytes

    @property
    def ns_per_byte(self) -> float:
        """Both."""
        return self.qemu_ns_per_byte + self.card_ns_per_byte


@dataclass(frozen=True)
class Measured:
    """All samples, and what was measured: the kernel, and QEMU's accelerator."""

    samples: Sequence[Sample]
    kernel: str
    accelerator: str

    def of(self, contender: Contender, cell: Cell) -> list[Sample]:
        """Those of a contender in a cell, by round."""
        found = (one for one in self.samples if one.contender == contender and one.cell == cell)
        return sorted(found, key=lambda one: one.round)


def measure(
    plan: WirePlan, folder: Path, report: RunReport, say: Callable[[str], None]
) -> Measured:
    """Start a guest for each contender, and measure round by round.

    What card and kernels say is added to ``report``. Raises UsageProblem, EnvironmentProblem,
    GuestCommandFailed, GuestTimeout, LostVM, ModelFailure.
    """
    with ExitStack() as stack:
        guests = []
        for contender in plan.contenders:
            place = folder / contender.name
            place.mkdir()
            options, prepared = QEMU.prepare(options_of(contender, plan), say)
            session = stack.enter_context(QemuSession(options, place, prepared))
            guests.append(WireGuest(contender, session))
            say(f"{contender.name}: {session.kernel_release} is up")
        starts: dict[Contender, list[Cost]] = {one.contender: [] for one in guests}
        streams: list[tuple[Contender, Cell, int, Cost]] = []
        for number in range(plan.rounds + 1):
            streams += _round(guests, plan, number, starts)
            say(f"round {number} of {plan.rounds}" if number else "warmed up")
        usual = {contender: usual_cost(costs) for contender, costs in starts.items()}
        for guest in guests:
            account = SessionAccount.of(guest.session, where=guest.contender.name)
            account.require_answers()
            account.add_to(report)
        first = guests[0].session
        samples = [
            Sample(contender, cell, number, cost, usual[contender])
            for contender, cell, number, cost in streams
        ]
        return Measured(samples, first.kernel_release, first.options.accel.value)


def usual_cost(costs: Sequence[Cost]) -> Cost:
    """The median of each figure: one start is too short for the clock of CPU time (10 ms)."""
    return Cost(
        costs[0].bytes, median(one.seconds for one in costs),
        median(one.qemu_cpu_s for one in costs), median(one.card_cpu_s for one in costs),
    )  # fmt: skip


def _round(
    guests: Sequence[WireGuest], plan: WirePlan, number: int, starts: dict[Contender, list[Cost]]
) -> list[tuple[Contender, Cell, int, Cost]]:
    """Round 0 warms up, and gives nothing. Who begins changes from round to round."""
    first = number % len(guests)
    turns = [*guests[first:], *guests[:first]]
    for guest in turns:
        start = guest.stream(Cell(Direction.RX, guest.mtu, 1), 0, plan.seconds)
        if number:
            starts[guest.contender].append(start)
    found = []
    for mtu, cells in groupby(plan.cells, key=lambda cell: cell.mtu):
        for guest in turns:
            guest.set_mtu(mtu)
        for cell in cells:
            for guest in turns:
                contender = guest.contender
                if not contender.takes(cell.direction, cell.mtu):
                    continue
                found.append((contender, cell, number, guest.stream(cell, plan.mib, plan.seconds)))
    return found if number else []
