# SPDX-License-Identifier: GPL-2.0-only
"""The kernel's own scripts for those who send mail: get_maintainer.pl and checkpatch.pl.

They are those of the source that is asked about, and run in the jail, in a tree of Debian packages.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from images.buildroot import BuildRoot
from images.debian import Archive
from images.errors import ProgramFailed
from images.recipe import Recipe, package_tree
from images.store import Store
from kernels.source import SourceProblem

RECIPE = Path(__file__).parent / "scripts.toml"
PLACE = "/kernel/source"
GET_MAINTAINER, CHECKPATCH = "scripts/get_maintainer.pl", "scripts/checkpatch.pl"
CHECKS = ("--terse", "--no-summary", "--ignore", "UNKNOWN_COMMIT_ID")
"""There is no history to look commits up in."""
DEADLINE_S = 120.0

_ADDRESSEE = re.compile(r"(?P<address>.+?) \((?P<role>.*)\)")
_COMPLAINT = re.compile(r"(?:[^:]*):(?P<line>\d+): (?P<what>(?:ERROR|WARNING|CHECK): .*)")
_LIST = re.compile(r"\blist\b")


@dataclass(frozen=True)
class Addressee:
    """Who wants mail about a file: `address` as a mail has it, `role` as MAINTAINERS has it."""

    address: str
    role: str

    @property
    def is_list(self) -> bool:
        """Whether it is a mailing list, which everybody can read."""
        return _LIST.search(self.role.partition(":")[0]) is not None

    @property
    def is_maintainer(self) -> bool:
        """Whether it is a person whose office it is, not a reviewer."""
        return self.role.startswith(("maintainer", "supporter"))


@dataclass(frozen=True)
class KernelScripts:
    """The scripts of the source `tree`; `root` has perl."""

    root: BuildRoot
    tree: Path

    @classmethod
    def of(cls, store: Store, archive: Callable[[], Archive], tree: Path) -> KernelScripts:
        """With perl out of the store, fetched if need be.

        Raises SourceProblem if the source lacks one of them, EnvironmentProblem.
        """
        for name in (GET_MAINTAINER, CHECKPATCH):
            if not (tree / name).is_file():
                raise SourceProblem(f"{tree} has no {name}")
        entry = package_tree(store, archive, Recipe.load(RECIPE, "scripts"))
        return cls(BuildRoot.of(entry), tree)

    def addressees(self, files: Sequence[str]) -> list[Addressee]:
        """Maintainers, reviewers and lists of these files. Raises EnvironmentProblem."""
        return self._addressees(files, [])

    def maintainers(self, files: Sequence[str]) -> list[Addressee]:
        """Maintainers only, of the most specific entry that has any, as security-bugs.rst asks.

        Raises EnvironmentProblem.
        """
        only = ["--no-l", "--no-r"]
        near = self._addressees(files, [*only, "--pattern-depth", "1"])
        return near or self._addressees(files, only)

    def checkpatch(self, patch: str) -> list[str]:
        """What checkpatch says of a patch with its message: a line each, none if it is clean.

        Raises EnvironmentProblem.
        """
        try:
            said = self._run([CHECKPATCH, *CHECKS, "-"], patch.encode())
        except ProgramFailed as failed:
            said = failed.output
            if not any(map(_COMPLAINT.search, said.splitlines())):
                raise
        complaints = map(_COMPLAINT.search, said.splitlines())
        return [f"line {one['line']}: {one['what']}" for one in complaints if one is not None]

    def _addressees(self, files: Sequence[str], options: Sequence[str]) -> list[Addressee]:
        argv = ["--no-git", "--no-git-fallback", "--no-rolestats", "--roles", *options]
        said = self._run([GET_MAINTAINER, *argv, "-f", *files])
        found = [_ADDRESSEE.fullmatch(line) for line in said.splitlines()]
        return [Addressee(one["address"], one["role"]) for one in found if one is not None]

    def _run(self, words: Sequence[str], text: bytes = b"") -> str:
        return self.root.run(
            ["perl", *words], read={PLACE: self.tree}, folder=PLACE, input=text,
            deadline_s=DEADLINE_S,
        )  # fmt: skip
