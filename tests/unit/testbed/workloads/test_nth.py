# SPDX-License-Identifier: GPL-2.0-only
"""Which allocation of an operation fails in which attempt; in the place of a guest a shell here."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from testbed.dut.defer import DeferStack
from testbed.dut.nic import ZcrxQueue
from testbed.dut.protocols import Completed
from testbed.workloads import nth
from testbed.workloads.judge import CheckFailed
from testbed.workloads.workload import FailNth, WorkloadContext

ALLOCATES = 3
"""So many allocations the operation below has."""


class Guest:
    """A shell that has files in the place of the kernel's; ``kernel`` stands in for the kernel: the
    operation's program asks it to count down what it was told."""

    netdev = "nut0"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ran: list[Sequence[str]] = []
        for name in ("failslab", "fail_page_alloc"):
            (folder / name).mkdir()
            (folder / name / "times").write_text("1\n")
        (folder / "fail-nth").write_text("0\n")
        (folder / "make-it-fail").write_text("0\n")
        kernel = folder / "kernel"
        kernel.write_text(
            f"#!/bin/sh\nread -r nth <{folder}/fail-nth\n"
            f"read -r others <{folder}/make-it-fail\n"
            f"read -r most <{folder}/fail_page_alloc/times\n"
            f"echo $nth >>{folder}/asked\n"
            f"echo $others $most >>{folder}/behind\n"
            f"if [ $nth -gt 0 ] && [ $nth -le {ALLOCATES} ]; then\n"
            f"echo 0 >{folder}/fail_page_alloc/times; exit 1\nfi\n"
        )
        kernel.chmod(0o700)

    def run(self, argv: Sequence[str], *, check: bool = True, **_: Any) -> Completed:
        words = [
            word.replace("/sys/kernel/debug", str(self.folder))
            .replace("/proc/self/", f"{self.folder}/")
            for word in argv
        ]  # fmt: skip
        self.ran.append(words)
        ended = subprocess.run(words, capture_output=True, check=False)
        done = Completed(tuple(words), ended.returncode, ended.stdout, ended.stderr, 0.0)
        return done.check() if check else done

    @property
    def behind(self) -> set[str]:
        return set((self.folder / "behind").read_text().splitlines())

    @property
    def asked(self) -> list[int]:
        return [int(word) for word in (self.folder / "asked").read_text().split()]


@pytest.fixture
def context(tmp_path: Path) -> WorkloadContext:
    guest: Any = Guest(tmp_path)
    return WorkloadContext(guest, guest, DeferStack())


def tried(context: WorkloadContext) -> tuple[int, list[int]]:
    guest: Any = context.dut
    program = nth._words(context, [str(guest.folder / "kernel"), "a word"])
    return nth._in_turn(context, program), guest.asked


def test_the_next_fails_until_none_does(context: WorkloadContext) -> None:
    context.fail_nth = FailNth(1, 10)
    assert tried(context) == (4, [1, 2, 3, 4])


def test_there_are_no_more_attempts_than_asked_for(context: WorkloadContext) -> None:
    context.fail_nth = FailNth(2, 2)
    assert tried(context) == (2, [2, 3])


def test_behind_the_last_allocation_one_attempt_is_enough(context: WorkloadContext) -> None:
    context.fail_nth = FailNth(11, 10)
    assert tried(context) == (1, [11])


@pytest.mark.parametrize(
    ("attempts", "asked"),
    [(25, [32, 16, 8, 4, 2, 3, 2, 1]), (7, [32, 16, 8, 4, 2, 3, 2]), (3, [32, 16, 8])],
)
def test_the_last_is_found_and_then_those_before_it(
    context: WorkloadContext, attempts: int, asked: list[int]
) -> None:
    context.fail_nth = FailNth(0, attempts)
    assert tried(context) == (len(asked), asked)


@pytest.mark.parametrize("allocations", [0, 1, 31, 32, 33, 521, 1024])
def test_the_last_of_any_number_is_found(allocations: int) -> None:
    asked = list[int]()

    def attempt(nth: int) -> bool:
        asked.append(nth)
        return nth <= allocations

    assert nth._from_the_last(attempt, 25) == len(asked) <= 25
    assert max((one for one in asked if one <= allocations), default=0) == allocations
    assert allocations + 1 in asked
    assert all(asked)


def test_what_always_fails_is_asked_for_no_number_beyond_the_most() -> None:
    asked = list[int]()

    def attempt(nth: int) -> bool:
        asked.append(nth)
        return True

    assert nth._from_the_last(attempt, 100) == len(asked) == 100
    assert max(asked) == nth._MOST


def test_those_behind_it_fail_only_where_they_shall(context: WorkloadContext) -> None:
    guest: Any = context.dut
    context.fail_nth = FailNth(1, 10)
    tried(context)
    assert guest.behind == {"0 1"}
    (guest.folder / "behind").unlink()
    (guest.folder / "asked").unlink()
    context.fail_nth = FailNth(1, 10, behind=7)
    assert tried(context) == (4, [1, 2, 3, 4])
    assert guest.behind == {"1 8"}


def test_nothing_fails_where_nothing_shall(context: WorkloadContext) -> None:
    assert tried(context) == (1, [0])


def test_what_comes_before_comes_before_each_attempt(context: WorkloadContext) -> None:
    guest: Any = context.dut
    context.fail_nth = FailNth(1, 2)
    before = list[int]()
    nth._in_turn(
        context, nth._words(context, [str(guest.folder / "kernel")]),
        lambda: before.append(len(guest.ran)),
    )  # fmt: skip
    assert before == [0, 1]


def test_it_is_told_when_the_operation_has_ended(context: WorkloadContext) -> None:
    told = list[str]()
    context.operation_ended = lambda: told.append("ended")
    nth._ended(context, 4)
    assert (told, context.output) == (["ended"], ["4 attempts"])


def test_in_the_end_it_has_to_succeed(context: WorkloadContext) -> None:
    guest: Any = context.dut
    nth._again(context, "opening", ["false"])
    assert not guest.ran, "nothing was made to fail, so nothing has to be made good"
    context.fail_nth = FailNth(1, 2)
    nth._again(context, "opening", ["true"])
    with pytest.raises(CheckFailed, match="opening cannot be done again: File exists"):
        nth._again(context, "opening", ["sh", "-c", "echo File exists >&2; exit 1"])


def test_a_queue_that_should_restart_later_may_go_before_it_does(
    context: WorkloadContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is to restart it is still scheduled; the queue is there again for the next attempt."""
    console: Any = SimpleNamespace(pid=1, do=lambda *_: {})
    setup: Any = SimpleNamespace(console=console, bind_step=lambda: "bind")
    context.zcrx, context.devmem = ZcrxQueue(3, 5600, 4), setup
    context.fail_nth = FailNth(1, 10)
    done = list[str]()
    monkeypatch.setattr(nth, "_arm", lambda _context, at, _task: done.append(f"{at}"))
    monkeypatch.setattr(nth, "_has_failed", lambda _context, at, _task: at <= ALLOCATES)
    monkeypatch.setattr(nth, "_combined", lambda _, channels: done.append(f"-L {channels}") or True)
    draws: Any = SimpleNamespace(random=iter((0.7, 0.2, 0.5)).__next__)
    context.random = draws
    monkeypatch.setattr(nth, "pause", lambda *_: done.append("later"))
    monkeypatch.setattr(nth, "_devmem_works_again", lambda *_: None)
    nth.unbind_devmem(context)
    assert " ".join(done) == "1 later 2 -L 3 later -L 4 3 later 4 later"
    assert context.output == ["1 times the queue went before it could restart", "4 attempts"]
