# SPDX-License-Identifier: GPL-2.0-only
"""TCG plugins for QEMU, compiled from images/plugins: what looks at a guest without being in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from images.buildroot import BuildRoot
from images.recipe import HERE as IMAGES
from images.store import Json, Store, source_hashes

COUNTER = "insn_count.so"
COMPILE = ["gcc", "-O2", "-g0", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC"]
COMPILE += ["-fvisibility=hidden"]


def counter_plugin(
    store: Store,
    build_root: Callable[[], BuildRoot],
    build_packages: Sequence[Mapping[str, Json]],
) -> Path:
    """The instruction counter, from the store or compiled now. Raises EnvironmentProblem."""
    sources = IMAGES / "plugins"
    inputs: dict[str, Json] = {
        "sources": source_hashes(sources, "*.[ch]"),
        "compiler": [dict(package) for package in build_packages],
        "flags": list(COMPILE),
    }

    def build(folder: Path) -> None:
        argv = [*COMPILE, f"/source/{Path(COUNTER).stem}.c", "-o", f"/target/{COUNTER}"]
        build_root().run(argv, read={"/source": sources}, write={"/target": folder})

    return store.ensure("qemu-plugin", inputs, build, needs_bytes=10_000_000).path / COUNTER
