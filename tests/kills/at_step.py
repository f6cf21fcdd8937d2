# SPDX-License-Identifier: GPL-2.0-only
"""``testbed`` with a signal at a place of a job, the same place in every run.

``python -P -m tests.kills.at_step STEP WAIT NUMBER ARGUMENTS...``: signal NUMBER comes while the
runner waits for guest or card for the WAIT-th time in step STEP, counted from 1; at the end of the
step if it waits less often. With the step ``run-directory``, of any job, it comes when that has
just been made.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Coroutine
from typing import Any
from unittest.mock import patch

from testbed.cli.entry import main
from testbed.host.loop import BackgroundLoop
from testbed.job.recorder import Recorder, Step
from testbed.report.rundir import RunDirectory

DIRECTORY = "run-directory"


class Disturbance:
    """Sends us signal ``number`` at the ``wait``-th wait of ``step``, once."""

    def __init__(self, step: str, wait: int, number: int) -> None:
        self._step = step
        self._number = number
        self._left = wait
        self._there = False
        self._wait = BackgroundLoop.run
        self._run_one = Recorder.run_one
        self._make = RunDirectory.make

    def wait(self, loop: BackgroundLoop, work: Coroutine[Any, Any, Any]) -> Any:
        """In the place of BackgroundLoop.run()."""
        self._left -= self._there
        if not self._there or self._left:
            return self._wait(loop, work)

        async def disturbed() -> Any:
            os.kill(os.getpid(), self._number)
            return await work

        return self._wait(loop, disturbed())

    def make(self, directory: RunDirectory) -> None:
        """In the place of RunDirectory.make()."""
        self._make(directory)
        if self._step == DIRECTORY:
            signal.raise_signal(self._number)

    def run_one(self, recorder: Recorder, step: Step[Any], context: Any) -> None:
        """In the place of Recorder.run_one()."""
        if step.name != self._step:
            self._run_one(recorder, step, context)
            return

        def run(given: Any) -> str:
            self._there = True
            try:
                return step.run(given)
            finally:  # it may have been skipped
                self._there = False
                if self._left > 0:
                    signal.raise_signal(self._number)

        self._run_one(recorder, Step(step.name, step.title, step.group, run, step.needs), context)


if __name__ == "__main__":
    step_name, wait_number, signal_number, *arguments = sys.argv[1:]
    disturbance = Disturbance(step_name, int(wait_number), int(signal_number))
    sys.argv = ["testbed", *arguments]
    with (
        patch.object(BackgroundLoop, "run", lambda *given: disturbance.wait(*given)),
        patch.object(Recorder, "run_one", lambda *given: disturbance.run_one(*given)),
        patch.object(RunDirectory, "make", lambda *given: disturbance.make(*given)),
    ):
        code = main()
    sys.exit(code)
