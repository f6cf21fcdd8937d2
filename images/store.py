# SPDX-License-Identifier: GPL-2.0-only
"""A content-addressed store: whatever can be rebuilt from its inputs lives here.

    <root>/store-<format>/<kind>/<key>/files/...       what the builder wrote
    <root>/store-<format>/<kind>/<key>/manifest.json   inputs, and the hash of every file
    <root>/store-<format>/<kind>/<key>/verified.json   when the hashes were last compared
    <root>/store-<format>/<kind>/.build-<key>.*        a build under way, or what a dead one left
    <root>/store-<format>/locks/<kind>-<key>           flock: one builder per entry

An entry appears by rename, complete, or not at all. Each use compares it with its manifest: the
file stamps (inode, size, change time, this boot) when they are those of the last full comparison,
else the SHA-256 of every file. An entry that differs is thrown away and built again.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from images.disk import require_space, write_problem
from images.errors import EnvironmentProblem
from images.fingerprint import (
    changed_since,
    contents,
    file_sha256,
    first_difference,
    stamp,
    walk,
    write_durably,
)

FORMAT = 1
"""Raised when the layout of an entry changes; entries of another format are never read."""

IN_USE_S = 3600.0
"""An entry used this recently belongs to a run that may still be going on."""

Json = str | int | float | bool | None | list["Json"] | dict[str, "Json"]
Report = Callable[[str], None]


def quiet(_message: str) -> None:
    """A `Report` for those who do not listen."""


def cache_root(environ: Mapping[str, str] = os.environ) -> Path:
    """TESTBED_CACHE, else the XDG cache folder of bnxt-testbed."""
    if override := environ.get("TESTBED_CACHE"):
        return Path(override).absolute()
    base = environ.get("XDG_CACHE_HOME", "")
    if not base.startswith("/"):  # the XDG specification: a relative path counts as unset
        base = str(Path(environ.get("HOME") or "~").expanduser() / ".cache")
    return Path(base) / "bnxt-testbed"


@dataclass(frozen=True)
class Entry:
    """One finished entry; `path` is the folder the builder filled."""

    kind: str
    key: str
    path: Path
    manifest: Mapping[str, Json]


@dataclass(frozen=True)
class Usage:
    """What `Store.entries` says about one entry."""

    kind: str
    key: str
    path: Path
    size_bytes: int
    idle_s: float


def source_hashes(folder: Path, pattern: str = "**/*") -> dict[str, Json]:
    """`path below folder -> SHA-256 and mode` of the files that match; links by their target."""
    found: dict[str, Json] = {}
    for path in sorted(folder.glob(pattern)):
        name = str(path.relative_to(folder))
        if path.is_symlink():
            found[name] = f"-> {path.readlink()}"
        elif path.is_file():
            executable = bool(path.stat().st_mode & stat.S_IXUSR)
            found[name] = f"{file_sha256(path)} {'x' if executable else '-'}"
    return found


class Store:
    """The store under one cache folder; see the module text for the layout and the promises."""

    def __init__(self, root: Path | None = None, report: Report = quiet) -> None:
        self.root = root if root is not None else cache_root()
        self.base = self.root / f"store-{FORMAT}"
        self._report = report

    def key(self, kind: str, inputs: Mapping[str, Json]) -> str:
        """The name of the entry these inputs give."""
        text = json.dumps({"format": FORMAT, "kind": kind, "inputs": inputs}, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:24]

    def ensure(
        self,
        kind: str,
        inputs: Mapping[str, Json],
        build: Callable[[Path], object],
        *,
        needs_bytes: int = 0,
        most: int | None = None,
    ) -> Entry:
        """The entry for `inputs`, verified; `build(folder)` fills it when it is not there.

        A second caller for the same entry waits for the first and shares its result. One more
        than `most` of a kind takes the place of that which nobody used for longest. Raises
        EnvironmentProblem when the disk is full or the cache cannot be written; whatever `build`
        raises passes through, and leaves nothing behind.
        """
        key = self.key(kind, inputs)
        final = self.base / kind / key
        with self._disk_problems(kind, needs_bytes):
            if (entry := self._open(kind, key, final, quiet)) is not None:
                return entry
            with self._lock(kind, key):
                if (entry := self._open(kind, key, final, self._report)) is not None:
                    return entry
                self._remove(final)
                for left_over in final.parent.glob(f".build-{key}.*"):
                    self._remove(left_over)
                self._remove_dead_builds()
                require_space(self.root, needs_bytes)
                self._build(kind, key, final, inputs, build)
            if most is not None:
                self._keep_newest(kind, most)
            entry = self._open(kind, key, final, self._report)
        if entry is None:
            raise EnvironmentProblem(
                f"{final} does not hold what was written to it a moment ago",
                "Check the disk, or point TESTBED_CACHE at another one.",
            )
        return entry

    def entries(self) -> list[Usage]:
        """Every entry of this format, the longest unused first."""
        found = []
        now = time.time()
        for verified in self.base.glob("*/*/manifest.json"):
            folder = verified.parent
            with contextlib.suppress(FileNotFoundError):
                size = sum(info.st_size for _, info in walk(folder))
                idle = now - max(verified.stat().st_mtime, _mtime(folder / "verified.json"))
                found.append(Usage(folder.parent.name, folder.name, folder, size, idle))
        return sorted(found, key=lambda usage: -usage.idle_s)

    def prune(self, unused_for_s: float) -> list[Path]:
        """Remove entries unused for that long, other formats, dead builds; what was removed.

        An entry somebody is building is left alone: its lock is held.
        """
        removed = [
            other
            for other in self.root.glob("store-*")
            if other != self.base and other.name.removeprefix("store-").isdigit()
        ]
        for other in removed:
            self._remove(other)
        for usage in self.entries():
            if usage.idle_s < unused_for_s:
                continue
            with self._lock(usage.kind, usage.key, wait=False) as locked:
                if locked:
                    self._remove(usage.path)
                    removed.append(usage.path)
        return removed + self._remove_dead_builds()

    def _keep_newest(self, kind: str, most: int) -> None:
        used = [usage for usage in self.entries() if usage.kind == kind]
        for usage in used[:-most]:
            with self._lock(usage.kind, usage.key, wait=False) as locked:
                if locked:
                    self._remove(usage.path)

    def _remove_dead_builds(self) -> list[Path]:
        """Remove what builds left that were killed; which. Who builds holds the lock."""
        removed = []
        for left_over in self.base.glob("*/.build-*"):
            key = left_over.name.removeprefix(".build-").partition(".")[0]
            with self._lock(left_over.parent.name, key, wait=False) as locked:
                if locked:
                    self._remove(left_over)
                    removed.append(left_over)
        return removed

    def _build(
        self,
        kind: str,
        key: str,
        final: Path,
        inputs: Mapping[str, Json],
        build: Callable[[Path], object],
    ) -> None:
        final.parent.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=f".build-{key}.", dir=final.parent))
        try:
            work.chmod(0o755)
            files = work / "files"
            files.mkdir()
            build(files)
            _open_to_all(files)
            manifest: dict[str, Json] = {
                "format": FORMAT,
                "kind": kind,
                "inputs": dict(inputs),
                "files": dict(contents(files)),
            }
            write_durably(work / "manifest.json", json.dumps(manifest, indent=1, sort_keys=True))
            write_durably(work / "verified.json", json.dumps(stamp(files)))
            work.rename(final)
            _fsync_folder(final.parent)
        finally:
            self._remove(work)

    def _open(self, kind: str, key: str, final: Path, report: Report) -> Entry | None:
        """The entry if it is there and is what its manifest says."""
        files = final / "files"
        try:
            manifest = self._manifest(kind, key, final / "manifest.json")
            if manifest is None:
                report(f"cache: {final}/manifest.json is damaged; building {kind} again")
                return None
            differing = _changed(final, cast("Mapping[str, Json]", manifest["files"]))
        except FileNotFoundError as error:
            if files.exists():
                report(f"cache: {error.filename} is lost; building {kind} again")
            return None
        except OSError as error:
            report(f"cache: {files} cannot be read ({error}); building {kind} again")
            return None
        if differing is not None:
            report(f"cache: {files / differing} is not what was recorded; building {kind} again")
            return None
        return Entry(kind, key, files, manifest)

    def _manifest(self, kind: str, key: str, path: Path) -> Mapping[str, Json] | None:
        """A manifest as it was written, or None: it must be of this entry, and list its files."""
        try:
            manifest = json.loads(path.read_bytes())
        except (ValueError, RecursionError):
            return None
        if not isinstance(manifest, dict) or not isinstance(manifest.get("files"), dict):
            return None
        inputs = manifest.get("inputs")
        if not isinstance(inputs, dict) or self.key(kind, inputs) != key:
            return None
        return manifest

    @contextlib.contextmanager
    def _lock(self, kind: str, key: str, *, wait: bool = True) -> Iterator[bool]:
        folder = self.base / "locks"
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / f"{kind}-{key}").open("w") as stream:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if not wait:
                    yield False
                    return
                self._report(f"waiting for another run that is building {kind}")
                fcntl.flock(stream, fcntl.LOCK_EX)
            yield True

    @contextlib.contextmanager
    def _disk_problems(self, kind: str, needs_bytes: int) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if (problem := write_problem(error, self.root, f"build {kind}", needs_bytes)) is None:
                raise
            raise problem from error

    def _remove(self, path: Path) -> None:
        if not path.exists():
            return
        for folder, _, _ in os.walk(path):  # packages may hold folders without write permission
            with contextlib.suppress(OSError):
                Path(folder).chmod(0o700)
        shutil.rmtree(path, ignore_errors=True)


def _open_to_all(folder: Path) -> None:
    """Let every user read what packages keep to root (/root, say): a cache may be root's, and its
    user another. Nothing in it is a secret.
    """
    folder.chmod(0o755)  # whatever the umask
    for current, folders, names in os.walk(folder):
        for path in (Path(current, name) for name in (*folders, *names)):
            if not path.is_symlink():
                path.chmod(path.stat().st_mode | (0o555 if path.is_dir() else 0o444))


def _changed(final: Path, recorded: Mapping[str, Json]) -> str | None:
    """A file of an entry that is not as recorded, "" for the folder itself, None if all are.

    Only what has other stamps than after the last comparison is read: files, or the record itself.
    """
    files, verified = final / "files", final / "verified.json"
    now = stamp(files)
    try:
        known = json.loads(verified.read_bytes())
        compared = known == now and not changed_since(final / "manifest.json", verified)
    except (OSError, ValueError, RecursionError):
        compared = False
    if not compared and (found := contents(files)) != recorded:
        return first_difference(found, recorded)
    with contextlib.suppress(OSError):  # the cache may be read-only
        if compared:
            os.utime(verified)
        else:
            write_durably(verified, json.dumps(now))
    return None


def _mtime(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _fsync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
