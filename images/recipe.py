# SPDX-License-Identifier: GPL-2.0-only
"""A recipe table (TOML) as data, and the package tree it gives."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from images.debian import Archive, Package, Selection
from images.store import Entry, Json, Store
from images.tree import FORMAT as UNPACK_FORMAT
from images.tree import unpack

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Recipe:
    """Packages to unpack: `pins` as in `Selection`, `exclude` as in `tree.unpack`."""

    name: str
    packages: Sequence[str]
    pins: Mapping[str, Sequence[str]] = field(default_factory=dict)
    exclude: Sequence[str] = ()

    @classmethod
    def load(cls, path: Path, table: str) -> Recipe:
        """The table of that name in a recipe file; unknown keys are an error (TypeError)."""
        return cls(name=table, **tomllib.loads(path.read_text())[table])

    def as_input(self) -> dict[str, Json]:
        """Everything that decides what comes out, as store inputs."""
        return {
            "name": self.name,
            "packages": list(self.packages),
            "pins": {suite: list(names) for suite, names in self.pins.items()},
            "exclude": list(self.exclude),
        }


def resolved(store: Store, archive: Callable[[], Archive], recipe: Recipe) -> list[Package]:
    """The exact packages of a recipe: solved once, then kept, so that later runs need no network.

    `archive` is called only when something has to be looked up.
    """

    def solve(folder: Path) -> None:
        packages = archive().resolve(Selection(recipe.packages, recipe.pins))
        (folder / "packages.json").write_text(
            json.dumps([{**package.as_input(), "size": package.size} for package in packages])
        )

    entry = store.ensure("packages", recipe.as_input(), solve)
    return [Package(**item) for item in json.loads((entry.path / "packages.json").read_text())]


def package_tree(
    store: Store,
    archive: Callable[[], Archive],
    recipe: Recipe,
    finish: Callable[[Path], None] = lambda _folder: None,
) -> Entry:
    """The unpacked packages of a recipe as a store entry of kind `root-<name>`."""
    packages = resolved(store, archive, recipe)
    inputs: dict[str, Json] = {
        "format": UNPACK_FORMAT,
        "packages": [package.as_input() for package in packages],
        "exclude": list(recipe.exclude),
    }

    def build(folder: Path) -> None:
        unpack(archive().fetch(packages), folder, exclude=recipe.exclude)
        finish(folder)

    size = sum(package.size for package in packages)
    return store.ensure(f"root-{recipe.name}", inputs, build, needs_bytes=5 * size)
