# SPDX-License-Identifier: GPL-2.0-only
"""The guest of a contender: its start, an MTU, a stream, and what its processes have computed."""

from __future__ import annotations

from dataclasses import dataclass

from testbed.bench.wire.contenders import Contender
from testbed.bench.wire.plan import Cell, Direction, WirePlan
from testbed.dut.defer import DeferStack
from testbed.dut.nic import dedicate_queue, set_link
from testbed.dut.programs import program
from testbed.dut.protocols import Endpoint
from testbed.dut.streams import ENDLESS, MIB, Transfer, flows_of, timeout_words
from testbed.engines.qemu.session import QemuSession
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


def options_of(contender: Contender, plan: WirePlan) -> RunOptions:
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

    def stream(self, cell: Cell, seconds: int) -> Cost:
        """TCP for so long; 0: a byte for each flow, for what starting and ending costs.

        Raises GuestCommandFailed, GuestTimeout, LostVM, ModelFailure.
        """
        dut, remote = self.session.dut, self.session.remote
        ends: tuple[Endpoint, Endpoint] = (
            (dut, remote) if cell.direction is Direction.RX else (remote, dut)
        )
        to, by = ends
        qemu, card = self._computed()
        with Transfer(
            to, by, self._receiver(to, cell.flows), _sender(by, to.ipv4, cell.flows, seconds),
            STREAM_LIMIT_S,
        ) as transfer:  # fmt: skip
            _, received = transfer.results()
        self.session.check()
        qemu_after, card_after = self._computed()
        count = sum(flow.bytes for flow in flows_of(received))
        return Cost(count, float(received["seconds"]), qemu_after - qemu, card_after - card)

    def _receiver(self, end: Endpoint, flows: int) -> list[str]:
        words = [end.ipv4, str(PORT), "--flows", str(flows), "--unchecked"]
        words += timeout_words(end, STREAM_LIMIT_S)
        if not self.contender.zcrx:
            return [program("stream_rx"), *words]
        area = ["--area", str(ZCRX_AREA_BYTES)]
        return [program("zcrx_rx"), end.netdev, str(self.queue), *words, *area]

    def _computed(self) -> tuple[float, float]:
        pid = self.session.machine.pid
        assert pid is not None  # the session has been entered
        card = 0.0
        if self.session.has_card:
            process = self.session.card.process
            assert process is not None
            card = used_s(process.program_pid)
        return used_s(pid), card


def _sender(end: Endpoint, address: str, flows: int, seconds: int) -> list[str]:
    words = [program("stream_tx"), address, str(PORT), "--flows", str(flows), "--unchecked"]
    words += ["--seconds", str(seconds), "--bytes", str(ENDLESS)] if seconds else ["--bytes", "1"]
    return [*words, *timeout_words(end, STREAM_LIMIT_S)]
