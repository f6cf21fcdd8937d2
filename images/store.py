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
import errno
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

from images.disk import disk_full, require_space
from images.errors import EnvironmentProblem

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


def file_sha256(path: Path) -> str:
    """Hex SHA-256 of a file's content."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


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
    ) -> Entry:
        """The entry for `inputs`, verified; `build(folder)` fills it when it is not there.

        A second caller for the same entry waits for the first and shares its result. Raises
        EnvironmentProblem when the disk is full or the cache cannot be written; whatever `build`
        raises passes through, and leaves nothing behind.
        """
        key = self.key(kind, inputs)
        final = self.base / kind / key
        with self._disk_problems(needs_bytes):
            if (entry := self._open(kind, key, final, quiet)) is not None:
                return entry
            with self._lock(kind, key):
                if (entry := self._open(kind, key, final, self._report)) is not None:
                    return entry
                self._remove(final)
                for left_over in final.parent.glob(f".build-{key}.*"):
                    self._remove(left_over)
                require_space(self.root, needs_bytes)
                self._build(kind, key, final, inputs, build)
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
                size = sum(info.st_size for _, info in _walk(folder))
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
            manifest: dict[str, Json] = {
                "format": FORMAT,
                "kind": kind,
                "inputs": dict(inputs),
                "files": dict(_hashes(files)),
            }
            _write_durably(work / "manifest.json", json.dumps(manifest, indent=1, sort_keys=True))
            _write_durably(work / "verified.json", json.dumps(_stamp(files)))
            work.rename(final)
            _fsync_folder(final.parent)
        finally:
            self._remove(work)

    def _open(self, kind: str, key: str, final: Path, report: Report) -> Entry | None:
        """The entry if it is there and is what its manifest says."""
        try:
            manifest = json.loads((final / "manifest.json").read_text())
        except FileNotFoundError:
            return None
        except (OSError, ValueError):
            report(f"cache: {final}/manifest.json is unreadable; building {kind} again")
            return None
        files = final / "files"
        verified = final / "verified.json"
        try:
            known = json.loads(verified.read_text())
        except (OSError, ValueError):
            known = None
        try:
            stamp = _stamp(files)
            if stamp == known:
                with contextlib.suppress(OSError):
                    os.utime(verified)
                return Entry(kind, key, files, manifest)
            found = _hashes(files)
        except OSError as error:
            report(f"cache: {files} cannot be read ({error}); building {kind} again")
            return None
        recorded = manifest.get("files")
        if not isinstance(recorded, dict) or found != recorded:
            differing = _first_difference(found, recorded if isinstance(recorded, dict) else {})
            report(f"cache: {files / differing} is not what was recorded; building {kind} again")
            return None
        with contextlib.suppress(OSError):
            _write_durably(verified, json.dumps(stamp))
        return Entry(kind, key, files, manifest)

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
    def _disk_problems(self, needs_bytes: int) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise disk_full(self.root, needs_bytes) from error
            if error.errno in (errno.EACCES, errno.EROFS, errno.EPERM, errno.ENOTDIR):
                raise EnvironmentProblem(
                    f"the cache {self.root} cannot be written: {error}",
                    "Point TESTBED_CACHE at a folder you own.",
                ) from error
            raise

    def _remove(self, path: Path) -> None:
        if not path.exists():
            return
        for folder, _, _ in os.walk(path):  # packages may hold folders without write permission
            with contextlib.suppress(OSError):
                Path(folder).chmod(0o700)
        shutil.rmtree(path, ignore_errors=True)


def _walk(folder: Path) -> Iterator[tuple[str, os.stat_result]]:
    """Every file and link below a folder as (path below it, lstat), sorted within a folder."""
    pending = [(folder, "")]
    while pending:
        current, prefix = pending.pop()
        with os.scandir(current) as scan:
            children = sorted(scan, key=lambda child: child.name)
        for child in children:
            name = prefix + child.name
            if child.is_dir(follow_symlinks=False):
                pending.append((Path(child.path), name + "/"))
            else:
                yield name, child.stat(follow_symlinks=False)


def _hashes(folder: Path) -> dict[str, Json]:
    """`path below folder -> content`: a SHA-256, or `-> target` for a symbolic link."""
    found: dict[str, Json] = {}
    for name, info in _walk(folder):
        path = folder / name
        if stat.S_ISLNK(info.st_mode):
            found[name] = f"-> {path.readlink()}"
        elif stat.S_ISREG(info.st_mode):
            found[name] = file_sha256(path)
        else:
            found[name] = f"special {info.st_mode:o}"
    return found


def _stamp(folder: Path) -> dict[str, Json]:
    """A fingerprint that no change of any file below leaves the same, valid for this boot."""
    digest = hashlib.sha256()
    for name, info in _walk(folder):
        line = (name, info.st_ino, info.st_size, info.st_mtime_ns, info.st_ctime_ns, info.st_mode)
        digest.update(repr(line).encode())
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return {"boot": boot, "stamp": digest.hexdigest()}


def _first_difference(found: Mapping[str, Json], recorded: Mapping[str, Json]) -> str:
    names = sorted(found.keys() | recorded.keys())
    return next((name for name in names if found.get(name) != recorded.get(name)), "")


def _mtime(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _write_durably(path: Path, text: str) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with temporary.open("w") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    temporary.rename(path)


def _fsync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
