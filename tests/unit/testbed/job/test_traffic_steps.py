# SPDX-License-Identifier: GPL-2.0-only
"""What the traffic's steps say they measured."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from testbed.engines.open import build_options
from testbed.job import traffic_steps
from testbed.report.results import ZcrxTotals


@pytest.mark.parametrize(
    ("engine", "said"),
    [
        ("qemu", "8 MiB, 67 Mbit/s, 0 copied, 5 completions"),
        ("uml", "8 MiB, 0 copied, 5 completions"),
    ],
)
def test_simulated_seconds_make_no_rate(
    engine: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = SimpleNamespace(
        bytes=8 << 20, seconds=1.0, copied_bytes=0, is_equal=True, completions=5
    )
    monkeypatch.setattr(traffic_steps.zcrx, "transfer", lambda *_, **__: stream)
    monkeypatch.setattr(traffic_steps.zcrx, "require_zero_copy", lambda *_: None)
    job: Any = SimpleNamespace(
        options=build_options({"engine": engine}), need=lambda _: None, work=None,
        session=SimpleNamespace(patience=1.0), report=SimpleNamespace(zcrx=ZcrxTotals()),
    )  # fmt: skip
    assert traffic_steps._receive(job, 8 << 20, 1) == said
