# SPDX-License-Identifier: GPL-2.0-only
"""Who does the steps of a night: this process."""

from __future__ import annotations

from collections import deque
from pathlib import Path

from testbed.host.child import run_python
from testbed.nightly.attempt import Run, attempt
from testbed.nightly.plan import Step
from testbed.nightly.reading import Attempt


class OneByOne:
    """Steps one after the other, on this machine."""

    def __init__(self, state: Path, run: Run = run_python) -> None:
        self._state = state
        self._run = run
        self._given: deque[tuple[Step, Path, float]] = deque()

    def size(self) -> int:
        """One."""
        return 1

    def give(self, step: Step, folder: Path, limit_s: float) -> None:
        """It is done when it is collected."""
        self._given.append((step, folder, limit_s))

    def collect(self) -> tuple[Step, Attempt]:
        """Do the next. Raises TestbedError, Interrupted."""
        step, folder, limit_s = self._given.popleft()
        return step, attempt(step, folder, self._state, limit_s, self._run)

    def close(self) -> None:
        """Nothing is under way."""
