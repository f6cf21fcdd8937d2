# SPDX-License-Identifier: GPL-2.0-only
"""Whose objects a first build begins with, and that what differs is compiled all the same."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from kernels.build import BuiltKernel
from kernels.objects import STEPS, forget
from kernels.pruning import slots
from kernels.source import SOURCES, UnpackedSource
from tests.unit.kernels.fake_make import FLAVOUR, MAKEFILE, Lab, toy_kernel, toy_lab

PACKAGE: dict[str, object] = {"name": "linux-source-7.2", "version": "7.2.12-1", "sha256": "12"}


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    return toy_lab(tmp_path, monkeypatch)


def unpacked(lab: Lab, identity: object = PACKAGE, patch: int = 12, **files: str) -> BuiltKernel:
    """A source in the cache, and its kernel."""

    def unpack(folder: Path) -> None:
        toy_kernel(folder, **(files or {"a": "alpha", "b": "beta"}))
        (folder / "Makefile").write_text(MAKEFILE.replace("12", str(patch)))

    source = UnpackedSource(
        "it", identity, lab.cache / SOURCES, unpack, print  # type: ignore[arg-type]
    )  # fmt: skip
    return lab.builder.build(FLAVOUR, source, jobs=1)


def compiled(lab: Lab) -> list[str]:
    """What the last build of the user's tree compiled."""
    [slot] = [one for one in slots(lab.cache) if str(lab.tree) in one.label]
    log = (slot.path / "build.log").read_text().splitlines()
    return [line.split()[1] for line in log if line.startswith("  CC ")]


def test_tree_that_equals_a_cached_source_is_not_compiled(lab: Lab) -> None:
    packaged = unpacked(lab)
    built = lab.build()
    assert built.image.read_text() == packaged.image.read_text() == "ALPHA\nBETA\n"
    assert compiled(lab) == []
    assert "taking over the objects of linux-source-7.2 7.2.12-1" in lab.builder.reports
    assert "0 files are not those of linux-source-7.2 7.2.12-1" in lab.builder.reports


def test_only_what_differs_from_it_is_compiled(lab: Lab) -> None:
    unpacked(lab)
    os.utime(lab.tree / "b.c", (0, 0))
    (lab.tree / "a.c").write_text("gamma\n")
    os.utime(lab.tree / "a.c", (0, 0))  # its age says nothing
    assert lab.build().image.read_text() == "GAMMA\nBETA\n"
    assert compiled(lab) == ["a.o"]


def test_change_that_is_undone_is_compiled(lab: Lab) -> None:
    unpacked(lab)
    (lab.tree / "a.c").write_text("gamma\n")
    lab.build()
    (lab.tree / "a.c").write_text("alpha\n")
    (lab.tree / "b.c").write_text("delta\n")
    assert lab.build().image.read_text() == "ALPHA\nDELTA\n"
    assert compiled(lab) == ["a.o", "b.o"]


def test_object_of_a_file_that_the_tree_lacks_goes(lab: Lab) -> None:
    unpacked(lab)
    (lab.tree / "b.c").unlink()
    assert lab.build().image.read_text() == "ALPHA\n"
    assert "1 files are not those of linux-source-7.2 7.2.12-1" in lab.builder.reports
    (lab.tree / "c.c").write_text("gamma\n")
    lab.build()
    (lab.tree / "c.c").unlink()
    (lab.tree / "a.c").write_text("omega\n")
    assert lab.build().image.read_text() == "OMEGA\n"


def test_nearest_release_is_taken(lab: Lab) -> None:
    for patch in (9, 13, 20):
        unpacked(lab, {**PACKAGE, "version": f"7.2.{patch}-1"}, patch)
    lab.build()
    assert "taking over the objects of linux-source-7.2 7.2.13-1" in lab.builder.reports


def test_nothing_is_taken_of_another_series(lab: Lab) -> None:
    unpacked(lab)
    (lab.tree / "Makefile").write_text(MAKEFILE.replace("PATCHLEVEL = 2", "PATCHLEVEL = 3"))
    lab.build()
    assert compiled(lab) == ["a.o", "b.o"]


def test_nothing_is_taken_of_a_tarball(lab: Lab) -> None:
    """Somebody else's code compiled it, and may have left what it wanted."""
    unpacked(lab, {"tarball": "12"})
    lab.build()
    assert compiled(lab) == ["a.o", "b.o"]


def test_nothing_is_taken_of_a_source_that_was_changed_in_the_cache(lab: Lab) -> None:
    unpacked(lab)
    [tree] = (lab.cache / SOURCES).glob("*/source")
    (tree / "a.c").write_text("gamma\n")
    lab.build()
    assert compiled(lab) == ["a.o", "b.o"]


def test_nothing_is_taken_of_a_build_that_has_not_come_to_its_end(lab: Lab) -> None:
    unpacked(lab)
    [slot] = slots(lab.cache)
    (slot.path / STEPS).unlink()
    lab.build()
    assert compiled(lab) == ["a.o", "b.o"]


def test_objects_behind_a_link_are_not_forgotten(tmp_path: Path) -> None:
    (tmp_path / "build").mkdir()
    (tmp_path / "other").mkdir()
    for name in ("other/a.o", "build/a.o", "build/a.h"):
        (tmp_path / name).touch()
    (tmp_path / "build/net").symlink_to("../other")
    forget(tmp_path / "build", ["net/a.c", "a.c", "a.h", "../other/a.c"])
    assert (tmp_path / "other/a.o").exists()
    assert sorted(path.name for path in (tmp_path / "build").iterdir()) == ["a.h", "net"]
