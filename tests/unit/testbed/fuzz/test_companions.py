# SPDX-License-Identifier: GPL-2.0-only
"""What a guest is told to have go wrong beside a workload."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from testbed.dut.protocols import Capability, Completed
from testbed.errors import UsageProblem
from testbed.fuzz.companions import Companions, lacking
from testbed.fuzz.schedule import Companion

SLAB = Companion(kind="failslab", what="skbuff_head_cache", every=10, times=20)
SLEEPING = Companion(kind="failslab_sleeping", what="kmalloc-2k", every=3, times=5)
PAGES = Companion(kind="fail_page_alloc", every=7, times=3)
KILL = Companion(kind="signal", what="KILL", every=250, times=2)


class Guest:
    """Notes what it is told; ``refuses`` every script if it is set."""

    def __init__(self, refuses: str = "") -> None:
        self.refuses = refuses
        self.told: list[tuple[Sequence[str], bytes]] = []
        self.killed = 0

    def run(self, argv: Sequence[str], *, input: bytes = b"", **_: Any) -> Completed:
        self.told.append((argv, input))
        return Completed(tuple(argv), 1 if self.refuses else 0, b"", self.refuses.encode(), 0.0)

    def start(self, argv: Sequence[str], **_: Any) -> Guest:
        self.told.append((argv, b""))
        return self

    def kill(self) -> None:
        self.killed += 1


def test_all_that_fails_is_set_in_one_command_and_taken_back_in_another() -> None:
    guest = Guest()
    companions: Any = Companions(guest, [SLAB, PAGES])  # type: ignore[arg-type]
    companions.start()
    companions.stop()
    (_, lines), (last, _) = guest.told
    assert lines.decode().splitlines() == [
        "failslab skbuff_head_cache 10 20", "fail_page_alloc - 7 3",
    ]  # fmt: skip
    assert list(last)[-2:] == ["failslab", "fail_page_alloc"]


@pytest.fixture
def debugfs(tmp_path: Path) -> Path:
    """The guest's files for failing allocations, as a kernel has them at first."""
    for folder in ("failslab", "fail_page_alloc"):
        (tmp_path / folder).mkdir()
        for name in ("verbose", "task-filter", "interval", "times", "probability"):
            (tmp_path / folder / name).write_text("?\n")
        (tmp_path / folder / "ignore-gfp-wait").write_text("Y\n")
    (tmp_path / "failslab" / "cache-filter").write_text("N\n")
    (tmp_path / "fail_page_alloc" / "min-order").write_text("1\n")
    (tmp_path / "slab" / "kmalloc-2k").mkdir(parents=True)
    return tmp_path


class Shell(Guest):
    """A guest that does what it is told, in ``folder`` in the place of debugfs and sysfs."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder

    def run(self, argv: Sequence[str], *, input: bytes = b"", **_: Any) -> Completed:
        words = list(argv)
        for place, here in (("/sys/kernel/debug", self.folder), ("/sys/kernel/slab", "slab")):
            words[2] = words[2].replace(place, str(self.folder / here))
        done = subprocess.run(words, input=input, capture_output=True, check=True)
        return Completed(tuple(words), done.returncode, done.stdout, done.stderr, 0.0)

    def read(self, name: str) -> str:
        return (self.folder / name).read_text().strip()


def test_allocations_that_may_sleep_fail_for_as_long_as_they_should(debugfs: Path) -> None:
    guest = Shell(debugfs)
    companions: Any = Companions(guest, [SLEEPING])  # type: ignore[arg-type]
    companions.start()
    assert guest.read("failslab/ignore-gfp-wait") == "N"
    assert guest.read("failslab/cache-filter") == "Y"
    assert guest.read("slab/kmalloc-2k/failslab") == "1"
    assert [guest.read(f"failslab/{name}") for name in ("interval", "times", "probability")] == [
        "3", "5", "100",
    ]  # fmt: skip
    companions.stop()
    assert guest.read("failslab/ignore-gfp-wait") == "Y"
    assert guest.read("failslab/probability") == "0"


def test_others_leave_alone_who_may_sleep(debugfs: Path) -> None:
    """Pages fail one by one: the kernel would only have failed larger ones."""
    guest = Shell(debugfs)
    Companions(guest, [PAGES, Companion(kind="failslab")]).start()  # type: ignore[arg-type]
    assert guest.read("fail_page_alloc/min-order") == "0"
    assert guest.read("fail_page_alloc/interval") == "7"
    assert guest.read("failslab/probability") == "100"
    assert guest.read("failslab/cache-filter") == "N"
    assert guest.read("failslab/ignore-gfp-wait") == "Y"


def test_signals_are_sent_beside_the_workload_until_it_ends() -> None:
    guest = Guest()
    companions: Any = Companions(guest, [KILL])  # type: ignore[arg-type]
    companions.start()
    ((argv, _),) = guest.told
    assert list(argv)[-3:] == ["KILL", "0.250", "2"]
    companions.stop()
    companions.stop()
    assert (guest.killed, len(guest.told)) == (1, 1)


def test_without_any_the_guest_is_not_touched() -> None:
    guest = Guest()
    companions: Any = Companions(guest, [])  # type: ignore[arg-type]
    companions.start()
    companions.stop()
    assert guest.told == []


def test_what_the_kernel_refuses_is_the_schedules_fault() -> None:
    guest: Any = Guest("write error: Invalid argument\n")
    with pytest.raises(UsageProblem, match="refuses a companion: write error"):
        Companions(guest, [SLAB]).start()


def test_what_the_kernel_lacks_is_named() -> None:
    function = Companion(kind="fail_function", what="page_pool_alloc_netmems")
    able = frozenset({Capability.FAILING_ALLOCATIONS})
    assert lacking([SLAB, PAGES, KILL], able) == []
    (reason,) = lacking([KILL, function], able)
    assert reason.startswith("the kernel cannot do fail_function: it lacks functions that fail")
