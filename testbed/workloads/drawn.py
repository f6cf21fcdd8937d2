# SPDX-License-Identifier: GPL-2.0-only
"""Steps in an order that a schedule's seed decides, and those that any of them may have."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from random import Random
from typing import ClassVar, TypeVar

from testbed.dut.counters import ask_netdev
from testbed.dut.driver import activate_firmware, await_carrier
from testbed.dut.nic import ethtool, ethtool_json, link, restart_queue, set_link
from testbed.dut.pause import pause
from testbed.dut.udp_segments import FEATURE, LEAST_RING
from testbed.errors import GuestCommandFailed, GuestTimeout
from testbed.workloads import traffic
from testbed.workloads.judge import DATA_DIFFERS
from testbed.workloads.workload import WorkloadContext

_RESET_S = 5.0
_FLOW_BYTES = 128 << 10
_CHANNELS = ("1", "2", "3", "4")
_BUSY = "Device or resource busy"
"""The answer to any command while the PCI function is disabled (BNXT_NO_FW_ACCESS in bnxt.h)."""


class Steps:
    """What is done to the interface.

    :ivar is_up: of the interface.
    :ivar refused: steps that the kernel refused, as it may.
    """

    rx_rings: ClassVar[Sequence[int]]
    tx_rings: ClassVar[Sequence[int]]
    go_on: ClassVar[bool] = False
    """Behind a step that failed come the others."""

    def __init__(self, context: WorkloadContext) -> None:
        self.context = context
        self.is_up, self.refused = True, 0

    def ethtool(self, option: str, *words: str) -> None:
        """May be refused."""
        dut = self.context.dut
        done = dut.run(["ethtool", option, dut.netdev, *words], check=False)
        self.refused += done.returncode != 0

    def resize(self) -> None:
        """Receive rings of another size, for which the driver opens anew."""
        self.ethtool("-G", "rx", str(self.context.random.choice(self.rx_rings)))

    def resize_tx(self) -> None:
        """Transmit rings of another size, for which the driver opens anew. Small ones take that it
        does not cut UDP."""
        ring = self.context.random.choice(self.tx_rings)
        if ring < LEAST_RING:
            self.ethtool("-K", FEATURE, "off")
        self.ethtool("-G", "tx", str(ring))

    def ask_netdev(self) -> None:
        """What netlink tells of queues, NAPI instances and page pools, whatever state they are in;
        it may lack memory."""
        self.attempt(lambda: ask_netdev(self.context.dut))

    def attempt(self, step: Callable[[], object]) -> None:
        """May be refused."""
        try:
            step()
        except GuestCommandFailed:
            self.refused += 1

    def down(self) -> None:
        """The interface goes down, and what comes is done while it is."""
        set_link(self.context.dut, "down")
        self.is_up = False

    def up(self) -> None:
        """The interface goes up, if it is down."""
        if not self.is_up:
            set_link(self.context.dut, "up")
            await_carrier(self.context.dut, up=True)
            self.is_up = True

    def restart(self) -> None:
        """The queue before the one set aside restarts."""
        self.up()
        context = self.context
        done = restart_queue(context.dut, context.queue.queue - 1, 2, timeout_s=traffic.TIMEOUT_S)
        context.restarts += done.restarts


class ResetSteps(Steps):
    """Steps among which the firmware is reset; behind one that failed come the others.

    :ivar programs: ends those that run beside the steps.
    :ivar is_reset: the firmware was, and nobody waited.
    """

    go_on = True

    def __init__(self, context: WorkloadContext, programs: ExitStack) -> None:
        super().__init__(context)
        self.programs = programs
        self.is_reset = False

    def up(self) -> None:
        """The interface goes up, if it is down: it also is behind an open that failed."""
        self.is_up = "UP" in link(self.context.dut)["flags"]
        self._behind_reset(super().up)

    def _behind_reset(self, step: Callable[[], object], refusal: str = "") -> None:
        """What comes into a reset of the firmware may be refused, in these words, and is tried
        again behind it."""
        try:
            step()
        except GuestCommandFailed as failed:
            if not self.is_reset or refusal not in failed.message:
                raise
            pause(self.context.dut, _RESET_S)
            step()
            self.is_reset = False

    def reset(self) -> None:
        """The firmware is reset by its administrator."""
        self.up()
        self._behind_reset(lambda: activate_firmware(self.context.dut), _BUSY)

    def reset_meanwhile(self) -> None:
        """The same by ethtool, which does not wait for it: the next steps come into the reset, or
        behind it."""
        self.up()
        self.ethtool("--reset", "all")
        self.is_reset = True
        if self.context.random.random() < 0.5:
            pause(self.context.dut, _RESET_S)
            await_carrier(self.context.dut, up=True)
            self.is_reset = False

    def streams(self) -> None:
        """TCP flows, hashes compared."""
        self.up()
        traffic.receive(self.context, total_bytes=_FLOW_BYTES, timeout_s=180)

    def channels(self) -> None:
        """Another number of them."""
        self.ethtool("-L", "combined", self.context.random.choice(_CHANNELS))


def keep_features(context: WorkloadContext, names: Mapping[str, str]) -> None:
    """At the end they are as they are now; ``names``: as ethtool shows them -> as it sets them."""
    dut = context.dut
    features = ethtool_json(dut, "-k")
    for shown, name in names.items():
        if not features[shown]["fixed"]:
            state = "on" if features[shown]["active"] else "off"
            context.defer(ethtool, dut, "-K", dut.netdev, name, state)


S = TypeVar("S", bound=Steps)
R = TypeVar("R", bound=ResetSteps)


@dataclass
class Taken:
    """``names`` of the steps that were taken, and how the first one ``failed`` that did."""

    names: list[str] = field(default_factory=list)
    failed: GuestCommandFailed | GuestTimeout | None = None

    def __str__(self) -> str:
        return ", ".join(self.names)


def draw(
    random: Random, weights: Mapping[Callable[[S], None], int], count: int
) -> list[Callable[[S], None]]:
    """``count`` steps, each drawn by its weight."""
    return random.choices(tuple(weights), tuple(weights.values()), k=count)


def take(steps: S, weights: Mapping[Callable[[S], None], int], count: int) -> Taken:
    """Take ``count`` steps, each drawn by its weight. Raises what a step raises, unless the steps
    go on behind it: then it is in the answer."""
    taken = Taken()
    for step in draw(steps.context.random, weights, count):
        taken.names.append(step.__name__)
        try:
            step(steps)
        except (GuestCommandFailed, GuestTimeout) as failed:
            if not steps.go_on or DATA_DIFFERS in failed.message:
                raise
            taken.failed = taken.failed or failed
    return taken


def take_and_stream(steps: R, weights: Mapping[Callable[[R], None], int], count: int) -> None:
    """Take ``count`` steps, each of which may be refused or fail; then TCP has to flow.

    Raises how the first failed.
    """
    done = take(steps, weights, count)
    steps.context.output.append(f"{steps.refused} refused of {done}")
    if done.failed is not None:
        raise done.failed
    steps.streams()
