# SPDX-License-Identifier: GPL-2.0-only
"""The C programs of guests and labs: what each is made of (`programs.toml`), and compiling them."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from images.buildroot import BuildRoot
from images.recipe import HERE
from images.store import Json, source_hashes

COMPILE = ["gcc", "-O2", "-g0", "-Wall", "-Wextra", "-Wmissing-prototypes", "-Werror", "-pthread"]
LIBRARIES = ["-l:liburing.a", "-l:libmnl.a"]
"""Static: a shared library's pages would move those of a zero-copy area, so change event hashes."""

STATIC = ("-static",)


@dataclass(frozen=True)
class Programs:
    """`sources`: program -> its C files below `folder`. `flags` are for linking."""

    folder: Path
    sources: Mapping[str, Sequence[str]]
    flags: Sequence[str] = ()

    @classmethod
    def load(
        cls, table: str, *names: str, flags: Sequence[str] = (), here: Path = HERE
    ) -> Programs:
        """Those of a table of `programs.toml`: all, or the named ones. Raises KeyError."""
        sources = tomllib.loads((here / "programs.toml").read_text())[table]
        return cls(here / table, {name: sources[name] for name in names or sources}, flags)

    @property
    def files(self) -> list[str]:
        """Every C file once, in order."""
        return sorted({file for files in self.sources.values() for file in files})

    def as_input(self, build_packages: Sequence[Mapping[str, Json]]) -> dict[str, Json]:
        """Everything that decides what comes out, as store inputs."""
        headers = source_hashes(self.folder, "**/*.h")
        files = {name: source_hashes(self.folder, name)[name] for name in self.files}
        return {
            "compiler": [dict(package) for package in build_packages],
            "flags": [*COMPILE, *self.flags, *LIBRARIES],
            "programs": {name: list(files) for name, files in self.sources.items()},
            "files": {**headers, **files},
        }

    def compile(self, build_root: BuildRoot, target: Path) -> None:
        """Write each program to `target`/<its name>. Raises EnvironmentProblem."""
        target.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=".objects-", dir=target) as objects:
            read = {"/source": self.folder}
            write = {"/objects": Path(objects), "/target": target}
            argv = [*COMPILE, "-I/source", "-c", *(f"/source/{file}" for file in self.files)]
            build_root.run(argv, read=read, write=write, folder="/objects")
            for name, files in self.sources.items():
                linked = [f"/objects/{Path(file).stem}.o" for file in files]
                argv = [*COMPILE, *self.flags, *linked, "-o", f"/target/{name}", *LIBRARIES]
                build_root.run(argv, write=write)
