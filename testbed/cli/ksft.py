# SPDX-License-Identifier: GPL-2.0-only
"""The `ksft` command; `testbed/cli/main.py` mounts it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Optional

import typer
from rich.console import Console
from rich.text import Text

from testbed.cli import options as opt
from testbed.engines.qemu.engine import ENGINE as QEMU
from testbed.errors import UsageProblem
from testbed.ksft.job import SelftestRequest, installed_tests, run
from testbed.options import RunOptions, find_config, load_config

CPUS = 4
"""hw/irq.py and the RPS cases of hw/toeplitz.py need more CPUs than receive queues."""

LIMIT_S = 600.0


def ksft(
    paths: Annotated[
        Optional[list[str]],  # noqa: UP045 - typer reads the annotation at run time
        typer.Argument(
            metavar="PATH...",
            help="Files, folders or globs: drivers/net/hds.py, hw/ntuple.py, 'hw/rss_*', hw",
            show_default=False,
        ),
    ] = None,
    kernel: opt.Kernel = None,
    accel: opt.AccelChoice = None,
    iommu: opt.IommuChoice = None,
    cpus: opt.Cpus = None,
    memory: opt.Memory = None,
    timing: opt.TimingChoice = None,
    seed: opt.Seed = None,
    nic: opt.NicChoice = None,
    run_dir: opt.RunFolder = None,
    time_limit: Annotated[
        float, typer.Option("--time-limit", min=1.0, help="Seconds that each file may take.")
    ] = LIMIT_S,
    list_files: Annotated[bool, typer.Option("--list", help="Only list the files.")] = False,
) -> None:
    """Run the kernel's own network selftests, each file in a fresh guest.

    They are taken unmodified from the Debian source package of the kernel under test.
    """
    given = {
        "nic": nic,
        "kernel": kernel,
        "accel": accel,
        "iommu": iommu,
        "cpus": cpus,
        "memory_mib": memory,
        "timing": timing,
        "seed": seed,
    }
    file = find_config(Path.cwd())
    configured = load_config(file) if file else {}
    chosen = {key: value for key, value in given.items() if value is not None}
    options = RunOptions(**{"cpus": CPUS, **configured, **chosen})
    QEMU.check(options)
    console = Console()
    if list_files:
        for test in installed_tests(options, lambda _message: None):
            console.print(Text(test.path))
        return
    if not paths:
        raise UsageProblem(
            "no selftest named", remedy="name files, folders or globs; --list shows every file"
        )
    request = SelftestRequest(
        paths=paths, options=options, limit_s=time_limit, runs=run_dir, command=sys.argv
    )
    raise typer.Exit(run(request, console))
