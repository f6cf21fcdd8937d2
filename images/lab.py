# SPDX-License-Identifier: GPL-2.0-only
"""Programs for machines that are not ours, linked statically: a lab's may have any C library.

Those of images/programs, which tests call, and those of images/lab, which keep order there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from images.buildroot import BuildRoot
from images.compile import STATIC, Programs
from images.recipe import HERE
from images.store import Json, Store

TABLES = ("programs", "lab")


def lab_programs(
    store: Store,
    build_root: Callable[[], BuildRoot],
    build_packages: Sequence[Mapping[str, Json]],
    here: Path = HERE,
) -> list[Path]:
    """The programs, each a file; the build root is fetched only to build them."""
    tables = {name: Programs.load(name, flags=[*STATIC, "-s"], here=here) for name in TABLES}
    inputs: dict[str, Json] = {
        name: programs.as_input(build_packages) for name, programs in tables.items()
    }

    def build(folder: Path) -> None:
        for programs in tables.values():
            programs.compile(build_root(), folder / "bin")

    entry = store.ensure("lab-programs", inputs, build, needs_bytes=50_000_000)
    return sorted((entry.path / "bin").iterdir())
