# SPDX-License-Identifier: GPL-2.0-only
"""What a folder of the cache holds, in two ways: by content, and by stamps that are quick to take.

A stamp (inode, size, change time, this boot) is trusted only where the content was compared
before: nobody can set a change time back, but a copy of the folder has new ones.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def file_sha256(path: Path) -> str:
    """Hex SHA-256 of a file's content."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def walk(folder: Path) -> Iterator[tuple[str, os.stat_result]]:
    """Every file and link below a folder as (path below it, lstat), sorted within a folder."""
    pending = [(str(folder), "")]
    while pending:
        current, prefix = pending.pop()
        with os.scandir(current) as scan:
            children = sorted(scan, key=lambda child: child.name)
        for child in children:
            name = prefix + child.name
            if child.is_dir(follow_symlinks=False):
                pending.append((child.path, name + "/"))
            else:
                yield name, child.stat(follow_symlinks=False)


def contents(folder: Path) -> dict[str, str]:
    """`path below folder -> content`: a SHA-256, or `-> target` for a symbolic link."""
    found = {}
    for name, info in walk(folder):
        path = folder / name
        if stat.S_ISLNK(info.st_mode):
            found[name] = f"-> {path.readlink()}"
        elif stat.S_ISREG(info.st_mode):
            found[name] = file_sha256(path)
        else:
            found[name] = f"special {info.st_mode:o}"
    return found


def stamp(folder: Path) -> dict[str, str]:
    """A fingerprint that no change of any file below leaves the same, valid for this boot."""
    digest = hashlib.sha256()
    for name, info in walk(folder):
        line = (name, info.st_ino, info.st_size, info.st_mtime_ns, info.st_ctime_ns, info.st_mode)
        digest.update(repr(line).encode())
    return {"boot": BOOT_ID.read_text().strip(), "stamp": digest.hexdigest()}


def changed_since(path: Path, mark: Path) -> bool:
    """Whether a file was changed after another one was last written or touched."""
    return path.stat().st_ctime_ns > mark.stat().st_mtime_ns


def first_difference(found: Mapping[str, object], recorded: Mapping[str, object]) -> str:
    """The first path that one of the two lacks or has otherwise; "" if there is none."""
    names = sorted(found.keys() | recorded.keys())
    return next((name for name in names if found.get(name) != recorded.get(name)), "")


def write_durably(path: Path, text: str) -> None:
    """Write a file that appears whole, or not at all, even if the machine stops meanwhile."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with temporary.open("w") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.rename(path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
