# SPDX-License-Identifier: GPL-2.0-only
"""What a guest is told to have go wrong beside a workload."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from testbed.dut.protocols import Capability, Completed
from testbed.errors import GuestCommandFailed, UsageProblem
from testbed.fuzz.companions import RECEIVING, Companions, lacking
from testbed.fuzz.schedule import Companion

SLAB = Companion(kind="failslab", what="skbuff_head_cache", every=10, times=20)
SLEEPING = Companion(kind="failslab_sleeping", what="kmalloc-2k", every=3, times=5)
PAGES = Companion(kind="fail_page_alloc", every=7, times=3)
ALL = (1 << 64) - 1
FILTER = ("require-start", "require-end", "reject-start", "reject-end", "stacktrace-depth")
BELOW = Companion(kind="failslab_sleeping", every=1, times=1, within="bnxt_open")
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


def test_of_what_is_received_all_callers_are_looked_at() -> None:
    guest = Guest()
    received = Companion(kind="fail_page_alloc", every=3, times=5, within=RECEIVING)
    places = {RECEIVING: (1, 2), "bnxt_rx_pkt": (3, 4)}
    near = replace(received, within="bnxt_rx_pkt")
    companions: Any = Companions(guest, [received, near], places.get)  # type: ignore[arg-type]
    companions.start()
    ((_, lines),) = guest.told
    assert [line.split()[4:7] for line in lines.decode().splitlines()] == [
        ["1", "2", "32"], ["3", "4", "11"],
    ]  # fmt: skip


def test_all_that_fails_is_set_in_one_command_and_taken_back_in_another() -> None:
    guest = Guest()
    companions: Any = Companions(guest, [SLAB, PAGES])  # type: ignore[arg-type]
    companions.start()
    companions.stop()
    (_, lines), (last, _) = guest.told
    assert lines.decode().splitlines() == [
        f"failslab skbuff_head_cache 10 20 0 {ALL} 10 0 0 0 0 0 0",
        f"fail_page_alloc - 7 3 0 {ALL} 11 0 1 0 0 0 0",
    ]  # fmt: skip
    assert list(last)[-2:] == ["failslab", "fail_page_alloc"]


@pytest.mark.parametrize(
    ("companion", "asked", "spared"),
    [
        (PAGES, True, ["kmemleak_object"]), (BELOW, True, ["kmemleak_object"]),
        (PAGES, False, []), (SLAB, True, []),  # where one slab is named no other fails anyhow
    ],
)  # fmt: skip
def test_what_kmemleak_allocates_does_not_fail_where_it_is_asked(
    companion: Companion, asked: bool, spared: list[str]
) -> None:
    guest = Guest()
    started: Any = Companions(guest, [companion], lambda _: (1, 2), spare_kmemleak=asked)  # type: ignore[arg-type]
    started.start()
    ((argv, _),) = guest.told
    assert list(argv[4:]) == spared


class Starved(Guest):
    """A guest in which no program starts until ``failures`` of them have failed, most before they
    were one."""

    def __init__(self, failures: int) -> None:
        super().__init__()
        self.failures = failures

    def run(self, argv: Sequence[str], *, check: bool = True, **_: Any) -> Completed:
        self.told.append((argv, b""))
        self.failures -= 1
        if self.failures > 1:
            raise GuestCommandFailed("cannot start sh in the guest: Cannot allocate memory")
        code = 127 if self.failures >= 0 else 0
        done = Completed(tuple(argv), code, b"", b"sh: Exec format error", 0.0)
        return done.check() if check else done


@pytest.mark.parametrize("failures", [0, 3, SLEEPING.times])
def test_they_are_stopped_where_no_shell_starts_at_first(failures: int) -> None:
    guest = Starved(failures)
    Companions(guest, [SLEEPING]).stop()  # type: ignore[arg-type]
    assert len(guest.told) == failures + 1


def test_a_guest_that_cannot_stop_them_is_told_of() -> None:
    with pytest.raises(GuestCommandFailed, match="Cannot allocate memory"):
        Companions(Starved(1000), [SLEEPING]).stop()  # type: ignore[arg-type]


def test_a_write_that_fails_is_no_stop(debugfs: Path) -> None:
    (debugfs / "failslab" / "probability").unlink()
    (debugfs / "failslab" / "probability").mkdir()
    with pytest.raises(GuestCommandFailed):
        Companions(Shell(debugfs), [SLAB]).stop()  # type: ignore[arg-type]


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

    def run(
        self, argv: Sequence[str], *, input: bytes = b"", check: bool = True, **_: Any
    ) -> Completed:
        words = list(argv)
        for place, here in (("/sys/kernel/debug", self.folder), ("/sys/kernel/slab", "slab")):
            words[2] = words[2].replace(place, str(self.folder / here))
        ended = subprocess.run(words, input=input, capture_output=True, check=False)
        done = Completed(tuple(words), ended.returncode, ended.stdout, ended.stderr, 0.0)
        return done.check() if check else done

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


def test_none_fails_before_the_last_one_is_set_up(debugfs: Path) -> None:
    """The second one's settings were the first one's allocations that failed."""
    (debugfs / "fail_page_alloc" / "times").unlink()
    (debugfs / "fail_page_alloc" / "times").mkdir()
    guest: Any = Shell(debugfs)
    with pytest.raises(UsageProblem, match="refuses a companion"):
        Companions(guest, [SLEEPING, PAGES]).start()
    assert guest.read("failslab/times") == str(SLEEPING.times)
    assert guest.read("failslab/probability") != "100"
    Companions(guest, [SLEEPING, SLEEPING, Companion(kind="failslab")]).start()
    assert guest.read("failslab/probability") == "100"
    (debugfs / "fail_page_alloc" / "times").rmdir()
    Companions(guest, [SLEEPING, PAGES, SLEEPING, PAGES]).start()
    assert guest.read("fail_page_alloc/probability") == guest.read("failslab/probability") == "100"


def test_what_the_last_one_fails_at_once_is_no_refusal(debugfs: Path) -> None:
    """The way back out of its folder takes memory, too."""

    class NoWayBack(Shell):
        def run(self, argv: Sequence[str], **more: Any) -> Completed:
            fails = 'cd() { [ "$1" != .. ] && command cd "$1"; }\n'
            return super().run([*argv[:2], fails + argv[2], *argv[3:]], **more)

    guest: Any = NoWayBack(debugfs)
    Companions(guest, [SLEEPING]).start()
    assert guest.read("failslab/probability") == "100"
    with pytest.raises(UsageProblem, match="refuses a companion"):
        Companions(guest, [SLEEPING, PAGES]).start()


def test_only_allocations_below_a_function_fail(debugfs: Path) -> None:
    """One after it, of the same kind, is confined to nothing again."""
    for name in FILTER:
        (debugfs / "failslab" / name).write_text("?\n")
    guest: Any = Shell(debugfs)
    places = {"bnxt_open": (0x60001000, 0x60001100), "__pcs_replace_empty_main": (7, 8)}
    Companions(guest, [BELOW], places.get).start()
    assert guest.read("failslab/reject-end") == "8"
    assert guest.read("failslab/require-start") == str(0x60001000)
    assert guest.read("failslab/require-end") == str(0x60001100)
    assert guest.read("failslab/stacktrace-depth") == "10"
    Companions(guest, [BELOW, SLEEPING], places.get).start()
    assert guest.read("failslab/require-start") == guest.read("failslab/reject-end") == "0"
    Companions(guest, [SLEEPING, Companion(kind="failslab")]).start()
    assert guest.read("failslab/cache-filter") == "N"
    assert guest.read("failslab/ignore-gfp-wait") == "Y"
    assert guest.read("failslab/require-end") == str(ALL)


def test_which_allocations_count_is_set_for_a_task_that_says_which_fails(debugfs: Path) -> None:
    """Slabs and pages alike, and none fails by the knobs themselves."""
    for folder in ("failslab", "fail_page_alloc"):
        for name in FILTER:
            (debugfs / folder / name).write_text("?\n")
    guest: Any = Shell(debugfs)
    fails = Companion(kind="fail_nth", every=4, times=9, within="bnxt_open")
    places = {"bnxt_open": (5, 6), "__pcs_replace_empty_main": (7, 8), "allocate_slab": (9, 10)}
    companions = Companions(guest, [fails], places.get)
    companions.start()
    for folder, object_or_page in (("failslab", "7"), ("fail_page_alloc", "9")):
        assert guest.read(f"{folder}/reject-start") == object_or_page
        assert guest.read(f"{folder}/reject-end") == str(int(object_or_page) + 1)
        assert guest.read(f"{folder}/require-start") == "5"
        assert guest.read(f"{folder}/probability") == "0"
        assert guest.read(f"{folder}/stacktrace-depth") == "11"
        assert guest.read(f"{folder}/ignore-gfp-wait") == "N"
    companions.stop()
    assert guest.read("fail_page_alloc/ignore-gfp-wait") == "Y"


def test_what_fails_behind_it_fails_for_such_a_task_alone(debugfs: Path) -> None:
    """And none before an attempt says how many may."""
    for name in FILTER:
        (debugfs / "failslab" / name).write_text("?\n")
    guest: Any = Shell(debugfs)
    fails = Companion(kind="fail_nth", every=4, times=9, within="bnxt_open", behind=3)
    companions = Companions(guest, [fails], lambda _name: (5, 6))
    companions.start()
    knobs = ("probability", "task-filter", "interval", "times")
    assert [guest.read(f"failslab/{one}") for one in knobs] == ["100", "Y", "1", "0"]
    companions.stop()
    assert [guest.read(f"failslab/{one}") for one in knobs[:2]] == ["0", "N"]


def test_a_function_that_the_kernel_lacks_is_the_schedules_fault() -> None:
    guest: Any = Guest()
    with pytest.raises(UsageProblem, match="the kernel has no function bnxt_open"):
        Companions(guest, [BELOW]).start()
    assert guest.told == []


def test_a_kernel_without_the_filter_refuses(debugfs: Path) -> None:
    """It has no such file, and debugfs lets nobody make one."""
    (debugfs / "failslab").chmod(0o500)
    guest: Any = Shell(debugfs)
    if os.geteuid() == 0:
        (debugfs / "failslab" / "require-start").mkdir()
    with pytest.raises(UsageProblem, match="refuses a companion"):
        Companions(guest, [BELOW], lambda _: (1, 2)).start()


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
