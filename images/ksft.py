# SPDX-License-Identifier: GPL-2.0-only
"""The kernel's network selftests as a disk image, built unmodified from Debian's linux-source.

Source and headers are those of the kernel under test. The build runs in a tree of Debian packages
(`images/ksft.toml`); nothing of it is installed on the host.
"""

from __future__ import annotations

import re
import shutil
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from images.buildroot import HOST, BuildRoot
from images.debian import Archive, Package
from images.errors import EnvironmentProblem
from images.fingerprint import file_sha256
from images.guest import make_erofs
from images.inside import Inside
from images.recipe import HERE, Recipe, package_tree, resolved
from images.store import Json, Store
from images.toolroot import ToolRoot

RECIPE = HERE / "ksft.toml"
IMAGE = "ksft.erofs"
TEST_LIST = "kselftest-list.txt"
BUILD_LOG = "build.log"
FORMAT = 1
"""Raised when what this module puts into the image changes."""

_WORK = "/build"
_INSTALLED = f"{_WORK}/installed"

# HAS_IOURING_ZCRX: drivers/net/hw/Makefile probes for it with `echo -e`, which dash does not have,
# and with -luring in front of the object that needs it. FORCE_TARGETS: a test program that does
# not compile is an error here, not a test that is quietly missing. The compiled Python modules
# spare the guest that work in every run; unchecked, because the image is read-only.
_BUILD = """
export PYTHONDONTWRITEBYTECODE=1
cd {work}/source
zcrx=
[ ! -e tools/testing/selftests/drivers/net/hw/iou-zcrx.c ] || zcrx=HAS_IOURING_ZCRX=y
make -j"$(nproc)" FORCE_TARGETS=1 $zcrx -C tools/testing/selftests \\
    TARGETS="{targets}" INSTALL_PATH={installed} install
cd {installed}
python3 -m compileall -q --invalidation-mode unchecked-hash -s {installed} -p /ksft .
"""


@dataclass(frozen=True)
class Selftests:
    """The built selftests: `image` is a read-only erofs disk, `listing` kselftest-list.txt."""

    image: Path
    listing: str
    source: Package

    @property
    def image_sha256(self) -> str:
        """For provenance."""
        return file_sha256(self.image)


def source_package(archive: Archive, version: str) -> Package:
    """Debian's linux-source of exactly the kernel package `version`, e.g. 7.2.12-1~bpo13+1.

    Raises EnvironmentProblem naming what the archive still has when that one is gone.
    """
    series = re.match(r"\d+\.\d+", version)
    if series is None:
        raise EnvironmentProblem(f"{version!r} is no version of a Debian kernel package")
    name = f"linux-source-{series[0]}"
    listed = archive.list_matching(r"linux-source-\d+\.\d+")
    for package in listed:
        if (package.name, package.version) == (name, version):
            return package
    there = ", ".join(sorted({package.version for package in listed})) or "none"
    raise EnvironmentProblem(
        f"the Debian archive no longer has {name} {version}: its selftests cannot be built",
        f"Test a kernel whose source is there (--kernel): {there}.",
    )


def selftests(
    store: Store, archive: Callable[[], Archive], tools: Callable[[], ToolRoot], version: str
) -> Selftests:
    """The selftests of the kernel package `version`, built on first use.

    `tools` has mkfs.erofs. Raises EnvironmentProblem when the source is gone or does not build.
    """
    recipe, parts, targets = _load(version)
    source = _resolved_source(store, archive, version)
    inputs: dict[str, Json] = {
        "source": source.as_input(),
        "build_root": [package.as_input() for package in resolved(store, archive, recipe)],
        "parts": list(parts),
        "targets": list(targets),
        "script": _BUILD,
        "format": FORMAT,
    }

    def build(folder: Path) -> None:
        work = folder / "work"
        work.mkdir()
        tree = package_tree(store, archive, recipe, finish=_link_names)
        [deb] = archive().fetch([source])
        _unpack_source(deb, parts, work)
        script = _BUILD.format(work=_WORK, installed=_INSTALLED, targets=" ".join(targets))
        log = BuildRoot.of(tree).run(["bash", "-euc", script], write={_WORK: work})
        (folder / BUILD_LOG).write_text(log)
        installed = work / "installed"
        Inside(installed).copy(TEST_LIST, folder / TEST_LIST)
        make_erofs(tools(), installed, folder / IMAGE)
        shutil.rmtree(work)

    entry = store.ensure("ksft", inputs, build, needs_bytes=400_000_000)
    return Selftests(entry.path / IMAGE, (entry.path / TEST_LIST).read_text(), source)


def _load(version: str) -> tuple[Recipe, Sequence[str], Sequence[str]]:
    recipe = Recipe.load(RECIPE, "ksft")
    headers = f"linux-libc-dev={version}"
    recipe = replace(recipe, packages=[*recipe.packages, headers])
    source = tomllib.loads(RECIPE.read_text())["source"]
    return recipe, source["parts"], source["targets"]


def _resolved_source(store: Store, archive: Callable[[], Archive], version: str) -> Package:
    """The source package, looked up once so that later runs need no network."""

    def look_up(folder: Path) -> None:
        package = source_package(archive(), version)
        lines = (package.name, package.version, package.sha256, str(package.size))
        (folder / "package").write_text("\n".join(lines))

    entry = store.ensure("ksft-source", {"version": version}, look_up)
    name, found, sha256, size = (entry.path / "package").read_text().split("\n")
    return Package(name, found, sha256, int(size))


def _link_names(tree: Path) -> None:
    """Names that the packages' maintainer scripts would have linked."""
    for name, target in (("awk", "mawk"), ("cc", "gcc")):
        (tree / "usr/bin" / name).symlink_to(target)


def _unpack_source(deb: Path, parts: Sequence[str], work: Path) -> None:
    """Unpack `parts` of the source tree inside a linux-source package into work/source."""
    top = deb.name.split("_")[0]
    tarball = f"./usr/src/{top}.tar.xz"
    source = work / "source"
    source.mkdir()
    members = [f"{top}/{part}" for part in parts]
    # -p: in the image the files have the permissions that they have in the package
    script = """
        tarball=$1; shift
        dpkg-deb --fsys-tarfile /deb | tar -x -O "$tarball" | xz -d -c -T2 |
            tar -x -p -C /source --strip-components=1 "$@"
    """
    argv = ["bash", "-euo", "pipefail", "-c", script, "bash", tarball, *members]
    HOST.run(argv, read={"/deb": deb}, write={"/source": source})
