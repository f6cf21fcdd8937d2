# SPDX-License-Identifier: GPL-2.0-only
"""A source tree of somebody else, its links and its git repository."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from kernels.git import git_description, git_files
from kernels.worktree import list_tree, sync, walk_tree
from tests.unit.hostile_input.canary import Canary

needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")


class Copied:
    """A hostile tree, and our copy of it."""

    def __init__(self, folder: Path) -> None:
        self.tree, self.target = folder / "tree", folder / "kept/source"
        self.tree.mkdir()
        self.target.mkdir(parents=True)
        (self.tree / "Makefile").write_text("all:\n")

    def sync(self) -> None:
        index = self.target.parent / "index.json"
        for names in (list_tree(self.tree), walk_tree(self.tree)):
            sync(self.tree, names, {}, self.target, index)


@pytest.fixture
def copied(tmp_path: Path) -> Copied:
    return Copied(tmp_path)


def test_link_that_becomes_a_folder_is_not_written_through(copied: Copied, canary: Canary) -> None:
    (copied.tree / "lib").symlink_to(canary.folder)
    copied.sync()
    (copied.tree / "lib").unlink()
    (copied.tree / "lib").mkdir()
    (copied.tree / "lib/id_rsa").write_text("ssh-rsa mine")
    copied.sync()
    canary.check(copied.target)
    assert (copied.target / "lib/id_rsa").read_text() == "ssh-rsa mine"


@needs_git
def test_name_that_git_lists_behind_a_link_is_not_read(copied: Copied, canary: Canary) -> None:
    listed = copied.tree / "lib/id_rsa"
    listed.parent.mkdir()
    listed.touch()
    for words in (["init", "-q"], ["add", "."]):
        subprocess.run(["git", "-C", copied.tree, *words], check=True)
    (copied.tree / ".git/info/exclude").write_text("/lib\n")
    shutil.rmtree(listed.parent)
    (copied.tree / "lib").symlink_to(canary.folder)
    copied.sync()
    canary.check(copied.target)


@needs_git
def test_programs_that_a_tree_has_git_start_reach_nothing(copied: Copied, canary: Canary) -> None:
    program = copied.tree / "monitor"
    program.write_text(f"#!/bin/sh\ncat {canary.file}; echo mine > {canary.file}\n")
    program.chmod(0o755)
    commit = ["-c", "user.name=t", "-c", "user.email=t@t", "commit", "-q", "-m", "x"]
    for words in (["init", "-q"], ["add", "Makefile"], commit):
        subprocess.run(["git", "-C", copied.tree, *words], check=True)
    for key in ("core.fsmonitor", "filter.x.clean", "core.pager", "core.sshCommand"):
        subprocess.run(["git", "-C", copied.tree, "config", key, program], check=True)
    (copied.tree / ".gitattributes").write_text("* filter=x\n")
    (copied.tree / "Makefile").write_text("changed:\n")
    copied.sync()
    git_description(copied.tree)
    canary.check(copied.target)


@needs_git
@pytest.mark.parametrize("entry", ["evil/worktrees/x", "../home"])
def test_tree_that_names_a_repository_elsewhere_is_not_believed(
    copied: Copied, canary: Canary, entry: str
) -> None:
    (copied.tree / ".git").write_text(f"gitdir: {entry}\n")
    evil = copied.tree / "evil/worktrees/x"
    evil.mkdir(parents=True)
    (evil / "gitdir").write_text(f"{copied.tree}/.git\n")
    (evil / "commondir").write_text(f"{canary.folder}\n")
    assert git_files(copied.tree) == []
    assert git_description(copied.tree) is None


def test_pipe_in_a_tree_is_no_file(copied: Copied) -> None:
    os.mkfifo(copied.tree / "endless.c")
    copied.sync()
    assert [path.name for path in copied.target.iterdir()] == ["Makefile"]


def test_link_to_a_file_stays_a_link(copied: Copied, canary: Canary) -> None:
    (copied.tree / "data").symlink_to(canary.file)
    copied.sync()
    canary.check(copied.target)
    assert (copied.target / "data").is_symlink()
