# SPDX-License-Identifier: GPL-2.0-only
from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path

import pytest

from testbed.host import core
from testbed.host.core import own_core


@pytest.fixture(autouse=True)
def _names_of_our_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Guests of other tests may hold the real ones."""
    monkeypatch.setattr(core, "_NAME", f"\0test-{os.getpid()}-{{}}")
    monkeypatch.setattr(core, "_SIBLINGS", str(tmp_path / "{}"))


def allow(monkeypatch: pytest.MonkeyPatch, *cores: int) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: set(cores))


def test_each_has_a_core_of_its_own_while_there_are_any(monkeypatch: pytest.MonkeyPatch) -> None:
    allow(monkeypatch, 5, 2)
    with ExitStack() as stack:
        assert [stack.enter_context(own_core()) for _ in range(3)] == [2, 5, None]


@pytest.mark.parametrize(
    "siblings", [{0: "0-1", 1: "0-1", 2: "2-3", 3: "2-3"}, {0: "0,2", 1: "1,3", 2: "0,2", 3: "1,3"}]
)
def test_the_second_threads_of_cores_come_last(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, siblings: dict[int, str]
) -> None:
    allow(monkeypatch, *siblings)
    for number, text in siblings.items():
        (tmp_path / str(number)).write_text(f"{text}\n")
    with ExitStack() as stack:
        found = [stack.enter_context(own_core()) for _ in siblings]
    first = {int(text[0]) for text in siblings.values()}
    assert set(found[:2]) == first
    assert sorted(map(int, filter(None, found[2:]))) == sorted(siblings.keys() - first)


def test_one_that_is_closed_can_be_had_again(monkeypatch: pytest.MonkeyPatch) -> None:
    allow(monkeypatch, 0, 1)
    for _ in range(2):
        with own_core() as number:
            assert number == 0


def test_where_there_is_only_one_there_is_nothing_to_choose(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    allow(monkeypatch, 3)
    with own_core() as number:
        assert number is None
