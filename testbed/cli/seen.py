# SPDX-License-Identifier: GPL-2.0-only
"""What card and kernel said, told at the end of a command that prints no table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from testbed.cli.progress import errors, progress
from testbed.engines.session import Session
from testbed.job.progress import seen_lines
from testbed.report.results import RunReport
from testbed.report.seen import Seen
from testbed.workloads.seen import SessionAccount

S = TypeVar("S", bound=Session)


def tell_seen(seen: Sequence[Seen], folder: Path, *, quiet: bool = True) -> None:
    """A line for each different thing, and where the rest is.

    Nothing if all is well and ``quiet``: a script's standard error is the guest's.
    """
    for line in seen_lines(seen):
        errors.print(line, soft_wrap=True)
    if seen or not quiet:
        progress(f"logs: {folder}")


@contextmanager
def telling(session: S, report: RunReport) -> Iterator[S]:
    """Enter ``session``; when it is put away, tell what was seen, and put it into ``report``.

    Raises what entering and leaving it raise.
    """
    account: SessionAccount | None = None
    try:
        with session:
            try:
                yield session
            finally:
                account = SessionAccount.of(session)
    finally:
        if account is not None:
            account.add_to(report)
            tell_seen(account.seen, session.run_dir)
