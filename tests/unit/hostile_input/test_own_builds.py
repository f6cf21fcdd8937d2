# SPDX-License-Identifier: GPL-2.0-only
"""A kernel that somebody else has built: its image, its modules, the names in both."""

from __future__ import annotations

import gzip
import lzma
from pathlib import Path
from typing import cast

import pytest

from images.buildroot import BuildRoot
from images.toolroot import ToolRoot
from kernels.image import write_image
from kernels.modules import KernelFiles, ModuleProblem, closure, pack_module
from kernels.own import UM, X86, OwnKernelProblem, find_own
from tests.unit.hostile_input.canary import Canary
from tests.unit.kernels.test_own import UML, bzimage, enough, text_of


class OwnBuild:
    """The build tree of a hostile kernel for a PC."""

    def __init__(self, folder: Path) -> None:
        self.tree = folder / "tree"
        self.tree.mkdir()
        self.image = self.tree / "arch/x86/boot/bzImage"
        self.image.parent.mkdir(parents=True)
        self.image.write_bytes(bzimage())
        (self.tree / ".config").write_text(text_of(enough(X86)))
        self.list("")

    def list(self, module: str) -> None:
        (self.tree / "modules.order").write_text(module + "\n")


@pytest.fixture
def own(tmp_path: Path) -> OwnBuild:
    return OwnBuild(tmp_path)


@pytest.mark.parametrize("name", ["../home/module.ko", "link.ko", "link/module.ko"])
def test_module_outside_of_an_own_build_is_not_read(
    own: OwnBuild, canary: Canary, name: str
) -> None:
    (own.tree / "link").symlink_to(canary.folder)
    (own.tree / "link.ko").symlink_to(canary.folder / "module.ko")
    own.list(name)
    with pytest.raises(OwnKernelProblem, match="is not built"):
        find_own(own.image, X86)


def test_links_to_lists_of_an_own_build_are_not_read(own: OwnBuild, canary: Canary) -> None:
    (own.tree / "modules.builtin").symlink_to(canary.file)
    assert find_own(own.image, X86).files().lists == {"modules.order": b"\n"}
    (own.tree / ".config").unlink()
    (own.tree / ".config").symlink_to(canary.file)
    assert find_own(own.image, X86).config == {}


def test_release_of_an_own_build_is_no_path(own: OwnBuild) -> None:
    own.image.write_bytes(bzimage(release="../../home"))
    with pytest.raises(OwnKernelProblem, match="which is no name"):
        find_own(own.image, X86)
    (own.tree / "linux").write_bytes(UML.replace(b"7.2.12-mine", b"../../../ho"))
    with pytest.raises(OwnKernelProblem, match="which is no name"):
        find_own(own.tree / "linux", UM)


def test_module_that_names_a_path_outside_is_not_packed(tmp_path: Path, canary: Canary) -> None:
    module = ("../../../home/bnxt_en.ko.xz", pack_module(b"\0"))
    target = tmp_path / "kept"
    target.mkdir()
    files = KernelFiles(b"", {"bnxt_en": module}, {})
    with pytest.raises(ModuleProblem, match="outside of its folder"):
        write_image(files, "7.2", target, cast("ToolRoot", None), cast("BuildRoot", None))
    canary.check(target)


ENDLESS = b"\0" * (1 << 21)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("bnxt_en.ko.xz", b"no xz"),
        ("bnxt_en.ko.xz", lzma.compress(ENDLESS)[:-40]),
        ("bnxt_en.ko.xz", lzma.compress(ENDLESS)),
        ("bnxt_en.ko.gz", b"no gzip"),
        ("bnxt_en.ko.gz", gzip.compress(ENDLESS)[:-9]),
        ("bnxt_en.ko.gz", gzip.compress(ENDLESS)),
    ],
)
def test_module_that_is_broken_or_endless_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, content: bytes
) -> None:
    monkeypatch.setattr("kernels.modules.MOST_MODULE_BYTES", len(ENDLESS) - 1)
    (tmp_path / "bzImage").write_bytes(bzimage())
    modules = tmp_path / "modules/kernel"
    modules.mkdir(parents=True)
    (modules / name).write_bytes(content)
    files = find_own(tmp_path / "bzImage", X86).files()
    with pytest.raises(OwnKernelProblem, match=rf"{name}: a module is"):
        files.modules["bnxt_en"]


def test_modules_that_need_each_other_in_a_long_row_are_found() -> None:
    row = [f"m{number}" for number in range(3000)]
    packed = {
        name: (name, pack_module(b"\0depends=" + needed.encode()))
        for name, needed in zip(row, [*row[1:], row[0]], strict=True)
    }
    assert closure(["m0"], KernelFiles(b"", packed, {})) == row[::-1]
