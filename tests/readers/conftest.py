# SPDX-License-Identifier: GPL-2.0-only
"""Programs and schemas of others that read our files, and a run with files to be read.

`./tb test -e readers` installs `.ci/requirements-readers.lock` and names the place; tshark comes
from Debian, as what a guest is made of.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from images.recipe import Recipe, package_tree
from images.toolroot import ToolRoot
from testbed.artifacts.prepare import Artifacts

ROOT = Path(__file__).parents[2]
SECONDS = 600


@pytest.fixture(scope="session")
def tools() -> Path:
    """The virtual environment with the readers that are Python packages."""
    place = os.environ.get("TB_READERS")
    if place is None:
        pytest.skip("requires the packages of ./tb test -e readers")
    return Path(place)


@pytest.fixture(scope="session")
def tshark() -> Callable[..., list[str]]:
    """Lines that tshark prints of a file; its arguments come after the file."""
    artifacts = Artifacts(report=print)
    recipe = Recipe("readers", ["base-files", "tshark"])
    tree = ToolRoot.of(package_tree(artifacts.store, lambda: artifacts.archive, recipe))
    command = tree.command("tshark")

    def lines(file: Path, *arguments: str) -> list[str]:
        ended = subprocess.run(
            [*command, "-n", "-r", str(file), *arguments], capture_output=True, text=True,
            check=True, timeout=SECONDS,
        )  # fmt: skip
        return ended.stdout.splitlines()

    return lines


def _run(folder: Path, *arguments: str) -> Path:
    command = [sys.executable, "-m", "testbed", *arguments, "--engine", "uml", "--seed", "1"]
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run(
        [*command, "--run-dir", str(folder)], cwd=folder, env=environ, check=True, timeout=SECONDS,
        capture_output=True,
    )  # fmt: skip
    return (folder / "latest").resolve()


@pytest.fixture(scope="session")
def main_job(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run directory of a main job on User Mode Linux."""
    return _run(tmp_path_factory.mktemp("main"), "run", "--capture", "all")
