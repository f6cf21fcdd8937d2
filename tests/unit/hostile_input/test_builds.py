# SPDX-License-Identifier: GPL-2.0-only
"""What the code of a source does while it is built, and what it leaves for us to read."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import time
from dataclasses import replace
from pathlib import Path

import pytest

from images.buildroot import HOST
from images.errors import EnvironmentProblem
from kernels.compile import BuildFailed
from kernels.configs import ConfigProblem as KernelConfigProblem
from kernels.patches import Patch, PatchSeries
from tests.unit.hostile_input.canary import Canary
from tests.unit.kernels.fake_make import FLAVOUR, FixedSource, Lab

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


def test_pipe_among_objects_is_not_taken_over(lab: Lab) -> None:
    (lab.tree / "evil.sh").write_text("[ -e pipe ] || mkfifo pipe\n")
    source = FixedSource(lab.tree)
    lab.builder.build(FLAVOUR, source, jobs=1)
    change = "--- a/b.c\n+++ b/b.c\n@@ -1 +1 @@\n-beta\n+patched\n"
    series = [PatchSeries("here", [Patch("1", "t", change)])]
    built = lab.builder.build(FLAVOUR, source, series=series, jobs=1)
    assert built.image.read_text() == "ALPHA\nPATCHED\n"


def test_full_disk_is_not_the_fault_of_a_build(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_given: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("images.inside.shutil.copyfileobj", full)
    with pytest.raises(EnvironmentProblem, match="is full"):
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
