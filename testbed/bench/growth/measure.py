# SPDX-License-Identifier: GPL-2.0-only
"""Streams over more and more queues, and in more and more guests; memory of each guest."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from testbed.bench.growth.plan import GrowthPlan
from testbed.bench.wire.guests import Cost, WireGuest, options_of
from testbed.bench.wire.plan import Cell, Direction
from testbed.dut.defer import DeferStack
from testbed.dut.nic import HASH_KEY, set_channels, set_hash_key
from testbed.engines.qemu.engine import ENGINE as QEMU
from testbed.engines.qemu.session import QemuSession
from testbed.host.memory import proportional_bytes
from testbed.report.results import RunReport
from testbed.workloads.seen import SessionAccount


@dataclass(frozen=True)
class Grown:
    """One measurement: ``count`` of queues with a flow each, or of machines with a flow each.

    ``costs`` are of the machines, whose streams ran at once; ``boot_s`` and memory (PSS of QEMU
    and card, bytes) of each machine.
    """

    kind: str
    count: int
    round: int
    costs: tuple[Cost, ...]
    boot_s: tuple[float, ...]
    qemu_bytes: tuple[int, ...]
    card_bytes: tuple[int, ...]

    @property
    def bytes_per_second(self) -> float:
        """Of all machines together."""
        return sum(one.bytes / one.seconds for one in self.costs)

    @property
    def ns_per_byte(self) -> float:
        """CPU time of all QEMUs and cards, that of starting and ending programs included."""
        computed = sum(one.qemu_cpu_s + one.card_cpu_s for one in self.costs)
        return computed * 1e9 / sum(one.bytes for one in self.costs)


def measure(
    plan: GrowthPlan, folder: Path, report: RunReport, say: Callable[[str], None]
) -> list[Grown]:
    """Queues first, in one guest; then machines, of which more are started.

    What card and kernels say is added to ``report``. Raises UsageProblem, EnvironmentProblem,
    GuestCommandFailed, GuestTimeout, LostVM, ModelFailure.
    """
    found: list[Grown] = []
    with ExitStack() as stack:
        guests: list[WireGuest] = []

        def more() -> None:
            place = folder / f"vm-{len(guests) + 1}"
            place.mkdir()
            options, prepared = QEMU.prepare(options_of(plan.nic, plan), say)
            session = stack.enter_context(QemuSession(options, place, prepared))
            guests.append(WireGuest(plan.nic, session))
            guests[-1].set_mtu(plan.mtu)
            say(f"machine {len(guests)} is up after {session.boot_seconds:.1f} s")

        more()
        report.kernel_release = guests[0].session.kernel_release
        found += _queues(guests[0], plan, say)
        for count in plan.machines:
            while len(guests) < count:
                more()
            found += _together(guests[:count], plan)
            say(f"{count} machines")
        for guest in guests:
            account = SessionAccount.of(guest.session, where=guest.session.run_dir.name)
            account.require_answers()
            account.add_to(report)
    return found


def _queues(guest: WireGuest, plan: GrowthPlan, say: Callable[[str], None]) -> Iterator[Grown]:
    """Every number has its turn in each round; round 0 warms up and gives nothing."""
    dut, undone = guest.session.dut, DeferStack()
    set_hash_key(dut, HASH_KEY, undone)  # a key drawn at boot may send several flows to one queue
    for number in range(plan.rounds + 1):
        for count in plan.queues:
            set_channels(dut, count, DeferStack())
            cost = guest.stream(_cell(plan, count), plan.mib, plan.seconds)
            if number:
                yield _grown("queues", count, number, [guest], [cost])
        say(f"queues: round {number} of {plan.rounds}" if number else "queues: warmed up")
    if plan.queues:
        set_channels(dut, 1, undone)
        undone.unwind()


def _together(guests: Sequence[WireGuest], plan: GrowthPlan) -> Iterator[Grown]:
    for number in range(plan.rounds + 1):
        begun = [guest.begin(_cell(plan, 1), plan.mib, plan.seconds) for guest in guests]
        costs = [one.end() for one in begun]
        if number:
            yield _grown("machines", len(guests), number, guests, costs)


def _cell(plan: GrowthPlan, flows: int) -> Cell:
    return Cell(Direction.RX, plan.mtu, flows)


def _grown(
    kind: str, count: int, number: int, guests: Sequence[WireGuest], costs: Sequence[Cost]
) -> Grown:
    pids = [guest.processes for guest in guests]
    return Grown(
        kind, count, number, tuple(costs),
        tuple(guest.session.boot_seconds for guest in guests),
        tuple(proportional_bytes(qemu) for qemu, _ in pids),
        tuple(0 if card is None else proportional_bytes(card) for _, card in pids),
    )  # fmt: skip
