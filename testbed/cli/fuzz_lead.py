# SPDX-License-Identifier: GPL-2.0-only
"""``testbed fuzz start``: everything a campaign is made of, and the report of it."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from testbed.cli.progress import errors, progress
from testbed.engines.open import build_options, prepare_run
from testbed.fuzz.campaign import Campaign, Limits
from testbed.fuzz.execute import Executor
from testbed.fuzz.folder import leading
from testbed.fuzz.live import Display
from testbed.fuzz.page import gather
from testbed.fuzz.reading import FILE_NAME
from testbed.fuzz.start import FailOn, Wanted, open_campaign, search_of
from testbed.fuzz.store import Store
from testbed.fuzz.workers import DaskPool, ExecutorSpec
from testbed.host import interrupt
from testbed.report.results import RunReport

WORKERS = "workers"


@dataclass(frozen=True)
class Lead:
    """The one process that leads the campaign in ``folder``."""

    folder: Path
    wanted: Wanted
    limits: Limits
    workers: int | None
    scheduler: str
    listen: str
    fail_on: Collection[FailOn]

    @contextmanager
    def opened(self) -> Iterator[Store]:
        """Its store, ours alone. Raises TestbedError."""
        with leading(self.folder):
            goes_on = (self.folder / FILE_NAME).exists()
            with open_campaign(self.folder, self.wanted) as store:
                if goes_on:
                    found = store.totals()
                    progress(f"going on after {found.runs} runs, {found.edges} edges")
                yield store

    def run(self, store: Store, report: RunReport) -> None:
        """The campaign, then what the report says of it. Raises TestbedError, Interrupted."""
        from testbed.fuzz.report import checks

        facts = store.facts()
        report.seed, report.engine = int(facts["seed"]), facts["engine"]
        try:
            self._search(store)
        finally:
            facts = store.facts()
            report.kernel_release = facts.get("release")
            report.checks += checks(gather(store, self.folder.name), self.fail_on)
            for key, value in facts.items():
                report.note(f"campaign {key}", value)

    def _search(self, store: Store) -> None:
        facts = store.facts()
        spec = ExecutorSpec(
            factory=Executor, flavour=facts["flavour"], kernel=facts["kernel"] or None
        )
        if not self.scheduler:  # before several workers want to build the same
            prepare_run(
                build_options(
                    {"engine": "uml", "flavour": spec.flavour, "kernel": spec.kernel,
                     "coverage": True, "seed": 1}
                ), progress,
            )  # fmt: skip
        pool = DaskPool(
            spec, campaign=f"{facts['started_at']}-{self.folder.name}",
            folder=self.folder / WORKERS, workers=self.workers or os.cpu_count() or 1,
            scheduler=self.scheduler, listen=self.listen,
        )  # fmt: skip
        display = Display(errors)
        try:
            progress(f"workers join by: testbed fuzz worker {pool.invitation or pool.address}")
            campaign = Campaign(
                store, pool, search_of(store), self.limits, display.tell, display.show
            )
            with display.shown():
                campaign.run()
        finally:
            with interrupt.held():
                pool.close()
