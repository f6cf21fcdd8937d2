# SPDX-License-Identifier: GPL-2.0-only
"""What a cluster of our own leaves behind, and what a signal to all of it does."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import dask
from distributed import WorkerPlugin

from testbed import ROOT
from testbed.fuzz.cluster import Cluster

_HANG_UP = """
import os, signal, time
from multiprocessing import resource_tracker
from testbed.fuzz.cluster import _start_tracker
_start_tracker()
pid = resource_tracker._resource_tracker._pid
time.sleep(0.5)  # Python sets what it ignores when it has started
os.kill(pid, signal.SIGHUP)
time.sleep(0.5)
with open(f"/proc/{pid}/stat") as file:
    print(file.read().rpartition(")")[2].split()[0])
signal.signal(signal.SIGHUP, lambda *_: print("ours"))
os.kill(os.getpid(), signal.SIGHUP)
"""


def test_tracker_of_semaphores_outlives_a_hang_up() -> None:
    done = subprocess.run(
        [sys.executable, "-P", "-B", "-c", _HANG_UP], env={"PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    assert done.stdout.split() == ["S", "ours"]


def test_dask_keeps_its_files_in_the_folder_of_the_cluster(tmp_path: Path) -> None:
    folder = tmp_path / "workers"
    cluster: Cluster[int] = Cluster(
        name="a", workers=1, folder=folder, manners=WorkerPlugin(), processes=False
    )
    try:
        assert dask.config.get("temporary-directory") == str(folder)
    finally:
        cluster.close()
