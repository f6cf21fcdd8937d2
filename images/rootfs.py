# SPDX-License-Identifier: GPL-2.0-only
"""A root file system of the user's as an image: a folder, a tar file, or a container image.

mkfs.erofs reads folders and tar files in the jail, and unpacks nothing on the host. Of a container
image each layer is added to the image of those below it, whiteouts applied.
"""

from __future__ import annotations

import hashlib
import os
import tarfile
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from images.buildroot import BuildRoot
from images.errors import ProgramFailed
from images.fingerprint import file_sha256
from images.guest import make_erofs
from images.oci import ArchiveProblem, opened
from images.store import Entry, Json, Store
from images.toolroot import ToolRoot

IMAGE_NAME = "root.erofs"
FORMAT = 1
"""Raised when another image comes of the same archive."""
CONTAINER = "oci:"
"""What an archive with a container image is called by; any other file is a tar file of a root."""
MOST_FOLDER_BYTES = 3 << 30
MOST_FILES = 1_000_000
MKFS = ("mkfs.erofs", "--quiet", "-T", "0", "-U", "00000000-0000-0000-0000-000000000000")
FILTERS = {b"\x1f\x8b": "--ungzip", b"\xfd7zX": "--unxz"}
"""First bytes of a packed tar file -> what makes mkfs.erofs unpack it on the way."""
ZSTD = b"\x28\xb5\x2f\xfd"


class RootProblem(Exception):
    """What was named cannot be a root file system; the message says why."""


def state_of(folder: Path) -> str:
    """SHA-256 over the names, kinds, sizes and times of all that is in ``folder``.

    Links are not followed. Raises RootProblem for a folder that is too large to be copied.
    """
    size = count = 0
    state = hashlib.sha256()
    for place, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted([*folders, *names]):
            path = f"{place}/{name}"
            try:
                found = os.lstat(path)
            except OSError:
                continue  # gone meanwhile
            facts = (path, found.st_mode, found.st_size, found.st_mtime_ns, found.st_ino)
            state.update(repr(facts).encode())
            size += found.st_size
        count += len(names)
        if size > MOST_FOLDER_BYTES or count > MOST_FILES:
            raise RootProblem(
                f"{folder}: more than {MOST_FOLDER_BYTES >> 30} GiB or {MOST_FILES} files"
            )
    return state.hexdigest()


def folder_image(tools: ToolRoot, folder: Path, image: Path) -> None:
    """Write a copy of ``folder`` to the new file ``image``; everything in it is root's.

    Raises RootProblem for what is too large or cannot be read, EnvironmentProblem.
    """
    state_of(folder)
    try:
        make_erofs(tools, folder.resolve(), image)
    except ProgramFailed as failed:
        raise RootProblem(f"{folder} cannot be copied: {_reason(failed)}") from failed


def folder_root(store: Store, tools: Callable[[], ToolRoot], folder: Path) -> Entry:
    """The entry with the image of a folder, made anew when something in it has changed.

    Raises RootProblem for what is too large or cannot be read, EnvironmentProblem.
    """
    if folder.resolve() == Path("/"):
        raise RootProblem("/ cannot be a guest's root: name a folder or an archive")

    def build(target: Path) -> None:
        folder_image(tools(), folder, target / IMAGE_NAME)

    place, state = str(folder.resolve()), state_of(folder)
    inputs: dict[str, Json] = {"format": FORMAT, "folder": place, "state": state}
    return store.ensure("root-image", inputs, build, needs_bytes=MOST_FOLDER_BYTES // 4)


def archive_root(store: Store, tools: Callable[[], ToolRoot], archive: str) -> Entry:
    """The same of a tar file, or with CONTAINER before its name that of a container image.

    Raises RootProblem for an archive that is neither, EnvironmentProblem.
    """
    path = Path(archive.removeprefix(CONTAINER))
    is_container = archive.startswith(CONTAINER)
    if not path.is_file():
        raise RootProblem(f"{path}: not a file")

    def build(folder: Path) -> None:
        image = folder / IMAGE_NAME
        try:
            if is_container:
                _add_layers(tools(), path, image)
            else:
                _add(tools(), path, image)
        except (ArchiveProblem, tarfile.TarError) as problem:
            raise RootProblem(f"{path}: {problem}") from problem
        except ProgramFailed as failed:
            raise RootProblem(f"{path} is no tar file: {_reason(failed)}") from failed

    inputs: dict[str, Json] = {
        "format": FORMAT,
        "archive": file_sha256(path),
        "container": is_container,
    }
    needs = 4 * path.stat().st_size + 1_000_000
    return store.ensure("root-image", inputs, build, needs_bytes=needs)


def _add_layers(tools: ToolRoot, path: Path, image: Path) -> None:
    with opened(path) as archive, TemporaryDirectory(dir=image.parent) as folder:
        for layer in archive.copy(archive.layers(), Path(folder)):
            _add(tools, layer, image)


def _add(tools: ToolRoot, tar: Path, image: Path) -> None:
    """Put a tar file into ``image``, over what it holds already."""
    with tar.open("rb") as stream:
        magic = stream.read(4)
    if magic == ZSTD:
        raise ArchiveProblem("packed by zstd, which is not known here; save it with gzip")
    argv = [*MKFS, "--tar=f", "--aufs"]
    argv += [option for start, option in FILTERS.items() if magic.startswith(start)]
    argv += ["--incremental=data", "--ovlfs-strip=1"] if image.exists() else []
    argv += [f"/target/{image.name}", "/layer.tar"]
    BuildRoot(tools.path).run(argv, read={"/layer.tar": tar}, write={"/target": image.parent})


def _reason(failed: ProgramFailed) -> str:
    """The errors that mkfs.erofs named, each a line such as `<E> erofs: <what>`."""
    lines = [line for line in failed.output.splitlines() if line.lstrip().startswith("<E>")]
    named = [line.partition("erofs:")[2].strip() for line in lines]
    return "; ".join(filter(None, named)) or "mkfs.erofs failed"
