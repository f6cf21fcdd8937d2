# SPDX-License-Identifier: GPL-2.0-only
"""Waiting: in the time of the endpoint, which need not be ours."""

from __future__ import annotations

from testbed.dut.protocols import Endpoint


def pause(end: Endpoint, seconds: float) -> None:
    """Let ``seconds`` pass at ``end``. A guest with simulated time does not notice our own."""
    end.run(["sleep", f"{seconds:.3f}"], timeout_s=seconds + 30)
