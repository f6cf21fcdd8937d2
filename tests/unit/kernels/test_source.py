# SPDX-License-Identifier: GPL-2.0-only
"""Which source a version means, and unpacked sources that are whole or not there."""

from __future__ import annotations

import json
import shutil
import tarfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest

from images.debian import Archive, Package
from images.store import Store
from kernels.packages import Lock
from kernels.source import (
    SourceProblem,
    TreeSource,
    UnpackedSource,
    choose,
    debian_source,
    lock_of,
    locked,
    makefile_version,
    tarball_source,
    unpacked,
)
from kernels.version import KernelVersion

MAKEFILE = "# SPDX\nVERSION = 7\nPATCHLEVEL = 2\nSUBLEVEL = 12\nEXTRAVERSION =\n"


def package(version: str) -> Package:
    return Package(f"linux-source-{version[:3]}", version, "00", 1)


VERSIONS = ("6.12.107-1", "7.2.13-1", "7.2.12-1~bpo13+1", "7.2.11-1~bpo13+1", "7.3~rc7-1~exp1")
PACKAGES = [package(version) for version in VERSIONS]


def kernel_tree(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "Makefile").write_text(MAKEFILE)
    (folder / "Kconfig").write_text("")
    (folder / "drivers").mkdir(exist_ok=True)
    (folder / "drivers/Kconfig").write_text("")
    return folder


def tarball(tmp_path: Path) -> Path:
    kernel_tree(tmp_path / "linux-7.2.12")
    path = tmp_path / "linux.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        archive.add(tmp_path / "linux-7.2.12", "linux-7.2.12")
    return path


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ("6.12", "6.12.107-1"),
        ("7.2", "7.2.12-1~bpo13+1"),
        ("7.2.13", "7.2.13-1"),
        ("7.3", "7.3~rc7-1~exp1"),
        ("7.3-rc7", "7.3~rc7-1~exp1"),
        ("7.2.11-1~bpo13+1", "7.2.11-1~bpo13+1"),
    ],
)
def test_version_means_a_package(wanted: str, found: str) -> None:
    assert choose(wanted, PACKAGES, ()).version == found


def test_pinned_version_comes_first() -> None:
    assert choose("7.2", PACKAGES, ["7.2.11"]).version == "7.2.11-1~bpo13+1"


@pytest.mark.parametrize("wanted", ["7.1", "7.2.1", "banana", ""])
def test_unknown_version_lists_what_there_is(wanted: str) -> None:
    with pytest.raises(SourceProblem, match=r"6\.12\.107-1, 7\.2\.13-1"):
        choose(wanted, PACKAGES, ())


def test_lookup_is_kept_and_its_version_needs_no_source(tmp_path: Path) -> None:
    class Listed:
        asked = 0

        def list_matching(self, pattern: str) -> list[Package]:
            self.asked += 1
            return PACKAGES

    archive = Listed()
    store = Store(tmp_path)
    for _ in range(2):
        source = debian_source(store, lambda: cast("Archive", archive), "6.12", print)
        assert source.version() == KernelVersion(6, 12, 107)
        assert source.identity["version"] == "6.12.107-1"
    assert archive.asked == 1


def test_default_source_is_that_of_the_pinned_kernel() -> None:
    pinned = [release.partition("+")[0] for release in Lock.load().pins]
    assert choose(Lock.load().default, PACKAGES, pinned).version.partition("-")[0] in pinned


def test_makefile_gives_the_version(tmp_path: Path) -> None:
    assert makefile_version(kernel_tree(tmp_path / "k")) == KernelVersion(7, 2, 12)
    assert TreeSource(tmp_path / "k").version() == KernelVersion(7, 2, 12)


@pytest.mark.parametrize(
    ("extra", "next_date", "version"),
    [
        ("-rc2", None, "7.3-rc2"),
        ("-rc2", "-next-20261120\n", "7.3-rc2-next-20261120"),
        ("", "-next-20261130\n", "7.3-next-20261130"),
        ("-mine", None, "7.3"),
        (".4", None, "7.3"),
    ],
)
def test_candidates_and_linux_next_are_told_apart(
    tmp_path: Path, extra: str, next_date: str | None, version: str
) -> None:
    tree = kernel_tree(tmp_path / "k")
    makefile = f"VERSION = 7\nPATCHLEVEL = 3\nSUBLEVEL = 0\nEXTRAVERSION = {extra}\n"
    (tree / "Makefile").write_text(makefile)
    if next_date is not None:
        (tree / "localversion-next").write_text(next_date)
    assert str(makefile_version(tree)) == version


def test_release_comes_after_its_candidates() -> None:
    packages = [package(version) for version in ("7.3.1-1", "7.3~rc7-1~exp1", "7.3-1")]
    assert choose("7.3", packages, ()).version == "7.3.1-1"
    assert choose("7.3", packages[1:], ()).version == "7.3-1"


def test_folder_that_is_no_kernel_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceProblem, match="holds no kernel source"):
        TreeSource(tmp_path).tree()
    (tmp_path / "Makefile").write_text("all:\n\ttrue\n")
    with pytest.raises(SourceProblem, match="holds no kernel source"):
        makefile_version(tmp_path)


def test_tarball_is_unpacked_once(tmp_path: Path) -> None:
    reports: list[str] = []
    source = tarball_source(tarball(tmp_path), tmp_path / "trees", reports.append)
    tree = source.tree()
    assert (tree / "Makefile").read_text() == MAKEFILE
    assert source.tree() == tree
    assert reports == ["unpacking linux.tar.gz"]


CHANGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "changed": (lambda tree: (tree / "Makefile").write_text("broken"), "/Makefile"),
    "lost": (lambda tree: (tree / "Makefile").unlink(), ""),
    "added": (lambda tree: (tree / "drivers/Makefile").mkdir(), "/drivers"),
    "renamed": (lambda tree: (tree / "drivers/Kconfig").rename(tree / "drivers/x"), "/drivers/x"),
    "folder lost": (lambda tree: shutil.rmtree(tree / "drivers"), ""),
}


@pytest.mark.parametrize(("change", "named"), CHANGES.values(), ids=CHANGES.keys())
def test_change_in_the_cache_is_noticed(
    tmp_path: Path, change: Callable[[Path], object], named: str
) -> None:
    reports: list[str] = []
    source = tarball_source(tarball(tmp_path), tmp_path / "trees", reports.append)
    marker = source.tree().parent / "unpacked.json"
    while True:  # the clock of file times is coarse
        (source.trees / "tick").write_text("")
        if (tmp_path / "trees/tick").stat().st_ctime_ns > marker.stat().st_ctime_ns:
            break
    tree = source.trees / marker.parent.name / "source"
    change(tree)
    assert (source.tree() / "Makefile").read_text() == MAKEFILE
    assert [path.name for path in (tree / "drivers").iterdir()] == ["Kconfig"]
    assert reports[1:] == [
        f"{tree}{named} was changed in the cache: unpacking again",
        "unpacking linux.tar.gz",
    ]


def test_source_is_there_when_it_is_whole(tmp_path: Path) -> None:
    trees, meanwhile = tmp_path / "trees", list[Path]()

    def unpack(target: Path) -> None:
        kernel_tree(target)
        (target.parent / "unpacked.json").write_text("{}")
        meanwhile.extend(unpacked(trees))

    source = UnpackedSource("x", {"tarball": "1"}, trees, unpack, print)
    tree = source.tree()
    assert meanwhile == []
    assert list(unpacked(trees)) == [tree.parent / "unpacked.json"]


def test_failed_unpacking_leaves_nothing(tmp_path: Path) -> None:
    def unpack(target: Path) -> None:
        kernel_tree(target)
        raise KeyboardInterrupt

    source = UnpackedSource("x", {"tarball": "1"}, tmp_path / "trees", unpack, print)
    with pytest.raises(KeyboardInterrupt):
        source.tree()
    assert [path.name for path in (tmp_path / "trees").glob("[!.]*")] == []
    assert list((tmp_path / "trees").glob(".unpack*")) == []


def test_archive_without_a_kernel_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    (tmp_path / "x/readme").write_text("")
    with tarfile.open(tmp_path / "x.tar", "w") as archive:
        archive.add(tmp_path / "x", "x")
    with pytest.raises(SourceProblem, match="holds no kernel source"):
        tarball_source(tmp_path / "x.tar", tmp_path / "trees", print).tree()
    with pytest.raises(SourceProblem, match="there is no tarball"):
        tarball_source(tmp_path / "y.tar", tmp_path / "trees", print)


def test_second_user_of_a_lock_waits_and_says_so(tmp_path: Path) -> None:
    reports: list[str] = []
    order: list[str] = []

    def second() -> None:
        with locked(lock_of(tmp_path / "t"), reports.append, "the tree"):
            order.append("second")

    with locked(lock_of(tmp_path / "t"), reports.append, "the tree"):
        thread = threading.Thread(target=second)
        thread.start()
        while not reports:
            pass
        order.append("first")
    thread.join()
    assert order == ["first", "second"]
    assert reports == ["waiting for another build that uses the tree"]


def test_marker_says_what_was_unpacked(tmp_path: Path) -> None:
    source = tarball_source(tarball(tmp_path), tmp_path / "trees", print)
    assert json.loads((source.tree().parent / "unpacked.json").read_text()) == source.identity
