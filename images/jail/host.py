# SPDX-License-Identifier: GPL-2.0-only
"""What programs of the host itself need in a root that is otherwise empty."""

from __future__ import annotations

import os
import sys
import sysconfig
from collections.abc import Iterable
from pathlib import Path

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


def libraries() -> tuple[dict[str, str], dict[str, str]]:
    """Places and links with which a dynamic program of the host finds its loader and libraries."""
    present = [Path(name) for name in (*LIBRARY_FOLDERS, LOADER_CACHE) if Path(name).exists()]
    links = {str(path): os.readlink(path) for path in present if path.is_symlink()}  # noqa: PTH115
    return at_home(path for path in present if not path.is_symlink()), links


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
