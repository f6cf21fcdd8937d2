# SPDX-License-Identifier: GPL-2.0-only
"""The load of a host, read from a /proc of our own."""

from __future__ import annotations

from pathlib import Path

import pytest

from testbed.host.load import Load, LoadSeen


def proc(folder: Path, average: str, cpu: str) -> Path:
    folder.mkdir()
    (folder / "loadavg").write_text(f"{average} 9.00 9.00 1/200 4711\n")
    (folder / "stat").write_text(f"cpu  {cpu}\ncpu0 1 2 3 4 5 6 7 8 9 10\nintr 1\n")
    return folder


def test_steal_is_a_part_of_all_cpu_time(tmp_path: Path) -> None:
    before = Load.now(proc(tmp_path / "a", "0.50", "10 0 10 80 0 0 0 100 5 5"))
    after = Load.now(proc(tmp_path / "b", "3.25", "60 0 20 110 0 0 0 110 50 50"))
    seen = LoadSeen(before, after, 2)
    assert (before.average, after.average) == (0.5, 3.25)
    assert seen.steal == pytest.approx(0.1)  # 10 ticks of 100; guest time is in user time
    assert str(seen) == "load average 0.5 before, 3.2 after, 10.0% stolen, 2 CPUs"


def test_no_time_has_passed() -> None:
    assert LoadSeen(Load(1.0, 5, 100), Load(1.0, 5, 100), 1).steal == 0.0


def test_this_host() -> None:
    now = Load.now()
    assert 0 <= now.stolen < now.ticks
    assert LoadSeen.since(now).cpus >= 1
