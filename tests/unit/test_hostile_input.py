# SPDX-License-Identifier: GPL-2.0-only
"""Patches, trees, tarballs, plans and lab files of somebody else: none reaches a canary.

A canary is a file with a word in it. To reach it is to read it (the word is in what we keep), to
write it, or to leave something beside it. `tests/driver/test_hostile_guest.py` does the same for
what a guest does.
"""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import subprocess
import tarfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from images.buildroot import HOST, BuildRoot
from images.toolroot import ToolRoot
from kernels.compile import BuildFailed
from kernels.configs import ConfigProblem as KernelConfigProblem
from kernels.git import git_description, git_files
from kernels.image import write_image
from kernels.modules import KernelFiles, ModuleProblem, pack_module
from kernels.own import UM, X86, OwnKernelProblem, find_own
from kernels.patches import Patch, PatchProblem, PatchSeries, load_series
from kernels.patching import Applied, apply_series
from kernels.source import SourceProblem, tarball_source
from kernels.worktree import list_tree, sync, walk_tree
from testbed.engines.lab.config import COMMANDS_VARIABLE, find_dut
from testbed.errors import ConfigProblem
from tests.unit.kernels.fake_make import FLAVOUR, Lab, toy_kernel, toy_lab
from tests.unit.kernels.test_own import UML, bzimage, enough, text_of

needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
WORD = "TWEET-3f81"


class Canary:
    """A folder of the host that nothing may reach."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "home"
        self.folder.mkdir()
        self.file = self.folder / "id_rsa"
        self.file.write_text(WORD)
        (self.folder / "module.ko").write_text(WORD)
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


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    return toy_lab(tmp_path, monkeypatch)


def packed(folder: Path, *members: tarfile.TarInfo) -> Path:
    """A tarball with a kernel's tree in `k`, and these members after it, each of one word."""
    toy_kernel(folder / "k")
    path = folder / "linux.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        archive.add(folder / "k", "k")
        for member in members:
            member.size = len(b"mine") if member.isreg() else 0
            archive.addfile(member, io.BytesIO(b"mine"))
    return path


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "", mode: int = 0o644) -> Any:
    found = tarfile.TarInfo(name)
    found.type, found.linkname, found.mode = kind, link, mode
    return found


def unpacked(folder: Path, *members: tarfile.TarInfo) -> Path:
    return tarball_source(packed(folder, *members), folder / "kept", print).tree()


@pytest.mark.parametrize(
    "members",
    [
        [member("k/../../../../home/id_rsa")],
        [member("{home}/id_rsa")],
        [member("k/lib", tarfile.SYMTYPE, "{home}"), member("k/lib/id_rsa")],
        [member("k/lib", tarfile.SYMTYPE, "../../../home"), member("k/lib/id_rsa")],
        [member("k/hard", tarfile.LNKTYPE, "{home}/id_rsa"), member("k/hard")],
        [member("k/disk", tarfile.BLKTYPE)],
    ],
)
def test_archive_reaches_nothing_outside(
    tmp_path: Path, canary: Canary, members: list[tarfile.TarInfo]
) -> None:
    for one in members:
        one.name = one.name.format(home=canary.folder)
        one.linkname = one.linkname.format(home=canary.folder)
    with contextlib.suppress(SourceProblem):
        unpacked(tmp_path, *members)
    canary.check(tmp_path / "kept")
    for folder, _, names in os.walk(tmp_path / "kept"):
        assert all(not Path(folder, name).is_block_device() for name in names)


def test_archive_leaves_folders_links_and_readable_files(tmp_path: Path) -> None:
    tree = unpacked(
        tmp_path, member("k/tool", mode=0o6755), member("k/pipe", tarfile.FIFOTYPE),
        member("k/closed", mode=0), member("k/d", tarfile.DIRTYPE, mode=0), member("k/d/in"),
    )  # fmt: skip
    modes = {path.name: path.stat().st_mode & 0o7777 for path in tree.rglob("*")}
    assert modes == {
        "Kconfig": 0o644, "Makefile": 0o644, "tool": 0o755, "closed": 0o644, "d": 0o755,
        "in": 0o644,
    }  # fmt: skip


MODULES = replace(FLAVOUR, targets=("linux", "modules"))
IN_MODULES = "install/lib/modules/7.2.12-toy/kernel"


def at_the_end(product: str, command: str) -> str:
    """A script that lets the build make its product, and then has another in its place."""
    return f"rm -f {product}; mkdir -p include/config; trap 'rm -f {product}; {command}' EXIT\n"


@pytest.mark.parametrize(
    "link", ["linux", "System.map", ".config", "include/config/kernel.release"]
)
def test_link_that_a_build_leaves_is_not_read(lab: Lab, canary: Canary, link: str) -> None:
    (lab.tree / "evil.sh").write_text(at_the_end(link, f"ln -s {canary.file} {link}"))
    with pytest.raises((BuildFailed, KernelConfigProblem), match=rf"left no .*{link}|CONFIG_NET"):
        lab.build()
    canary.check(lab.cache / "store-1")


def test_pipe_that_a_build_leaves_is_no_kernel(lab: Lab) -> None:
    (lab.tree / "evil.sh").write_text(at_the_end("linux", "mkfifo linux"))
    with pytest.raises(BuildFailed, match=r"left no .*/linux"):
        lab.build()


def test_links_among_the_modules_of_a_build_are_left_out(lab: Lab, canary: Canary) -> None:
    made = f"mkdir -p {IN_MODULES}; echo ELF > {IN_MODULES}/mine.ko"
    links = f"ln -sf {canary.folder} {canary.folder}/module.ko {IN_MODULES}"
    (lab.tree / "evil.sh").write_text(f"{made}; {links}\n")
    built = lab.build(flavour=MODULES)
    canary.check(lab.cache / "store-1")
    assert built.modules is not None
    assert [path.name for path in built.modules.rglob("*")] == ["kernel", "mine.ko"]


@pytest.mark.parametrize("folder", ["install", "install/lib"])
def test_folder_of_modules_that_is_a_link_is_not_read(
    lab: Lab, canary: Canary, folder: str
) -> None:
    made = canary.folder / "lib/modules/7.2.12-toy/kernel"
    made.mkdir(parents=True)
    canary.file.rename(made / "x.ko")
    target = canary.folder / Path(folder).relative_to("install")
    evil = f"mkdir -p {Path(folder).parent}; ln -sfn {target} {folder}\n"
    (lab.tree / "evil.sh").write_text(evil)
    with contextlib.suppress(BuildFailed):
        lab.build(flavour=MODULES)
    (made / "x.ko").rename(canary.file)
    shutil.rmtree(canary.folder / "lib")
    canary.check(lab.cache / "store-1")


def test_what_we_write_for_a_build_is_not_written_through_its_links(
    lab: Lab, canary: Canary
) -> None:
    names = "testbed.config testbed.configured testbed.host options.config configured host"
    evil = f"for name in {names}; do ln -sf {canary.file} $name; done\n"
    (lab.tree / "evil.sh").write_text(evil)
    lab.build()
    canary.check(lab.cache / "store-1")


@pytest.mark.parametrize("release", ["../../../../home", "7/../../home", "", "7.2\n8"])
def test_release_of_a_build_is_no_path(lab: Lab, release: str) -> None:
    file = "include/config/kernel.release"
    (lab.tree / "evil.sh").write_text(at_the_end(file, f'printf "{release}" > {file}'))
    with pytest.raises(BuildFailed, match="is no name of a release"):
        lab.build()


PROBE = """
reached() {{ echo "reached: $*" >> /work/report; }}
id > /work/id
grep -E '^Cap(Inh|Prm|Eff|Bnd|Amb):\\s*0*[1-9a-f]' /proc/self/status && reached capabilities
[ "$(id -u)" = 0 ] && [ {root} = yes ] && reached root
[ "$(tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d ' ')" = lo ] || reached network
[ "$(ls -d /proc/[0-9]* | wc -l)" -lt 20 ] || reached processes
for file in {canary} /proc/1/root{canary} /proc/self/root{canary} /etc/shadow /etc/passwd; do
    cat $file > /dev/null 2>&1 && reached $file
done
for folder in / /usr /read {home} /proc/sys/kernel /dev; do
    (echo x > $folder/mine) 2> /dev/null && reached write $folder
done
[ "$(cd /dev; echo *)" = "fd full null random stderr stdin stdout urandom zero" ] ||
    reached devices $(ls /dev)
mknod /work/disk b 254 0 2> /dev/null && reached mknod
cp /usr/bin/true /work/tool; chmod 4755 /work/tool 2> /dev/null && reached setuid
chown 0:0 /work/tool 2> /dev/null && [ {root} = yes ] && reached chown
ln -s {canary} /work/link; cat /work/link > /dev/null 2>&1 && reached link
unshare -r true 2> /dev/null && reached user namespace
mount -t tmpfs none /tmp 2> /dev/null && reached mount
(sleep 300; echo late > /work/late) > /dev/null 2>&1 &
setsid sleep 301 > /dev/null 2>&1 &
exit 0
"""


def test_build_reaches_nothing_of_the_host(tmp_path: Path, canary: Canary) -> None:
    work, read = tmp_path / "work", tmp_path / "read"
    work.mkdir()
    read.mkdir()
    root = "yes" if os.getuid() == 0 else "no"
    probe = PROBE.format(canary=canary.file, home=canary.folder, root=root)
    began = time.monotonic()
    HOST.run(["sh", "-c", probe], read={"/read": read}, write={"/work": work})
    assert time.monotonic() - began < 60
    assert not (work / "report").exists(), (work / "report").read_text()
    canary.check(work)
    assert sorted(path.name for path in work.iterdir()) == ["id", "link", "tool"]
    assert {path.lstat().st_uid for path in work.iterdir()} == {os.getuid()}


class OwnBuild:
    """The build tree of a hostile kernel for a PC."""

    def __init__(self, folder: Path) -> None:
        self.tree = folder / "tree"
        self.tree.mkdir()
        self.image = self.tree / "arch/x86/boot/bzImage"
        self.image.parent.mkdir(parents=True)
        self.image.write_bytes(bzimage())
        (self.tree / ".config").write_text(text_of(enough(X86)))
        self.list("")

    def list(self, module: str) -> None:
        (self.tree / "modules.order").write_text(module + "\n")


@pytest.fixture
def own(tmp_path: Path) -> OwnBuild:
    return OwnBuild(tmp_path)


@pytest.mark.parametrize("name", ["../home/module.ko", "link.ko", "link/module.ko"])
def test_module_outside_of_an_own_build_is_not_read(
    own: OwnBuild, canary: Canary, name: str
) -> None:
    (own.tree / "link").symlink_to(canary.folder)
    (own.tree / "link.ko").symlink_to(canary.folder / "module.ko")
    own.list(name)
    with pytest.raises(OwnKernelProblem, match="is not built"):
        find_own(own.image, X86)


def test_links_to_lists_of_an_own_build_are_not_read(own: OwnBuild, canary: Canary) -> None:
    (own.tree / "modules.builtin").symlink_to(canary.file)
    assert find_own(own.image, X86).files().lists == {"modules.order": b"\n"}
    (own.tree / ".config").unlink()
    (own.tree / ".config").symlink_to(canary.file)
    assert find_own(own.image, X86).config == {}


def test_release_of_an_own_build_is_no_path(own: OwnBuild) -> None:
    own.image.write_bytes(bzimage(release="../../home"))
    with pytest.raises(OwnKernelProblem, match="which is no name"):
        find_own(own.image, X86)
    (own.tree / "linux").write_bytes(UML.replace(b"7.2.12-mine", b"../../../ho"))
    with pytest.raises(OwnKernelProblem, match="which is no name"):
        find_own(own.tree / "linux", UM)


def test_module_that_names_a_path_outside_is_not_packed(tmp_path: Path, canary: Canary) -> None:
    module = ("../../../home/bnxt_en.ko.xz", pack_module(b"\0"))
    target = tmp_path / "kept"
    target.mkdir()
    files = KernelFiles(b"", {"bnxt_en": module}, {})
    with pytest.raises(ModuleProblem, match="outside of its folder"):
        write_image(files, "7.2", target, cast("ToolRoot", None), cast("BuildRoot", None))
    canary.check(target)


LAB = """
[dut.alpha]
host = "{host}"
{login}
interface = "ens1f0np0"
pci_address = "0000:c1:00.0"
ipv4 = "192.0.2.1"
ipv6 = "2001:db8::1"

[dut.alpha.remote]
host = "beta.lab"
{remote}
interface = "ens1f0np0"
ipv4 = "192.0.2.2"
ipv6 = "2001:db8::2"
"""


@pytest.mark.parametrize("key", ["proxy_command", "ssh_config"])
@pytest.mark.parametrize("where", ["login", "remote"])
def test_lab_file_starts_no_program_of_the_host(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str, where: str
) -> None:
    file = tmp_path / "lab.toml"
    lines = {"host": "alpha", "login": "", "remote": "", where: f'{key} = "lab.toml"'}
    file.write_text(LAB.format(**lines))
    monkeypatch.delenv(COMMANDS_VARIABLE, raising=False)
    with pytest.raises(ConfigProblem, match=rf"{key}: it can have OpenSSH start any program"):
        find_dut(file, None)
    monkeypatch.setenv(COMMANDS_VARIABLE, "1")
    assert find_dut(file, None).name == "alpha"
