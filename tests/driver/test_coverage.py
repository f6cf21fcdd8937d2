# SPDX-License-Identifier: GPL-2.0-only
"""Coverage of driver, queues and zcrx, seen from a UML guest with an instrumented kernel."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from testbed.coverage.account import FileCoverage, FunctionCoverage, State, account
from testbed.coverage.program import Program
from testbed.coverage.source import SourceText
from testbed.engines.engine import Prepared
from testbed.engines.open import new_session, prepare_run
from testbed.engines.uml.hits import FILE_NAME, Hits, load
from testbed.options import RunOptions
from testbed.repeat.repeat import one_run, repeat
from testbed.workloads.play import play
from testbed.workloads.table import SCENARIOS

Instrumented = tuple[RunOptions, Prepared]

RECEIVE = ("bnxt_rx_pkt", "bnxt_poll_p5", "__bnxt_rx_agg_netmems", "io_zcrx_recv_skb")
RESTART = (
    "bnxt_queue_mem_alloc", "bnxt_queue_stop", "bnxt_queue_start", "netdev_rx_queue_reconfig",
)  # fmt: skip
REFILL = ("io_pp_zc_alloc_netmems", "io_zcrx_ring_refill", "io_zcrx_refill_slow")


@pytest.fixture(scope="module")
def instrumented() -> Instrumented:
    options = RunOptions(engine="uml", cpus=1, seed=1, memory_mib=512, coverage=True)
    return prepare_run(options, lambda _text: None)


def covered(instrumented: Instrumented, name: str, folder: Path) -> tuple[Hits, list[FileCoverage]]:
    options, prepared = instrumented
    with new_session(options, folder, prepared) as session:
        play(session, SCENARIOS[name])
    hits = load(folder / FILE_NAME)
    program = Program(Path(hits.kernel.image))
    assert program.unknown(list(hits.counts)) == []
    return hits, account(program.points, hits.counts)


def functions(files: list[FileCoverage]) -> dict[str, FunctionCoverage]:
    return {known.function.name: known for file in files for known in file.functions}


def test_zcrx_goes_through_receive_restart_and_refill(
    instrumented: Instrumented, tmp_path: Path
) -> None:
    """All that run in softirqs, too; the lines are those of the source."""
    hits, files = covered(instrumented, "zcrx", tmp_path)
    found = functions(files)
    source = SourceText(Path(hits.kernel.source), Path(hits.kernel.image))
    for name in (*RECEIVE, *RESTART, *REFILL):
        known = found[name]
        assert known.tally.hit, name
        assert known.tally.hit <= known.tally.points
        assert any(line.state is State.HIT for line in known.lines.values()), name
        assert name in source.line(known.function.file, known.function.line)
    shown = {
        source.line(file, number).strip(): line.state
        for (file, number), line in found["bnxt_rx_pkt"].lines.items()
    }
    assert shown["bnxt_deliver_skb(bp, bnapi, skb);"] is State.HIT
    assert shown["cpr->sw_stats->rx.rx_oom_discards += 1;"] is State.MISSED


def test_refill_ring_is_walked_where_buffers_come_back(
    instrumented: Instrumented, tmp_path: Path
) -> None:
    found = functions(covered(instrumented, "refill", tmp_path)[1])
    refill = found["io_zcrx_ring_refill"]
    assert refill.tally.hit == refill.tally.points
    assert "io_pp_zc_alloc_netmems" in refill.inlined_into


def test_counting_does_not_disturb_the_run(instrumented: Instrumented, tmp_path: Path) -> None:
    """One hash with the counting kernel, be the guest's card new or renewed."""
    options, prepared = instrumented
    *_, together = repeat(options, prepared, "zcrx", tmp_path, runs=3, workers=1)
    assert together.runs == 3, together.failures
    assert set(together.hashes) == {one_run(options, prepared, "zcrx", tmp_path)}


def test_kernel_without_counters_counts_nothing(instrumented: Instrumented, tmp_path: Path) -> None:
    options, prepared = prepare_run(replace(instrumented[0], coverage=False), lambda _text: None)
    with new_session(options, tmp_path, prepared):
        pass
    assert not (tmp_path / FILE_NAME).exists()
