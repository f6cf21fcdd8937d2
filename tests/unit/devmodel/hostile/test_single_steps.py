# SPDX-License-Identifier: GPL-2.0-only
"""One kind of hostile access at a time, many of them: what each may be is drawn by hypothesis."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devmodel.bnxt.hwrm import COMMANDS
from devmodel.clock import Timing
from tests.unit.devmodel.hostile import steps
from tests.unit.devmodel.hostile.guarded import GuardedHost
from tests.unit.devmodel.hostile.steps import Step

KINDS = {
    "registers": steps.registers,
    "configuration": steps.configuration,
    "commands": steps.commands,
    "raw commands": steps.raw_commands,
    "page tables": steps.page_tables,
    "doorbells": steps.doorbells,
    "descriptors": st.one_of(steps.posts, steps.doorbells, steps.chores),
    "frames": st.one_of(steps.receptions, steps.chores),
}


def run(program: list[Step], timing: Timing) -> GuardedHost:
    """Carry out a program on a card that is open."""
    host = GuardedHost(timing)
    for step in program:
        step.take(host)
    host.check_bounds()
    return host


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data(), timing=st.sampled_from(Timing))
def test_any_access(kind: str, data: st.DataObject, timing: Timing) -> None:
    """Nothing raises, nothing runs away, no memory is touched that was not given."""
    run(data.draw(st.lists(KINDS[kind], min_size=1, max_size=12)), timing)


@pytest.mark.parametrize("code", sorted(COMMANDS))
@settings(max_examples=settings.default.max_examples // 4)
@given(data=st.data())
def test_any_members(code: int, data: st.DataObject) -> None:
    """Each command by itself is answered, whatever its members."""
    run(data.draw(st.lists(steps.commands_of([code]), min_size=1, max_size=4)), Timing.SYNCHRONOUS)
