# SPDX-License-Identifier: GPL-2.0-only
"""Evidence of a card that ends while it is asked."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from testbed.errors import ModelFailure, TestbedError
from testbed.faults.evidence import Evidence, TrialBaseline, gather
from testbed.findings.kernel_log import KernelLogWatcher

DEAD = ModelFailure("the card died: card ended with signal 9")
NOTHING_YET = TrialBaseline(0, 0, 0, {}, {}, {}, {})


def gathered(folder: Path, *, guest: bool, cause: TestbedError | None) -> Evidence:
    """Of a card that does not answer, and ``cause`` is why."""

    def state() -> Any:
        raise cause or ModelFailure("the card does not answer (state): closed")

    trace = folder / "trace.jsonl"
    trace.write_text('{"k": "fault", "id": "a"}\n')
    card = SimpleNamespace(state=state, cause_of_loss=lambda: cause, trace_path=trace)
    session: Any = SimpleNamespace(card=card, dut=None, kernel_log=KernelLogWatcher())
    return gather(session, NOTHING_YET, guest=guest)


@pytest.mark.parametrize("guest", [True, False])
def test_dead_card_is_no_evidence(tmp_path: Path, guest: bool) -> None:
    """What it did not say would be held against the driver."""
    with pytest.raises(ModelFailure, match="died"):
        gathered(tmp_path, guest=guest, cause=DEAD)


def test_card_that_ended_with_its_guest_has_left_a_trace(tmp_path: Path) -> None:
    found = gathered(tmp_path, guest=False, cause=None)
    assert [record["id"] for record in found.injections] == ["a"]
