# SPDX-License-Identifier: GPL-2.0-only
"""One scenario many times, each in a fresh guest: are all the same run, and how many a second?"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from testbed.engines import AnyPrepared, new_session
from testbed.errors import TestbedError
from testbed.options import RunOptions
from testbed.uml.scenarios import SCENARIOS, play


@dataclass
class Repeats:
    """How many runs there were, how they ended and in how many wall seconds."""

    hashes: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def runs(self) -> int:
        """Runs that ended well."""
        return self.hashes.total()

    @property
    def per_second(self) -> float:
        """Whole cycles a second, boot to end."""
        return self.runs / self.seconds if self.seconds else 0.0


def one_run(options: RunOptions, prepared: AnyPrepared, name: str, folder: Path) -> str:
    """Boot, play, end; returns the event log's hash. Raises TestbedError."""
    with (
        TemporaryDirectory(prefix="run-", dir=folder, ignore_cleanup_errors=True) as run_dir,
        new_session(options, Path(run_dir), prepared) as session,
    ):
        return play(session, SCENARIOS[name])


def _told(options: RunOptions, prepared: AnyPrepared, name: str, folder: Path) -> tuple[str, str]:
    """As one_run, in a worker: (hash, "") or ("", what went wrong)."""
    try:
        return one_run(options, prepared, name, folder), ""
    except TestbedError as err:
        return "", f"{err.fault}: {err.message}"


def repeat(
    options: RunOptions,
    prepared: AnyPrepared,
    name: str,
    *,
    runs: int,
    workers: int | None = None,
) -> Iterator[Repeats]:
    """Run ``name`` ``runs`` times on ``workers`` cores; the account so far after each run."""
    count = min(workers or os.cpu_count() or 1, runs)
    account = Repeats()
    with TemporaryDirectory(prefix="testbed-repeat-") as folder, ProcessPoolExecutor(count) as pool:
        started = time.monotonic()
        left = runs
        pending: set[Future[tuple[str, str]]] = set()
        try:
            while left or pending:
                while left and len(pending) < count:
                    pending.add(pool.submit(_told, options, prepared, name, Path(folder)))
                    left -= 1
                done, pending = wait(pending, return_when=FIRST_COMPLETED)
                for future in done:
                    digest, failure = future.result()
                    if failure:
                        account.failures.append(failure)
                    else:
                        account.hashes[digest] += 1
                account.seconds = time.monotonic() - started
                yield account
        finally:
            pool.shutdown(cancel_futures=True)
