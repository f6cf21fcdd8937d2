# SPDX-License-Identifier: GPL-2.0-only
"""Schedules of a store that this testbed does not take any more: another version has drawn them."""

from __future__ import annotations

from collections.abc import Callable

from testbed.errors import UsageProblem
from testbed.fuzz.schedule import Schedule
from testbed.fuzz.store import Store


def leave_out(
    store: Store, read: Callable[[str], Schedule], tell: Callable[[str], None]
) -> frozenset[str]:
    """Names of those that a campaign is not to run or mutate; they wait no longer, and the corpus
    has them out of use. What they showed is kept."""
    wanted = [*store.in_use(), *store.waiting(), *(name for _, name, _ in store.undecided())]
    wrong: dict[str, str] = {}
    for name in dict.fromkeys(wanted):
        try:
            read(store.schedule(name).text)
        except UsageProblem as problem:
            wrong[name] = str(problem)
    if wrong:
        with store.batch():
            for name in wrong:
                store.leave_out(name)
        count = "1 schedule is" if len(wrong) == 1 else f"{len(wrong)} schedules are"
        tell(f"{count} left out, of another version of the testbed: {next(iter(wrong.values()))}")
    return frozenset(wrong)
