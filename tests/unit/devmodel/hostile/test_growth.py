# SPDX-License-Identifier: GPL-2.0-only
"""A guest that does the same again and again: the card does not keep a trace of each time."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from devmodel.bnxt import flow_rules
from devmodel.bnxt.holds import HOLD_NS
from devmodel.bnxt.hsi.cmds import Cmd
from devmodel.clock import Timing
from tests.unit.devmodel.hostile import steps
from tests.unit.devmodel.hostile.guarded import CARDS, GuardedHost
from tests.unit.devmodel.hostile.steps import Step

WARM_UP = 40
REPETITIONS = 160
MAX_GROWTH = REPETITIONS // 4
"""Less than one entry in four repetitions: what is left is buffers that fill up and then stay."""

anything = st.one_of(
    steps.commands, steps.comings_and_goings, steps.doorbells, steps.posts, steps.receptions,
    steps.registers, steps.surroundings, steps.chores,
)  # fmt: skip


def repeat(host: GuardedHost, program: list[Step], times: int) -> None:
    """Each time goes on long enough for frames to give up waiting for buffers."""
    for _ in range(times):
        for step in program:
            step.take(host)
        Step(steps.pass_time, (HOLD_NS,)).take(host)


@pytest.fixture(autouse=True, scope="module")
def few_rules() -> Iterator[None]:
    """Room for as many rules and tunnels as the warm-up fills: whoever only asks has it all."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(flow_rules, "MAX_RULES", 8)
        patch.setattr(flow_rules, "MAX_TUNNELS", 8)
        yield


TUNNELS = Step(steps.command, (Cmd.CFA_ENCAP_RECORD_ALLOC, {}, 0xFFFF))
STATISTICS, STATISTICS_LATER = (
    Step(
        steps.come_and_go,
        (
            Cmd.STAT_CTX_ALLOC,
            {"stats_dma_addr": steps.DATA, "update_period_ms": period_ms},
            Cmd.STAT_CTX_FREE,
            "stat_ctx_id",
        ),
    )
    for period_ms in (3501, 3601)
)


@example(program=[TUNNELS], timing=Timing.ASYNCHRONOUS)
@example(program=[STATISTICS], timing=Timing.ASYNCHRONOUS)
@example(program=[STATISTICS_LATER], timing=Timing.ASYNCHRONOUS)
@settings(max_examples=settings.default.max_examples * 2)
@given(
    program=st.one_of(
        steps.comings_and_goings.map(lambda step: [step]),
        st.lists(anything, min_size=1, max_size=6),
    ),
    timing=st.sampled_from(Timing),
)
def test_repetition_leaves_nothing(program: list[Step], timing: Timing) -> None:
    """After the caches are warm the card's containers stay as they are."""
    host = GuardedHost(timing, small=True)
    repeat(host, program, WARM_UP)
    before = host.footprint()
    repeat(host, program, REPETITIONS)
    assert host.footprint() - before <= MAX_GROWTH
    host.check_bounds()


def test_memory_that_is_given_anew_is_not_kept_twice() -> None:
    host = GuardedHost(nic=CARDS[2], small=True)
    values = {"req_buf_num_pages": 1, "req_buf_page_size": 12, "req_buf_len": 128}
    program = [
        Step(steps.command, (Cmd.FUNC_BUF_RGTR, {**values, "req_buf_page_addr0": page}, 0xFFFF))
        for page in (steps.DATA, steps.DATA + 4096)
    ]
    repeat(host, program, WARM_UP)
    before = host.footprint()
    repeat(host, program, REPETITIONS)
    assert host.footprint() - before <= MAX_GROWTH
