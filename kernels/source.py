# SPDX-License-Identifier: GPL-2.0-only
"""Where a kernel's source comes from: Debian's linux-source package, a tarball, a user's tree.

Packages and tarballs are unpacked once, below `<cache>/kernel-trees/sources/`, each under a name
made of its hash. A folder there appears by rename, complete or not at all, and carries a marker;
what was changed behind the cache's back since (any file or folder younger than the marker) is
unpacked again.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from images.buildroot import HOST
from images.debian import Archive, Package
from images.errors import EnvironmentProblem, ProgramFailed
from images.fingerprint import file_sha256
from images.store import Json, Report, Store
from kernels.packages import SOURCE_PATTERN, SUITE_MARK, Lock, is_called, source_version
from kernels.version import KernelVersion

TREES = "kernel-trees"
SOURCES = f"{TREES}/sources"
MARKER = "unpacked.json"
UNPACKED_BYTES = 2_200_000_000
"""A little more than linux 7.2 takes, its package included."""

LINUX_NEXT = "localversion-next"
"""The file in which linux-next says "-next-20261120"."""
_SETTING = re.compile(r"^(VERSION|PATCHLEVEL|SUBLEVEL|EXTRAVERSION) =[ \t]*(\S*)$", re.MULTILINE)
_CANDIDATE = re.compile(r"-rc\d+")


class SourceProblem(Exception):
    """What the user named is no kernel source; the message says what there is."""


class KernelSource(Protocol):
    """A kernel source: what identifies it, and the folder it can be read in."""

    @property
    def identity(self) -> dict[str, Json]:
        """What makes it the source it is, short of the content of a tree that can change."""

    @property
    def label(self) -> str:
        """A few words for people."""

    @property
    def fixed(self) -> bool:
        """Whether `identity` also fixes the content."""

    def tree(self) -> Path:
        """The folder with the source, unpacked first if need be."""

    def version(self) -> KernelVersion:
        """Which kernel it is."""


@dataclass(frozen=True)
class TreeSource:
    """A folder of the user's: a git tree, a build tree, or an unpacked tarball."""

    path: Path
    fixed = False

    @property
    def identity(self) -> dict[str, Json]:
        """The place; its content is looked at in each build."""
        return {"tree": str(self.path.resolve())}

    @property
    def label(self) -> str:
        """The place as the user gave it."""
        return str(self.path)

    def tree(self) -> Path:
        """The folder itself. Raises SourceProblem if it holds no kernel source."""
        makefile_version(self.path)
        return self.path.resolve()

    def version(self) -> KernelVersion:
        """From the top Makefile."""
        return makefile_version(self.path)


@dataclass(frozen=True)
class UnpackedSource:
    """A source out of an archive file with a known hash."""

    label: str
    identity: dict[str, Json]
    trees: Path
    unpack: Callable[[Path], None]
    report: Report
    known_version: KernelVersion | None = None
    fixed = True

    def tree(self) -> Path:
        """The unpacked folder below the cache."""
        text = json.dumps(self.identity, sort_keys=True)
        folder = self.trees / hashlib.sha256(text.encode()).hexdigest()[:24]
        with locked(lock_of(folder), self.report, self.label):
            marker = folder / MARKER
            changed = first_changed(folder, marker)
            if changed is not None:
                if changed:
                    self.report(f"{folder / changed} was changed in the cache: unpacking again")
                self._unpack(folder)
        return folder / "source"

    def version(self) -> KernelVersion:
        """As the package says, else from the top Makefile, which means unpacking."""
        return self.known_version or makefile_version(self.tree())

    def _unpack(self, folder: Path) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        self.trees.mkdir(parents=True, exist_ok=True)
        check_space(self.trees, UNPACKED_BYTES)
        for left_over in self.trees.glob(f".unpack-{folder.name}.*"):
            shutil.rmtree(left_over, ignore_errors=True)
        work = Path(tempfile.mkdtemp(prefix=f".unpack-{folder.name}.", dir=self.trees))
        try:
            (work / "source").mkdir()
            self.report(f"unpacking {self.label}")
            self.unpack(work / "source")
            makefile_version(work / "source")
            (work / MARKER).write_text(json.dumps(self.identity, indent=1))
            work.rename(folder)
        finally:
            shutil.rmtree(work, ignore_errors=True)


def tarball_source(path: Path, trees: Path, report: Report) -> UnpackedSource:
    """A linux-*.tar.* file. Raises SourceProblem if there is none."""
    if not path.is_file():
        raise SourceProblem(f"there is no tarball {path}")

    def unpack(target: Path) -> None:
        archive = target.with_name("archive")  # whose owner alone may read it
        shutil.copyfile(path, archive)
        archive.chmod(0o644)
        try:
            _unpack('tar -x -f "$1" -C "$2" --strip-components=1', archive, target)
        except ProgramFailed as error:
            raise SourceProblem(f"{path.name} cannot be unpacked:\n{error.output}") from error
        archive.unlink()

    return UnpackedSource(path.name, {"tarball": file_sha256(path)}, trees, unpack, report)


def debian_source(
    store: Store, archive: Callable[[], Archive], wanted: str, report: Report
) -> UnpackedSource:
    """The linux-source package that `wanted` means: "7.2", "7.2.12", "7.3-rc7" or a whole version.

    Later builds get the same one without a network; of a series without a pinned kernel it is
    looked up again when the package indexes were renewed. Raises SourceProblem.
    """
    lock = Lock.load()
    pinned = [release.partition("+")[0] for release in lock.pins]

    def look_up(folder: Path) -> None:
        package = choose(wanted, archive().list_matching(SOURCE_PATTERN), pinned)
        text = json.dumps({**package.as_input(), "size": package.size})
        (folder / "package.json").write_text(text)

    inputs: dict[str, Json] = {"wanted": wanted, "pinned": list(pinned)}
    if lock.leaves_open(wanted):
        inputs["index"] = archive().state()
    entry = store.ensure("kernel-source", inputs, look_up)
    package = Package(**json.loads((entry.path / "package.json").read_text()))

    def unpack(target: Path) -> None:
        [deb] = archive().fetch([package])
        packed = f'dpkg-deb --fsys-tarfile "$1" | tar -x -O "./usr/src/{package.name}.tar.xz"'
        _unpack(f'{packed} | xz -d -c -T2 | tar -x -C "$2" --strip-components=1', deb, target)

    label = f"{package.name} {package.version}"
    version = KernelVersion.parse(package.version)
    trees = store.root / SOURCES
    return UnpackedSource(label, package.as_input(), trees, unpack, report, version)


# What is left is folders, links and files that everybody may read, none of them setuid: tar gives
# no such bits to a user who does not ask for them.
_SETTLE = """
chmod -R u+rwX,go+rX,go-w "$2"
find "$2" ! -type f ! -type d ! -type l -delete
"""


def _unpack(script: str, archive: Path, target: Path) -> None:
    """Run a shell script that unpacks $1 into the folder $2. Raises ProgramFailed.

    It and what it calls are in the jail, where no name in an archive leads out of the folder.
    """
    argv = ["bash", "-euo", "pipefail", "-c", script + _SETTLE, "bash", "/archive", "/target"]
    HOST.run(argv, read={"/archive": archive}, write={"/target": target})


def choose(wanted: str, packages: list[Package], pinned: Collection[str]) -> Package:
    """The linux-source package that `wanted` names: of a pinned upstream version, else of our
    suite, else the newest. So UML runs the source of the kernel that QEMU runs.

    Raises SourceProblem listing all.
    """
    matching = [
        package
        for package in packages
        if wanted == package.version or is_called(source_version(package), wanted)
    ]
    if not matching:
        there = ", ".join(package.version for package in packages) or "none"
        raise SourceProblem(f"the Debian archive has no kernel source {wanted!r}; it has: {there}")
    # a stable sort: of equals the first listed, which is the newest Debian revision
    return max(
        matching,
        key=lambda package: (
            package.version.partition("-")[0] in pinned,
            SUITE_MARK in package.version,
            source_version(package),
        ),
    )


def makefile_version(tree: Path) -> KernelVersion:
    """The version in a tree's top Makefile. Raises SourceProblem when it is no kernel tree."""
    try:
        settings = dict(_SETTING.findall((tree / "Makefile").read_text()[:2000]))
        if not (tree / "Kconfig").is_file():
            raise KeyError("Kconfig")
        numbers = ".".join(settings[key] or "0" for key in ("VERSION", "PATCHLEVEL", "SUBLEVEL"))
        extra = settings.get("EXTRAVERSION", "")
        next_date = tree / LINUX_NEXT
        return KernelVersion.parse(
            f"{numbers}{extra if _CANDIDATE.fullmatch(extra) else ''}"
            f"{next_date.read_text().strip() if next_date.is_file() else ''}"
        )
    except (OSError, KeyError, ValueError) as error:
        raise SourceProblem(f"{tree} holds no kernel source ({error} is missing)") from error


def unpacked(sources: Path) -> Iterator[Path]:
    """The marker of each source that is whole; one is not while it is being unpacked."""
    yield from sources.glob(f"[!.]*/{MARKER}")


def first_changed(folder: Path, marker: Path) -> str | None:
    """What in `folder` changed after `marker` was written; "" if there is no marker, None: nothing.

    Looks at change times, which nobody can set back: a folder has a new one when something in it
    was added, renamed or lost.
    """
    try:
        written_ns = marker.stat().st_ctime_ns
    except FileNotFoundError:
        return ""
    for current, _, names in os.walk(folder / "source"):
        for name in [*names, ""]:
            path = os.path.join(current, name)  # noqa: PTH118 - 95,000 files: Path costs a second
            if os.lstat(path).st_ctime_ns > written_ns:
                return os.path.relpath(path, folder)
    return None


def check_space(folder: Path, needs_bytes: int) -> None:
    """Raises EnvironmentProblem when the disk has less left than that."""
    free = shutil.disk_usage(folder).free
    if free < needs_bytes:
        raise EnvironmentProblem(
            f"the disk that holds {folder} has {free} bytes left, {needs_bytes} are needed",
            "Free some space, run `testbed kernel prune`, or point TESTBED_CACHE at another disk.",
        )


def lock_of(folder: Path) -> Path:
    """The lock file of an unpacked source; its time is that of the last use."""
    return folder.with_name(f".lock-{folder.name}")


@contextlib.contextmanager
def locked(path: Path, report: Report, what: str) -> Iterator[None]:
    """Hold a lock file; say so when somebody else has it."""
    with contextlib.ExitStack() as stack:
        while True:
            path.parent.mkdir(parents=True, exist_ok=True)
            stream = stack.enter_context(path.open("w"))
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                report(f"waiting for another build that uses {what}")
                fcntl.flock(stream, fcntl.LOCK_EX)
            with contextlib.suppress(FileNotFoundError):
                if os.fstat(stream.fileno()).st_ino == path.stat().st_ino:
                    break  # else it was pruned while we waited
        yield
