# SPDX-License-Identifier: GPL-2.0-only
"""The options every command that boots a guest has in common."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from testbed.options import ENGINES, Accel, Nic, Switch, Timing

_PANEL = "Machine"

Kernel = Annotated[
    Optional[str],  # noqa: UP045 - typer reads the annotation at run time
    typer.Option(
        "--kernel",
        help="Debian's version, e.g. 7.2.12; x86 or debug; or your own bzImage, UML program "
        "or build tree.",
        rich_help_panel=_PANEL,
    ),
]
EngineChoice = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(
        "--engine",
        help="What runs the guest.",
        metavar=f"[{'|'.join(ENGINES)}]",
        rich_help_panel=_PANEL,
    ),
]
Flavour = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option("--flavour", help="UML kernel: uml, uml-san or uml-smp.", rich_help_panel=_PANEL),
]
Watchdog = Annotated[
    Optional[int],  # noqa: UP045
    typer.Option(
        "--watchdog",
        help="UML: seconds after which a silent guest is lost.",
        rich_help_panel=_PANEL,
    ),
]
AccelChoice = Annotated[
    Optional[Accel],  # noqa: UP045
    typer.Option("--accel", help="Accelerator; auto probes by booting.", rich_help_panel=_PANEL),
]
IommuChoice = Annotated[
    Optional[Switch],  # noqa: UP045
    typer.Option("--iommu", help="Emulated IOMMU, strict.", rich_help_panel=_PANEL),
]
Cpus = Annotated[
    Optional[int],  # noqa: UP045
    typer.Option("--cpus", help="Virtual CPUs, 1..16.", rich_help_panel=_PANEL),
]
Memory = Annotated[
    Optional[int],  # noqa: UP045
    typer.Option("--memory", help="Guest memory in MiB.", rich_help_panel=_PANEL),
]
TimingChoice = Annotated[
    Optional[Timing],  # noqa: UP045
    typer.Option("--timing", help="How the card orders its effects.", rich_help_panel=_PANEL),
]
Icount = Annotated[
    Optional[bool],  # noqa: UP045
    typer.Option(
        "--icount/--no-icount",
        help="Count instructions instead of wall time (repeatable, TCG only).",
        rich_help_panel=_PANEL,
    ),
]
Coverage = Annotated[
    Optional[bool],  # noqa: UP045
    typer.Option(
        "--coverage/--no-coverage",
        help="UML: count which code of driver and zcrx ran; see testbed coverage report.",
        rich_help_panel=_PANEL,
    ),
]
Oracle = Annotated[
    Optional[Switch],  # noqa: UP045
    typer.Option("--oracle", help="The card judges every DMA.", rich_help_panel=_PANEL),
]
Seed = Annotated[
    Optional[int],  # noqa: UP045
    typer.Option("--seed", help="Seed of the card; drawn if absent.", rich_help_panel=_PANEL),
]
Share = Annotated[
    Optional[Path],  # noqa: UP045
    typer.Option("--share", help="Show this host folder at /share.", rich_help_panel=_PANEL),
]
NicChoice = Annotated[
    Optional[Nic],  # noqa: UP045
    typer.Option("--nic", help="NIC under test.", rich_help_panel=_PANEL),
]
LabFile = Annotated[
    Path,
    typer.Option("--lab", help="lab.toml: run on a machine described there (docs/lab.md)."),
]
LabChoice = Annotated[
    Optional[Path],  # noqa: UP045
    typer.Option("--lab", help="lab.toml: run on a machine described there (docs/lab.md)."),
]
DutName = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option("--dut", help="Which machine of lab.toml."),
]
RunFolder = Annotated[
    Optional[Path],  # noqa: UP045
    typer.Option("--run-dir", help="Parent of the run directory.", rich_help_panel=_PANEL),
]
