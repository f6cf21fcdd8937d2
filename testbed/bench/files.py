# SPDX-License-Identifier: GPL-2.0-only
"""The files of a benchmark: in its run directory, and in the folder the user names."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from testbed.errors import full_disk
from testbed.report.rundir import RunDirectory


def write(texts: Mapping[str, str], folder: RunDirectory, out: Path | None) -> None:
    """``texts`` by file name. Raises EnvironmentProblem."""
    for name, text in texts.items():
        folder.write(name, text)
        if out is None:
            continue
        try:
            out.mkdir(parents=True, exist_ok=True)
            (out / name).write_text(text, encoding="utf-8")
        except OSError as err:
            raise full_disk(out / name, err) from err
