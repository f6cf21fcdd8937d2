# SPDX-License-Identifier: GPL-2.0-only
"""``testbed fuzz corpus``: the schedules a campaign keeps, listed, taken along, made fewer."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from testbed.cli.fuzz_options import CampaignName, folder_of_campaign
from testbed.cli.options import RunFolder
from testbed.cli.progress import progress
from testbed.fuzz.folder import export_corpus, leading
from testbed.fuzz.reading import Reader
from testbed.fuzz.store import Store
from testbed.host.console import console as console_of
from testbed.host.terminal import escape

corpus = typer.Typer(help="The schedules that a campaign keeps, each for what it shows.")
console = console_of()


@corpus.command("list")
def list_command(
    name: CampaignName = "main",
    retired: Annotated[
        bool, typer.Option("--all", help="Also those whose features others show by now.")
    ] = False,
    run_dir: RunFolder = None,
) -> None:
    """List them, in the order in which they were kept."""
    table = Table("schedule", "run", "features", "by", "of")
    with Reader.of(folder_of_campaign(name, run_dir)) as store:
        for row in store.corpus(retired=retired):
            made = store.schedule(row.schedule)
            style = "dim" if row.retired is not None else ""
            table.add_row(
                row.schedule, str(row.run), str(len(row.features)), Text(made.mutation),
                Text(escape(made.parent)), style=style,
            )  # fmt: skip
    console.print(table)


@corpus.command("export")
def export_command(
    out: Annotated[
        Path, typer.Argument(help="A folder; each schedule is a file named by its hash.")
    ],
    name: CampaignName = "main",
    run_dir: RunFolder = None,
) -> None:
    """Write those in use as files, for another campaign."""
    with Reader.of(folder_of_campaign(name, run_dir)) as store:
        progress(f"{export_corpus(store, out)} schedules in {out}")


@corpus.command("import")
def import_command(
    place: Annotated[Path, typer.Argument(help="A folder that `corpus export` wrote.")],
    name: CampaignName = "main",
    run_dir: RunFolder = None,
) -> None:
    """Have a campaign run them first, at its next start: what they show is of its own kernel."""
    from testbed.fuzz.start import import_corpus

    folder = folder_of_campaign(name, run_dir)
    Reader.of(folder).close()
    with leading(folder), Store.open(folder) as store:
        progress(f"{import_corpus(store, place)} schedules are new to the campaign")


@corpus.command("minimise")
def minimise_command(name: CampaignName = "main", run_dir: RunFolder = None) -> None:
    """Choose anew among all that were ever kept: as few as show all that was shown."""
    from testbed.fuzz.corpus import minimise

    folder = folder_of_campaign(name, run_dir)
    Reader.of(folder).close()
    with leading(folder), Store.open(folder) as store, store.batch():
        before, after = minimise(store)
    progress(f"{after} schedules in use, {before} before")
