# SPDX-License-Identifier: GPL-2.0-only
"""Files of the user's that go into a guest by hand; C programs are compiled on the way."""

from __future__ import annotations

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


@dataclass(frozen=True)
class Copy:
    """A file of a guest: its name, its bytes. Everybody may run it."""

    name: str
    data: bytes


def copies_of(paths: Sequence[Path], build_root: Callable[[], BuildRoot]) -> list[Copy]:
    """What the files become in a guest: a .c file its program, any other file itself.

    Raises UsageProblem for a file that cannot be read, is too large, does not compile, or has the
    name of another; EnvironmentProblem.
    """
    copies = [
        _compiled(path, build_root) if path.suffix == ".c" else _plain(path) for path in paths
    ]
    twice = [name for name, count in Counter(copy.name for copy in copies).items() if count > 1]
    if twice:
        raise UsageProblem(f"--copy: two files would be {twice[0]} in the guest")
    return copies


def _plain(path: Path) -> Copy:
    return Copy(path.name, _read(path))


def _compiled(path: Path, build_root: Callable[[], BuildRoot]) -> Copy:
    _read(path)
    root = build_root()
    with TemporaryDirectory(prefix="testbed-compile-") as target, translated():
        try:
            program = compile_single(root, path, Path(target))
        except ProgramFailed as failed:
            raise UsageProblem(f"--copy: {path} does not compile:\n{failed.output}") from failed
        return Copy(program.name, program.read_bytes())


def _read(path: Path) -> bytes:
    if not path.is_file():
        raise UsageProblem(f"--copy: {path}: not a file")
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise UsageProblem(f"--copy: {path}: {error.strerror}") from error
    if len(data) > MOST_BYTES:
        raise UsageProblem(
            f"--copy: {path} has more than {MOST_BYTES >> 20} MiB", remedy="use --share FOLDER"
        )
    return data
