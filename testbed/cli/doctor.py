# SPDX-License-Identifier: GPL-2.0-only
"""What this machine has, what it lacks, and how to get that: the checks of `testbed doctor`."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass

from images.command import search_path
from images.debian import KEYRING, MIRROR_VARIABLE, host_mirror
from images.errors import EnvironmentProblem
from images.jail.start import JailReport, probe
from images.store import cache_root
from testbed.artifacts.accelerator import Prober
from testbed.artifacts.prepare import DEVICE, QEMU, has_device
from testbed.errors import EnvironmentProblem as HostProblem
from testbed.host import memory

CACHE_BYTES = 3_000_000_000
"""Room for one kernel and everything else, with its downloads: 1.2 GB; the rest is for more."""

MEMORY_BYTES = 3 << 30
PROGRAMS = {
    "apt-get": "apt", "apt-cache": "apt", "dpkg-deb": "dpkg", "tar": "tar",
    "unshare": "util-linux", "setpriv": "util-linux", "mount": "mount", "chroot": "coreutils",
}  # fmt: skip
"""What a run calls -> Debian's package of it."""


@dataclass(frozen=True)
class Finding:
    """One thing looked at. `ok` None: not needed, or known only later; `remedy` if not ok."""

    what: str
    ok: bool | None
    detail: str
    remedy: str = ""


def examine() -> Iterator[Finding]:
    """Everything a run needs of this machine, checked without network."""
    yield _check_programs()
    yield _check_keyring()
    yield _check_mirror()
    jail = probe()
    yield _check_jail(jail)
    yield _check_cache()
    yield _check_memory()
    if memory.is_shared(jail.lacks):
        yield _check_shared_memory()
    yield _check_qemu()
    yield _check_accelerator()


def _check_programs() -> Finding:
    missing = {
        program: package
        for program, package in PROGRAMS.items()
        if shutil.which(program, path=search_path()) is None
    }
    return Finding(
        "host programs",
        not missing,
        "missing: " + ", ".join(missing) if missing else ", ".join(PROGRAMS),
        f"apt-get install {' '.join(sorted(set(missing.values())))}",
    )


def _check_keyring() -> Finding:
    return Finding(
        "archive keys", KEYRING.exists(), str(KEYRING), "apt-get install debian-archive-keyring"
    )


def _check_mirror() -> Finding:
    try:
        return Finding("Debian mirror", True, host_mirror())
    except (EnvironmentProblem, OSError) as problem:
        return Finding("Debian mirror", False, str(problem), f"Set {MIRROR_VARIABLE}.")


def _check_jail(jail: JailReport) -> Finding:
    detail = f"this host does not give it {'; '.join(jail.lacks)}" if jail.lacks else "full"
    return Finding("jail", not jail.lacks, detail, jail.remedy or "")


def _check_cache() -> Finding:
    cache = cache_root()
    place = next(folder for folder in (cache, *cache.parents) if folder.exists())
    free = shutil.disk_usage(place).free
    writable = os.access(place, os.W_OK)
    detail = f"{cache}: {free / 1e9:.1f} GB free" + ("" if writable else ", not writable")
    full = any(cache.glob("store-*/kernel/*"))  # what is there need not be fetched again
    return Finding(
        "cache", writable and (full or free >= CACHE_BYTES), detail,
        f"{CACHE_BYTES / 1e9:.0f} GB are needed; TESTBED_CACHE may point to another disk.",
    )  # fmt: skip


def _check_memory() -> Finding:
    total, available = memory.total_bytes(), memory.available_bytes()
    detail = f"{total / (1 << 30):.1f} GiB, {available / (1 << 30):.1f} of them available"
    remedy = "Give guests less with --memory; below 1 GiB the kernel's selftests fail."
    if available < memory.LEAST_BYTES:
        remedy = memory.REMEDY
    well = total >= MEMORY_BYTES and available >= memory.LEAST_BYTES
    return Finding("memory", well, f"{detail}; {os.cpu_count()} CPUs", remedy)


def _check_shared_memory() -> Finding:
    """Where a UML guest's memory lies if its jail has no file system of its own."""
    detail = f"{memory.SHARED} has {memory.shared_bytes() >> 20} MiB"
    try:
        memory.require_shared(MEMORY_BYTES)
    except HostProblem as problem:
        return Finding("shared memory", False, detail, problem.remedy or "")
    return Finding("shared memory", True, detail)


def _check_qemu() -> Finding:
    own = shutil.which(QEMU)
    if own and has_device([own], DEVICE):
        return Finding("QEMU", True, f"{own} has {DEVICE}")
    detail = f"{own} lacks {DEVICE}" if own else "not installed"
    return Finding("QEMU", None, f"{detail}; one from Debian backports goes into the cache")


def _check_accelerator() -> Finding:
    verdict = Prober.last_verdict(cache_root())
    if verdict is None:
        return Finding(
            "accelerator", None, "not tried yet; the first run boots a guest to find out"
        )
    return Finding("accelerator", True, f"{verdict.accelerator} ({verdict.reason})")


def as_document(findings: Iterable[Finding]) -> dict[str, object]:
    """The findings for a program; ``ok`` is whether nothing needed is missing."""
    every = [asdict(finding) for finding in findings]
    return {"ok": all(one["ok"] is not False for one in every), "checks": every}


def show(print_line: Callable[[str], None]) -> bool:
    """Print the findings as lines; whether nothing needed is missing."""
    well = True
    for finding in examine():
        mark = {True: "ok", False: "MISSING", None: "-"}[finding.ok]
        print_line(f"{mark:>7}  {finding.what}: {finding.detail}")
        if finding.ok is False:
            well = False
            print_line(f"{'':>7}  to do: {finding.remedy}")
    return well
