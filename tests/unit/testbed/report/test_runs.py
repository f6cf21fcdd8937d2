# SPDX-License-Identifier: GPL-2.0-only
"""Which runs there are, and which of them go."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from testbed.report.runs import DAY_S, UNFINISHED, StoredRun, remove, runs_in, to_prune

NAMES = [f"2026112{day}-080000-00000{day}" for day in range(5)]


def make(folder: Path, name: str, *, days: float, kib: int = 1, text: str | None = "") -> Path:
    path = folder / name
    (path / "vm-1").mkdir(parents=True)
    (path / "vm-1/wire.pcapng").write_bytes(bytes(kib << 10))
    if text is not None:
        summary = {"job": "run", "verdict": "pass", "started_at": name, "kernel_release": "7.2"}
        (path / "summary.json").write_text(text or json.dumps(summary))
    when = time.time() - days * DAY_S
    for entry in [*path.rglob("*"), path]:
        os.utime(entry, (when, when))
    return path


@pytest.fixture
def five(tmp_path: Path) -> Path:
    """The newest last, a day apart, 100 KiB each."""
    for day, name in enumerate(NAMES):
        make(tmp_path, name, days=len(NAMES) - 1 - day, kib=100)
    (tmp_path / "latest").symlink_to(NAMES[-1])
    (tmp_path / "notes").mkdir()
    return tmp_path


def names(runs: list[StoredRun]) -> list[str]:
    return [run.path.name for run in runs]


def test_runs_are_read_newest_first_and_nothing_else(five: Path) -> None:
    found = runs_in(five)
    assert names(found) == NAMES[::-1]
    newest = found[0]
    assert (newest.job, newest.verdict, newest.kernel) == ("run", "pass", "7.2")
    assert newest.size_bytes > 100 << 10
    assert newest.age_s < DAY_S / 2
    assert runs_in(five / "absent") == []


@pytest.mark.parametrize(
    ("limits", "left"),
    [
        ({"keep": 2}, 2), ({"older_days": 2.5}, 3), ({"most_bytes": 350 << 10}, 3),
        ({"keep": 4, "older_days": 0.5}, 4), ({"keep": 0}, 0), ({"keep": 9}, 5),
    ],
)  # fmt: skip
def test_all_limits_have_to_allow_it(five: Path, limits: dict[str, int], left: int) -> None:
    going = to_prune(runs_in(five), **limits)  # type: ignore[arg-type]
    assert names(going) == NAMES[::-1][left:]


def test_removed_is_gone_and_latest_is_the_newest_left(five: Path) -> None:
    every = runs_in(five)
    freed = remove(every[:2])
    assert freed > 200 << 10
    assert names(runs_in(five)) == NAMES[2::-1]
    assert (five / "latest").resolve().name == NAMES[2]
    remove(runs_in(five))
    assert sorted(entry.name for entry in five.iterdir()) == ["notes"]


@pytest.mark.parametrize(("days", "stays"), [(0.1, True), (3.0, False)])
def test_what_may_still_go_on_stays(tmp_path: Path, days: float, stays: bool) -> None:
    make(tmp_path, NAMES[0], days=days, text=None)
    (run,) = runs_in(tmp_path)
    assert run.verdict == UNFINISHED
    assert to_prune([run], keep=0) == ([] if stays else [run])


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"verdict": 7}', '{"verdict": "\\u001b[31m"}', "[" * 9999]
)
def test_summary_that_is_none_harms_nobody(tmp_path: Path, text: str) -> None:
    make(tmp_path, NAMES[0], days=0.0, text=text)
    (run,) = runs_in(tmp_path)
    assert "\x1b" not in run.verdict


def test_link_named_like_a_run_is_followed_by_nobody(tmp_path: Path) -> None:
    kept = make(tmp_path / "elsewhere", NAMES[0], days=9.0)
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / NAMES[1]).symlink_to(kept)
    inside = make(tmp_path / "runs", NAMES[2], days=9.0)
    (inside / "link").symlink_to(kept)
    remove(to_prune(runs_in(tmp_path / "runs"), keep=0))
    assert not inside.exists()
    assert (kept / "summary.json").exists()
