# SPDX-License-Identifier: GPL-2.0-only
"""What a guest is told to have go wrong beside a workload."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from testbed.dut.protocols import Capability, Completed
from testbed.errors import UsageProblem
from testbed.fuzz.companions import Companions, lacking
from testbed.fuzz.schedule import Companion

SLAB = Companion(kind="failslab", what="skbuff_head_cache", every=10, times=20)
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
