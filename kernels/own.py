# SPDX-License-Identifier: GPL-2.0-only
"""A developer's own build: `find_own(path)` says what boots there, and what it will not do.

`path` is a bzImage, a UML program `linux`, or the folder of a build of either. A bzImage's
modules are those of the build tree it lies in, those beside it (`modules`, `lib/modules/<release>`
here or above), or the machine's own. Formats: Documentation/arch/x86/boot.rst, ELF.
"""

from __future__ import annotations

import hashlib
import re
import struct
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from images.fingerprint import file_sha256
from images.inside import Inside
from kernels.configs import ConfigProblem, read_config
from kernels.modules import (
    SUFFIX,
    KernelFiles,
    ModuleProblem,
    module_name,
    pack_module,
    unpack_by,
    unpack_module,
)
from kernels.needs import lost, missing

UM, X86 = "um", "x86_64"
BZIMAGE = Path("arch/x86/boot/bzImage")
LINUX = Path("linux")
_RELEASE = re.compile(rb"Linux version (\S+) \(")
_NAMES_RELEASE = re.compile(r"\d[\w.+~-]{0,63}", re.ASCII)  # 64: UTS_RELEASE's limit
_UML_SECTION = b"\0.uml.setup.init\0"
_UML_CONFIG = re.compile(rb"CONFIG_\w+=[^\n\0]*(?=\n)")
_LOADED_64 = 1  # xloadflags: XLF_KERNEL_64
# Setup header of a bzImage (boot.rst): kernel_version is 16 bits, counted from 0x200 on.
_KERNEL_VERSION, _SETUP = 0x20E, 0x200
_LONGEST_RELEASE = 256
_HEAD_BYTES = _SETUP + 0x10000 + _LONGEST_RELEASE
_GZIP = 31  # for zlib: a gzip header, the largest window


def _unpack_gzip(packed: bytes) -> bytes:
    return unpack_by(zlib.decompressobj(_GZIP), packed, "gzip", zlib.error)


_UNPACKED: Mapping[str, Callable[[bytes], bytes]] = {".ko": bytes, ".ko.gz": _unpack_gzip}


class OwnKernelProblem(Exception):
    """What was named is not a kernel that this guest can boot; the message says why."""


@dataclass(frozen=True)
class OwnKernel:
    """A kernel that somebody else built. `modules`: path below lib/modules/<release> -> file.

    `lists`: modules.builtin and the like. `lost`: one line for each thing it will not do.
    """

    image: Path
    arch: str
    release: str
    config: Mapping[str, str]
    modules: Mapping[str, Path]
    lists: Sequence[Path]
    lost: Sequence[str]

    @property
    def identity(self) -> str:
        """A hash of the image's content and of the modules' names, sizes and times."""
        parts = [file_sha256(self.image)]
        for name, path in sorted(self.modules.items()):
            about = path.stat()
            parts.append(f"{name} {about.st_size} {about.st_mtime_ns}")
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    def files(self) -> KernelFiles:
        """What Debian's packages would hold of it; modules are read when they are needed."""
        lists = {path.name: path.read_bytes() for path in self.lists}
        return KernelFiles(self.image.read_bytes(), _Modules(self.modules), lists)


class _Modules(Mapping[str, tuple[str, bytes]]):
    """Modules by name: the path in the guest's tree and the .ko.xz.

    What is no .ko.xz becomes one; one that is stays as it is.
    """

    def __init__(self, found: Mapping[str, Path]) -> None:
        self._names = {module_name(_bare(path) + SUFFIX): path for path in found}
        self._found = found

    def __getitem__(self, name: str) -> tuple[str, bytes]:
        path = self._names[name]
        file = self._found[path]
        content = file.read_bytes()
        try:
            if file.name.endswith(SUFFIX):
                unpack_module(content)
                return _bare(path) + SUFFIX, content
            for suffix, unpack in _UNPACKED.items():
                if file.name.endswith(suffix):
                    return _bare(path) + SUFFIX, pack_module(unpack(content))
        except ModuleProblem as problem:
            raise OwnKernelProblem(f"{file}: {problem}") from problem
        raise OwnKernelProblem(
            f"{file} is packed in a way that is not read here; modules may be .ko, .ko.gz and "
            f"{SUFFIX}. Of a copy of the folder: find {file.parent} -name '*.ko.zst' -exec unzstd "
            "--rm {} +, then depmod"
        )

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def find_own(path: Path, arch: str) -> OwnKernel:
    """The kernel at `path`, for an engine of that architecture. Raises OwnKernelProblem."""
    image = _image(path, arch)
    with image.open("rb") as stream:
        head = stream.read(_HEAD_BYTES).ljust(_HEAD_BYTES, b"\0")
    found = _arch_of(image, head)
    if found != arch:
        raise OwnKernelProblem(_WRONG_ENGINE[found].format(image))
    release = _uml_release(image) if arch == UM else _x86_release(image, head)
    if not is_release(release):
        raise OwnKernelProblem(f"{image} says that its release is {release!r}, which is no name")
    tree = _tree_of(image, arch)
    config = _config(image, tree, arch, release)
    if config and (absent := missing(config, arch)):
        raise OwnKernelProblem(
            f"{image} ({release}) lacks what a guest needs:\n" + "\n".join(absent)
        )
    without = lost(config, arch) if config else [f"no .config beside {image}: options unchecked"]
    if arch == UM:
        return OwnKernel(image, arch, release, config, {}, [], without)
    modules, lists = _modules(image, tree, release)
    return OwnKernel(image, arch, release, config, modules, lists, without)


_WRONG_ENGINE = {
    UM: "{} is a UML kernel: add --engine uml",
    X86: "{} boots on a PC: drop --engine uml",
}
_BUILDS = {UM: (LINUX, "make ARCH=um"), X86: (BZIMAGE, "make bzImage modules")}


def _image(path: Path, arch: str) -> Path:
    if path.is_file():
        return path.resolve()
    if not path.is_dir():
        raise OwnKernelProblem(f"{path}: there is no such file or folder")
    name, build = _BUILDS[arch]
    for candidate in (name, Path(name.name)):
        if (path / candidate).is_file():
            return (path / candidate).resolve()
    other = X86 if arch == UM else UM
    if (path / _BUILDS[other][0]).is_file():
        raise OwnKernelProblem(_WRONG_ENGINE[other].format(path))
    raise OwnKernelProblem(
        f"{path} holds no {name}: it is not built ({build}, or "
        f"testbed kernel build --flavour {'uml' if arch == UM else 'x86'} --tree {path})"
    )


def _arch_of(image: Path, head: bytes) -> str:
    if head[0x202:0x206] == b"HdrS":
        (flags,) = struct.unpack_from("<H", head, 0x236)
        if not flags & _LOADED_64:
            raise OwnKernelProblem(f"{image} is a 32-bit kernel; the guest's programs are 64-bit")
        return X86
    if not head.startswith(b"\x7fELF"):
        raise OwnKernelProblem(f"{image} is neither a bzImage for x86 nor a UML program")
    (machine,) = struct.unpack_from("<H", head, 18)
    if head[4] != 2 or machine != 62:  # ELFCLASS64, EM_X86_64
        raise OwnKernelProblem(f"{image} is built for another architecture than x86-64")
    if _UML_SECTION not in image.read_bytes():
        raise OwnKernelProblem(
            f"{image} is an ELF file that no machine boots; a kernel for a PC is {BZIMAGE}"
        )
    return UM


def _x86_release(image: Path, head: bytes) -> str:
    (pointer,) = struct.unpack_from("<H", head, _KERNEL_VERSION)
    start = _SETUP + pointer
    said = head[start : start + _LONGEST_RELEASE] if pointer else b""
    text = said.partition(b"\0")[0].split()
    if not text:
        raise OwnKernelProblem(f"{image} does not say its release")
    return text[0].decode(errors="replace")


def _uml_release(image: Path) -> str:
    found = _RELEASE.search(image.read_bytes())
    if found is None:
        raise OwnKernelProblem(f"{image} does not say its release")
    return found[1].decode(errors="replace")


def _tree_of(image: Path, arch: str) -> Path | None:
    """The build tree that the image lies in, if it does."""
    root = image.parents[0 if arch == UM else len(BZIMAGE.parts) - 1 :]
    return root[0] if root and (root[0] / ".config").is_file() else None


def _config(image: Path, tree: Path | None, arch: str, release: str) -> dict[str, str]:
    beside = [image.parent / name for name in ("config", f"config-{release}")]
    try:
        for path in ([tree / ".config"] if tree else []) + beside:
            if (inside := Inside(path.parent)).is_file(path.name):
                return read_config(inside.read_text(path.name))
        if arch == UM:  # the program carries its own for --showconfig
            lines = _UML_CONFIG.findall(image.read_bytes())
            return read_config(b"\n".join(lines).decode(errors="replace"))
    except ConfigProblem as problem:
        raise OwnKernelProblem(f"the configuration of {image}: {problem}") from problem
    return {}


def _modules(
    image: Path, tree: Path | None, release: str
) -> tuple[dict[str, Path], Sequence[Path]]:
    if tree is not None and (inside := Inside(tree)).is_file("modules.order"):
        order = inside.read_text("modules.order").split()
        names = [name.removesuffix(".o").removesuffix(".ko") + ".ko" for name in order]
        if absent := [name for name in names if not inside.is_file(name)]:
            raise OwnKernelProblem(f"{tree}: {absent[0]} is not built; make modules")
        lists = [
            path for path in sorted(tree.glob("modules.builtin*")) if inside.is_file(path.name)
        ]
        return {f"kernel/{name}": tree / name for name in names}, [*lists, tree / "modules.order"]
    places = [image.parent / "modules"]
    places += [
        folder / below / release
        for folder in image.parents
        for below in ("lib/modules", "usr/lib/modules")
    ]
    for place in places:
        if not (place / "kernel").is_dir():
            continue
        inside = Inside(place)
        found = [str(path.relative_to(place)) for path in sorted(place.glob("kernel/**/*.ko*"))]
        modules = {name: place / name for name in found if inside.is_file(name)}
        indexes = ("modules.builtin", "modules.builtin.modinfo", "modules.order")
        return modules, [place / name for name in indexes if inside.is_file(name)]
    raise OwnKernelProblem(
        f"no modules of {release} are to be found: neither is {image} in a build tree with "
        f"modules.order, nor is there a folder modules or lib/modules/{release} beside it"
    )


def is_release(text: str) -> bool:
    """Whether it could be what `uname -r` prints: it becomes the name of a folder."""
    return _NAMES_RELEASE.fullmatch(text) is not None


def _bare(path: str) -> str:
    return path.partition(".ko")[0]
