# SPDX-License-Identifier: GPL-2.0-only
"""What can go wrong in a sweep, and how much of it in one run.

Where a workload does the same often (``Workload.rounds``), each round can have a fault of its own:
a round costs a fraction of a guest, and what fails in one is done again in the next.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from random import Random

from testbed.fuzz.grammar import Fault
from testbed.workloads.table import WORKLOADS


class Kind(StrEnum):
    """What goes wrong: an allocation of an operation fails, in the next attempt at it the next one;
    any allocation fails; those of packets do, time after time; a command is refused; it or its
    answer is lost or late; an answer has another value; something happens at another point, or is
    lost there again and again; an event is told of that there was none of; the card does something
    else."""

    NTH = "fail nth"
    MEMORY = "no memory"
    PACKETS = "no memory for packets"
    REFUSE = "refuse"
    LOSE = "lose"
    ANSWER = "answer"
    POINT = "at"
    AGAIN = "again"
    EVENT = "event"
    ACT = "card"


WEIGHTS: Mapping[Kind, int] = {
    Kind.NTH: 8, Kind.MEMORY: 8, Kind.PACKETS: 4, Kind.REFUSE: 5, Kind.LOSE: 4, Kind.ANSWER: 8,
    Kind.POINT: 5, Kind.AGAIN: 4, Kind.EVENT: 2, Kind.ACT: 2,
}  # fmt: skip
FIRST_TURNS = 32
"""The weight of NTH while there are functions that had no turn in any operation: it finds most."""
AT_ONCE: Mapping[Kind, int] = {
    Kind.MEMORY: 2, Kind.PACKETS: 2, Kind.ANSWER: 4, Kind.POINT: 5, Kind.EVENT: 6,
}  # fmt: skip
"""How many sites are tried in one run, where that is more than one."""
PRODUCTS = (Kind.MEMORY, Kind.PACKETS, Kind.REFUSE, Kind.LOSE)
"""What goes wrong anew in each workload: what is under way then is another."""
TWICE = 0.25
"""How often a command that is refused in a round is so twice: what it wanted may be tried another
way (CFA_L2_SET_RX_MASK with all multicast), and the round goes on as if nothing had been."""
IN_ROUNDS: Mapping[Kind, float] = {Kind.REFUSE: 1, Kind.LOSE: 0.5, Kind.ANSWER: 2}
"""How many sites are tried in one round, where a workload has several. To wait for an answer takes
long; what one says that was changed is seldom the end of a round."""
ROUNDS_SHARE = 0.7
"""How often a site that such a workload has met is tried there."""


def rounds(workload: str) -> int:
    """How often it does the same."""
    return WORKLOADS[workload].rounds


def in_each_round(kind: Kind, workload: str) -> bool:
    """Whether each round of the workload has something of that kind of its own."""
    return kind in IN_ROUNDS and rounds(workload) > 1


def at_once(kind: Kind, workload: str) -> int:
    """How many sites of the kind are tried in one run of the workload."""
    if in_each_round(kind, workload):
        return int(IN_ROUNDS[kind] * rounds(workload))
    return AT_ONCE.get(kind, 1)


def in_rounds(
    random: Random, kind: Kind, workload: str, faults: Iterable[Fault], seen: Mapping[str, int]
) -> Iterator[Fault]:
    """The faults, each at an event of a round of its own; of answers all of that round say so.

    :param seen: point and command ("hwrm.request:FUNC_QCFG") -> how many passed in all rounds, and
        in the one behind them, which has to work.
    """
    most = rounds(workload)
    first = random.randrange(most)
    for number, fault in enumerate(faults, first):
        command = fault["when"]["match"]["cmd"]
        a_round = max(1, round(seen.get(f"{fault['where']}:{command}", 0) / (most + 1)))
        ordinal = number % most * a_round + 1
        when = {"match": fault["when"]["match"], "nth": ordinal}
        times = a_round
        if kind is not Kind.ANSWER:
            when["nth"], times = ordinal + random.randrange(a_round), 1
        if kind is Kind.REFUSE and random.random() < TWICE:
            times = 2
        yield {**fault, "when": when, "times": times}
