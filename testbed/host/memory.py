# SPDX-License-Identifier: GPL-2.0-only
"""How much memory this host has for a guest, and whether it killed something for lack of it.

Sources: Documentation/admin-guide/cgroup-v2.rst, cgroup-v1/memory.rst, filesystems/proc.rst.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from testbed.errors import EnvironmentProblem

PROC = Path("/proc")
CGROUPS = Path("/sys/fs/cgroup")
LEAST_BYTES = 256 << 20
"""A guest that has less does not even boot: it takes 150 MiB for that, whatever it may have."""
LEAST_SHARED_BYTES = 512 << 20
SHARED = "/dev/shm"
OF_THE_ROOT = ("user namespace", "namespaces", "root")
"""Parts of a jail (images.jail.start.REMEDIES) without which SHARED is the host's in it."""
SHARED_REMEDY = (
    "Make it larger (docker run --shm-size=4g; mount -o remount,size=4g /dev/shm), or let the "
    "guest have the full jail, with a file system of its own."
)
REMEDY = "End what takes it, or raise the limit of this container or cgroup."


def oom_kills(proc: Path = PROC) -> int:
    """How many processes this host's kernel has killed so far for lack of memory."""
    return _numbers(proc / "vmstat").get("oom_kill", 0)


def total_bytes(proc: Path = PROC, cgroups: Path = CGROUPS) -> int:
    """Memory that this process could have at most: the host's, or the limit of its cgroups."""
    total = _numbers(proc / "meminfo")["MemTotal"] << 10
    return min([total, *(limit for limit, _ in _limits(proc, cgroups))])


def available_bytes(proc: Path = PROC, cgroups: Path = CGROUPS) -> int:
    """Memory that can be had now without swapping, in the host and in each cgroup."""
    available = _numbers(proc / "meminfo")["MemAvailable"] << 10
    return min([available, *(limit - used for limit, used in _limits(proc, cgroups))])


def proportional_bytes(pid: int, proc: Path = PROC) -> int:
    """What a process takes: of pages that several have, its share (PSS). 0 if it is gone."""
    return _numbers(proc / f"{pid}/smaps_rollup").get("Pss", 0) << 10


def require_memory(guest_bytes: int, proc: Path = PROC, cgroups: Path = CGROUPS) -> None:
    """Raises EnvironmentProblem where not even a guest's boot would find memory."""
    available = available_bytes(proc, cgroups)
    least = min(guest_bytes, LEAST_BYTES)
    if available < least:
        raise EnvironmentProblem(
            f"{_mib(available)} of memory are available; a guest takes at least {_mib(least)}",
            remedy=REMEDY,
        )


def is_shared(lacks: Sequence[str]) -> bool:
    """Whether in a jail that lacks these parts a UML guest's memory is a file of the host's."""
    return any(lack.partition(":")[0] in OF_THE_ROOT for lack in lacks)


def shared_bytes() -> int:
    """The size of SHARED."""
    about = os.statvfs(SHARED)
    return about.f_blocks * about.f_frsize


def require_shared(guest_bytes: int) -> None:
    """Raises EnvironmentProblem where SHARED has too little room.

    It need not hold all of a guest's memory: what the guest never touches takes no room.
    """
    about = os.statvfs(SHARED)
    free = about.f_bavail * about.f_frsize
    least = min(guest_bytes, LEAST_SHARED_BYTES)
    if free < least:
        raise EnvironmentProblem(
            f"{SHARED} has {_mib(shared_bytes())}, {_mib(free)} of them free; a guest of "
            f"{_mib(guest_bytes)} takes at least {_mib(least)} there",
            remedy=SHARED_REMEDY,
        )


def _limits(proc: Path, cgroups: Path) -> Iterator[tuple[int, int]]:
    """Limit and use of this process's cgroups, in bytes. What can be dropped is not in use."""
    for line in _text(proc / "self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers == "memory":
            base, names = cgroups / "memory", ("limit_in_bytes", "usage_in_bytes")
        elif not controllers:
            base, names = cgroups, ("max", "current")
        else:
            continue
        own = base / path.lstrip("/")
        # a container sees its own cgroup as the root, whatever its path is called outside
        for folder in (own, *own.parents) if own.is_dir() else (base,):
            limit, used = (_text(folder / f"memory.{name}").strip() for name in names)
            if limit.isdecimal() and used.isdecimal():
                yield int(limit), int(used) - _droppable(_numbers(folder / "memory.stat"))
            if folder == base:
                break


def _droppable(stat: Mapping[str, int]) -> int:
    """Cached files, but not those that lie in memory only. In v1 the sums of all below it."""
    cached = stat.get("file", stat.get("total_cache", 0))
    return max(0, cached - stat.get("total_shmem", stat.get("shmem", 0)))


def _numbers(file: Path) -> dict[str, int]:
    """Lines `name value`, or `name: value unit`; empty where there is no such file."""
    rows = (line.split() for line in _text(file).splitlines())
    return {row[0].rstrip(":"): int(row[1]) for row in rows if row[1:2] and row[1].isdecimal()}


def _text(file: Path) -> str:
    with suppress(OSError):
        return file.read_text(encoding="ascii", errors="replace")
    return ""


def _mib(number: int) -> str:
    return f"{max(number, 0) / (1 << 20):.0f} MiB"
