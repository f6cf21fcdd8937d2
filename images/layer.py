# SPDX-License-Identifier: GPL-2.0-only
"""Debian packages by name, as an image that is laid over the guest's root.

They are resolved together with those of the guest, so that what both need is of one version. As in
the guest itself, no maintainer script runs. Of packages the guest has, only what it has of others
is left out.
"""

from __future__ import annotations

import difflib
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from images.debian import Archive, Package
from images.guest import make_erofs
from images.recipe import HERE, Recipe, resolved
from images.store import Entry, Json, Store
from images.toolroot import ToolRoot
from images.tree import FORMAT as UNPACK_FORMAT
from images.tree import unpack

IMAGE_NAME = "layer.erofs"
FORMAT = 1
"""Raised when this module puts other things into the image from the same packages."""

NAME = re.compile(r"[a-z0-9][a-z0-9+.-]*[a-z0-9+](/[a-z]+(-[a-z]+)?)?")
"""A package, or package/suite as apt has it; nothing apt takes for an option or a removal."""
ALSO_FROM_SID = ("src:liburing",)
"""liburing-dev has to be of the version that the guest's liburing2 is of."""
CUT = ("perl", "libperl", "tzdata", "systemd", "udev", "cron", "dpkg")
"""So begin packages of which the guest may have a part only (`exclude` of guest.toml)."""
LIKE_IT = 3


class UnknownPackage(Exception):
    """Debian has no package of that name; the message names the nearest."""


@dataclass(frozen=True)
class Layer:
    """An image, and what is in it, name by name with its version."""

    image: Path
    packages: Mapping[str, str]


def checked_names(names: Sequence[str]) -> list[str]:
    """The names, each once, in order. Raises UnknownPackage for what is no name of a package."""
    for name in names:
        if not NAME.fullmatch(name):
            raise UnknownPackage(f"{name!r} is no name of a package (or package/suite)")
    return sorted(set(names))


def layer_recipe(names: Sequence[str], here: Path = HERE) -> Recipe:
    """The guest's packages and those named, of the suites that the guest's are of."""
    guest = Recipe.load(here / "guest.toml", "guest")
    pins = {suite: list(patterns) for suite, patterns in guest.pins.items()}
    pins["sid"] = [*pins.get("sid", []), *ALSO_FROM_SID]
    return replace(
        guest, name="layer", packages=[*guest.packages, *checked_names(names)], pins=pins,
        exclude=(),
    )  # fmt: skip


def packages_layer(
    store: Store, archive: Callable[[], Archive], tools: Callable[[], ToolRoot],
    names: Sequence[str], here: Path = HERE,
) -> Layer:  # fmt: skip
    """The image of those packages and all that they depend on, from the store or made now.

    Raises UnknownPackage, EnvironmentProblem.
    """
    recipe = layer_recipe(names, here)

    def known() -> Archive:
        found = archive()
        _require_known(found, names)
        return found

    guest = resolved(store, archive, Recipe.load(here / "guest.toml", "guest"))
    packages = missing(resolved(store, known, recipe), guest)
    inputs: dict[str, Json] = {
        "format": FORMAT,
        "unpack": UNPACK_FORMAT,
        "packages": [package.as_input() for package in packages],
    }

    def build(folder: Path) -> None:
        tree = folder / "tree"
        tree.mkdir()
        unpack(archive().fetch(packages), tree)
        make_erofs(tools(), tree, folder / IMAGE_NAME)
        shutil.rmtree(tree)

    size = sum(package.size for package in packages)
    entry: Entry = store.ensure("layer", inputs, build, needs_bytes=8 * size + 1_000_000)
    return Layer(
        entry.path / IMAGE_NAME, {package.name: package.version for package in packages}
    )  # fmt: skip


def missing(wanted: Sequence[Package], guest: Sequence[Package]) -> list[Package]:
    """Those of `wanted` that the guest has not, or not whole."""
    there = {(package.name, package.version) for package in guest}
    return [
        package for package in wanted
        if (package.name, package.version) not in there or package.name.startswith(CUT)
    ]  # fmt: skip


def _require_known(archive: Archive, names: Sequence[str]) -> None:
    archive.refresh()
    known = archive.names()
    for name in (one.partition("/")[0] for one in names):
        if name not in known:
            near = difflib.get_close_matches(name, known, LIKE_IT)
            hint = f"; there is {', '.join(near)}" if near else ""
            raise UnknownPackage(f"Debian has no package {name}{hint}")
