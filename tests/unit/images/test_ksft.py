# SPDX-License-Identifier: GPL-2.0-only
"""Which source the selftests come from, and what of it is unpacked."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import cast

import pytest

from images.debian import Archive, Package
from images.errors import EnvironmentProblem
from images.ksft import _load, _unpack_source, source_package


class ListedArchive:
    """An archive that knows its package list and nothing else."""

    def __init__(self, *versions: str) -> None:
        self.versions = versions
        self.asked: list[str] = []

    def list_matching(self, pattern: str) -> list[Package]:
        self.asked.append(pattern)
        return [Package("linux-source-7.2", version, "00", 1) for version in self.versions]


def found(archive: ListedArchive, version: str) -> Package:
    return source_package(cast("Archive", archive), version)


def test_source_is_that_of_the_kernel_under_test() -> None:
    archive = ListedArchive("7.2.11-1~bpo13+1", "7.2.12-1~bpo13+1", "7.2.12-1")
    assert found(archive, "7.2.12-1~bpo13+1").version == "7.2.12-1~bpo13+1"
    assert re.fullmatch(archive.asked[0], "linux-source-7.2")


def test_vanished_source_names_what_is_there() -> None:
    with pytest.raises(EnvironmentProblem) as problem:
        found(ListedArchive("7.2.11-1~bpo13+1"), "7.2.12-1~bpo13+1")
    assert "7.2.12-1~bpo13+1" in problem.value.message
    assert "7.2.11-1~bpo13+1" in problem.value.remedy


def test_vanished_series_says_so() -> None:
    with pytest.raises(EnvironmentProblem) as problem:
        found(ListedArchive("7.2.11-1~bpo13+1"), "7.1.3-1")
    assert "linux-source-7.1 7.1.3-1" in problem.value.message
    assert "7.2.11-1~bpo13+1" in problem.value.remedy


def test_headers_are_those_of_the_kernel_under_test() -> None:
    recipe, parts, targets = _load("7.2.12-1~bpo13+1")
    assert "linux-libc-dev=7.2.12-1~bpo13+1" in recipe.packages
    assert "MAINTAINERS" in parts
    assert targets == ["drivers/net", "drivers/net/hw"]


def test_only_the_parts_asked_for_are_unpacked(tmp_path: Path) -> None:
    top = tmp_path / "tree/linux-source-7.2"
    for name in ("tools/a.c", "drivers/b.c", "MAINTAINERS"):
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_text(name)
    package = tmp_path / "package"
    (package / "usr/src").mkdir(parents=True)
    (package / "DEBIAN").mkdir()
    (package / "DEBIAN/control").write_text(
        "Package: linux-source-7.2\nVersion: 1\nArchitecture: all\n"
        "Maintainer: nobody <nobody@example.org>\nDescription: test\n"
    )
    tarball = package / "usr/src/linux-source-7.2.tar.xz"
    subprocess.run(["tar", "-cJf", tarball, "-C", tmp_path / "tree", top.name], check=True)
    deb = tmp_path / "linux-source-7.2_1_all.deb"
    subprocess.run(["dpkg-deb", "-b", package, deb], check=True, capture_output=True)
    work = tmp_path / "work"
    work.mkdir()
    _unpack_source(deb, ["MAINTAINERS", "tools"], work)
    unpacked = {str(path.relative_to(work)) for path in work.rglob("*") if path.is_file()}
    assert unpacked == {"source/MAINTAINERS", "source/tools/a.c"}


def test_broken_package_is_an_environment_problem(tmp_path: Path) -> None:
    deb = tmp_path / "linux-source-7.2_1_all.deb"
    deb.write_bytes(b"no package")
    with pytest.raises(EnvironmentProblem):
        _unpack_source(deb, ["tools"], tmp_path)
