# SPDX-License-Identifier: GPL-2.0-only
"""A kernel tarball of somebody else."""

from __future__ import annotations

import contextlib
import io
import os
import tarfile
from pathlib import Path
from typing import Any

import pytest

from kernels.source import SourceProblem, tarball_source
from tests.unit.hostile_input.canary import Canary
from tests.unit.kernels.fake_make import toy_kernel


def packed(folder: Path, *members: tarfile.TarInfo) -> Path:
    """A tarball with a kernel's tree in `k`, and these members after it, each of one word."""
    toy_kernel(folder / "k")
    path = folder / "linux.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        archive.add(folder / "k", "k")
        for member in members:
            member.size = len(b"mine") if member.isreg() else 0
            archive.addfile(member, io.BytesIO(b"mine"))
    return path


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "", mode: int = 0o644) -> Any:
    found = tarfile.TarInfo(name)
    found.type, found.linkname, found.mode = kind, link, mode
    return found


def unpacked(folder: Path, *members: tarfile.TarInfo) -> Path:
    return tarball_source(packed(folder, *members), folder / "kept", print).tree()


@pytest.mark.parametrize(
    "members",
    [
        [member("k/../../../../home/id_rsa")],
        [member("{home}/id_rsa")],
        [member("k/lib", tarfile.SYMTYPE, "{home}"), member("k/lib/id_rsa")],
        [member("k/lib", tarfile.SYMTYPE, "../../../home"), member("k/lib/id_rsa")],
        [member("k/hard", tarfile.LNKTYPE, "{home}/id_rsa"), member("k/hard")],
        [member("k/disk", tarfile.BLKTYPE)],
    ],
)
def test_archive_reaches_nothing_outside(
    tmp_path: Path, canary: Canary, members: list[tarfile.TarInfo]
) -> None:
    for one in members:
        one.name = one.name.format(home=canary.folder)
        one.linkname = one.linkname.format(home=canary.folder)
    with contextlib.suppress(SourceProblem):
        unpacked(tmp_path, *members)
    canary.check(tmp_path / "kept")
    for folder, _, names in os.walk(tmp_path / "kept"):
        assert all(not Path(folder, name).is_block_device() for name in names)


def test_archive_leaves_folders_links_and_readable_files(tmp_path: Path) -> None:
    tree = unpacked(
        tmp_path, member("k/tool", mode=0o6755), member("k/pipe", tarfile.FIFOTYPE),
        member("k/closed", mode=0), member("k/d", tarfile.DIRTYPE, mode=0), member("k/d/in"),
    )  # fmt: skip
    modes = {path.name: path.stat().st_mode & 0o7777 for path in tree.rglob("*")}
    assert modes == {
        "Kconfig": 0o644, "Makefile": 0o644, "tool": 0o755, "closed": 0o644, "d": 0o755,
        "in": 0o644,
    }  # fmt: skip
