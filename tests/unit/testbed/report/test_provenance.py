# SPDX-License-Identifier: GPL-2.0-only
"""What a report says of the code that made it."""

from __future__ import annotations

import subprocess
from pathlib import Path

from testbed import __version__
from testbed.report.provenance import host, repository_commit


def test_commit_is_that_of_the_folder_itself(tmp_path: Path) -> None:
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b.c"]
    subprocess.run([*git, "init", "-q"], check=True)
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "first"], check=True)
    assert len(repository_commit(tmp_path) or "") == 40
    installed = tmp_path / "environment" / "bnxt_testbed"
    installed.mkdir(parents=True)
    assert repository_commit(installed) is None


def test_version_is_reported() -> None:
    assert host()["testbed version"] == __version__
