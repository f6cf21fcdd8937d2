# SPDX-License-Identifier: GPL-2.0-only
"""The guest's root image: one read-only erofs, shared by all machines and kernels.

Process 1 is images/boot/init.c; images/overlay is laid over the packages; every program of
images/programs becomes /usr/bin/<name>, compiled with the headers of the newest packaged kernel.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from images.buildroot import BuildRoot
from images.command import run
from images.compile import STATIC, Programs
from images.debian import Archive
from images.recipe import HERE, Recipe, package_tree, resolved
from images.store import Entry, Json, Store, source_hashes
from images.toolroot import LIBRARIES, LOADER, ToolRoot

IMAGE_NAME = "root.erofs"
FORMAT = 3
"""Raised when this module puts other things into the image from the same inputs."""

LINKS = {
    "usr/bin/awk": "gawk",
    "usr/bin/which": "which.debianutils",
    "usr/sbin/halt": "shutdown",
    "usr/sbin/poweroff": "shutdown",
}
"""What the overlay would hold as symbolic links; a wheel cannot carry any."""
BUSYBOX_LINKS = ("clear", "less", "vi", "telnet", "wget", "xxd", "devmem", "lspci", "nc")
MOUNT_POINTS = ("changes", "dev", "image", "proc", "run", "share", "sys", "tmp", "usr/lib/modules")


def make_erofs(tools: ToolRoot, source: Path, image: Path) -> None:
    """Write a folder as a reproducible erofs image owned by root, uncompressed.

    Under emulation the guest would pay for each decompressed page; the host caches the file once.
    """
    argv = ["mkfs.erofs", "--quiet", "--all-root", "-T", "0", "-x", "-1"]
    argv += ["-U", "00000000-0000-0000-0000-000000000000", f"/target/{image.name}", "/source"]
    target = {"/target": image.parent}
    BuildRoot(tools.path).run(argv, read={"/source": source}, write=target)


def guest_image(
    store: Store,
    archive: Callable[[], Archive],
    tools: Callable[[], ToolRoot],
    build_root: Callable[[], BuildRoot],
    build_packages: Sequence[Mapping[str, Json]],
    here: Path = HERE,
) -> Entry:
    """The entry that holds `IMAGE_NAME`; tools and build root are fetched only to build it."""
    recipe = Recipe.load(here / "guest.toml", "guest")
    programs = Programs.load("programs", flags=STATIC, here=here)
    init = Programs.load("boot", "init", here=here)
    inputs: dict[str, Json] = {
        "format": FORMAT,
        "packages": [package.as_input() for package in resolved(store, archive, recipe)],
        "exclude": list(recipe.exclude),
        "overlay": source_hashes(here / "overlay")
        | {name: f"-> {target}" for name, target in LINKS.items()},
        "programs": programs.as_input(build_packages),
        "init": init.as_input(build_packages),
        "busybox": list(BUSYBOX_LINKS),
    }

    def build(folder: Path) -> None:
        tree = folder / "tree"
        packages = package_tree(store, archive, recipe)
        shutil.copytree(packages.path, tree, symlinks=True)
        shutil.copytree(here / "overlay", tree, symlinks=True, dirs_exist_ok=True)
        for name, target in LINKS.items():
            (tree / name).symlink_to(target)
        programs.compile(build_root(), tree / "usr/bin")
        init.compile(build_root(), tree / "usr/sbin")
        for name in BUSYBOX_LINKS:
            link = tree / "usr/bin" / name
            if not link.is_symlink() and not link.exists():
                link.symlink_to("busybox")
        for place in MOUNT_POINTS:
            (tree / place).mkdir(parents=True, exist_ok=True)
        precompile_python(tree)
        make_erofs(tools(), tree, folder / IMAGE_NAME)
        shutil.rmtree(tree)

    return store.ensure("guest-image", inputs, build, needs_bytes=600_000_000)


def precompile_python(tree: Path) -> None:
    """Write the byte code maintainer scripts would: each guest starts from a fresh copy."""
    interpreter = next((tree / "usr/bin").glob("python3.[0-9]*"))
    argv = [str(tree / LOADER), "--library-path", str(tree / LIBRARIES), str(interpreter)]
    argv += ["-s", "-B", "-m"]  # -B: what compileall itself imports, it would write with our paths
    argv += ["compileall", "-q", "--invalidation-mode", "unchecked-hash"]
    argv += [
        "-s",
        str(tree),
        str(tree / "usr/lib/python3"),
        str(tree / "usr/lib" / interpreter.name),
    ]
    run(argv, environ={"PYTHONHOME": str(tree / "usr")})
