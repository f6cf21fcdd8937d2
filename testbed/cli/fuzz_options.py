# SPDX-License-Identifier: GPL-2.0-only
"""Options that several commands of ``testbed fuzz`` have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from testbed.fuzz.folder import folder_of

CampaignName = Annotated[
    str, typer.Option("--name", help="Of the campaign; its folder is runs/fuzz-NAME.")
]
Flavour = Annotated[
    str | None, typer.Option("--flavour", help="Of the UML kernel: uml-san (default), uml, ...")
]
Kernel = Annotated[str | None, typer.Option("--kernel", help="As of `testbed run`; or the pinned.")]


def folder_of_campaign(name: str, run_dir: Path | None) -> Path:
    """Its folder, whether it is there or not. Raises UsageProblem."""
    return folder_of(name, run_dir)
