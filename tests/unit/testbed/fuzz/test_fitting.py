# SPDX-License-Identifier: GPL-2.0-only
"""Where what goes wrong comes to something."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from random import Random

import pytest

from testbed.fuzz import fitting as f
from testbed.fuzz.classes import STREAMS
from testbed.fuzz.going_wrong import Kind
from testbed.workloads.table import WORKLOADS

RUNS = 200


def drawn(kind: Kind, name: str, workload: str, *, common: bool = False) -> Counter[Sequence[str]]:
    random = Random(1)
    return Counter(f.fitting(random, kind, [name], workload, common=common) for _ in range(RUNS))


@pytest.mark.parametrize(
    "workloads",
    [f.OPENING, f.GOING_AROUND, f.TPA_WORKLOADS, f.REOPENING, f.PROVIDED, f.XDP_SENDING],
)
def test_there_are_such_workloads(workloads: Sequence[str]) -> None:
    assert set(workloads) <= set(WORKLOADS)


@pytest.mark.parametrize(
    ("kind", "name", "workload", "better", "else_"),
    [
        (Kind.POINT, "rx.steer any queue", "settings-drawn", f.PROVIDED, ()),
        (Kind.POINT, "rx.place any first", "ping", f.PROVIDED, ()),
        (Kind.POINT, "cqe.write TX_L2 drop", "stream", f.XDP_SENDING, ()),
        (Kind.AGAIN, "cqe.write TX_L2 drop", "ping", f.XDP_SENDING, STREAMS),
        (Kind.AGAIN, "cqe.write TX_L2 drop", "stream", f.XDP_SENDING, ()),
    ],
)
def test_half_of_all_times_it_is_where_something_follows(
    kind: Kind, name: str, workload: str, better: Sequence[str], else_: Sequence[str]
) -> None:
    seen = drawn(kind, name, workload)
    assert set(seen) == {better, else_}
    assert 0.35 < seen[better] / RUNS < 0.65


@pytest.mark.parametrize(
    ("kind", "name", "workload", "wanted"),
    [
        (Kind.POINT, "cqe.write RX_TPA_END agg_id", "stream", f.TPA_WORKLOADS),
        (Kind.POINT, "cqe.write RX_TPA_END agg_id", "gro-burst", ()),
        (Kind.POINT, "cqe.write RX_L2 len", "ping", ()),
        (Kind.AGAIN, "cqe.write RX_TPA_END drop", "ping", f.GOING_AROUND),
        (Kind.AGAIN, "cqe.write RX_L2 drop", "ping", STREAMS),
        (Kind.ACT, "grant vnics", "ping", f.REOPENING),
        (Kind.ACT, "flr", "ping", ()),
        (Kind.ANSWER, "FUNC_QCAPS max_vnics", "ping", ()),
    ],
)
def test_else_the_same_each_time(
    kind: Kind, name: str, workload: str, wanted: Sequence[str]
) -> None:
    assert drawn(kind, name, workload) == {wanted: RUNS}


def test_what_every_guest_does_fails_where_it_is_done_again() -> None:
    assert set(drawn(Kind.MEMORY, "bnxt_open slab", "zcrx", common=True)) == {f.OPENING, ()}
    assert set(drawn(Kind.MEMORY, "bnxt_open slab", "zcrx")) == {()}
