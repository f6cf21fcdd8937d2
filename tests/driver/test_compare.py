# SPDX-License-Identifier: GPL-2.0-only
"""What the instruction counter sees of a real guest agrees with what the kernel must have done."""

from __future__ import annotations

from pathlib import Path

import pytest

from testbed.compare.groups import COPY, DRIVER, SOCKET, USER_SPACE, group_of
from testbed.compare.measure import measure
from testbed.compare.results import Measurement, Run
from testbed.compare.symbols import Symbol
from testbed.compare.variants import MeasurementPlan, Method, Variant

STREAM_BYTES = 2 << 20
RUNS = 2


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Measurement]:
    folder: Path = tmp_path_factory.mktemp("compare")
    folder.chmod(0o755)
    variants = [Variant(Method.EPOLL), Variant(Method.ZCRX)]
    plan = MeasurementPlan(runs=RUNS, stream_bytes=STREAM_BYTES, boots=1, seed=1)
    return {one.label: one for one in measure(variants, plan, folder, lambda text: None)}


def group(run: Run, name: str) -> float:
    return run.per_kib(run.groups[name].instructions)


def test_every_run_is_there_and_whole(measured: dict[str, Measurement]) -> None:
    for one in measured.values():
        assert [run.bytes for run in one.runs] == [STREAM_BYTES] * RUNS


def test_recv_copies_every_byte_once_and_zcrx_none(measured: dict[str, Measurement]) -> None:
    for run in measured["epoll"].runs:
        assert run.copied == STREAM_BYTES
        # each byte of payload is one repetition of REP MOVSB, or an eighth of REP MOVSQ
        copied = run.per_kib(run.groups[COPY].repeats)
        assert 1024 / 8 <= copied < 1024 * 1.05
    for run in measured["zcrx"].runs:
        assert run.copied == 0
        moved = {
            symbol.name: count.repeats
            for symbol, count in run.functions.items()
            if count.repeats and group_of(symbol) == COPY and "memset" not in symbol.name
        }
        # a page or two that another task of the guest moves meanwhile; the stream is 512 of them
        assert sum(moved.values()) < STREAM_BYTES / 8 / 16, moved


def test_both_ways_pay_the_driver_alike(measured: dict[str, Measurement]) -> None:
    drivers = [group(one.typical, DRIVER) for one in measured.values()]
    assert max(drivers) < 1.25 * min(drivers)
    assert min(drivers) > 50


def test_the_work_of_zcrx_is_found_where_it_is_done(measured: dict[str, Measurement]) -> None:
    run = measured["zcrx"].typical
    assert group(run, SOCKET) > group(measured["epoll"].typical, SOCKET)
    assert group(run, USER_SPACE) > 0
    atomics = run.per_packet(run.functions[Symbol("io_zcrx_recv_skb")].atomics)
    assert atomics >= 1  # a reference of the user's is taken for each fragment
