# SPDX-License-Identifier: GPL-2.0-only
"""What programs of the host itself need in a root that is otherwise empty."""

from __future__ import annotations

import os
import sys
import sysconfig
from collections.abc import Iterable
from pathlib import Path
from typing import TypedDict

LIBRARY_FOLDERS = ("/lib", "/lib32", "/lib64", "/usr/lib", "/usr/lib32", "/usr/lib64", "/nix/store")
LOADER_CACHE = "/etc/ld.so.cache"
STANDARD_DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")
STANDARD_LINKS = {
    "/dev/fd": "/proc/self/fd",
    "/dev/stdin": "/proc/self/fd/0",
    "/dev/stdout": "/proc/self/fd/1",
    "/dev/stderr": "/proc/self/fd/2",
}


def at_home(paths: Iterable[Path]) -> dict[str, str]:
    """Places for a :class:`images.jail.spec.JailSpec`: each path where it is on the host."""
    return {os.path.abspath(path): os.path.realpath(path) for path in paths}  # noqa: PTH100


class Surroundings(TypedDict):
    """Some of the arguments of a :class:`images.jail.spec.JailSpec`."""

    read: dict[str, str]
    links: dict[str, str]
    devices: list[str]


def surroundings(read: Iterable[Path] = (), devices: Iterable[str] = ()) -> Surroundings:
    """What a dynamic program of the host needs: loader, libraries, simple devices; and ``read``."""
    present = [Path(name) for name in (*LIBRARY_FOLDERS, LOADER_CACHE) if Path(name).exists()]
    links = {str(path): os.readlink(path) for path in present if path.is_symlink()}  # noqa: PTH115
    return {
        "read": at_home([*(path for path in present if not path.is_symlink()), *read]),
        "links": {**links, **STANDARD_LINKS},
        "devices": [*STANDARD_DEVICES, *devices],
    }


def python() -> list[Path]:
    """The files of the interpreter that runs us, without what is installed for it."""
    variables = {
        "base": sys.base_prefix, "installed_base": sys.base_prefix,
        "platbase": sys.base_exec_prefix, "installed_platbase": sys.base_exec_prefix,
    }  # fmt: skip
    names = ("stdlib", "platstdlib")
    folders = {Path(sysconfig.get_path(name, vars=variables)) for name in names}
    shared = Path(sys.base_exec_prefix, "lib").glob("libpython3*.so*")
    return [Path(sys.executable).resolve(), *sorted(folders), *sorted(shared)]
