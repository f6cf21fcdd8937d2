# SPDX-License-Identifier: GPL-2.0-only
"""What applies, what does not, and what is reported about it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from images.buildroot import HOST
from images.errors import EnvironmentProblem
from kernels.patches import Patch, PatchProblem, PatchSeries
from kernels.patching import Applied, PatchOutcome, apply_series, read_account
from kernels.version import KernelVersion

pytestmark = pytest.mark.skipif(not shutil.which("patch"), reason="GNU patch is not installed")

TEXT = "".join(f"line {number}\n" for number in range(1, 41))


def hunk(name: str, at: int, old: str, new: str, header: bool = True) -> str:
    lines = [f"--- a/{name}", f"+++ b/{name}"] if header else []
    lines += [f"@@ -{at - 1},3 +{at - 1},3 @@", f" line {at - 1}", f"-{old}", f"+{new}"]
    return "\n".join([*lines, f" line {at + 1}"]) + "\n"


class Tree:
    """A kernel of two files."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "tree"
        self.work = folder / "work"
        self.work.mkdir()
        for name in ("net/a.c", "b.c"):
            (self.path / name).parent.mkdir(parents=True, exist_ok=True)
            (self.path / name).write_text(TEXT)

    def apply(self, *patches: Patch) -> Applied:
        return apply_series(
            [PatchSeries("here", patches)], self.path, KernelVersion(7, 2, 12), self.work, HOST
        )


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path)


def test_patches_build_on_each_other_and_leave_the_tree_alone(tree: Tree) -> None:
    applied = tree.apply(
        Patch("1", "one", hunk("net/a.c", 10, "line 10", "ten")),
        Patch("2", "two", hunk("net/a.c", 10, "ten", "TEN")),
    )
    assert [account.outcome for account in applied.accounts] == [
        PatchOutcome.APPLIED,
        PatchOutcome.APPLIED,
    ]
    assert list(applied.overlay) == ["net/a.c"]
    patched = applied.overlay["net/a.c"]
    assert patched is not None
    assert patched.read_text() == TEXT.replace("line 10\n", "TEN\n")
    assert (tree.path / "net/a.c").read_text() == TEXT


def test_new_and_deleted_files(tree: Tree) -> None:
    gone = "".join(f"-{line}\n" for line in TEXT.splitlines())
    applied = tree.apply(
        Patch("1", "new", "--- /dev/null\n+++ b/new.c\n@@ -0,0 +1 @@\n+x\n"),
        Patch("2", "gone", f"--- a/b.c\n+++ /dev/null\n@@ -1,40 +0,0 @@\n{gone}"),
    )
    assert not applied.failed
    assert applied.overlay == {"new.c": tree.work / "new.c", "b.c": None}


def test_failing_hunk_is_named_and_the_patch_left_out_whole(tree: Tree) -> None:
    good, bad = hunk("net/a.c", 5, "line 5", "5"), hunk("net/a.c", 20, "other", "20", False)
    applied = tree.apply(
        Patch("1", "half", good + bad + hunk("b.c", 7, "line 7", "7")),
        Patch("2", "after", hunk("b.c", 9, "line 9", "9")),
    )
    failed, after = applied.accounts
    assert failed.lines() == ["does not apply: 1 half", "  net/a.c: hunk 2 fails at line 19"]
    assert after.outcome is PatchOutcome.APPLIED
    assert applied.failed == [failed]
    assert (tree.work / "net/a.c").read_text() == TEXT
    assert (tree.work / "b.c").read_text() == TEXT.replace("line 9\n", "9\n")


def test_context_is_not_guessed(tree: Tree) -> None:
    text = hunk("b.c", 10, "line 10", "10").replace(" line 9", " line nine")
    [account] = tree.apply(Patch("1", "fuzzy", text)).accounts
    assert account.outcome is PatchOutcome.FAILED


def test_moved_lines_are_found(tree: Tree) -> None:
    (tree.path / "b.c").write_text("new\n" * 7 + TEXT)
    [account] = tree.apply(Patch("1", "offset", hunk("b.c", 10, "line 10", "10"))).accounts
    assert account.outcome is PatchOutcome.APPLIED


def test_patch_that_is_there_already(tree: Tree) -> None:
    (tree.path / "b.c").write_text(TEXT.replace("line 10\n", "10\n"))
    applied = tree.apply(Patch("1", "done", hunk("b.c", 10, "line 10", "10")))
    assert [account.outcome for account in applied.accounts] == [PatchOutcome.ALREADY_THERE]
    assert not applied.failed


def test_missing_file_is_named(tree: Tree) -> None:
    [account] = tree.apply(Patch("1", "t", hunk("net/none.c", 5, "line 5", "5"))).accounts
    assert account.outcome is PatchOutcome.FAILED
    assert account.hunks[0] == "net/none.c: this kernel has no such file"


def test_patch_for_another_kernel_is_not_tried(tree: Tree) -> None:
    patch = Patch(
        "1",
        "old",
        hunk("b.c", 1, "x", "y"),
        [(KernelVersion(6, 1), KernelVersion(7, 2))],
        "renamed since",
    )
    [account] = tree.apply(patch).accounts
    assert account.lines() == ["not for this kernel: 1 old (renamed since)"]


@pytest.mark.parametrize("name", ["../../etc/passwd", "net/../../x", "/etc/passwd"])
def test_patch_cannot_reach_out_of_the_tree(tree: Tree, name: str) -> None:
    with pytest.raises(PatchProblem, match="outside the kernel's tree"):
        tree.apply(Patch("1", "evil", hunk(name, 5, "line 5", "5")))


def test_account_of_unknown_output_is_its_end() -> None:
    assert read_account("a\nb\n\nc\nd\n") == ["b", "c", "d"]


def test_full_disk_is_no_patch_that_does_not_apply(
    tree: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = "patch: **** Can't create temporary file x : No space left on device"
    script = f'echo "does not apply"; echo "{full}"'
    monkeypatch.setattr("kernels.patching._SCRIPT", script)
    with pytest.raises(EnvironmentProblem, match="is full"):
        tree.apply(Patch("1", "one", hunk("net/a.c", 10, "line 10", "ten")))
