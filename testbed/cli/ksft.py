# SPDX-License-Identifier: GPL-2.0-only
"""The `ksft` command; `testbed/cli/main.py` mounts it."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Annotated, Any

import typer
from rich.text import Text

from testbed.card.personality import check_card_options, with_personality
from testbed.cli.as_json import AsJson, print_json, tell_json
from testbed.cli.options import RunFolder, run_options
from testbed.cli.progress import errors
from testbed.engines.open import engine_of
from testbed.errors import UsageProblem
from testbed.host.console import console as console_of
from testbed.ksft.job import SelftestRequest, installed_tests, run
from testbed.options import RunOptions, merge_options

CPUS = 4
"""hw/irq.py and the RPS cases of hw/toeplitz.py need more CPUs than receive queues."""

LIMIT_S = 600.0


@run_options(
    "kernel", "accel", "iommu", "cpus", "memory_mib", "timing", "seed", "nic", "personality"
)
def ksft(
    given: Mapping[str, Any],
    paths: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="PATH...",
            help="Files, folders or globs: drivers/net/hds.py, hw/ntuple.py, 'hw/rss_*', hw",
            show_default=False,
        ),
    ] = None,
    run_dir: RunFolder = None,
    time_limit: Annotated[
        float, typer.Option("--time-limit", min=1.0, help="Seconds that each file may take.")
    ] = LIMIT_S,
    list_files: Annotated[bool, typer.Option("--list", help="Only list the files.")] = False,
    as_json: AsJson = False,
) -> None:
    """Run the kernel's own network selftests, each file in a fresh guest.

    They are taken unmodified from the Debian source package of the kernel under test.
    """
    merged = with_personality(merge_options(given, check_card_options))
    options = RunOptions(**{"cpus": CPUS, **merged})
    engine_of(options).check(options)
    console = errors if as_json else console_of()
    if list_files:
        names = [test.path for test in installed_tests(options, lambda _message: None)]
        if as_json:
            print_json(names)
        else:
            console.print(Text("\n".join(names)))
        return
    if not paths:
        raise UsageProblem(
            "no selftest named", remedy="name files, folders or globs; --list shows every file"
        )
    request = SelftestRequest(
        paths=paths, options=options, limit_s=time_limit, runs=run_dir, command=sys.argv
    )
    raise typer.Exit(run(request, console, tell_json if as_json else None))
