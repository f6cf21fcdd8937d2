# SPDX-License-Identifier: GPL-2.0-only
"""The initramfs of a User Mode Linux guest: one static program, process 1 and agent at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from images.buildroot import BuildRoot
from images.compile import STATIC, Programs
from images.store import Json, Store
from kernels.initramfs import pack

NAME = "initramfs.cpio"
PROGRAM = "uml_init"


def uml_initramfs(
    store: Store, build_root: Callable[[], BuildRoot], build_packages: Sequence[Mapping[str, Json]]
) -> Path:
    """The file, from the store or made now. Raises EnvironmentProblem."""
    program = Programs.load("boot", PROGRAM, flags=STATIC)
    inputs = program.as_input(build_packages)

    def build(folder: Path) -> None:
        with TemporaryDirectory(dir=folder) as work:
            program.compile(build_root(), Path(work))
            init = (Path(work) / PROGRAM).read_bytes()
        (folder / NAME).write_bytes(pack({"init": (0o755, init)}))

    return store.ensure("uml-initramfs", inputs, build, needs_bytes=10_000_000).path / NAME
