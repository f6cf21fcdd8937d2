# SPDX-License-Identifier: GPL-2.0-only
"""What the command line may say, and what is answered to the rest."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from testbed.bench.wire import plan
from testbed.bench.wire.contenders import CONTENDERS, DEFAULT, pairs
from testbed.bench.wire.plan import Cell, Direction, WirePlan
from testbed.errors import UsageProblem


def plan_of(*names: str) -> WirePlan:
    chosen = tuple(CONTENDERS[name] for name in names)
    return WirePlan(chosen, (Cell(Direction.RX, 1500, 1),), rounds=9, mib=1, seconds=1, widest=0.2)


@pytest.mark.parametrize(
    ("read", "said", "allowed"),
    [
        (lambda: plan.contenders("--nics", "bnxt,ne2000"), "--nics: there is no 'ne2000'", "igb"),
        (lambda: plan.contenders("--nics", " , "), "--nics names nothing", "virtio-net"),
        (lambda: plan.directions("--direction", "up"), "--direction: there is no 'up'", "rx, tx"),
        (lambda: plan.numbers("--mtu", "1500,68", plan.MTUS), "--mtu: '68'", "576..9000"),
        (lambda: plan.numbers("--flows", "0", plan.FLOWS), "--flows: '0'", "1..64"),
        (lambda: plan.numbers("--flows", "four", plan.FLOWS), "--flows: 'four'", "1..64"),
        (lambda: plan.numbers("--flows", "²", plan.FLOWS), "--flows: '²'", "1..64"),
    ],
)
def test_wrong_values_name_option_and_allowed_ones(
    read: Callable[[], object], said: str, allowed: str
) -> None:
    with pytest.raises(UsageProblem) as caught:
        read()
    assert caught.value.message == said
    assert allowed in str(caught.value.remedy)


def test_values_are_taken_once_each() -> None:
    assert plan.numbers("--flows", "4, 1,4", plan.FLOWS) == (4, 1)
    assert [one.name for one in plan.contenders("--nics", "igb,bnxt,igb")] == ["igb", "bnxt"]


def test_cells_keep_an_mtu_together() -> None:
    found = plan.cells(plan.directions("--direction", "rx,tx"), (1500, 4096), (1, 4))
    assert [one.mtu for one in found] == [1500] * 4 + [4096] * 4
    assert [str(one) for one in found[:3]] == [
        "rx 1500, 1 flow",
        "rx 1500, 4 flows",
        "tx 1500, 1 flow",
    ]


@pytest.mark.parametrize("names", [("bnxt",), ("igb", "e1000e"), ("igb", "bnxt-no-oracle")])
def test_nothing_to_compare(names: tuple[str, ...]) -> None:
    with pytest.raises(UsageProblem, match="nothing to compare") as caught:
        plan_of(*names)
    assert ", ".join(names) in caught.value.message


def test_pairs() -> None:
    found = pairs([CONTENDERS[name] for name in (*DEFAULT, "bnxt-no-oracle")])
    assert [(one.name, other.name) for one, other in found] == [
        ("bnxt", "igb"), ("bnxt", "e1000e"), ("bnxt", "virtio-net"),
        ("bnxt-zcrx", "igb"), ("bnxt-zcrx", "e1000e"), ("bnxt-zcrx", "virtio-net"),
        ("bnxt-no-oracle", "bnxt"),
    ]  # fmt: skip


def test_pairs_of_another_wire() -> None:
    names = ("bnxt", "bnxt-zcrx", "bnxt-stream", "bnxt-zcrx-stream", "igb")
    found = [(one.name, other.name) for one, other in pairs([CONTENDERS[name] for name in names])]
    assert {one for one, other in found if other == "igb"} == set(names) - {"igb"}
    assert ("bnxt-stream", "bnxt") in found
    assert ("bnxt-zcrx-stream", "bnxt-zcrx") in found
    assert len(found) == 6


def test_zero_copy_has_one_mtu_and_one_direction() -> None:
    zcrx = CONTENDERS["bnxt-zcrx"]
    assert zcrx.takes("rx", 4096)
    assert not zcrx.takes("rx", 1500)
    assert not zcrx.takes("tx", 4096)
    assert CONTENDERS["igb"].takes("tx", 1500)
