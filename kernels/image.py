# SPDX-License-Identifier: GPL-2.0-only
"""A packaged kernel made ready for a guest: boot image, initramfs, modules image."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from images.buildroot import BuildRoot
from images.compile import STATIC, Programs
from images.debian import Archive
from images.fingerprint import file_sha256
from images.guest import make_erofs
from images.inside import leaves
from images.store import Json, Store
from images.toolroot import ToolRoot
from kernels.initramfs import pack
from kernels.modules import (
    KernelFiles,
    ModuleList,
    ModuleProblem,
    build_id,
    closure,
    read_packages,
    require_modules,
    unpack_module,
)
from kernels.packages import HERE, KernelPackages

FORMAT = 1
"""Raised when this module makes other files from the same inputs."""

DRIVER = "bnxt_en"
VMLINUZ, INITRAMFS, MODULES_IMAGE, INFO = "vmlinuz", "initramfs", "modules.erofs", "info.json"


@dataclass(frozen=True)
class KernelImage:
    """Everything about one kernel that a machine needs.

    `modules` is the module tree of the image on the host, as packaged (`.ko.xz`).
    `module_sha256` and `module_packed_sha256` are those of the bnxt_en object and of its .ko.xz,
    both as in Debian's package. `stock`: built of what Debian publishes, without a patch.
    """

    release: str
    vmlinuz: Path
    initramfs: Path
    modules_image: Path
    modules: Path
    module_sha256: str
    module_packed_sha256: str
    module_build_id: str
    packages: Mapping[str, str]
    stock: bool = False

    def module(self, name: str = DRIVER) -> bytes:
        """The ELF object of a module of the image. Raises FileNotFoundError."""
        for path in sorted(self.modules.glob("**/*.ko.xz")):
            if path.name.removesuffix(".ko.xz").replace("-", "_") == name.replace("-", "_"):
                return unpack_module(path.read_bytes())
        raise FileNotFoundError(f"{name} is not among the modules of {self.release}")

    def provenance(self) -> dict[str, Json]:
        """What a report records about the kernel."""
        return {
            "release": self.release,
            "packages": dict(self.packages),
            "vmlinuz_sha256": file_sha256(self.vmlinuz),
            "initramfs_sha256": file_sha256(self.initramfs),
            "modules_image_sha256": file_sha256(self.modules_image),
            "module_sha256": self.module_sha256,
            "module_packed_sha256": self.module_packed_sha256,
            "module_build_id": self.module_build_id,
        }


@dataclass(frozen=True)
class Packer:
    """Packs kernels into one store. `tools` (mkfs.erofs, depmod) and `build_root` (a compiler, of
    `build_packages`) are called only when an image has to be made. `modules`: further ones that the
    modules image is to hold, by name.
    """

    store: Store
    tools: Callable[[], ToolRoot]
    build_root: Callable[[], BuildRoot]
    build_packages: Sequence[Mapping[str, Json]]
    modules: Sequence[str] = ()

    def pack(
        self,
        what: Mapping[str, Json],
        read: Callable[[], KernelFiles],
        release: str,
        packages: Mapping[str, str],
        *,
        stock: bool = False,
    ) -> KernelImage:
        """The kernel that `what` identifies, from the store, or of the files that `read` gives.

        Raises ModuleProblem when the driver is not among its modules, UnknownModule,
        EnvironmentProblem.
        """
        inputs: dict[str, Json] = {
            **what,
            "modules": file_sha256(HERE / "modules.toml"),
            "init": init_program().as_input(self.build_packages),
        }
        if self.modules:
            inputs["more_modules"] = list[Json](sorted(self.modules))

        def build(folder: Path) -> None:
            files = read()
            require_modules(self.modules, files, release)
            write_image(
                files, release, folder, self.tools(), self.build_root(), more=self.modules
            )  # fmt: skip

        entry = self.store.ensure("kernel", inputs, build, needs_bytes=500_000_000)
        return KernelImage(
            release=release, vmlinuz=entry.path / VMLINUZ, initramfs=entry.path / INITRAMFS,
            modules_image=entry.path / MODULES_IMAGE, modules=entry.path / "modules",
            packages=packages, stock=stock, **json.loads((entry.path / INFO).read_text()),
        )  # fmt: skip


def kernel_image(
    packer: Packer, archive: Callable[[], Archive], kernel: KernelPackages
) -> KernelImage:
    """Fetch and pack a kernel, or take it from the store.

    Raises EnvironmentProblem when it cannot be had or is not the kernel described.
    """
    what: dict[str, Json] = {
        "format": FORMAT,
        "release": kernel.release,
        "packages": [part.as_input() for part in kernel.parts],
    }
    return packer.pack(
        what, lambda: read_packages(archive().fetch(kernel.parts), kernel.release),
        kernel.release, {part.name: part.version for part in kernel.parts}, stock=True,
    )  # fmt: skip


def init_program() -> Programs:
    """The first program of a QEMU guest, `initramfs`."""
    return Programs.load("boot", "initramfs", flags=STATIC)


def write_image(
    files: KernelFiles, release: str, folder: Path, tools: ToolRoot, build_root: BuildRoot, *,
    more: Sequence[str] = (),
) -> None:  # fmt: skip
    """Fill a store entry, ``more`` modules beside those of modules.toml.

    Raises ModuleProblem when the driver is not among the modules.
    """
    wanted = ModuleList.load(HERE / "modules.toml")
    (folder / VMLINUZ).write_bytes(files.vmlinuz)
    tree = folder / "modules"
    for name in closure([*wanted.all, *more], files):
        path, packed = files.modules[name]
        if leaves(path):
            raise ModuleProblem(f"{release} names a module outside of its folder: {path!r}")
        target = tree / release / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(packed)
    if DRIVER not in files.modules:
        raise ModuleProblem(f"{release} has no {DRIVER} module")
    for name, text in files.lists.items():
        (tree / release / name).write_bytes(text)
    _run_depmod(tools, tree, release)
    make_erofs(tools, tree, folder / MODULES_IMAGE)
    boot = {
        f"modules/{name}.ko": unpack_module(files.modules[name][1])
        for name in closure(wanted.boot, files)
    }
    with TemporaryDirectory(dir=folder) as work:
        init_program().compile(build_root, Path(work))
        init = (Path(work) / "initramfs").read_bytes()
    (folder / INITRAMFS).write_bytes(
        pack(
            {
                "init": (0o755, init),
                "modules.list": (0o644, "".join(f"/{path}\n" for path in boot).encode()),
                **{path: (0o644, module) for path, module in boot.items()},
            }
        )
    )
    packed = files.modules[DRIVER][1]
    module = unpack_module(packed)
    info = {
        "module_sha256": hashlib.sha256(module).hexdigest(),
        "module_packed_sha256": hashlib.sha256(packed).hexdigest(),
        "module_build_id": build_id(module),
    }
    (folder / INFO).write_text(json.dumps(info))


def _run_depmod(tools: ToolRoot, tree: Path, release: str) -> None:
    root = BuildRoot(tools.path)
    root.run(["depmod", "-b", "/base", release], write={"/base/lib/modules": tree})
