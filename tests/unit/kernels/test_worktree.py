# SPDX-License-Identifier: GPL-2.0-only
"""The private copy: only what changed becomes younger, whatever the user's tree goes through."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from images.jail.idmap import can_map_owner
from kernels.compile import Progress, Watch
from kernels.git import git_description
from kernels.worktree import DELETED, Synced, list_tree, sync, walk_tree

needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")

OLD_NS = 10**18


class Copy:
    """A tree, its copy, and the times of the copy's files."""

    def __init__(self, folder: Path) -> None:
        self.tree = folder / "tree"
        self.target = folder / "copy"
        self.index = folder / "index.json"
        self.target.mkdir(parents=True)
        for name in ("a.c", "net/b.c"):
            self.write(name, name)

    def write(self, name: str, text: str) -> None:
        (self.tree / name).parent.mkdir(parents=True, exist_ok=True)
        (self.tree / name).write_text(text)

    def sync(
        self,
        overlay: dict[str, Path | None] | None = None,
        *,
        like: Path | None = None,
        watch: Watch | None = None,
        unchanged: bool = False,
    ) -> Synced:
        names = None if unchanged else walk_tree(self.tree)
        return sync(
            self.tree, names, overlay or {}, self.target, self.index, like=like, watch=watch
        )

    def times(self) -> dict[str, int]:
        return {name: (self.target / name).lstat().st_mtime_ns for name in walk_tree(self.target)}


@pytest.fixture
def copy(tmp_path: Path) -> Copy:
    return Copy(tmp_path)


def test_first_sync_copies_all(copy: Copy) -> None:
    copy.write("scripts/run.sh", "#!/bin/sh")
    (copy.tree / "scripts/run.sh").chmod(0o755)
    (copy.tree / "link").symlink_to("net")
    assert copy.sync().changed == 4
    assert (copy.target / "net/b.c").read_text() == "net/b.c"
    assert os.access(copy.target / "scripts/run.sh", os.X_OK)
    assert (copy.target / "link").readlink() == Path("net")


def test_second_sync_touches_nothing(copy: Copy) -> None:
    first = copy.sync()
    before = copy.times()
    assert copy.sync() == replace(first, changed=0, removed=0)
    assert copy.times() == before


def test_only_the_changed_file_becomes_younger(copy: Copy) -> None:
    first = copy.sync()
    before = copy.times()
    copy.write("a.c", "changed")
    second = copy.sync()
    assert (second.changed, second.removed) == (1, 0)
    assert second.digest != first.digest
    changed = {name for name, time in copy.times().items() if before[name] != time}
    assert changed == {"a.c"}


def test_old_content_with_an_old_time_counts_as_a_change(copy: Copy) -> None:
    first = copy.sync()
    before = copy.times()["a.c"]
    copy.write("a.c", "new")
    copy.sync()
    copy.write("a.c", "a.c")
    os.utime(copy.tree / "a.c", ns=(1, 1))
    assert copy.sync().digest == first.digest
    assert copy.times()["a.c"] > before


def test_touched_but_equal_file_is_not_copied(copy: Copy) -> None:
    first = copy.sync()
    before = copy.times()
    os.utime(copy.tree / "a.c")
    assert copy.sync() == replace(first, changed=0, removed=0)
    assert copy.times() == before


def test_kconfig_files_have_a_hash_of_their_own(copy: Copy) -> None:
    copy.write("net/Kconfig", "config NET")
    first = copy.sync()
    copy.write("a.c", "changed")
    assert copy.sync().kconfig == first.kconfig
    copy.write("net/Kconfig", "config INET")
    assert copy.sync().kconfig != first.kconfig


def test_deleted_file_goes(copy: Copy) -> None:
    copy.sync()
    (copy.tree / "net/b.c").unlink()
    assert copy.sync().removed == 1
    assert walk_tree(copy.target) == ["a.c"]


def test_lost_index_means_comparing_everything(copy: Copy) -> None:
    first = copy.sync()
    (copy.target / "stray.c").write_text("left by an interrupted sync")
    copy.index.unlink()
    again = copy.sync()
    assert again.digest == first.digest
    assert again.removed == 1
    assert not (copy.target / "stray.c").exists()


@pytest.mark.parametrize("text", ["[]", "5", '{"Makefile": 5}', '{"Makefile": []}', "[" * 100_000])
def test_damaged_index_means_the_same(copy: Copy, text: str) -> None:
    first = copy.sync()
    copy.index.write_text(text)
    assert copy.sync().digest == first.digest
    assert copy.sync().changed == 0


def test_overlay_replaces_adds_and_deletes(copy: Copy, tmp_path: Path) -> None:
    plain = copy.sync()
    patched = tmp_path / "patched.c"
    patched.write_text("patched")
    result = copy.sync({"a.c": patched, "new.c": patched, "net/b.c": None})
    assert (result.changed, result.removed) == (2, 1)
    assert sorted(walk_tree(copy.target)) == ["a.c", "new.c"]
    assert (copy.target / "a.c").read_text() == "patched"
    assert copy.sync().digest == plain.digest
    assert (copy.target / "a.c").read_text() == "a.c"


PRODUCTS = (
    "a.o", ".a.o.cmd", "net/built-in.a", "net/x.ko", "net/x.mod.c", "vmlinux", "vmlinux.o", "linux",
    "System.map", ".config", "Module.symvers", "modules.order", ".tmp_vmlinux1",
    "include/config/auto.conf", "include/generated/autoconf.h",
    "arch/x86/include/generated/asm/x.h", "scripts/kconfig/parser.tab.c", "usr/x.s",
)  # fmt: skip
SOURCES = (
    "Makefile", ".gitignore", "arch/x86/boot/compressed/vmlinux.lds.S", "arch/x86/entry/entry.S",
    "include/linux/linux.h", "tools/testing/config", "include/asm-generic/vmlinux.lds.h",
    "rust/x.rs", "usr/initramfs_data.S", "drivers/net/x.c_shipped", "kernel/configs/tiny.config",
)  # fmt: skip


OVERLAYS = (
    {"a.c": True}, {"net/b.c": False, "new/c.c": True}, {"a.c": False, "a.c/d.c": True},
    {"new/c.c": False}, {},
)  # fmt: skip
"""Name -> whether it is there."""


@pytest.mark.parametrize("before", OVERLAYS)
@pytest.mark.parametrize("after", OVERLAYS)
def test_of_what_did_not_change_only_overlays_matter(
    tmp_path: Path, before: dict[str, bool], after: dict[str, bool]
) -> None:
    (tmp_path / "patched").write_text("patched")
    overlays = [
        {name: tmp_path / "patched" if there else None for name, there in overlay.items()}
        for overlay in (before, after)
    ]
    quick, slow = Copy(tmp_path / "quick"), Copy(tmp_path / "slow")
    for overlay in overlays:
        one, other = quick.sync(overlay, unchanged=True), slow.sync(overlay)
        assert one == other
        assert quick.times().keys() == slow.times().keys()
        for name in quick.times():
            assert (quick.target / name).read_text() == (slow.target / name).read_text()


def test_what_did_not_change_is_not_looked_at(copy: Copy, tmp_path: Path) -> None:
    copy.sync(unchanged=True)
    copy.write("a.c", "changed, though it was said that nothing did")
    (tmp_path / "patched").write_text("patched")
    assert copy.sync({"net/b.c": tmp_path / "patched"}, unchanged=True).changed == 1
    assert copy.sync().changed == 2


def test_index_that_does_not_say_what_was_deleted_is_no_shortcut(
    copy: Copy, tmp_path: Path
) -> None:
    """Older ones do not."""
    copy.sync({"net/b.c": None})
    known = json.loads(copy.index.read_text())
    assert known.pop(DELETED) == ["net/b.c"]
    copy.index.write_text(json.dumps(known))
    assert copy.sync(unchanged=True).changed == 1
    assert (copy.target / "net/b.c").exists()


def test_build_products_are_left_out(copy: Copy) -> None:
    for name in (*PRODUCTS, *SOURCES):
        copy.write(name, "")
    (copy.tree / ".gitignore").write_text("/*\n!/debian/\n")  # as in Debian's source
    assert list_tree(copy.tree) == sorted(["a.c", "net/b.c", *SOURCES])


@needs_git
def test_git_that_ignores_the_kernel_is_not_believed(copy: Copy) -> None:
    copy.write("Makefile", "")
    copy.write(".gitignore", "/*\n")
    subprocess.run(["git", "init", "-q", copy.tree], check=True)
    assert list_tree(copy.tree) == [".gitignore", "Makefile", "a.c", "net/b.c"]


@needs_git
def test_git_tree_lists_new_files_but_not_deleted_ones(copy: Copy) -> None:
    copy.write(".gitignore", "*.o\n")
    copy.write("Makefile", "")
    git = ["git", "-C", str(copy.tree), "-c", "user.name=t", "-c", "user.email=t@t"]
    for command in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "x"]):
        subprocess.run([*git, *command], check=True)
    copy.write("a.o", "")
    copy.write("new.c", "")
    (copy.tree / "net/b.c").unlink()
    assert list_tree(copy.tree) == [".gitignore", "Makefile", "a.c", "new.c"]
    described = git_description(copy.tree)
    assert described is not None
    assert described.endswith("-dirty")


@needs_git
def test_files_that_only_their_owner_may_read_are_listed(copy: Copy, tmp_path: Path) -> None:
    if os.getuid() == 0 and not can_map_owner(str(tmp_path)):
        pytest.skip("requires a file system with idmapped mounts")
    copy.write("Makefile", "")
    copy.write("new/c.c", "")
    for path in ("new", "new/c.c", "Makefile"):
        (copy.tree / path).chmod(0o700)
    subprocess.run(["git", "init", "-q", copy.tree], check=True)
    subprocess.run(["git", "-C", copy.tree, "add", "Makefile"], check=True)
    (copy.tree / ".git/index").chmod(0o600)
    assert list_tree(copy.tree) == ["Makefile", "a.c", "net/b.c", "new/c.c"]


@needs_git
def test_worktree_of_a_repository_is_read_as_git_knows_it(copy: Copy, tmp_path: Path) -> None:
    for name, text in (("Makefile", ""), (".gitignore", "*.o\n")):
        copy.write(name, text)
    git = ["git", "-C", str(copy.tree), "-c", "user.name=t", "-c", "user.email=t@t"]
    other = tmp_path / "other"
    worktree = ["worktree", "add", "-q", "-b", "x", str(other)]
    for command in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "x"], worktree):
        subprocess.run([*git, *command], check=True)
    (other / "a.o").touch()
    assert list_tree(other) == [".gitignore", "Makefile", "a.c", "net/b.c"]
    assert git_description(other) == git_description(copy.tree)


def test_git_tree_can_be_read_without_git(copy: Copy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kernels.git.shutil.which", lambda *_args, **_kwargs: None)
    copy.write(".git/HEAD", "")
    copy.write("a.o", "")
    assert list_tree(copy.tree) == ["a.c", "net/b.c"]


def test_copies_are_as_old_as_what_they_equal(copy: Copy, tmp_path: Path) -> None:
    for name in ("a.c", "net/b.c"):
        os.utime(copy.tree / name, ns=(OLD_NS, OLD_NS))
    patched = tmp_path / "patched.c"
    patched.write_text("patched")
    synced = copy.sync({"a.c": patched}, like=copy.tree)
    assert copy.times()["net/b.c"] == OLD_NS
    assert copy.times()["a.c"] > OLD_NS
    assert (synced.unlike, synced.gone) == (1, frozenset())


def test_what_is_elsewhere_has_no_time_of_its_own(copy: Copy, tmp_path: Path) -> None:
    like = tmp_path / "like"
    shutil.copytree(copy.tree, like)
    (like / "net/b.c").write_text("b before")
    (like / "lost.c").touch()
    (like / "link").symlink_to("net")
    copy.write("link/b.c", "b before")
    for name in ("a.c", "net/b.c"):
        os.utime(like / name, ns=(OLD_NS, OLD_NS))
    synced = copy.sync(like=like)
    assert {name for name, time in copy.times().items() if time == OLD_NS} == {"a.c"}
    assert (synced.unlike, synced.gone) == (4, {"lost.c", "link"})


def stop_at(number: int) -> Watch:
    def watch(progress: Progress) -> None:
        if progress.done == number:
            raise KeyboardInterrupt

    return watch


def test_copy_that_was_interrupted_is_gone_on_with(
    copy: Copy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kernels.worktree.EACH", 1)
    with pytest.raises(KeyboardInterrupt):
        copy.sync(watch=stop_at(1))
    assert copy.sync().changed == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy", "index.json", "tree"]


def test_interrupted_copy_begins_again_when_the_times_are_those_of_something_else(
    copy: Copy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a file could be as old as one that it does not equal."""
    monkeypatch.setattr("kernels.worktree.EACH", 1)
    likes = [tmp_path / "one", tmp_path / "two"]
    for like in likes:
        shutil.copytree(copy.tree, like)
    for like in (*likes, likes[0]):
        with pytest.raises(KeyboardInterrupt):
            copy.sync(like=like, watch=stop_at(1))
    assert copy.sync(like=likes[1]).changed == 2
