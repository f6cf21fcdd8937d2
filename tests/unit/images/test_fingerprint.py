# SPDX-License-Identifier: GPL-2.0-only
"""What a folder holds, by content and by stamp."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from images.fingerprint import changed_since, contents, first_difference, stamp, write_durably


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "folder"
    (folder / "sub").mkdir(parents=True)
    (folder / "sub/file").write_text("text")
    (folder / "link").symlink_to("sub/file")
    return folder


def same_size_same_times(folder: Path) -> None:
    path = folder / "sub/file"
    info = path.stat()
    path.write_text("TEXT")
    os.utime(path, ns=(info.st_atime_ns, info.st_mtime_ns))


CHANGES: dict[str, Callable[[Path], object]] = {
    "same size, same times": same_size_same_times,
    "another link": lambda folder: ((folder / "link").unlink(), (folder / "link").symlink_to("x")),
    "lost": lambda folder: (folder / "sub/file").unlink(),
    "added": lambda folder: (folder / "sub/more").touch(),
    "no plain file": lambda folder: os.mkfifo(folder / "pipe"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_change_shows_in_both(folder: Path, change: Callable[[Path], object]) -> None:
    before = contents(folder), stamp(folder)
    change(folder)
    assert contents(folder) != before[0]
    assert stamp(folder) != before[1]


def test_copy_has_the_content_and_another_stamp(folder: Path, tmp_path: Path) -> None:
    folder.rename(tmp_path / "moved")
    (folder / "sub").mkdir(parents=True)
    (folder / "sub/file").write_text("text")
    (folder / "link").symlink_to("sub/file")
    assert contents(folder) == contents(tmp_path / "moved")
    assert stamp(folder) != stamp(tmp_path / "moved")


def test_first_difference() -> None:
    assert first_difference({"a": 1, "b": 2}, {"a": 1, "c": 2}) == "b"
    assert first_difference({"a": 1}, {"a": 1}) == ""


def test_changed_since(tmp_path: Path) -> None:
    file, mark = tmp_path / "file", tmp_path / "mark"
    file.touch()
    mark.touch()
    assert not changed_since(file, mark)
    os.utime(mark, (0, 0))
    assert changed_since(file, mark)


def test_file_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    write_durably(tmp_path / "file", "text")
    with pytest.raises(TypeError):
        write_durably(tmp_path / "file", None)  # type: ignore[arg-type]
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_text() == "text"
