# SPDX-License-Identifier: GPL-2.0-only
"""Memory of host, container and cgroup, as a run sees it."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from images.jail.user import draw_uid
from testbed.errors import EnvironmentProblem
from testbed.host.memory import (
    available_bytes,
    is_shared,
    oom_kills,
    proportional_bytes,
    require_memory,
    require_shared,
    total_bytes,
)
from testbed.host.private import PrivateFolder
from testbed.host.process import spawn

MIB = 1 << 20


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    proc = tmp_path / "proc"
    (proc / "self").mkdir(parents=True)
    (proc / "meminfo").write_text("MemTotal:  8192 kB\nMemFree: 1024 kB\nMemAvailable:  4096 kB\n")
    (proc / "vmstat").write_text("nr_free_pages 12\noom_kill 3\n")
    (proc / "self/cgroup").write_text("1:cpu:/\n0::/\n")
    return proc


def group(folder: Path, version: int, limit: str, used: str, stat: str) -> None:
    names = ("max", "current") if version == 2 else ("limit_in_bytes", "usage_in_bytes")
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in zip((*names, "stat"), (limit, used, stat), strict=True):
        (folder / f"memory.{name}").write_text(f"{text}\n")


def test_host_without_limits(proc: Path, tmp_path: Path) -> None:
    assert total_bytes(proc, tmp_path / "none") == 8192 << 10
    assert available_bytes(proc, tmp_path / "none") == 4096 << 10


def test_limit_of_any_group_above_counts(proc: Path, tmp_path: Path) -> None:
    (proc / "self/cgroup").write_text("1:cpu:/cpu\n0::/ci/job\n")
    groups = tmp_path / "groups"
    group(groups / "cpu", 2, "1", "1", "")  # another controller's
    group(groups / "ci/job", 2, "max", "0", "")
    group(groups / "ci", 2, f"{3 * MIB}", f"{2 * MIB}", f"anon 5\nfile {MIB}\nshmem {MIB // 2}")
    group(tmp_path, 2, "1", "1", "")  # not a group: above them all
    assert total_bytes(proc, groups) == 3 * MIB
    assert available_bytes(proc, groups) == 3 * MIB // 2  # a file that is cached can be dropped


def test_first_version_of_cgroups(proc: Path, tmp_path: Path) -> None:
    (proc / "self/cgroup").write_text("4:memory:/job\n0::/\n")
    groups = tmp_path / "groups"
    group(groups / "memory/job", 1, f"{2 * MIB}", f"{MIB}", f"total_cache {MIB}\ntotal_shmem 0")
    group(groups / "memory", 1, "9223372036854771712", "0", "")
    assert available_bytes(proc, groups) == 2 * MIB


def test_container_sees_its_group_as_the_root(proc: Path, tmp_path: Path) -> None:
    (proc / "self/cgroup").write_text("0::/../../outside\n4:memory:/docker/0123\n")
    groups = tmp_path / "host/sys/groups"
    group(groups / "memory", 1, f"{MIB}", "0", "")
    group(tmp_path / "host", 2, "1", "1", "")
    assert total_bytes(proc, groups) == MIB


def test_guest_that_would_not_even_boot_is_refused(proc: Path, tmp_path: Path) -> None:
    (proc / "meminfo").write_text(f"MemTotal: 1 kB\nMemAvailable: {200 << 10} kB\n")
    with pytest.raises(EnvironmentProblem) as problem:
        require_memory(2048 * MIB, proc, tmp_path)
    assert problem.value.message == (
        "200 MiB of memory are available; a guest takes at least 256 MiB"
    )
    assert problem.value.remedy
    require_memory(128 * MIB, proc, tmp_path)
    (proc / "meminfo").write_text(f"MemTotal: 1 kB\nMemAvailable: {256 << 10} kB\n")
    require_memory(2048 * MIB, proc, tmp_path)  # it takes as much as it touches


@pytest.mark.parametrize("size", [24, 64])
def test_small_shared_memory_is_refused(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    about = SimpleNamespace(f_frsize=4096, f_blocks=size << 8, f_bavail=size << 8)
    monkeypatch.setattr(os, "statvfs", lambda _place: about)
    with pytest.raises(EnvironmentProblem) as problem:
        require_shared(2048 * MIB)
    assert problem.value.message == (
        f"/dev/shm has {size} MiB, {size} MiB of them free; a guest of 2048 MiB takes at least "
        "512 MiB there"
    )
    assert "--shm-size" in (problem.value.remedy or "")
    about.f_bavail = 512 << 8
    require_shared(2048 * MIB)


def test_memory_is_the_hosts_where_a_jail_has_no_root_of_its_own() -> None:
    assert is_shared(["Landlock: refused", "namespaces: Operation not permitted"])
    assert not is_shared(["Landlock: refused"])
    assert not is_shared([])


def test_kills_are_counted(proc: Path, tmp_path: Path) -> None:
    assert oom_kills(proc) == 3
    assert oom_kills(tmp_path) == 0


@pytest.mark.parametrize(("signal_name", "kills", "blamed"), [
    ("KILL", 1, True), ("KILL", 0, False), ("TERM", 1, False),
])  # fmt: skip
def test_process_killed_for_memory_is_the_hosts_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, signal_name: str, kills: int, blamed: bool
) -> None:
    async def body() -> EnvironmentProblem | None:
        with PrivateFolder() as private:
            process = await spawn(
                "test", ["/bin/sh", "-c", f"kill -{signal_name} $$"], private=private,
                log_path=tmp_path / "log", uid=draw_uid(), read=[Path("/bin/sh")],
            )  # fmt: skip
            before = oom_kills()
            monkeypatch.setattr("testbed.host.memory.oom_kills", lambda: before + kills)
            await process.ended
            problem = process.killed_for_memory()
            await process.stop(0)
            return problem

    problem = asyncio.run(body())
    assert (problem is not None) is blamed
    assert problem is None or "its kernel killed test" in problem.message


def test_what_a_process_takes(proc: Path) -> None:
    (proc / "77").mkdir()
    head = "55d0-7ffc ---p 00000000 00:00 0    [rollup]\n"
    (proc / "77/smaps_rollup").write_text(f"{head}Rss:   4000 kB\nPss:   1024 kB\nPss_Anon: 9 kB\n")
    assert proportional_bytes(77, proc) == MIB
    assert proportional_bytes(78, proc) == 0
    assert proportional_bytes(os.getpid()) > MIB
