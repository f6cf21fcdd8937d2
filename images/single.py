# SPDX-License-Identifier: GPL-2.0-only
"""A C program of the user's that is one file, compiled statically to run in any guest."""

from __future__ import annotations

from pathlib import Path

from images.buildroot import BuildRoot
from images.compile import LIBRARIES, STATIC

COMPILE_SINGLE = ("gcc", "-O2", "-g0", "-Wall", *STATIC, "-pthread")


def compile_single(build_root: BuildRoot, source: Path, target: Path) -> Path:
    """Compile `source` to `target`/<its name without .c>, and return that.

    Raises ProgramFailed with what the compiler said, EnvironmentProblem.
    """
    place = f"/source/{source.name}"
    argv = [*COMPILE_SINGLE, place, "-o", f"/target/{source.stem}", *LIBRARIES]
    build_root.run(argv, read={place: source}, write={"/target": target})
    return target / source.stem
