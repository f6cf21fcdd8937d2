# SPDX-License-Identifier: GPL-2.0-only
"""`testbed cache ...`, `testbed doctor`, `testbed kernels`."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table

from images.store import Store
from kernels.packages import State, source_version
from testbed.artifacts.prepare import UNPUBLISHED, Artifacts
from testbed.artifacts.pruning import DAY_S, contents, prune
from testbed.cli import doctor as checks
from testbed.cli.as_json import AsJson, print_json
from testbed.cli.progress import progress
from testbed.errors import ExitCode
from testbed.host.console import console as console_of

KEEP_DAYS = 14.0

cache = typer.Typer(help="Look at the cache, or make it smaller.", no_args_is_help=True)
console = console_of()


@cache.command("info")
def info(as_json: AsJson = False) -> None:
    """Show what lies in the cache and when it was last used."""
    store = Store()
    items = contents(store)
    if as_json:
        print_json({
            "cache": str(store.root), "bytes": sum(item.size_bytes for item in items),
            "items": [
                {"what": item.kind, "bytes": item.size_bytes, "idle_seconds": round(item.idle_s),
                 "path": str(item.path)}
                for item in items
            ],
        })  # fmt: skip
        return
    table = Table("what", "MB", "idle days", "where")
    for item in items:
        if item.kind != "downloads":
            _add(table, item.kind, item.size_bytes, item.idle_s, item.path.name)
    downloads = [item for item in items if item.kind == "downloads"]
    if downloads:
        idle_s = min(item.idle_s for item in downloads)
        total = sum(item.size_bytes for item in downloads)
        _add(table, "downloads", total, idle_s, f"{len(downloads)} files")
    console.print(str(store.root), soft_wrap=True, markup=False)
    console.print(table)
    console.print(f"{sum(item.size_bytes for item in items) / 1e6:.0f} MB in all")


def _add(table: Table, kind: str, size_bytes: int, idle_s: float, where: str) -> None:
    table.add_row(kind, f"{size_bytes / 1e6:.1f}", f"{idle_s / DAY_S:.1f}", where)


@cache.command("fill")
def fill(
    kernel: Annotated[
        str | None, typer.Option(help="A kernel version, such as 7.2 or 6.12.107.")
    ] = None,
) -> None:
    """Fetch and build everything a run needs, so that later runs need no network."""
    artifacts = Artifacts(report=progress)
    prepared = artifacts.prepare(kernel)
    verdict = artifacts.probe_accelerator("auto")
    console.print(f"kernel {prepared.kernel.release}; {verdict.accelerator}: {verdict.reason}")


@cache.command("prune")
def prune_cache(
    days: Annotated[float, typer.Option(help="Keep what was used within that many days.")] = (
        KEEP_DAYS
    ),
    everything: Annotated[bool, typer.Option("--all", help="Keep nothing.")] = False,
) -> None:
    """Remove what was not used for a while, formats of other versions and dead builds."""
    freed = prune(Store(), 0.0 if everything else days * DAY_S)
    console.print(f"{freed / 1e6:.0f} MB freed")


def doctor(as_json: AsJson = False) -> None:
    """Say what this machine lacks and how to get it; exit code 3 if a run would fail."""
    if as_json:
        document = checks.as_document(checks.examine())
        print_json(document)
        raise typer.Exit(0 if document["ok"] else int(ExitCode.ENVIRONMENT))
    if not checks.show(lambda line: console.print(line, markup=False, soft_wrap=True)):
        raise typer.Exit(int(ExitCode.ENVIRONMENT))


def kernels(as_json: AsJson = False) -> None:
    """List the kernels that --kernel can name."""
    table = Table("kernel", "release", "packages")
    packaged, sources = Artifacts(report=progress).kernels()
    if as_json:
        print_json({
            "packaged": [
                {"version": str(one.version), "release": one.release, "state": str(one.state),
                 "missing": list(one.missing)}
                for one in packaged
            ],
            "sources": [
                {"version": str(source_version(one)), "package": one.name,
                 "package_version": one.version}
                for one in sources
            ],
        })  # fmt: skip
        return
    for kernel in packaged:
        missing = f": {', '.join(kernel.missing)}" if kernel.missing else ""
        table.add_row(str(kernel.version), kernel.release, f"{kernel.state}{missing}")
    known = {kernel.version for kernel in packaged}
    only = [source for source in sources if source_version(source) not in known]
    for source in only:
        version = str(source_version(source))
        table.add_row(version, "", f"source only: {source.name} {source.version}")
    console.print(table)
    if only or any(kernel.state is State.NOT_YET for kernel in packaged):
        console.print(
            "What is not published yet, or source only, --kernel builds from source "
            f"(flavour {UNPUBLISHED})."
        )
