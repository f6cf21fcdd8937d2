# SPDX-License-Identifier: GPL-2.0-only
"""The hash key of the tests that want flows on every queue, and whom a packet may wait for."""

from __future__ import annotations

import os
import subprocess
from collections import Counter
from pathlib import Path
from struct import pack

import pytest

from devmodel.net.toeplitz import toeplitz
from testbed.dut.nic import HASH_KEY, LET_EVERY_CPU_RECEIVE

FLOWS = 32
TABLE = 64  # entries, at least
KEY = bytes.fromhex(HASH_KEY.replace(":", ""))


def flows_per_queue(key: bytes, first_port: int, queues: int) -> Counter[int]:
    """Queues of flows whose ports follow one another as connect() takes them, every second one."""
    ports = range(first_port, first_port + 2 * FLOWS, 2)
    hashes = [toeplitz(key, bytes(8) + pack(">HH", port, 5200)) for port in ports]
    return Counter(value % TABLE % queues for value in hashes)


@pytest.mark.parametrize("queues", [2, 3, 4])
@pytest.mark.parametrize("odd", [0, 1])
def test_flows_that_begin_together_spread(queues: int, odd: int) -> None:
    """Wherever their ports begin, each queue gets some; a key may send them to two of four."""
    fewest = min(
        min(flows_per_queue(KEY, first, queues)[queue] for queue in range(queues))
        for first in range(32768 + odd, 60900, 202)
    )
    assert fewest >= 4


def test_a_key_may_leave_queues_out() -> None:
    """The reason for a key of our own: windows of these bits hold 00 or 11 only."""
    assert len(flows_per_queue(bytes(13) + b"\xff\xff" + bytes(25), 32768, 4)) == 2


@pytest.mark.parametrize("refused", [{"1"}, {"1", "3"}])
@pytest.mark.parametrize("status", [0, 1])
def test_every_cpu_that_can_be_asked_receives(
    tmp_path: Path, refused: set[str], status: int
) -> None:
    """Also one that is not this shell's; one that is offline neither counts nor ends it. A ping
    that fails on the last of the others does.
    """
    for cpu in ("cpu0", "cpu1", "cpu2", "cpu3", "cpufreq"):
        (tmp_path / cpu).mkdir()
    taskset = tmp_path / "taskset"
    taskset.write_text(
        f"#!/bin/sh\ncase $2 in {'|'.join(sorted(refused))}) echo no >&2; exit 1 ;; esac\n"
        f"[ $3 = true ] && exit\necho $2 $3\nexit {status}\n"
    )
    taskset.chmod(0o755)
    words = LET_EVERY_CPU_RECEIVE.replace("/sys/devices/system/cpu", str(tmp_path))
    environ = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run(["sh", "-c", words], env=environ, capture_output=True, text=True)
    asked = [f"{cpu} ping" for cpu in "0123" if cpu not in refused]
    assert (done.stdout.splitlines(), done.stderr) == (asked, "")
    assert done.returncode == status
