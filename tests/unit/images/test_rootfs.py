# SPDX-License-Identifier: GPL-2.0-only
"""Roots of the user's: what mkfs.erofs is asked for, and what is refused before it is."""

from __future__ import annotations

import gzip
import json
import os
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from images import rootfs
from images.buildroot import BuildRoot
from images.errors import ProgramFailed
from images.rootfs import RootProblem, archive_root, folder_image, folder_root, state_of
from images.store import Store
from images.toolroot import ToolRoot

TOOLS = ToolRoot(Path("/tools"))


class Calls(list[tuple[list[str], str, bytes]]):
    """What mkfs.erofs would have been given: options, what was in the image, the source."""


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Calls:
    made = Calls()

    def run(
        _self: BuildRoot,
        argv: Sequence[str],
        *,
        read: Mapping[str, Path],
        write: Mapping[str, Path],
    ) -> str:
        [source] = read.values()
        image = (
            write["/target"] / Path(next(one for one in argv if one.startswith("/target/"))).name
        )
        before = image.read_text() if image.exists() else ""
        made.append((list(argv), before, b"" if source.is_dir() else source.read_bytes()))
        image.write_text(f"{before}{source.name};")
        return ""

    monkeypatch.setattr(BuildRoot, "run", run)
    return made


def tar_of(path: Path, **files: str) -> Path:
    for name, text in files.items():
        (path.parent / name).write_text(text)
    with tarfile.open(path, "w") as tar:
        for name in files:
            tar.add(path.parent / name, name)
    return path


def container(folder: Path, *layers: bytes) -> str:
    """The name of an archive as docker saves it."""
    names = [f"{number}.tar" for number in range(len(layers))]
    for name, data in zip(names, layers, strict=True):
        (folder / name).write_bytes(data)
    (folder / "manifest.json").write_text(json.dumps([{"Layers": names}]))
    with tarfile.open(folder / "image.tar", "w") as tar:
        for name in (*names, "manifest.json"):
            tar.add(folder / name, name)
    return f"oci:{folder / 'image.tar'}"


def test_layers_are_added_from_the_lowest_up(tmp_path: Path, calls: Calls) -> None:
    entry = archive_root(
        Store(tmp_path / "cache"), lambda: TOOLS, container(tmp_path, b"low", gzip.compress(b"up"))
    )
    image = entry.path / "root.erofs"
    assert image.read_text() == "layer-0.tar;layer-1.tar;"
    (first, _, low), (second, before, up) = calls
    assert (low, gzip.decompress(up), before) == (b"low", b"up", "layer-0.tar;")
    assert "--incremental=data" not in first
    assert {"--incremental=data", "--ovlfs-strip=1", "--ungzip"} <= set(second)
    assert "--aufs" in first
    assert "--aufs" in second
    assert sorted(path.name for path in image.parent.iterdir()) == ["root.erofs"]


def test_archive_is_made_once(tmp_path: Path, calls: Calls) -> None:
    path = tar_of(tmp_path / "root.tar", a="1")
    store = Store(tmp_path / "cache")
    first, again = (archive_root(store, lambda: TOOLS, str(path)) for _ in range(2))
    assert first.path == again.path
    assert len(calls) == 1
    tar_of(path, a="2")
    archive_root(store, lambda: TOOLS, str(path))
    assert len(calls) == 2


@pytest.mark.parametrize(
    ("data", "problem"), [(b"\x28\xb5\x2f\xfd", "packed by zstd"), (b"", "not a file")]
)
@pytest.mark.usefixtures("calls")
def test_what_is_no_archive(tmp_path: Path, data: bytes, problem: str) -> None:
    if data:
        (tmp_path / "a").write_bytes(data)
    with pytest.raises(RootProblem, match=f"{tmp_path / 'a'}: {problem}"):
        archive_root(Store(tmp_path / "cache"), lambda: TOOLS, str(tmp_path / "a"))


def test_what_mkfs_says_of_a_broken_archive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_args: Any, **_kwargs: Any) -> str:
        raise ProgramFailed(
            "mkfs.erofs ended with 1",
            "<I> erofs: reading\n  <E> erofs:   bad header\n <E> erofs: no device\n",
        )

    monkeypatch.setattr(BuildRoot, "run", fail)
    (tmp_path / "a").write_bytes(b"text")
    with pytest.raises(RootProblem, match=r"is no tar file: bad header; no device$"):
        archive_root(Store(tmp_path / "cache"), lambda: TOOLS, str(tmp_path / "a"))


def test_folder_is_made_anew_when_it_has_changed(tmp_path: Path, calls: Calls) -> None:
    folder, store = tmp_path / "root", Store(tmp_path / "cache")
    (folder / "etc").mkdir(parents=True)
    first = folder_root(store, lambda: TOOLS, folder)
    assert folder_root(store, lambda: TOOLS, folder).path == first.path
    (folder / "etc/new").write_text("old")
    second = folder_root(store, lambda: TOOLS, folder)
    (folder / "etc/new").write_text("new")
    third = folder_root(store, lambda: TOOLS, folder)
    assert len({first.key, second.key, third.key}) == len(calls) == 3


def test_whole_host_is_no_root(tmp_path: Path) -> None:
    with pytest.raises(RootProblem, match="cannot be a guest's root"):
        folder_root(Store(tmp_path), lambda: TOOLS, Path("/tmp/.."))


def test_folders_are_bounded_and_links_not_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, calls: Calls
) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "large").write_bytes(bytes(2000))
    (tmp_path / "in/link").symlink_to("../large")
    monkeypatch.setattr(rootfs, "MOST_FOLDER_BYTES", 1000)
    state_of(tmp_path / "in")
    os.truncate(tmp_path / "large", 0)
    (tmp_path / "in/file").write_bytes(bytes(1001))
    with pytest.raises(RootProblem, match="more than 0 GiB or"):
        folder_image(TOOLS, tmp_path / "in", tmp_path / "image")
    monkeypatch.setattr(rootfs, "MOST_FOLDER_BYTES", 1 << 30)
    monkeypatch.setattr(rootfs, "MOST_FILES", 1)
    with pytest.raises(RootProblem, match="or 1 files"):
        folder_image(TOOLS, tmp_path / "in", tmp_path / "image")
    assert not calls
