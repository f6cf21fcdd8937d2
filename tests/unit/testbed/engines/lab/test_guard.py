# SPDX-License-Identifier: GPL-2.0-only
"""The state guard of a lab session (lab_guard.c), on this machine."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

import images.lab

SOURCE = Path(images.lab.__file__).with_name("lab") / "lab_guard.c"
COMPILER = shutil.which("gcc")
SLEEP = shutil.which("sleep")

pytestmark = pytest.mark.skipif(COMPILER is None, reason="no gcc on this host")


def test_what_a_session_leaves_is_killed_but_not_in_a_probe(tmp_path: Path) -> None:
    """A driver whose loader is killed may not survive that (finding probe-workqueue-killed)."""
    guard, loader = tmp_path / "lab_guard", tmp_path / "modprobe"
    flags = ["-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror"]
    subprocess.run([str(COMPILER), *flags, "-o", str(guard), str(SOURCE)], check=True)
    shutil.copy(str(SLEEP), loader)
    folder = tmp_path / "place"
    folder.mkdir()
    (folder / "restore.sh").write_text("echo restored\n")
    env = {**os.environ, "TESTBED_LAB": str(folder)}
    with (
        subprocess.Popen([str(loader), "1"], env=env) as loading,
        subprocess.Popen([str(SLEEP), "60"], env=env) as other,
        subprocess.Popen(
            [str(guard), str(folder), "60"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        ) as watching,
    ):
        assert watching.stdout is not None
        assert watching.stdout.readline() == b"ready\n"
        said, _ = watching.communicate(timeout=60)
    assert said == b"restored\n"
    assert (loading.returncode, other.returncode) == (0, -signal.SIGKILL)
