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


@pytest.mark.parametrize("last", ["1", "0"])
def test_every_cpu_that_is_online_receives(tmp_path: Path, last: str) -> None:
    """Also one that is not this shell's; an offline one neither counts nor ends it."""
    for cpu, online in {"0": None, "1": "0", "2": "1", "10": last}.items():
        (tmp_path / f"cpu{cpu}").mkdir()
        if online is not None:
            (tmp_path / f"cpu{cpu}" / "online").write_text(f"{online}\n")
    (tmp_path / "cpufreq").mkdir()
    taskset = tmp_path / "taskset"
    taskset.write_text("#!/bin/sh\necho $2 $3\n")
    taskset.chmod(0o755)
    words = LET_EVERY_CPU_RECEIVE.replace("/sys/devices/system/cpu", str(tmp_path))
    environ = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run(["sh", "-c", words], env=environ, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    expected = {"0 ping", "2 ping"} | ({"10 ping"} if last == "1" else set())
    assert set(done.stdout.splitlines()) == expected
