# SPDX-License-Identifier: GPL-2.0-only
"""The guest of a contender: its start, an MTU, a stream, and what its processes have computed."""

from __future__ import annotations

from dataclasses import dataclass

from testbed.bench.wire.contenders import Contender
from testbed.bench.wire.plan import Cell, Direction, GuestPlan
from testbed.dut.defer import DeferStack
from testbed.dut.nic import dedicate_queue, set_link
from testbed.dut.programs import program
from testbed.dut.protocols import Endpoint
from testbed.dut.streams import MIB, Transfer, flows_of, timeout_words
from testbed.engines.qemu.session import QemuSession
from testbed.errors import GuestCommandFailed
from testbed.host.cputime import used_s
from testbed.options import RunOptions

PORT = 5700
ZCRX_RING = 1023  # the buffers of a stream are under way at once
ZCRX_AREA_BYTES = 64 * MIB
STREAM_LIMIT_S = 120.0


@dataclass(frozen=True)
class Cost:
    """One stream: bytes over all flows, the receiver's seconds, CPU seconds of both processes."""

    bytes: int
    seconds: float
    qemu_cpu_s: float
    card_cpu_s: float


def options_of(contender: Contender, plan: GuestPlan) -> RunOptions:
    """The machine: alike for all but the NIC."""
    return RunOptions(
        nic=contender.nic, cpus=plan.cpus, memory_mib=plan.memory_mib, kernel=plan.kernel,
        seed=plan.seed, **contender.options,
    )  # fmt: skip


class WireGuest:
    """One contender, whose guest is up. ``mtu`` is that of both ends."""

    def __init__(self, contender: Contender, session: QemuSession) -> None:
        self.contender = contender
        self.session = session
        self.queue = -1
        self.mtu = 0
        if contender.zcrx:
            keep = DeferStack()  # the guest is thrown away: nothing is undone
            ready = dedicate_queue(session.dut, session.remote, keep, port=PORT, rx_ring=ZCRX_RING)
            self.queue = ready.queue

    def set_mtu(self, mtu: int) -> None:
        """Give both ends this MTU; one with zcrx has its own."""
        if self.contender.zcrx or mtu == self.mtu:
            return
        for end in (self.session.dut, self.session.remote):
            set_link(end, "mtu", str(mtu))
        self.mtu = mtu

    def stream(self, cell: Cell, mib: int, seconds: int) -> Cost:
        """:meth:`begin` and the end of it."""
        return self.begin(cell, mib, seconds).end()

    def begin(self, cell: Cell, mib: int, seconds: int) -> Begun:
        """So many MiB over all flows, or what goes in so many seconds.

        0 MiB: a byte for each flow, for what starting and ending costs.
        Raises GuestCommandFailed, LostVM, ModelFailure.
        """
        dut, remote = self.session.dut, self.session.remote
        ends: tuple[Endpoint, Endpoint] = (
            (dut, remote) if cell.direction is Direction.RX else (remote, dut)
        )
        to, by = ends
        computed = self.computed()
        transfer = Transfer(
            to, by, self._receiver(to, cell.flows), _sender(by, to.ipv4, cell.flows, mib, seconds),
            STREAM_LIMIT_S,
        )  # fmt: skip
        return Begun(self, transfer, computed)

    def _receiver(self, end: Endpoint, flows: int) -> list[str]:
        words = [end.ipv4, str(PORT), "--flows", str(flows), "--unchecked"]
        words += timeout_words(end, STREAM_LIMIT_S)
        if not self.contender.zcrx:
            return [program("stream_rx"), *words]
        area = ["--area", str(ZCRX_AREA_BYTES)]
        return [program("zcrx_rx"), end.netdev, str(self.queue), *words, *area]

    def computed(self) -> tuple[float, float]:
        """CPU seconds of QEMU and of the card so far."""
        qemu, card = self.processes
        return used_s(qemu), 0.0 if card is None else used_s(card)

    @property
    def processes(self) -> tuple[int, int | None]:
        """Process ids of QEMU and of the card, if there is one."""
        qemu = self.session.machine.pid
        assert qemu is not None  # the session has been entered
        if not self.session.has_card:
            return qemu, None
        card = self.session.card.process
        assert card is not None
        return qemu, card.program_pid


@dataclass(frozen=True)
class Begun:
    """A stream under way. ``computed``: the CPU seconds of QEMU and card when it began."""

    guest: WireGuest
    transfer: Transfer
    computed: tuple[float, float]

    def end(self) -> Cost:
        """Wait for both programs. Raises GuestCommandFailed, GuestTimeout, LostVM, ModelFailure."""
        with self.transfer:
            _, received = self.transfer.results()
        self.guest.session.check()
        qemu, card = self.guest.computed()
        count = sum(flow.bytes for flow in flows_of(received))
        seconds = float(received["seconds"])
        if not count or seconds <= 0:
            raise GuestCommandFailed(f"{self.guest.contender.name}: nothing was received")
        return Cost(count, seconds, qemu - self.computed[0], card - self.computed[1])


def _sender(end: Endpoint, address: str, flows: int, mib: int, seconds: int) -> list[str]:
    words = [program("stream_tx"), address, str(PORT), "--flows", str(flows), "--unchecked"]
    words += ["--bytes", str(max(1, mib * MIB // flows)), "--seconds", str(seconds)]
    return [*words, *timeout_words(end, STREAM_LIMIT_S)]
