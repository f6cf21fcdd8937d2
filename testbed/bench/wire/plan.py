# SPDX-License-Identifier: GPL-2.0-only
"""What a benchmark of the wire is to do, read from the command line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from testbed.bench.wire.contenders import CONTENDERS, Contender, pairs
from testbed.errors import UsageProblem

MTUS = (576, 9000)
FLOWS = (1, 64)


class Direction(StrEnum):
    """Seen from the NIC under test: it receives, or it sends."""

    RX = "rx"
    TX = "tx"


@dataclass(frozen=True, order=True)
class Cell:
    """One thing to measure with each contender: TCP in one direction."""

    direction: Direction
    mtu: int
    flows: int

    def __str__(self) -> str:
        return f"{self.direction.value} {self.mtu}, {self.flows} flow{'s'[: self.flows > 1]}"


@dataclass(frozen=True, kw_only=True)
class GuestPlan:
    """What all guests of a benchmark have, as fields of RunOptions."""

    cpus: int = 1
    memory_mib: int = 1024
    kernel: str | None = None
    seed: int = 1


@dataclass(frozen=True)
class WirePlan(GuestPlan):
    """``mib``: length of a stream over all flows, which ends after ``seconds`` at the latest.
    ``widest``: how wide a ratio's interval may be, as a part of the ratio, to be of use."""

    contenders: tuple[Contender, ...]
    cells: tuple[Cell, ...]
    rounds: int
    mib: int
    seconds: int
    widest: float

    def __post_init__(self) -> None:
        if not pairs(self.contenders):
            names = ", ".join(one.name for one in self.contenders)
            raise UsageProblem(
                f"--nics {names}: nothing to compare",
                remedy="name bnxt or bnxt-zcrx and one of igb, e1000e, virtio-net; or bnxt and "
                "bnxt-vhost-user, bnxt-no-oracle or bnxt-no-capture",
            )


def contenders(option: str, text: str) -> tuple[Contender, ...]:
    """Names with commas between. Raises UsageProblem."""
    return tuple(CONTENDERS[name] for name in _words(option, text, list(CONTENDERS)))


def directions(option: str, text: str) -> tuple[Direction, ...]:
    """The same for directions."""
    return tuple(Direction(word) for word in _words(option, text, list(Direction)))


def numbers(option: str, text: str, limits: tuple[int, int]) -> tuple[int, ...]:
    """Whole numbers within ``limits``, with commas between. Raises UsageProblem."""
    low, high = limits
    words = _split(option, text, f"{low}..{high}")
    for word in words:
        if not word.isascii() or not word.isdecimal() or not low <= int(word) <= high:
            raise UsageProblem(f"{option}: {word!r}", remedy=f"allowed: {low}..{high}")
    return tuple(dict.fromkeys(int(word) for word in words))


def cells(
    directions: Sequence[Direction], mtus: Sequence[int], flows: Sequence[int]
) -> tuple[Cell, ...]:
    """Every combination, so that an MTU is set as seldom as possible."""
    return tuple(
        Cell(direction, mtu, count) for mtu in mtus for direction in directions for count in flows
    )


def _words(option: str, text: str, allowed: Sequence[str]) -> tuple[str, ...]:
    told = ", ".join(allowed)
    words = _split(option, text, told)
    for word in words:
        if word not in allowed:
            raise UsageProblem(f"{option}: there is no {word!r}", remedy=f"allowed: {told}")
    return tuple(dict.fromkeys(words))


def _split(option: str, text: str, allowed: str) -> list[str]:
    words = [word.strip() for word in text.split(",") if word.strip()]
    if not words:
        raise UsageProblem(f"{option} names nothing", remedy=f"allowed: {allowed}")
    return words
