# SPDX-License-Identifier: GPL-2.0-only
"""A build root that is none, and a make that compiles a toy kernel: C files become capitals."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest

from images.buildroot import HOST, BuildRoot, Jailed
from images.debian import Archive, Package
from images.store import Entry, Store
from kernels import build as build_module
from kernels.build import Builder, BuiltKernel
from kernels.flavours import Flavour
from kernels.fragments import Group
from kernels.patches import PatchSeries
from kernels.pruning import slots
from kernels.source import TreeSource

MAKEFILE = "VERSION = 7\nPATCHLEVEL = 2\nSUBLEVEL = 12\n"
KCONFIG = "config NET\n\tbool\nconfig GONE_DEPS\n\tbool\n\tdepends on MISSING\n"

# $1: source, $2: build, $3: what is given; then the command. An object is made again when its
# source is younger, and a source with "#error" or "#wait" fails or hangs. A tree's evil.sh comes
# first, each time.
SCRIPT = """
source=$1 build=$2 given=$3; shift 3
cd "$build"
if [ -e "$source/evil.sh" ]; then . "$source/evil.sh"; fi
case "$*" in
gcc*) eval "set -- $1"; for word; do out=$word; done; : > "${out#/kernel/build/}"; exit 0 ;;
*allnoconfig*) grep -v -e VANISHED -e GONE_DEPS "$given/options.config" > .config || :; exit 0 ;;
esac
echo "$*" > command
for file in "$source"/*.c; do
    name=$(basename "$file" .c)
    [ "$name.o" -nt "$file" ] && continue
    echo "  CC      $name.o"
    if grep -q '#wait' "$file"; then echo $$ > pid; sleep 60; fi
    if grep -q '#full' "$file"; then echo "cc1: fatal error: No space left on device"; exit 1; fi
    if grep -q '#kill' "$file"; then kill -KILL $$; fi
    if grep -n '#error' "$file"; then
        echo "/kernel/source/$name.c:1:2: error: #error no"
        echo "    1 | #error no"
        echo "  CC      other.o"
        echo "make[2]: *** [Makefile:1: $name.o] Error 1"
        exit 2
    fi
    tr a-z A-Z < "$file" > "$name.half"; mv "$name.half" "$name.o"
    : > ".$name.o.cmd"
done
mkdir -p include/config; echo 7.2.12-toy > include/config/kernel.release
[ -e vmlinux ] || echo "linked again"
: > vmlinux; cat ./*.o > linux; echo symbols > System.map
"""


@dataclass(frozen=True)
class FakeRoot(BuildRoot):
    """Runs SCRIPT on the host instead of make in a package tree; has the host's patch."""

    def run(self, argv: Sequence[str], **places: Any) -> str:
        """In the jail."""
        if not shutil.which("patch"):
            pytest.skip("patch is not installed")
        return HOST.run(argv, **places)

    @contextlib.contextmanager
    def entered(
        self,
        argv: Sequence[str],
        *,
        read: Mapping[str, Path] | None = None,
        write: Mapping[str, Path] | None = None,
        folder: str = "/",
    ) -> Iterator[Jailed]:
        """As the real one, without a jail."""
        given = dict(read or {}) | dict(write or {})
        places = [str(given[f"/kernel/{name}"]) for name in ("source", "build", "given")]
        report = os.memfd_create("jail")
        try:
            yield Jailed(["sh", "-euc", SCRIPT, "sh", *places, shlex.join(argv)], [report])
        finally:
            os.close(report)


def toy_kernel(folder: Path, **files: str) -> Path:
    """A source tree; `files`: names of C files without .c -> content."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "Makefile").write_text(MAKEFILE)
    (folder / "Kconfig").write_text(KCONFIG)
    for name, text in files.items():
        (folder / f"{name}.c").write_text(text + "\n")
    return folder


FLAVOUR = Flavour(
    "toy", "for tests", "um", (Group("ip", "why", {"NET": "y"}),), ("linux",), "linux", 2
)
COMPILER = [Package("gcc", "14", "00", 1)]


class ToyBuilder(Builder):
    """A builder whose compiler is the fake one and whose patch program is the host's."""

    def __init__(self, root: Path) -> None:
        self.reports: list[str] = []
        super().__init__(Store(root), lambda: cast("Archive", None), self.reports.append)

    def root_entry(self) -> Entry:
        return Entry("root", "0", self.store.root, {})

    def _packages(self) -> Sequence[Package]:
        return COMPILER


class Lab:
    """A toy kernel, a cache, and short ways to build one in the other."""

    def __init__(self, folder: Path) -> None:
        self.tree = toy_kernel(folder / "tree", a="alpha", b="beta")
        self.cache = folder / "cache"
        self.builder = ToyBuilder(self.cache)

    def build(
        self,
        *,
        flavour: Flavour = FLAVOUR,
        series: Sequence[PatchSeries] = (),
        fragments: Sequence[Group] = (),
        without_failed: bool = False,
    ) -> BuiltKernel:
        return self.builder.build(
            flavour, TreeSource(self.tree), series=series, fragments=fragments, jobs=1,
            without_failed=without_failed,
        )  # fmt: skip

    def log(self) -> str:
        [slot] = slots(self.cache)
        return (slot.path / "build.log").read_text()


class FixedSource(TreeSource):
    """The toy tree as a package would hold it: known by its identity, never read for changes."""

    fixed = True


def toy_lab(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """A lab whose builds run SCRIPT."""

    monkeypatch.setattr(build_module, "BuildRoot", FakeRoot)
    monkeypatch.setattr(FakeRoot, "of", classmethod(lambda cls, entry: cls(entry.path)))
    return Lab(folder)
