# SPDX-License-Identifier: GPL-2.0-only
"""The store: built once, complete or absent, compared with its hashes on every use."""

from __future__ import annotations

import errno
import os
import threading
import time
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path

import pytest

from images.errors import EnvironmentProblem
from images.store import FORMAT, Store, cache_root
from tests.unit.read_only import read_only

INPUTS = {"recipe": "abc"}


class Builder:
    """Writes two files and a link, and counts how often it is asked to."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, folder: Path) -> None:
        self.calls += 1
        (folder / "sub").mkdir()
        (folder / "one").write_text("first")
        (folder / "sub" / "two").write_text("second")
        (folder / "link").symlink_to("one")


@pytest.fixture
def reports() -> list[str]:
    return []


@pytest.fixture
def build() -> Builder:
    return Builder()


@pytest.fixture
def store(tmp_path: Path, reports: list[str]) -> Store:
    return Store(tmp_path / "cache", reports.append)


def test_build_happens_once_per_inputs(store: Store, build: Builder) -> None:
    first = store.ensure("thing", INPUTS, build)
    again = store.ensure("thing", dict(INPUTS), build)
    assert again.path == first.path
    assert build.calls == 1
    assert (first.path / "sub" / "two").read_text() == "second"
    other = store.ensure("thing", {"recipe": "abd"}, build)
    assert build.calls == 2
    assert other.path != first.path


def test_manifest_names_inputs_and_every_file(store: Store) -> None:
    manifest = store.ensure("thing", INPUTS, Builder()).manifest
    assert manifest["inputs"] == INPUTS
    assert manifest["files"] == {
        "link": "-> one",
        "one": "a7937b64b8caa58f03721bb6bacf5c78cb235febe0e70b1b84cd99541461a08e",
        "sub/two": "16367aacb67a4a017c8da8ab95682ccb390863780f7114dda0a0e0c55644c7c4",
    }


def overwrite_keeping_times(path: Path) -> None:
    info = path.stat()
    path.write_text("F" + path.read_text()[1:])
    os.utime(path, ns=(info.st_atime_ns, info.st_mtime_ns))


DAMAGES: dict[str, Callable[[Path], object]] = {
    "changed": overwrite_keeping_times,
    "truncated": lambda path: os.truncate(path, 2),
    "lost": lambda path: path.unlink(),
    "link in its place": lambda path: (path.unlink(), path.symlink_to("sub/two")),
    "stranger beside it": lambda path: path.with_name("stranger").touch(),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
def test_damaged_entry_is_reported_and_built_again(
    store: Store, reports: list[str], damage: Callable[[Path], object], build: Builder
) -> None:
    entry = store.ensure("thing", INPUTS, build)
    damage(entry.path / "one")
    entry = store.ensure("thing", INPUTS, build)
    assert build.calls == 2
    assert (entry.path / "one").read_text() == "first"
    (said,) = reports
    assert "is not what was recorded" in said


MANIFESTS = {
    "half of it": '{"files": ',
    "no text": b"\xff\xfe",
    "too deep": "[" * 100_000,
    "another type": "[]",
    "a text": '"files"',
    "nothing": "null",
    "no keys": "{}",
    "files of another type": '{"inputs": {"recipe": "abc"}, "files": []}',
    "inputs of another type": '{"inputs": [], "files": {}}',
    "of another entry": '{"inputs": {"recipe": "abd"}, "files": {}}',
    "of other files": '{"inputs": {"recipe": "abc"}, "files": {"one": "00", "sub/two": 2}}',
}


@pytest.mark.parametrize("text", MANIFESTS.values(), ids=MANIFESTS.keys())
def test_damaged_manifest_is_reported_and_built_again(
    store: Store, reports: list[str], build: Builder, text: str | bytes
) -> None:
    manifest = store.ensure("thing", INPUTS, build).path.parent / "manifest.json"
    manifest.write_bytes(text if isinstance(text, bytes) else text.encode())
    for _ in range(2):
        entry = store.ensure("thing", INPUTS, build)
        assert entry.manifest["inputs"] == INPUTS
    assert build.calls == 2
    (said,) = reports
    assert "damaged" in said or "is not what was recorded" in said


@pytest.mark.parametrize("name", ["manifest.json", "verified.json", "files"])
def test_part_that_is_lost_or_no_file(
    store: Store, reports: list[str], build: Builder, name: str
) -> None:
    path = store.ensure("thing", INPUTS, build).path.parent / name
    path.rename(path.with_name("gone"))
    if name != "files":
        path.mkdir()
    assert (store.ensure("thing", INPUTS, build).path / "one").read_text() == "first"
    assert build.calls == (1 if name == "verified.json" else 2)


def test_new_stamps_on_same_content_only_cost_a_comparison(store: Store, build: Builder) -> None:
    entry = store.ensure("thing", INPUTS, build)
    (entry.path / "one").touch()
    store.ensure("thing", INPUTS, build)
    assert build.calls == 1


def test_failing_build_leaves_nothing(store: Store) -> None:
    def build(folder: Path) -> None:
        (folder / "half").write_text("x")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.ensure("thing", INPUTS, build)
    assert [path.name for path in (store.base / "thing").iterdir()] == []
    assert store.ensure("thing", INPUTS, Builder()).path.is_dir()


@pytest.mark.parametrize("kind", ["thing", "other"])
def test_left_over_of_a_killed_build_is_removed(store: Store, kind: str) -> None:
    """By the next build of whatever it is."""
    key = store.key(kind, INPUTS)
    left_over = store.base / kind / f".build-{key}.x1"
    (left_over / "files").mkdir(parents=True)
    (left_over / "files").chmod(0o500)
    store.ensure("thing", INPUTS, Builder())
    assert not left_over.exists()


def test_two_at_once_build_once(store: Store, reports: list[str]) -> None:
    started = threading.Event()
    build = Builder()

    def slow(folder: Path) -> None:
        started.set()
        time.sleep(0.2)
        build(folder)

    def other() -> None:
        started.wait()
        found.append(Store(store.root, reports.append).ensure("thing", INPUTS, slow).path)

    found: list[Path] = []
    thread = threading.Thread(target=other)
    thread.start()
    found.append(store.ensure("thing", INPUTS, slow).path)
    thread.join()
    assert build.calls == 1
    assert found[0] == found[1]
    assert any("waiting for another run" in line for line in reports)


def test_other_formats_are_not_read_and_pruned(store: Store) -> None:
    entry = store.ensure("thing", INPUTS, Builder())
    older = store.root / f"store-{FORMAT - 1}"
    entry.path.parents[2].rename(older)
    build = Builder()
    store.ensure("thing", INPUTS, build)
    assert build.calls == 1
    assert older in store.prune(unused_for_s=3600)
    assert not older.exists()


def test_prune_keeps_what_is_used_or_being_built(store: Store) -> None:
    used = store.ensure("thing", {"n": 1}, Builder())
    unused = store.ensure("thing", {"n": 2}, Builder())
    for name in ("manifest.json", "verified.json"):
        os.utime(unused.path.parent / name, (0, 0))
    dead = store.base / "thing" / f".build-{'0' * 24}.x"
    removed = []

    def build(_folder: Path) -> None:
        dead.mkdir()
        removed.extend(store.prune(unused_for_s=3600))

    under_way = store.ensure("thing", {"n": 3}, build)
    assert removed == [unused.path.parent, dead]
    assert used.path.exists()
    assert under_way.path.exists()
    assert not unused.path.exists()
    assert not dead.exists()


def test_of_a_kind_that_is_limited_those_stay_that_were_used_last(store: Store) -> None:
    other = store.ensure("other", INPUTS, Builder())
    made = [store.ensure("thing", {"n": number}, Builder(), most=2) for number in range(2)]
    for age, entry in ((2, made[1]), (1, made[0]), (3, other)):
        for name in ("manifest.json", "verified.json"):
            os.utime(entry.path.parent / name, (1000 - age, 1000 - age))
    newest = store.ensure("thing", {"n": 2}, Builder(), most=2)
    there = {entry.key for entry in (*made, newest, other) if entry.path.exists()}
    assert there == {made[0].key, newest.key, other.key}


def test_use_makes_an_entry_young(store: Store) -> None:
    entry = store.ensure("thing", INPUTS, Builder())
    for name in ("manifest.json", "verified.json"):
        os.utime(entry.path.parent / name, (0, 0))
    assert store.entries()[0].idle_s > 3600
    store.ensure("thing", INPUTS, Builder())
    assert store.entries()[0].idle_s < 60


def test_full_disk_is_named_with_path_and_bytes(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr("shutil.disk_usage", lambda _path: usage(1000, 900, 100))
    with pytest.raises(EnvironmentProblem) as problem:
        store.ensure("thing", INPUTS, Builder(), needs_bytes=5000)
    assert str(store.root) in problem.value.message
    assert "100 bytes are free, 5000 bytes are needed" in problem.value.message


def test_disk_that_fills_up_while_building(store: Store) -> None:
    def build(_folder: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(EnvironmentProblem, match="is full"):
        store.ensure("thing", INPUTS, build)
    assert list((store.base / "thing").iterdir()) == []


def test_cache_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(EnvironmentProblem, match="cannot be written"):
        Store(tmp_path / "file").ensure("thing", INPUTS, Builder())


def test_read_only_cache_is_used_and_compared(
    store: Store, monkeypatch: pytest.MonkeyPatch, build: Builder
) -> None:
    entry = store.ensure("thing", INPUTS, build)
    (entry.path / "one").touch()  # so that its content has to be compared, and nothing noted
    with monkeypatch.context() as patch:
        read_only(patch)
        assert store.ensure("thing", INPUTS, build).path == entry.path
        with pytest.raises(EnvironmentProblem) as problem:
            store.ensure("other", INPUTS, build)
    assert build.calls == 1
    assert f"the cache {store.root} is read-only, and to build other" in problem.value.message
    assert "cache fill" in problem.value.remedy


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"TESTBED_CACHE": "/a/b", "XDG_CACHE_HOME": "/c"}, "/a/b"),
        ({"XDG_CACHE_HOME": "/c"}, "/c/bnxt-testbed"),
        ({"XDG_CACHE_HOME": "relative", "HOME": "/h"}, "/h/.cache/bnxt-testbed"),
        ({"HOME": "/h"}, "/h/.cache/bnxt-testbed"),
    ],
)
def test_cache_root_follows_xdg(environ: dict[str, str], expected: str) -> None:
    assert cache_root(environ) == Path(expected)


def test_entry_can_be_read_by_every_user(store: Store) -> None:
    """A package tree has folders that are root's alone, and root's cache may have other users."""

    def build(folder: Path) -> None:
        (folder / "root/deep").mkdir(parents=True)
        (folder / "root/deep/file").write_text("text")
        (folder / "root/deep/link").symlink_to("nowhere")
        for path in ("root/deep/file", "root/deep", "root"):
            (folder / path).chmod(0o700)

    files = store.ensure("thing", INPUTS, build).path
    assert [(files / path).stat().st_mode & 0o777 for path in ("", "root", "root/deep")] == [
        0o755
    ] * 3
    assert (files / "root/deep/file").stat().st_mode & 0o777 == 0o744
