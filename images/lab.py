# SPDX-License-Identifier: GPL-2.0-only
"""Programs for machines that are not ours, linked statically: a lab's may have any C library.

Those of images/programs, which tests call, and those of images/lab, which keep order there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from images.buildroot import BuildRoot
from images.guest import COMPILE, LINK_FLAGS, compile_programs, source_hashes
from images.recipe import HERE
from images.store import Json, Store

FLAGS = ["-static", "-s"]
FOLDERS = ("programs", "lab")


def lab_programs(
    store: Store,
    build_root: Callable[[], BuildRoot],
    build_packages: Sequence[Mapping[str, Json]],
    here: Path = HERE,
) -> list[Path]:
    """The programs, each a file; the build root is asked for only to build them."""
    inputs: dict[str, Json] = {
        "compiler": [dict(package) for package in build_packages],
        "flags": [*COMPILE, *FLAGS, *LINK_FLAGS],
        "sources": {name: source_hashes(here / name, "*.[ch]") for name in FOLDERS},
    }

    def build(folder: Path) -> None:
        for name in FOLDERS:
            sources = sorted((here / name).glob("*.c"))
            compile_programs(build_root(), sources, folder / "bin", FLAGS)

    entry = store.ensure("lab-programs", inputs, build, needs_bytes=50_000_000)
    return sorted((entry.path / "bin").iterdir())
