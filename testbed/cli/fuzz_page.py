# SPDX-License-Identifier: GPL-2.0-only
"""``testbed fuzz page`` and ``export``: a campaign for those who read it elsewhere."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread
from typing import TYPE_CHECKING, Annotated

import typer

from testbed.cli.fuzz_options import CampaignName, folder_of_campaign
from testbed.cli.options import RunFolder
from testbed.cli.progress import progress
from testbed.errors import ExitCode, TestbedError, UsageProblem
from testbed.fuzz.covered import COVERAGE, Covered
from testbed.fuzz.covered_kernel import kernel_of
from testbed.fuzz.folder import folder_of
from testbed.fuzz.reading import Reader
from testbed.host.terminal import escape
from testbed.report.rundir import RunDirectory, now_utc

if TYPE_CHECKING:
    from testbed.fuzz.curves import Curve

PORT = 8571

With = Annotated[
    list[str] | None,
    typer.Option("--with", help="Another campaign, for its curves; may be repeated."),
]


def covered_by(reader: Reader) -> Covered | None:
    """What a campaign covered; None where its kernel is not here, which is told."""
    if (kernel := kernel_of(reader.facts())) is None:
        return None
    try:
        return Covered.of(kernel, reader.edges(), reader.totals().runs)
    except UsageProblem as problem:
        progress(f"no coverage: {escape(problem.message)}")
        return None


def page(
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder for static files: index.html is first.")
    ] = None,
    served: Annotated[
        bool, typer.Option("--serve", help="Show it on 127.0.0.1, read anew from the store.")
    ] = False,
    port: Annotated[int, typer.Option("--port", min=1, max=65535, help="For --serve.")] = PORT,
    compared: With = None,
    name: CampaignName = "main",
    run_dir: RunFolder = None,
) -> None:
    """A campaign as a web page: curves, bugs, coverage, corpus, determinism."""
    if (out is None) is not served:
        raise UsageProblem("name --out FOLDER, or --serve")
    from testbed.fuzz.page import gather, write  # matplotlib takes a while to load

    folder = folder_of_campaign(name, run_dir)
    others = [folder_of(other, run_dir) for other in compared or []]
    if out is not None:
        with Reader.of(folder) as reader:
            progress(str(write(out, gather(reader, name), _curves(others), covered_by(reader))))
        return
    from testbed.fuzz.serve import HOST, application, serve

    Reader.of(folder).close()
    with TemporaryDirectory(prefix="testbed-fuzz-") as place:
        pages = _Pages(folder, name, others, Path(place) / COVERAGE)
        progress(f"http://{HOST}:{port}/ until Ctrl-C")
        serve(application(pages.render, pages.coverage), port)


def _curves(folders: list[Path]) -> list[Curve]:
    from testbed.fuzz.curves import Curve

    found = []
    for folder in folders:
        with Reader.of(folder) as reader:
            found.append(Curve.of(escape(folder.name.removeprefix("fuzz-")), reader.runs()))
    return found


class _Pages:
    """What is served. Coverage takes a while: it is of the last time when something new was
    covered, until a thread of its own has read that; meanwhile nobody waits."""

    def __init__(self, folder: Path, name: str, others: list[Path], coverage: Path) -> None:
        self.coverage = coverage
        self._folder = folder
        self._name = name
        self._others = others
        self._edges = -1
        self._covered: Covered | None = None
        self._reading = Thread()

    def render(self) -> str:
        """The page as it is now. Raises TestbedError."""
        from testbed.fuzz.page import gather, render
        from testbed.fuzz.serve import REFRESH_S

        with Reader.of(self._folder) as reader:
            campaign = gather(reader, self._name)
        if campaign.totals.edges != self._edges and not self._reading.is_alive():
            self._edges = campaign.totals.edges
            self._reading = Thread(target=self.read_coverage, daemon=True)
            self._reading.start()
        return render(campaign, _curves(self._others), self._covered, REFRESH_S)

    def read_coverage(self) -> None:
        """As the store has it now, with line pages."""
        try:
            with Reader.of(self._folder) as reader:
                found = covered_by(reader)
            if found is not None:
                found.write(self.coverage)
        except (OSError, TestbedError) as problem:
            progress(f"no coverage: {escape(str(problem))}")
            return
        self._covered = found


def export(
    out: Annotated[Path, typer.Option("--out", help="Folder for junit.xml, results.ktap, ...")],
    name: CampaignName = "main",
    run_dir: RunFolder = None,
) -> None:
    """Write a campaign's bugs as JUnit, KTAP, JSON and HTML: new ones fail, known are skipped.

    Exit code 1: something is new.
    """
    from testbed.fuzz.page import gather
    from testbed.fuzz.report import report

    with Reader.of(folder_of_campaign(name, run_dir)) as reader:
        found = report(gather(reader, name), reader.facts().get("started_at", now_utc()))
    directory = RunDirectory(out.absolute())
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageProblem(f"{out} cannot be made: {error.strerror}") from error
    progress(str(directory.write_reports(found).parent))
    if found.totals.failed:
        raise typer.Exit(int(ExitCode.TEST_FAILURE))
