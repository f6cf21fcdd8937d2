# SPDX-License-Identifier: GPL-2.0-only
"""Folders made by unpacking Debian packages, without root, mounts or maintainer scripts."""

from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from images.command import failure

DOCUMENTATION = (
    "./usr/share/doc/*",
    "./usr/share/man/*",
    "./usr/share/info/*",
    "./usr/share/locale/*",
    "./usr/share/lintian/*",
    "./usr/share/bug/*",
    "./usr/share/bash-completion/*",
)
FORMAT = 2
"""Raised when unpacking gives another tree from the same packages."""

FIRST = "base-files_"  # it carries the links /bin -> usr/bin and so on


def unpack(
    debs: Sequence[Path], target: Path, exclude: Sequence[str] = (), only: Sequence[str] = ()
) -> None:
    """Unpack package files into `target`.

    `exclude` and `only` are tar patterns of paths as packages hold them (`./usr/...`, `*` also
    matches `/`). Owners become the caller; permissions stay, set-user-id bits go, and so do
    devices and pipes.
    """
    patterns = [f"--exclude={pattern}" for pattern in (*DOCUMENTATION, *exclude)]
    if only:
        patterns += ["--wildcards", *only]

    def unpack_one(deb: Path) -> None:
        _unpack_one(deb, target, patterns)

    for deb in debs:
        if deb.name.startswith(FIRST):
            unpack_one(deb)
    with ThreadPoolExecutor(max_workers=2) as pool:
        list(pool.map(unpack_one, (deb for deb in debs if not deb.name.startswith(FIRST))))
    _settle(target)


def _settle(target: Path) -> None:
    """A cache must not hold programs that lend root's rights on the host, devices or pipes."""
    for folder, _, names in os.walk(target):
        for name in names:
            path = Path(folder) / name
            mode = path.lstat().st_mode
            if stat.S_ISREG(mode) and mode & (stat.S_ISUID | stat.S_ISGID):
                path.chmod(stat.S_IMODE(mode) & ~(stat.S_ISUID | stat.S_ISGID))
            elif not (stat.S_ISREG(mode) or stat.S_ISDIR(mode) or stat.S_ISLNK(mode)):
                path.unlink()


def _unpack_one(deb: Path, target: Path, patterns: Sequence[str]) -> None:
    packer = ["dpkg-deb", "--fsys-tarfile", str(deb)]
    unpacker = ["tar", "-x", "-C", str(target), "--no-same-owner", "--keep-directory-symlink"]
    unpacker += patterns
    with (
        subprocess.Popen(packer, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as source,
        subprocess.Popen(
            unpacker, stdin=source.stdout, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        ) as sink,
    ):
        assert source.stdout is not None
        source.stdout.close()
        _, sink_errors = sink.communicate()
        assert source.stderr is not None
        errors = source.stderr.read()
    if sink.returncode:
        raise failure(unpacker, sink.returncode, sink_errors.decode(errors="replace"), target, "")
    if source.returncode:
        raise failure(packer, source.returncode, errors.decode(errors="replace"), target, "")
