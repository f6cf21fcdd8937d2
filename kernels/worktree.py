# SPDX-License-Identifier: GPL-2.0-only
"""A private copy of a source tree in which make sees only what has changed since the last build.

The user's tree is read, never built in: it may hold the products of another build, and may be
edited while ours runs. A file whose content has changed is replaced and so becomes younger than
its object; all others keep their time, so that make compiles nothing else. A first copy, of which
no object was made yet, can have the times of another source, whose objects the build begins with.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import stat
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from images.inside import Inside, parent
from kernels.compile import Progress, Watch
from kernels.git import git_files

DELETED = ""
"""What an index has in place of a name, for the names of the files that an overlay deleted."""

EACH = 256
"""Files between two looks of who watches a copy."""

# What `make distclean` of linux 7.2 removes, by name; programs of the host's do no harm.
_PRODUCT = re.compile(
    r"(^|/)(\.[^/]*\.cmd|\.[^/]*\.d|\.tmp_[^/]*|[^/]*\.([aios]|ko|mod|mod\.c|dtb|dtbo|order|symvers"
    r"|symtypes|lex\.c|tab\.[ch]|asn1\.[ch]|gcno|ll|rmeta|so|so\.dbg)|modules\.builtin[^/]*)$"
    r"|^(\.config(\.old)?|\.version|vmlinux[^/]*|\.vmlinux[^/]*|linux|System\.map|\.git)$"
    r"|^(include/(config|generated)|arch/[^/]+/include/generated)/"
)


@dataclass(frozen=True)
class Synced:
    """What `sync` did; hashes over names and contents of all files, and of the Kconfig files.

    `unlike`: how many files are not those of `like`; `gone`: what was in the copy, or is in `like`,
    and is no file of the source.
    """

    changed: int
    removed: int
    digest: str
    kconfig: str
    unlike: int = 0
    gone: frozenset[str] = frozenset()


def list_tree(tree: Path) -> list[str]:
    """Source files below a tree, sorted, without build products.

    In a git tree: what git tracks, and new files that .gitignore does not name. Elsewhere, and
    where git knows nothing of the kernel (Debian's source ignores all its files): every file that
    does not look like the product of a build.
    """
    names = git_files(tree)
    if "Makefile" not in names:
        names = [name for name in walk_tree(tree) if not _PRODUCT.search(name)]
    return sorted(name for name in names if os.path.lexists(f"{tree}/{name}"))


def walk_tree(tree: Path) -> list[str]:
    """Every file and link below a tree, but for git's own."""
    found = []
    start = len(str(tree)) + 1
    for current, folders, names in os.walk(tree):
        if ".git" in folders:
            folders.remove(".git")
        below = f"{current}/"[start:]  # strings: there are 95,000 files
        links = [name for name in folders if Path(current, name).is_symlink()]
        found += [below + name for name in (*names, *links)]
    return found


def sync(
    tree: Path,
    names: Iterable[str] | None,
    overlay: Mapping[str, Path | None],
    target: Path,
    index: Path,
    *,
    like: Path | None = None,
    watch: Watch | None = None,
) -> Synced:
    """Make `target` hold the files `names` of `tree`, changed by `overlay`.

    `names` is None for all of a tree which, like `target`, is as it was when `index` was written:
    what neither this overlay nor the one before touches is not looked at.
    `overlay` maps a name to the file that takes its place, or to None where it is deleted.
    `index` remembers what was copied when; without it everything is compared by content. A first
    copy that is interrupted is gone on with.
    `like`: for a first copy, the source of the objects that a build will begin with. What equals a
    file there is as old as that, so that its objects stay good; all else becomes younger.

    The tree is somebody else's: pipes and the like are no part of it, nor is what `names` has of
    files behind a link, and nothing is written through a link that was copied before.
    """
    known, deleted = _read_index(index)
    begun = index.with_name(f"{index.name}.{hashlib.sha256(str(like).encode()).hexdigest()[:12]}")
    if first := not known:
        known, _ = _read_index(begun)
        for left_over in index.parent.glob(f"{index.name}.*"):
            left_over.unlink()
    fresh: dict[str, list[object]] = {}
    if names is None and (first or deleted is None):
        names = walk_tree(tree)
    elif names is None:
        replaced = {name for name, entry in known.items() if entry[0] != f"{tree}/{name}"}
        names = replaced.union(map(str, deleted or ()), overlay)
        fresh = {name: entry for name, entry in known.items() if name not in names}
    untouched = frozenset(fresh)
    inside = Inside(tree)
    wanted = {name: f"{tree}/{name}" for name in names if inside.is_file_or_link(name)}
    for name, replacement in overlay.items():
        if replacement is None:
            wanted.pop(name, None)
        else:
            wanted[name] = str(replacement)
    present = set(walk_tree(target)) if first else known.keys() - untouched
    gone = present - wanted.keys()
    _remove(target, gone)
    try:
        changed = _copy_all(wanted, known, target, fresh, like, watch)
    except BaseException:
        if first:
            _write_index(begun, fresh, [])
        raise
    missing = sorted(name for name, other in overlay.items() if other is None)
    if first or (fresh, missing) != (known, deleted):
        _write_index(index, fresh, missing)
    lost = set() if like is None else set(walk_tree(like)) - wanted.keys()
    unlike = 0 if like is None else _count_unlike(wanted, target, like) + len(lost)
    return Synced(
        changed, len(gone), _digest(fresh, ""), _digest(fresh, "Kconfig"), unlike,
        frozenset(gone | lost),
    )  # fmt: skip


def _copy_all(
    wanted: Mapping[str, str],
    known: Mapping[str, list[object]],
    target: Path,
    fresh: dict[str, list[object]],
    like: Path | None,
    watch: Watch | None,
) -> int:
    """Copy what is not there as `known` says, and note in `fresh` what is; how much was copied."""
    present = Inside(target)
    likeness = None if like is None else Inside(like)
    changed = 0
    for number, (name, origin) in enumerate(wanted.items()):
        if watch and number % EACH == 0:
            watch(Progress(number, len(wanted), name))
        info = os.lstat(origin)
        stamp = [origin, info.st_size, info.st_mtime_ns, info.st_ctime_ns, info.st_ino]
        before = known.get(name)
        there = before is not None and present.is_file_or_link(name)
        if there and before is not None and before[:-1] == stamp:
            fresh[name] = before
            continue
        content = _content_hash(Path(origin), info)
        if not there or before is None or before[-1] != content:
            _make_folder(target, parent(name))
            time_ns = None if likeness is None else _time_of(likeness, name, origin, content)
            _copy(Path(origin), info, target / name, time_ns)
            changed += 1
        fresh[name] = [*stamp, content]
    return changed


def _time_of(like: Inside, name: str, origin: str, content: str) -> int | None:
    """The time, in ns, of the file `name` there, if it holds the content of `origin`."""
    info = like.stat(name)
    if info is None or not like.is_file_or_link(name):
        return None
    place = f"{like.top}/{name}"
    same = place == origin or _content_hash(Path(place), info) == content
    return info.st_mtime_ns if same else None


def _count_unlike(names: Iterable[str], target: Path, like: Path) -> int:
    """How many files of the copy are not as old as those of `like`, so differ from them."""
    copied, present = Inside(target), Inside(like)
    pairs = ((copied.stat(name), present.stat(name)) for name in names)
    return sum(
        one is None or other is None or one.st_mtime_ns != other.st_mtime_ns for one, other in pairs
    )


def _write_index(index: Path, files: Mapping[str, list[object]], deleted: Sequence[object]) -> None:
    temporary = index.with_name(f"{index.name}.new")
    temporary.write_text(json.dumps({**files, DELETED: deleted}))
    temporary.rename(index)


def _remove(target: Path, names: Iterable[str]) -> None:
    """Remove files and links, as far as only folders lead to them."""
    inside = Inside(target)
    for name in names:
        if inside.is_file_or_link(name):
            (target / name).unlink()


def _make_folder(target: Path, name: str) -> None:
    """Have a folder, where what was in the copy before may have been a file or a link."""
    if not name or stat.S_ISDIR(Inside(target).mode(name)):
        return
    _make_folder(target, parent(name))
    place = target / name
    place.unlink(missing_ok=True)
    place.mkdir()


def _digest(files: Mapping[str, list[object]], within: str) -> str:
    """The hash over names and contents of the files with `within` in their names."""
    digest = hashlib.sha256()
    for name in sorted(name for name in files if within in name):
        digest.update(f"{name}\0{files[name][-1]}\n".encode())
    return digest.hexdigest()


def _read_index(index: Path) -> tuple[dict[str, list[object]], list[object] | None]:
    """What was copied, and what an overlay deleted, None where the index does not say."""
    try:
        known = json.loads(index.read_text())
    except (OSError, ValueError, RecursionError):
        return {}, None
    if not isinstance(known, dict):
        return {}, None
    found = {name: entry for name, entry in known.items() if isinstance(entry, list)}
    deleted = found.pop(DELETED, None)
    return {name: entry for name, entry in found.items() if entry}, deleted


def _content_hash(path: Path, info: os.stat_result) -> str:
    if stat.S_ISLNK(info.st_mode):
        return f"-> {path.readlink()}"
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return f"{digest} {'x' if info.st_mode & stat.S_IXUSR else '-'}"


def _copy(origin: Path, info: os.stat_result, place: Path, time_ns: int | None) -> None:
    """Replace `place`, whole or not at all: of that time, or younger than every object."""
    temporary = place.with_name(f".{place.name}.sync")
    temporary.unlink(missing_ok=True)
    if stat.S_ISLNK(info.st_mode):
        temporary.symlink_to(origin.readlink())
    else:
        shutil.copyfile(origin, temporary)
        temporary.chmod(0o755 if info.st_mode & stat.S_IXUSR else 0o644)
    if time_ns is not None:
        os.utime(temporary, ns=(time_ns, time_ns), follow_symlinks=False)
    if place.is_dir() and not place.is_symlink():
        shutil.rmtree(place)  # its files are gone from the tree
    temporary.rename(place)
