# SPDX-License-Identifier: GPL-2.0-only
"""Patches, trees, tarballs, plans and lab files of somebody else: none reaches a canary.

A canary is a file with a word in it. To reach it is to read it (the word is in what we keep), to
write it, or to leave something beside it. `tests/driver/test_hostile_guest.py` does the same for
what a guest does.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from kernels.patches import Patch, PatchProblem, PatchSeries, load_series
from kernels.patching import Applied, apply_series
from kernels.worktree import list_tree, sync

needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
WORD = "TWEET-3f81"


class Canary:
    """A folder of the host that nothing may reach."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "home"
        self.folder.mkdir()
        self.file = self.folder / "id_rsa"
        self.file.write_text(WORD)
        self._before = self._state()

    def _state(self) -> list[tuple[str, str]]:
        return sorted((path.name, path.read_text()) for path in self.folder.iterdir())

    def check(self, kept: Path) -> None:
        """It is as it was, and its word is in no file below `kept`."""
        assert self._state() == self._before
        for folder, _, names in os.walk(kept):
            for path in (Path(folder, name) for name in names):
                if not path.is_symlink() and path.is_file():
                    assert WORD.encode() not in path.read_bytes(), path


@pytest.fixture
def canary(tmp_path: Path) -> Canary:
    return Canary(tmp_path)


class Copied:
    """A hostile tree, and our copy of it."""

    def __init__(self, folder: Path) -> None:
        self.tree, self.target = folder / "tree", folder / "kept/source"
        self.tree.mkdir()
        self.target.mkdir(parents=True)
        (self.tree / "Makefile").write_text("all:\n")

    def sync(self) -> None:
        index = self.target.parent / "index.json"
        sync(self.tree, list_tree(self.tree), {}, self.target, index)


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


def test_pipe_in_a_tree_is_no_file(copied: Copied) -> None:
    os.mkfifo(copied.tree / "endless.c")
    copied.sync()
    assert [path.name for path in copied.target.iterdir()] == ["Makefile"]


def test_link_to_a_file_stays_a_link(copied: Copied, canary: Canary) -> None:
    (copied.tree / "data").symlink_to(canary.file)
    copied.sync()
    canary.check(copied.target)
    assert (copied.target / "data").is_symlink()


NEW_LINK = """diff --git a/{name} b/{name}
new file mode 120000
--- /dev/null
+++ b/{name}
@@ -0,0 +1 @@
+{target}
\\ No newline at end of file
"""
CHANGE = """--- a/{name}
+++ b/{name}
@@ -1 +1 @@
-{old}
+{new}
"""


class Patched:
    """A tree, a hostile series, and the folder in which it is applied."""

    def __init__(self, folder: Path) -> None:
        self.tree, self.work = folder / "tree", folder / "kept"
        self.tree.mkdir()
        self.work.mkdir()

    def apply(self, *diffs: str) -> Applied:
        program = shutil.which("patch")
        if program is None:
            pytest.skip("patch is not installed")
        patches = [Patch(str(number), "t", diff) for number, diff in enumerate(diffs)]
        return apply_series([PatchSeries("here", patches)], self.tree, (7, 2), self.work, [program])


@pytest.fixture
def patched(tmp_path: Path) -> Patched:
    return Patched(tmp_path)


def test_patched_file_that_is_a_link_is_not_read(patched: Patched, canary: Canary) -> None:
    (patched.tree / "notes").symlink_to(canary.file)
    applied = patched.apply(CHANGE.format(name="notes", old=WORD, new="mine"))
    canary.check(patched.work)
    assert [account.outcome.failed for account in applied.accounts] == [True]


def test_link_of_a_series_is_not_written_through(patched: Patched, canary: Canary) -> None:
    (patched.tree / "lib").mkdir()
    (patched.tree / "lib/id_rsa").write_text("ssh-rsa mine\n")
    link = NEW_LINK.format(name="lib", target=canary.folder)
    with pytest.raises(PatchProblem, match="'lib', which is no folder"):
        patched.apply(link, CHANGE.format(name="lib/id_rsa", old="ssh-rsa mine", new="yours"))
    canary.check(patched.work)


def test_link_of_a_series_is_not_read_through(patched: Patched, canary: Canary) -> None:
    link = NEW_LINK.format(name="lib", target=canary.folder)
    applied = patched.apply(link, CHANGE.format(name="lib/id_rsa", old=WORD, new="mine"))
    canary.check(patched.work)
    assert list(applied.overlay) == ["lib"]


@pytest.mark.parametrize("name", ["../home/id_rsa", "{folder}/id_rsa", "link/id_rsa", "link.patch"])
def test_patch_queue_reads_no_file_outside(name: str, tmp_path: Path, canary: Canary) -> None:
    canary.file.write_text(CHANGE.format(name="a", old=WORD, new="x"))
    queue = tmp_path / "queue"
    queue.mkdir()
    (queue / "link").symlink_to(canary.folder)
    (queue / "link.patch").symlink_to(canary.file)
    (queue / "series").write_text(name.format(folder=canary.folder) + "\n")
    with pytest.raises(PatchProblem, match="no such file, links apart"):
        load_series(queue)
