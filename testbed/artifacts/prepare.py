# SPDX-License-Identifier: GPL-2.0-only
"""`Artifacts.prepare`: whatever is missing is fetched and built, whatever is there is verified.

What a guest made of it expects of its machine:

- disks in this order: the root image, the kernel's modules image; further ones are the caller's
  (/dev/vdc ...); all read-only virtio-blk;
- a virtio-serial port named org.qemu.guest_agent.0; on a virtconsole, if there is one, process 1
  keeps a root shell;
- `virtiofs=TAG` on the kernel's command line mounts that virtiofs on /share;
- a module is loaded by `modprobe`; nothing but virtio and the file systems is loaded at boot.
"""

from __future__ import annotations

import functools
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from images.buildroot import BuildRoot
from images.debian import Archive, Package
from images.fingerprint import file_sha256
from images.guest import IMAGE_NAME, guest_image
from images.lab import lab_programs
from images.layer import packages_layer
from images.recipe import HERE as IMAGES
from images.recipe import Recipe, package_tree, resolved
from images.rootfs import IMAGE_NAME as ROOT_IMAGE
from images.rootfs import archive_root, folder_root
from images.store import Entry, Json, Report, Store, cache_root, quiet
from images.toolroot import FIRMWARE_FOLDERS, ToolRoot
from kernels.built import built_image, own_image
from kernels.flavours import FLAVOURS
from kernels.image import KernelImage, Packer, kernel_image
from kernels.own import X86, find_own
from kernels.packages import (
    NAME_PATTERN,
    KernelPackages,
    Lock,
    NotPublishedYet,
    list_kernels,
    list_sources,
    resolve,
)
from kernels.uml import uml_initramfs
from testbed.artifacts.accelerator import AcceleratorProbe, Prober
from testbed.artifacts.layers import NO_LAYERS, OWN_ROOT, PACKAGES, ROOT, Layers
from testbed.artifacts.source_kernels import KernelRequest, SourceKernels
from testbed.artifacts.translated import translated

QEMU = "qemu-system-x86_64"
DEVICE = "vfio-user-pci"
BUILT = [flavour.name for flavour in FLAVOURS if flavour.arch == "x86_64"]
"""Kernels that are built from source to run under QEMU, by the name of their flavour."""
UNPUBLISHED = "x86"
"""Flavour that stands in for a kernel of which Debian has published only the source so far."""


@dataclass(frozen=True)
class Prepared:
    """What one run starts from.

    `qemu` and `virtiofsd` are argument vectors to which options are appended; `disks` come first
    in the machine, in this order, and `layers` last. `provenance` goes into the report as it is.
    `store` takes what is made of them.
    """

    qemu: list[str]
    virtiofsd: list[str]
    kernel: KernelImage
    root_image: Path
    provenance: dict[str, Json]
    layers: Layers = NO_LAYERS
    store: Store | None = None

    @property
    def disks(self) -> list[Path]:
        """The images every guest needs, in the order of its virtio-blk disks."""
        return [self.root_image, self.kernel.modules_image]

    @property
    def stock_module(self) -> KernelImage:
        """The kernel's image knows its driver."""
        return self.kernel

    @property
    def folders(self) -> list[Path]:
        """Folders a confined QEMU and virtiofsd must be able to read; images are handed to them."""
        return sorted({*files_of(self.qemu), *files_of(self.virtiofsd)})


@dataclass(frozen=True)
class UmlGuest:
    """What a UML guest needs besides its kernel; `root_provenance` goes into the report."""

    initramfs: Path
    root_image: Path
    root_provenance: dict[str, Json]


def _root_provenance(root: Entry) -> dict[str, Json]:
    return {"key": root.key, "sha256": recorded_sha256(root, IMAGE_NAME)}


def files_of(argv: list[str]) -> list[Path]:
    """What a program needs to read of itself: its tree in the store, or firmware of the host's."""
    program = Path(argv[0])
    tree = next((parent for parent in program.parents if parent.name == "files"), None)
    if tree is not None:
        return [tree]
    firmware = [Path("/", folder) for folder in FIRMWARE_FOLDERS]
    return [program, *(folder for folder in firmware if folder.is_dir())]


class Artifacts:
    """The artefacts in one cache. Each is looked up once and then kept for the object's life.

    `modules`: of the kernel, besides those that every guest has.
    """

    def __init__(
        self, cache: Path | None = None, report: Report = quiet, modules: Sequence[str] = ()
    ) -> None:
        self._modules = modules
        self.cache = cache if cache is not None else cache_root()
        self.store = Store(self.cache, report)
        self._report = report

    def prepare(self, kernel: str | None = None) -> Prepared:
        """Have everything for a run with that kernel (a version such as "7.2", or None for the
        pinned one; "debug" is built from source first; a path is the user's own build).

        Of what Debian has not published to boot yet the source is built, and a line says so.
        Raises UsageProblem for a kernel that does not exist, EnvironmentProblem for what the
        machine or the mirror lacks.
        """
        if kernel in BUILT:
            return self.prepare_built(KernelRequest(kernel))
        if kernel is not None and is_path(kernel):
            return self.prepare_own(Path(kernel))
        with translated():
            try:
                chosen = resolve(self.store, lambda: self._archive, kernel, Lock.load())
            except NotPublishedYet as awaited:
                self._report(f"{awaited}; building it from {awaited.source.name} ({UNPUBLISHED})")
                request = KernelRequest(UNPUBLISHED, base=awaited.source.version)
                return self._prepared(self._built(request))
            return self._prepared(self._kernel(chosen))

    def prepare_built(self, request: KernelRequest) -> Prepared:
        """The same with a kernel built from source, which is not one for UML.

        Raises UsageProblem for what does not build, EnvironmentProblem.
        """
        with translated():
            return self._prepared(self._built(request))

    def prepare_own(self, path: Path) -> Prepared:
        """The same with a bzImage or build tree of the user's. Raises UsageProblem."""
        with translated():
            own = find_own(path, X86)
            for line in own.lost:
                self._report(f"{own.release}: {line}")
            return self._prepared(own_image(self._packer, own))

    def kernels(self) -> tuple[list[KernelPackages], list[Package]]:
        """Every packaged kernel the mirror lists, complete or not, and every kernel source."""
        with translated():
            packages = self._archive.list_matching(NAME_PATTERN)
            return list_kernels(packages), list_sources(packages)

    @functools.cached_property
    def qemu(self) -> list[str]:
        """The argument vector of a QEMU that has vfio-user-pci: the host's, else our own."""
        with translated():
            if (own := shutil.which(QEMU)) and has_device([own], DEVICE):
                return [own]
            return ToolRoot.of(self._tree("qemu")).command(QEMU)

    @functools.cached_property
    def tools(self) -> ToolRoot:
        """mkfs.erofs, depmod, virtiofsd."""
        with translated():
            return ToolRoot.of(self._tree("tools"))

    @functools.cached_property
    def build_root(self) -> BuildRoot:
        """gcc, liburing and the newest kernel headers, to be run inside it."""
        with translated():
            return BuildRoot.of(self._tree("build"))

    @functools.cached_property
    def archive(self) -> Archive:
        """The private apt, for those who need packages of their own."""
        with translated():
            return self._archive

    def probe_accelerator(self, choice: str) -> AcceleratorProbe:
        """Which accelerator to use: `choice` is "auto", "kvm" or "tcg"; auto asks by booting.

        Raises EnvironmentProblem when "kvm" is requested and does not work.
        """
        with translated():
            any_kernel = resolve(self.store, lambda: self._archive, None, Lock.load())
            return Prober(self.cache, self.qemu, files_of(self.qemu), self._report).choose(
                choice, lambda: self._kernel(any_kernel)
            )

    @functools.cached_property
    def _archive(self) -> Archive:
        return Archive(self.cache, report=self._report)

    def _recipe(self, name: str) -> Recipe:
        return Recipe.load(IMAGES / "toolroot.toml", name)

    def _tree(self, name: str) -> Entry:
        return package_tree(self.store, lambda: self._archive, self._recipe(name))

    @functools.cached_property
    def build_packages(self) -> list[dict[str, Json]]:
        """What identifies the packages of :attr:`build_root`, as inputs of what it builds."""
        packages = resolved(self.store, lambda: self._archive, self._recipe("build"))
        return [package.as_input() for package in packages]

    @functools.cached_property
    def _packer(self) -> Packer:
        return Packer(
            self.store, lambda: self.tools, lambda: self.build_root, self.build_packages,
            self._modules,
        )  # fmt: skip

    def _kernel(self, chosen: KernelPackages) -> KernelImage:
        return kernel_image(self._packer, lambda: self._archive, chosen)

    def _built(self, request: KernelRequest) -> KernelImage:
        built = SourceKernels(self.cache, self._report).build(request)
        return built_image(self._packer, built)

    def uml_guest(self) -> UmlGuest:
        """What a UML guest needs besides its kernel. Raises EnvironmentProblem."""
        with translated():
            root = self._root
            initramfs = uml_initramfs(self.store, lambda: self.build_root, self.build_packages)
            return UmlGuest(initramfs, root.path / IMAGE_NAME, _root_provenance(root))

    def layers(self, packages: Sequence[str], root: str | None) -> Layers:
        """What is laid over a guest's root, and the root its commands get (`--with`, `--root`).

        Raises UsageProblem for packages and roots that there are not, EnvironmentProblem.
        """
        found: dict[str, Path] = {}
        provenance: dict[str, Json] = {}
        with translated():
            if packages:
                layer = packages_layer(
                    self.store, lambda: self._archive, lambda: self.tools, packages
                )
                found[PACKAGES], provenance[PACKAGES] = layer.image, dict(layer.packages)
            if root is not None:
                entry = self._root_of(root)
                found[ROOT] = entry.path / ROOT_IMAGE
                provenance[OWN_ROOT] = {"name": root, "sha256": recorded_sha256(entry, ROOT_IMAGE)}
        return Layers(found, provenance)

    def _root_of(self, root: str) -> Entry:
        if Path(root).is_dir():
            return folder_root(self.store, lambda: self.tools, Path(root))
        return archive_root(self.store, lambda: self.tools, root)

    def lab_programs(self) -> list[Path]:
        """Programs for a machine that is not ours. Raises EnvironmentProblem."""
        with translated():
            return lab_programs(self.store, lambda: self.build_root, self.build_packages)

    @functools.cached_property
    def _root(self) -> Entry:
        return guest_image(
            self.store, lambda: self._archive, lambda: self.tools, lambda: self.build_root,
            self.build_packages,
        )  # fmt: skip

    def _prepared(self, kernel: KernelImage) -> Prepared:
        qemu = self.qemu
        virtiofsd = self.tools.command("virtiofsd")
        root = self._root
        root_image = root.path / IMAGE_NAME
        provenance: dict[str, Json] = {
            "kernel": kernel.provenance(),
            "qemu": {"version": program_version(qemu), "sha256": program_sha256(qemu)},
            "root_image": _root_provenance(root),
        }
        return Prepared(qemu, virtiofsd, kernel, root_image, provenance, store=self.store)


def is_path(kernel: str) -> bool:
    """Whether what was given as a kernel names a file or folder, not a version."""
    return "/" in kernel or Path(kernel).exists()


def has_device(qemu: list[str], device: str) -> bool:
    """Whether that QEMU lists the device."""
    done = subprocess.run(
        [*qemu, "-device", "help"], capture_output=True, text=True, check=False, timeout=30
    )
    return f'"{device}"' in done.stdout


def program_version(argv: list[str]) -> str:
    """The first line of `--version`."""
    done = subprocess.run(
        [*argv, "--version"], capture_output=True, text=True, check=False, timeout=30
    )
    return done.stdout.partition("\n")[0]


def program_sha256(argv: list[str]) -> str:
    """The SHA-256 of the program file in an argument vector, be it started through a loader."""
    program = next(word for word in argv if Path(word).name == QEMU)
    return file_sha256(Path(program))


def recorded_sha256(entry: Entry, name: str) -> str:
    """The hash of a file of an entry, as the manifest has it (and `ensure` has compared it)."""
    files = entry.manifest["files"]
    assert isinstance(files, dict)
    return str(files[name])
