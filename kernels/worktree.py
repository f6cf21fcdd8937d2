# SPDX-License-Identifier: GPL-2.0-only
"""A private copy of a source tree in which make sees only what has changed since the last build.

The user's tree is read, never built in: it may hold the products of another build, and may be
edited while ours runs. A file whose content has changed is replaced and so becomes younger than
its object; all others keep their time, so that make compiles nothing else.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from images.command import run, search_path
from images.errors import EnvironmentProblem

_BUILT_MARKS = (".config", "include/config", "include/generated")


@dataclass(frozen=True)
class Synced:
    """What `sync` did, and the hash over the names and contents of all files."""

    changed: int
    removed: int
    digest: str


def list_tree(tree: Path) -> list[str]:
    """Source files below a tree, sorted, without what a build leaves behind.

    Asks git, whose .gitignore files know that; a folder that no git manages and nobody has built
    in is walked instead when there is no git. Raises EnvironmentProblem.
    """
    if shutil.which("git", path=search_path()):
        names = _git_files(tree)
    elif (tree / ".git").exists() or any((tree / mark).exists() for mark in _BUILT_MARKS):
        raise EnvironmentProblem(
            f"telling sources from build products in {tree} takes git, which is not installed",
            "Install git, or name an unpacked tarball nobody has built in.",
        )
    else:
        names = walk_tree(tree)
    return sorted(name for name in names if os.path.lexists(tree / name))


def walk_tree(tree: Path) -> list[str]:
    """Every file and link below a tree."""
    return [
        os.path.relpath(os.path.join(current, name), tree)  # noqa: PTH118 - Path is too slow here
        for current, folders, names in os.walk(tree)
        for name in (*names, *(f for f in folders if Path(current, f).is_symlink()))
    ]


def _git_files(tree: Path) -> list[str]:
    listing = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    git = ["git", "-c", "safe.directory=*", "-C", str(tree)]
    if (tree / ".git").exists():
        return [name for name in run([*git, *listing]).split("\0") if name]
    with TemporaryDirectory(prefix="testbed-git-") as folder:
        run(["git", "init", "-q", "--bare", folder])
        listed = run([*git, f"--git-dir={folder}", f"--work-tree={tree}", *listing])
    return [name for name in listed.split("\0") if name]


def git_description(tree: Path) -> str | None:
    """`git describe --always --dirty` of a tree, for reports; None where git knows nothing."""
    command = ["git", "-c", "safe.directory=*", "-C", str(tree), "describe", "--always", "--dirty"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return None
    return done.stdout.strip() or None


def sync(
    tree: Path,
    names: Iterable[str],
    overlay: Mapping[str, Path | None],
    target: Path,
    index: Path,
) -> Synced:
    """Make `target` hold the files `names` of `tree`, changed by `overlay`.

    `overlay` maps a name to the file that takes its place, or to None where it is deleted.
    `index` remembers what was copied when; without it everything is compared by content.
    """
    known = _read_index(index)
    wanted = {name: tree / name for name in names}
    for name, replacement in overlay.items():
        if replacement is None:
            wanted.pop(name, None)
        else:
            wanted[name] = replacement
    fresh: dict[str, list[object]] = {}
    changed = 0
    for name, origin in wanted.items():
        info = os.lstat(origin)
        stamp = [str(origin), info.st_size, info.st_mtime_ns, info.st_ctime_ns, info.st_ino]
        before = known.get(name)
        if before is not None and before[:-1] == stamp and os.path.lexists(target / name):
            fresh[name] = before
            continue
        content = _content_hash(origin, info)
        if before is None or before[-1] != content or not os.path.lexists(target / name):
            _copy(origin, info, target / name)
            changed += 1
        fresh[name] = [*stamp, content]
    gone = known.keys() - wanted.keys() if known else set(walk_tree(target)) - wanted.keys()
    for name in gone:
        (target / name).unlink(missing_ok=True)
    temporary = index.with_name(f"{index.name}.new")
    temporary.write_text(json.dumps(fresh))
    temporary.rename(index)
    digest = hashlib.sha256()
    for name in sorted(fresh):
        digest.update(f"{name}\0{fresh[name][-1]}\n".encode())
    return Synced(changed, len(gone), digest.hexdigest())


def _read_index(index: Path) -> dict[str, list[object]]:
    try:
        known = json.loads(index.read_text())
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def _content_hash(path: Path, info: os.stat_result) -> str:
    if stat.S_ISLNK(info.st_mode):
        return f"-> {path.readlink()}"
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return f"{digest} {'x' if info.st_mode & stat.S_IXUSR else '-'}"


def _copy(origin: Path, info: os.stat_result, place: Path) -> None:
    """Replace `place`, whole or not at all, with a file that is younger than every object."""
    place.parent.mkdir(parents=True, exist_ok=True)
    temporary = place.with_name(f".{place.name}.sync")
    temporary.unlink(missing_ok=True)
    if stat.S_ISLNK(info.st_mode):
        temporary.symlink_to(origin.readlink())
    else:
        shutil.copyfile(origin, temporary)
        temporary.chmod(0o755 if info.st_mode & stat.S_IXUSR else 0o644)
    temporary.rename(place)
