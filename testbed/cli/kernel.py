# SPDX-License-Identifier: GPL-2.0-only
"""`testbed kernel ...`: kernels from source. `testbed/cli/main.py` mounts it."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar
from rich.table import Table
from rich.text import Text

from kernels.compile import Progress, Watch
from kernels.flavours import FLAVOURS
from kernels.pruning import prune_kernels, slots, unpacked_sources
from testbed.artifacts.pruning import DAY_S
from testbed.artifacts.source_kernels import KernelRequest, SourceKernels
from testbed.cli.progress import errors, progress
from testbed.errors import ExitCode, UsageProblem
from testbed.host.console import console as console_of
from testbed.host.terminal import escape

KEEP_DAYS = 14.0

kernel = typer.Typer(help="Kernels from source: for UML, and with debugging for QEMU.")
console = console_of()

FlavourName = Annotated[str, typer.Option("--flavour", help="See `testbed kernel list`.")]
Base = Annotated[
    str | None,
    typer.Option("--base", help="A version whose source Debian has: 7.2, 7.2.12.  [7.2]"),
]
Tree = Annotated[
    Path | None,
    typer.Option("--tree", help="Your kernel tree, with or without git; it is only read."),
]
Tarball = Annotated[Path | None, typer.Option("--tarball", help="A linux-*.tar.* file.")]
Patches = Annotated[
    list[Path] | None,
    typer.Option(
        "--series", "--patches", help="Folder, mbox, patch, or text of a mailing-list thread."
    ),
]
Fragments = Annotated[
    list[Path] | None,
    typer.Option("--config", help="File of CONFIG_ lines that override the flavour's."),
]
Coverage = Annotated[bool, typer.Option("--coverage", help="Instrument driver and zcrx.")]


@kernel.command("list")
def list_kernels() -> None:
    """Show the flavours, the sources at hand and the object trees."""
    table = Table("flavour", "architecture", "what for")
    for flavour in FLAVOURS:
        table.add_row(flavour.name, flavour.arch, flavour.purpose)
    console.print(table)
    root = SourceKernels().store.root
    table = Table("unpacked source", "MB", "idle days", "where")
    for item in unpacked_sources(root):
        _row(table, item.label, item.size_bytes, item.idle_s, item.path)
    console.print(table)
    table = Table("object tree", "MB", "idle days", "where")
    for item in slots(root):
        _row(table, item.label, item.size_bytes, item.idle_s, item.path)
    console.print(table)


def _row(table: Table, label: str, size_bytes: int, idle_s: float, path: Path) -> None:
    table.add_row(label, f"{size_bytes / 1e6:.0f}", f"{idle_s / DAY_S:.1f}", path.name)


@kernel.command()
def fetch(base: Base = None, tarball: Tarball = None) -> None:
    """Fetch and unpack a source; print the folder it is in."""
    folder = SourceKernels(report=progress).fetch(KernelRequest(base=base, tarball=tarball))
    console.print(Text(str(folder)), soft_wrap=True)


@kernel.command()
def config(
    flavour: FlavourName = "uml",
    base: Base = None,
    tree: Tree = None,
    tarball: Tarball = None,
    fragments: Fragments = None,
    coverage: Coverage = False,
    reasons: Annotated[bool, typer.Option("--reasons", help="Only what we ask for.")] = False,
) -> None:
    """Print the configuration of a flavour, or with --reasons why each option is requested."""
    request = KernelRequest(
        flavour, base, tree, tarball, fragments=fragments or (), coverage=coverage
    )
    if not reasons:
        sys.stdout.write(SourceKernels(report=progress).config(request))
        return
    for group in request.groups():
        console.print(Text(f"{group.name}: {group.reason}", style="bold"), soft_wrap=True)
        options = " ".join(f"{name}={value}" for name, value in group.options.items())
        console.print(Text(f"  {options}"), soft_wrap=True)


@kernel.command()
def build(
    flavour: FlavourName = "uml",
    base: Base = None,
    tree: Tree = None,
    tarball: Tarball = None,
    patches: Patches = None,
    fragments: Fragments = None,
    coverage: Coverage = False,
    jobs: Annotated[
        int | None, typer.Option("--jobs", "-j", min=1, help="Compilers at once.  [one per CPU]")
    ] = None,
    without_failed: Annotated[
        bool, typer.Option("--without-failed", help="Leave out patches that do not apply.")
    ] = False,
) -> None:
    """Build a kernel, unless the cache has it, and print where it is."""
    request = KernelRequest(
        flavour, base, tree, tarball, patches or (), fragments or (), coverage, without_failed
    )
    started = time.monotonic()
    with _progress() as watch:
        built = SourceKernels(report=progress).build(request, jobs=jobs, watch=watch)
    for line in built.provenance["patches"] or ():  # type: ignore[union-attr]
        progress(str(line))
    progress(f"{built.release} ({built.key}) in {time.monotonic() - started:.1f} s")
    console.print(Text(str(built.image)), soft_wrap=True)


@kernel.command()
def patch(
    patches: Annotated[list[Path], typer.Argument(help="As --patches of `build`.")],
    base: Base = None,
    tree: Tree = None,
    tarball: Tarball = None,
) -> None:
    """Say what of a patch series applies to a source, hunk by hunk; exit code 2 if not all does."""
    request = KernelRequest(base=base, tree=tree, tarball=tarball, patches=patches)
    accounts, set_aside = SourceKernels(report=progress).try_patches(request)
    for account in accounts:
        for line in account.lines():
            console.print(Text(escape(line)), soft_wrap=True)
    for line in set_aside:
        console.print(Text(escape(f"set aside: {line}")), soft_wrap=True)
    if any(account.outcome.failed for account in accounts):
        raise typer.Exit(int(ExitCode.USAGE))


@kernel.command()
def prune(
    days: Annotated[float, typer.Option(help="Keep what was used within that many days.")] = (
        KEEP_DAYS
    ),
    everything: Annotated[bool, typer.Option("--all", help="Keep nothing.")] = False,
) -> None:
    """Remove unpacked sources and object trees, which `testbed cache prune` does, too."""
    if days < 0:
        raise UsageProblem("--days must not be negative")
    freed = prune_kernels(SourceKernels().store.root, 0.0 if everything else days * DAY_S)
    console.print(f"{freed / 1e6:.0f} MB freed")


@contextlib.contextmanager
def _progress() -> Iterator[Watch | None]:
    """A bar on a terminal; elsewhere None, for now and then a line."""
    if not errors.is_terminal:
        yield None
        return
    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Bar(
        *columns, TextColumn("{task.description}", markup=False), console=errors, transient=True
    ) as bar:
        task = bar.add_task("", total=None)

        def show(progress: Progress) -> None:
            name = escape(progress.current[-40:])
            bar.update(task, completed=progress.done, total=progress.total, description=name)

        yield show
