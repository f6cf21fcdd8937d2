# SPDX-License-Identifier: GPL-2.0-only
"""Files of the user's that go into a guest by hand; C programs are compiled on the way."""

from __future__ import annotations

import os
import re
import stat
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from images.buildroot import BuildRoot
from images.errors import ProgramFailed
from images.single import compile_single
from testbed.artifacts.translated import translated
from testbed.errors import UsageProblem

MOST_BYTES = 64 << 20
"""A guest keeps them in memory, and they come by its agent; `--share` is for more."""

_WITH_PATH = re.compile(r"(?P<file>.+):(?P<path>/.*)", re.DOTALL)


@dataclass(frozen=True)
class Copy:
    """A file of a guest: its path there, or its name in the command's folder; its bytes.

    Everybody may run it.
    """

    target: str
    data: bytes


def copies_of(words: Sequence[str], build_root: Callable[[], BuildRoot]) -> list[Copy]:
    """What ``FILE`` or ``FILE:PATH`` becomes in a guest: a .c file its program, any other itself.

    PATH is absolute; with "/" at its end it is a folder. Raises UsageProblem for a file that cannot
    be read, is too large, does not compile, or has the name of another; EnvironmentProblem.
    """
    copies = [_copy(word, build_root) for word in words]
    twice = [name for name, count in Counter(copy.target for copy in copies).items() if count > 1]
    if twice:
        raise UsageProblem(f"--push: two files would be {twice[0]} in the guest")
    return copies


def _copy(word: str, build_root: Callable[[], BuildRoot]) -> Copy:
    given = _WITH_PATH.fullmatch(word)
    path = Path(word if given is None or Path(word).exists() else given["file"])
    copy = _compiled(path, build_root) if path.suffix == ".c" else Copy(path.name, _read(path))
    if given is None or str(path) == word:
        return copy
    place = given["path"]
    return Copy(f"{place}{copy.target}" if place.endswith("/") else place, copy.data)


def _compiled(path: Path, build_root: Callable[[], BuildRoot]) -> Copy:
    _read(path)
    root = build_root()
    with TemporaryDirectory(prefix="testbed-compile-") as target, translated():
        try:
            program = compile_single(root, path, Path(target))
        except ProgramFailed as failed:
            raise UsageProblem(f"--push: {path} does not compile:\n{failed.output}") from failed
        return Copy(program.name, program.read_bytes())


def _read(path: Path) -> bytes:
    """Its bytes. What it is, is asked of the opened file: a name may lead elsewhere by then."""
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise UsageProblem(f"--push: {path}: not a file")
            data = file.read(MOST_BYTES + 1)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise UsageProblem(f"--push: {path}: {why}") from error
    if len(data) > MOST_BYTES:
        raise UsageProblem(
            f"--push: {path} has more than {MOST_BYTES >> 20} MiB", remedy="use --share FOLDER"
        )
    return data
