# SPDX-License-Identifier: GPL-2.0-only
"""A cache that was filled before and cannot be written, as in an image of CI."""

from __future__ import annotations

import os
import subprocess

import pytest

from images.store import cache_root
from testbed.engines.uml.engine import ENGINE
from testbed.options import RunOptions
from tests.driver.conftest import CommandLine

# $1: the cache; then the command
MOUNT = """
mount --bind "$1" "$1"; mount -o remount,ro,bind "$1"; shift
exec "$@"
"""

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="requires root, to mount")


def run(testbed: CommandLine, *words: str) -> subprocess.CompletedProcess[bytes]:
    """A `testbed` command that sees its cache read-only."""
    mounted = ["unshare", "--mount", "sh", "-euc", MOUNT, "sh", str(cache_root())]
    return testbed.run(*words, before=mounted)


def test_guest_runs_out_of_a_read_only_cache(testbed: CommandLine) -> None:
    ENGINE.prepare(RunOptions(engine="uml", cpus=1, seed=1), lambda _text: None)
    done = run(testbed, "exec", "--engine", "uml", "--", "uname", "-r")
    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout.endswith(b"-testbed-uml\n")
    assert testbed.wait_clean() == []


def test_guest_of_which_there_is_no_snapshot_boots(testbed: CommandLine) -> None:
    done = run(testbed, "exec", "--memory", "717", "--", "grep", "MemTotal", "/proc/meminfo")
    assert done.returncode == 0, done.stderr.decode()
    assert testbed.wait_clean() == []


def test_what_has_to_be_built_needs_another_cache(testbed: CommandLine) -> None:
    done = run(testbed, "kernel", "fetch", "--base", "6.99.99")
    assert done.returncode == 3
    assert f"the cache {cache_root()} is read-only" in done.stderr.decode().replace("\n", " ")
    assert b"remedy: Fill it where it can be written" in done.stderr
