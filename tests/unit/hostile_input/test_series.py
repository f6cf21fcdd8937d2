# SPDX-License-Identifier: GPL-2.0-only
"""A patch series of somebody else, and the links it makes."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from images.buildroot import HOST
from kernels.patches import Patch, PatchProblem, PatchSeries, load_series
from kernels.patching import Applied, apply_series
from tests.unit.hostile_input.canary import WORD, Canary

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
        if not shutil.which("patch"):
            pytest.skip("patch is not installed")
        patches = [Patch(str(number), "t", diff) for number, diff in enumerate(diffs)]
        return apply_series([PatchSeries("here", patches)], self.tree, (7, 2), self.work, HOST)


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
