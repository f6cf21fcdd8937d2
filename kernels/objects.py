# SPDX-License-Identifier: GPL-2.0-only
"""Object trees of one build for another: what does not differ is not compiled again.

A build that has no objects yet begins with those of a seed: of the same source without patches,
or, for a tree of the user's, of the package nearest to it. A tree gets nothing that was compiled of
anything else than a package whose signature was checked.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from images.inside import Inside
from images.store import Json, Report
from kernels.source import (
    TREES,
    SourceProblem,
    check_space,
    first_changed,
    lock_of,
    locked,
    makefile_version,
    unpacked,
)
from kernels.version import KernelVersion

OBJECTS = f"{TREES}/objects"
LOCK, ABOUT = "lock", "about.json"
STEPS = "steps"
"""A file in a slot whose build has come to its end: how many files that took."""
OBJECTS_BYTES = 2_000_000_000
"""The largest object tree (sanitizers and debug information), with some room."""
_COMPILED = (".c", ".S", ".rs")


@dataclass(frozen=True)
class Seed:
    """Objects in the folder `slot`, which a build of ours has made of the source in `tree`."""

    label: str
    slot: Path
    tree: Path


def slot_of(
    root: Path,
    flavour: str,
    source: Mapping[str, Json],
    patched: bool | str,
    compiler: Sequence[Json],
) -> Path:
    """The folder below a cache for the objects of a source with that identity."""
    inputs: dict[str, Json] = {
        "flavour": flavour, "place": dict(source), "patched": patched, "compiler": list(compiler),
    }  # fmt: skip
    digest = hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()[:24]
    return root / OBJECTS / digest


def note(slot: Path, about: Mapping[str, Json]) -> None:
    """Say in a slot what it belongs to; its time is that of the last use."""
    (slot / ABOUT).write_text(json.dumps(about))


def nearest(
    sources: Path,
    version: KernelVersion,
    slot_of: Callable[[Mapping[str, Json]], Path],
    report: Report,
) -> Seed | None:
    """The seed for a source of that version: of its series, with the fewest releases in between.

    `sources` holds the unpacked ones; `slot_of` says where the objects of a package are. Between
    two series the headers change that everything includes, so that nothing would be gained.
    """
    found = []
    for marker, identity in _packages(sources):
        slot, tree = slot_of(identity), marker.parent / "source"
        with contextlib.suppress(SourceProblem):
            known = makefile_version(tree)
            if known.series == version.series and (slot / STEPS).exists():
                seed = Seed(f"{identity['name']} {identity['version']}", slot, tree)
                found.append((abs(known.patch - version.patch), str(known), seed, marker))
    for _, _, seed, marker in sorted(found, key=lambda one: one[:2]):
        with locked(lock_of(marker.parent), report, seed.label):
            if first_changed(marker.parent, marker) is None:
                return seed
    return None


def _packages(sources: Path) -> Iterator[tuple[Path, Mapping[str, Json]]]:
    """The marker and the identity of each unpacked source that is a package, not a tarball."""
    for marker in unpacked(sources):
        identity = json.loads(marker.read_text())
        if "sha256" in identity:
            yield marker, identity


def take_over(seed: Seed, slot: Path, report: Report) -> bool:
    """Copy the objects of the seed, times included, into `slot`, whose lock is held.

    Only for a slot in which nothing was compiled yet: what is there is replaced. False if the
    seed's build has never come to its end. Raises EnvironmentProblem when there is no room.
    """
    with locked(seed.slot / LOCK, report, f"the objects of {seed.label}"):
        if not (seed.slot / STEPS).exists():
            return False
        report(f"taking over the objects of {seed.label}")
        check_space(slot, OBJECTS_BYTES)
        partial, build = slot / "build.partial", slot / "build"
        shutil.rmtree(partial, ignore_errors=True)
        shutil.copytree(seed.slot / "build", partial, symlinks=True, ignore=_special)
        shutil.rmtree(build, ignore_errors=True)
        partial.rename(build)
    return True


def forget(build: Path, names: Iterable[str]) -> None:
    """Remove the objects of sources that are gone: make has no rule for them, and keeps them."""
    inside = Inside(build)
    for name in names:
        stem, dot, suffix = name.rpartition(".")
        if f"{dot}{suffix}" in _COMPILED and inside.is_file_or_link(f"{stem}.o"):
            (build / f"{stem}.o").unlink()


def _special(folder: str, names: list[str]) -> list[str]:
    """Pipes and the like, which no copy can hold, and a source may have had made."""
    inside = Inside(Path(folder))
    folders = [name for name in names if stat.S_ISDIR(inside.mode(name))]
    return [name for name in names if name not in folders and not inside.is_file_or_link(name)]
