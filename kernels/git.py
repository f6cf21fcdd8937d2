# SPDX-License-Identifier: GPL-2.0-only
"""What git knows of somebody else's tree. Its configuration may start programs: git is in the jail.

`core.fsmonitor` and filters run whatever `.git/config` says, as soon as the index is read.
"""

from __future__ import annotations

import shutil
import stat
from collections.abc import Mapping
from pathlib import Path

from images.buildroot import HOST
from images.command import search_path
from images.errors import EnvironmentProblem
from images.inside import Inside

LISTING = ("ls-files", "-z", "--cached", "--others", "--exclude-standard")
DESCRIBE = ("describe", "--always", "--dirty")
WORKTREES = "worktrees"
_IN_THE_JAIL = ("/usr/", "/bin/")
_DEADLINE_S = 600.0


def git_files(tree: Path) -> list[str]:
    """What git tracks, and new files that .gitignore does not name; empty without a repository.

    Raises EnvironmentProblem when git fails.
    """
    listed = _git(tree.resolve(), *LISTING)
    return [] if listed is None else [name for name in listed.split("\0") if name]


def git_description(tree: Path, branch: str = "") -> str | None:
    """`git describe --always --dirty` of a tree, or of a branch of it, for reports; None where git
    knows nothing.
    """
    words = ("describe", "--always", branch) if branch else DESCRIBE
    try:
        described = _git(tree.resolve(), *words)
    except EnvironmentProblem:
        return None
    return described.strip() or None if described is not None else None


def _git(tree: Path, *words: str, write: Mapping[str, Path] | None = None) -> str | None:
    """Its output; None where there is no git, or nothing that it may read."""
    program = shutil.which("git", path=search_path())
    repository = _repository(tree)
    if program is None or not program.startswith(_IN_THE_JAIL) or repository is None:
        return None
    folder, entry = repository
    argv = [program, f"--git-dir=/git/{entry}", "--work-tree=/tree", *words]
    read = {"/tree": tree, "/git": folder}
    return HOST.run(argv, read=read, write=write, folder="/tree", deadline_s=_DEADLINE_S)


def _repository(tree: Path) -> tuple[Path, str] | None:
    """The repository of a tree, and what in it is the tree's own if it is one of its worktrees.

    A file `.git` names that repository. It counts when the repository names the tree in turn: what
    somebody else has written into the tree cannot let git see more of the host.
    """
    inside = Inside(tree)
    if stat.S_ISDIR(inside.mode(".git")):
        return tree / ".git", ""
    if not inside.is_file(".git"):
        return None
    said = inside.read_text(".git").removeprefix("gitdir:").strip()
    entry = (tree / said).resolve()
    back = Inside(entry)
    if entry.is_relative_to(tree) or not back.is_file("gitdir"):
        return None
    named = Path(back.read_text("gitdir").strip())
    if named != tree / ".git" or entry.parent.name != WORKTREES:
        return None
    return entry.parent.parent, f"{WORKTREES}/{entry.name}"


def export_branch(tree: Path, branch: str, tarball: Path) -> None:
    """Write what a branch, a tag or a commit of a git tree holds into ``tarball``.

    The same commit is the same file. Raises EnvironmentProblem.
    """
    tarball.parent.mkdir(parents=True, exist_ok=True)
    words = ["archive", "--format=tar", "--prefix=linux/", f"--output=/out/{tarball.name}"]
    if _git(tree.resolve(), *words, branch, write={"/out": tarball.parent}) is None:
        raise EnvironmentProblem(f"{tree}: there is no git repository")
