# SPDX-License-Identifier: GPL-2.0-only
"""The guest's root image: one read-only erofs, shared by all machines and kernels.

Process 1 is images/boot/init.c; images/overlay is laid over the packages; every C file in
images/programs becomes /usr/bin/<name>, compiled with the headers of the newest packaged kernel.
"""

from __future__ import annotations

import shutil
import stat
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from images.buildroot import BuildRoot
from images.command import run
from images.debian import Archive
from images.recipe import HERE, Recipe, package_tree, resolved
from images.store import Entry, Json, Store, file_sha256
from images.toolroot import LIBRARIES, LOADER, ToolRoot

IMAGE_NAME = "root.erofs"
FORMAT = 2
"""Raised when this module puts other things into the image from the same inputs."""

COMPILE = ["gcc", "-O2", "-g0", "-Wall", "-Wextra", "-Werror", "-pthread"]
LINK_FLAGS = ["-Wl,--as-needed", "-luring"]
BUSYBOX_LINKS = ("clear", "less", "vi", "telnet", "wget", "xxd", "devmem", "lspci", "nc")
MOUNT_POINTS = ("changes", "dev", "image", "proc", "run", "share", "sys", "tmp", "usr/lib/modules")


def source_hashes(folder: Path, pattern: str = "**/*") -> dict[str, Json]:
    """`path below folder -> SHA-256 and mode` of the files that match; links by their target."""
    found: dict[str, Json] = {}
    for path in sorted(folder.glob(pattern)):
        name = str(path.relative_to(folder))
        if path.is_symlink():
            found[name] = f"-> {path.readlink()}"
        elif path.is_file():
            executable = bool(path.stat().st_mode & stat.S_IXUSR)
            found[name] = f"{file_sha256(path)} {'x' if executable else '-'}"
    return found


def compile_programs(
    build_root: BuildRoot, sources: Sequence[Path], target: Path, flags: Sequence[str] = ()
) -> None:
    """Compile each C file on its own into `target`/<name without .c>."""
    target.mkdir(parents=True, exist_ok=True)
    for source in sources:
        argv = [*COMPILE, *flags, f"/source/{source.name}", "-o", f"/target/{source.stem}"]
        build_root.run([*argv, *LINK_FLAGS], {"/source": source.parent, "/target": target})


def make_erofs(tools: ToolRoot, source: Path, image: Path) -> None:
    """Write a folder as a reproducible erofs image owned by root, uncompressed.

    Under emulation the guest would pay for each decompressed page; the host caches the file once.
    """
    argv = [*tools.command("mkfs.erofs"), "--quiet", "--all-root", "-T", "0", "-x", "-1"]
    argv += ["-U", "00000000-0000-0000-0000-000000000000", str(image), str(source)]
    run(argv)


def guest_image(
    store: Store,
    archive: Callable[[], Archive],
    tools: Callable[[], ToolRoot],
    build_root: Callable[[], BuildRoot],
    build_packages: Sequence[Mapping[str, Json]],
    here: Path = HERE,
) -> Entry:
    """The entry that holds `IMAGE_NAME`; tools and build root are asked for only to build it."""
    recipe = Recipe.load(here / "guest.toml", "guest")
    inputs: dict[str, Json] = {
        "format": FORMAT,
        "packages": [package.as_input() for package in resolved(store, archive, recipe)],
        "exclude": list(recipe.exclude),
        "compiler": [dict(package) for package in build_packages],
        "flags": [*COMPILE, *LINK_FLAGS],
        "overlay": source_hashes(here / "overlay"),
        "programs": source_hashes(here / "programs", "*.[ch]"),
        "init": source_hashes(here / "boot", "init.c"),
        "busybox": list(BUSYBOX_LINKS),
    }

    def build(folder: Path) -> None:
        tree = folder / "tree"
        packages = package_tree(store, archive, recipe)
        shutil.copytree(packages.path, tree, symlinks=True)
        shutil.copytree(here / "overlay", tree, symlinks=True, dirs_exist_ok=True)
        compiler = build_root()
        programs = sorted((here / "programs").glob("*.c"))
        compile_programs(compiler, programs, tree / "usr/bin")
        compile_programs(compiler, [here / "boot" / "init.c"], tree / "usr/sbin")
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
