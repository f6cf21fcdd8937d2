# SPDX-License-Identifier: GPL-2.0-only
"""Kernel modules as packaged: what they say about themselves, and which of them a guest needs."""

from __future__ import annotations

import difflib
import lzma
import subprocess
import tarfile
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from images.command import failure

SUFFIX = ".ko.xz"
MOST_MODULE_BYTES = 1 << 28
PACKING = 2
"""Raised when `pack_module` makes other bytes."""

# struct elf_note of .note.gnu.build-id: namesz 4, descsz 20, NT_GNU_BUILD_ID, "GNU"
_BUILD_ID_NOTE = bytes.fromhex("04000000 14000000 03000000") + b"GNU\0"
_BUILD_ID_BYTES = 20


class ModuleProblem(Exception):
    """A kernel package does not hold what every kernel package holds."""


class UnknownModule(Exception):
    """The kernel has no module of that name; the message names the nearest."""


@dataclass(frozen=True)
class KernelFiles:
    """What a kernel's packages hold: `vmlinuz`, and by name the modules (path, packed bytes).

    `lists`: modules.builtin, modules.order and the like, by name.
    """

    vmlinuz: bytes
    modules: Mapping[str, tuple[str, bytes]]
    lists: Mapping[str, bytes]


def module_name(path: str) -> str:
    """The name the kernel uses: `virtio_rng` of `.../virtio-rng.ko.xz`."""
    return path.rsplit("/", 1)[-1].removesuffix(SUFFIX).replace("-", "_")


def read_packages(debs: Iterable[Path], release: str) -> KernelFiles:
    """Read kernel packages without unpacking them to disk (a module tree is 160 MB).

    Raises ModuleProblem when there is no boot image or no module.
    """
    vmlinuz = b""
    modules: dict[str, tuple[str, bytes]] = {}
    lists: dict[str, bytes] = {}
    for path, content in (member for deb in debs for member in _members(deb, release)):
        name = path.rsplit("/", 1)[-1]
        if name.endswith(SUFFIX):
            inside = path.partition(f"modules/{release}/")[2]
            modules[module_name(name)] = (inside, content)
        elif name.startswith("modules."):
            lists[name] = content
        else:
            vmlinuz = content
    if not vmlinuz or not modules:
        raise ModuleProblem(f"the packages of {release} hold no boot image or no modules")
    return KernelFiles(vmlinuz, modules, lists)


def _members(deb: Path, release: str) -> Iterator[tuple[str, bytes]]:
    """(path, content) of the files of a kernel package that `read_packages` is after."""
    command = ["dpkg-deb", "--fsys-tarfile", str(deb)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as packer:
        assert packer.stdout is not None
        assert packer.stderr is not None
        broken = ""
        try:
            with tarfile.open(fileobj=packer.stdout, mode="r|") as archive:
                for member in archive:
                    name = member.name.rsplit("/", 1)[-1]
                    boots = name in ("vmlinuz", f"vmlinuz-{release}")
                    wanted = boots or name.endswith(SUFFIX) or name.startswith("modules.")
                    if wanted and (stream := archive.extractfile(member)) is not None:
                        yield member.name, stream.read()
        except tarfile.TarError as error:
            broken = str(error)
        packer.stdout.close()
        output = packer.stderr.read().decode(errors="replace")
    if packer.returncode or broken:
        output = f"{deb} cannot be read: {broken}\n{output}"
        raise failure(command, packer.returncode, output, deb.parent, "Drop it from the cache.")


def pack_module(module: bytes) -> bytes:
    """A .ko.xz of an ELF object, as a kernel can read that unpacks modules itself.

    Of xz's checksums MODULE_DECOMPRESS knows CRC32 only (Documentation/staging/xz.rst); xz's own
    choice is CRC64, with which no module loads ("decompression failed with status 6").
    """
    return lzma.compress(module, check=lzma.CHECK_CRC32, preset=0)


def unpack_module(packed: bytes) -> bytes:
    """The ELF object of a .ko.xz. Raises ModuleProblem for what is none, or is endless."""
    return unpack_by(lzma.LZMADecompressor(), packed, "xz", lzma.LZMAError)


def unpack_by(unpacker: Any, packed: bytes, packer: str, broken: type[Exception]) -> bytes:
    """What a decompressor of lzma or zlib makes of a module; `broken` is what it raises.

    Raises ModuleProblem as `unpack_module`.
    """
    try:
        module: bytes = unpacker.decompress(packed, MOST_MODULE_BYTES)
    except broken as error:
        raise ModuleProblem(f"a module is not packed by {packer}: {error}") from error
    if not unpacker.eof:
        raise ModuleProblem(f"a module is cut short, or larger than {MOST_MODULE_BYTES} bytes")
    return module


def modinfo(module: bytes, key: str) -> list[str]:
    """The values of a key in a module's .modinfo section."""
    mark = b"\0" + key.encode() + b"="
    values = []
    position = module.find(mark)
    while position >= 0:
        start = position + len(mark)
        end = module.find(b"\0", start)
        values.append(module[start : end if end >= 0 else None].decode("utf-8", "replace"))
        position = module.find(mark, start)
    return values


def dependencies(module: bytes) -> list[str]:
    """Names of the modules this one needs first: hard ones, and `softdep pre:`."""
    names = [name for value in modinfo(module, "depends") for name in value.split(",") if name]
    for value in modinfo(module, "softdep"):
        words = value.split()
        if words and words[0] == "pre:":
            names += words[1 : words.index("post:") if "post:" in words else None]
    return [name.replace("-", "_") for name in names]


def build_id(module: bytes) -> str:
    """The hex GNU build id of an ELF object. Raises ModuleProblem."""
    position = module.find(_BUILD_ID_NOTE)
    if position < 0:
        raise ModuleProblem("a module has no build id")
    start = position + len(_BUILD_ID_NOTE)
    return module[start : start + _BUILD_ID_BYTES].hex()


def closure(wanted: Sequence[str], files: KernelFiles) -> list[str]:
    """The wanted modules and all they need, each after what it needs.

    Names the kernel has built in, or lacks, are left out.
    """
    order: list[str] = []
    seen: set[str] = set()
    pending = [(name.replace("-", "_"), False) for name in reversed(wanted)]
    while pending:  # no recursion: somebody else's modules may need each other in a long row
        name, has_all = pending.pop()
        if has_all:
            order.append(name)
        elif name in files.modules and name not in seen:
            seen.add(name)
            pending.append((name, True))
            needed = dependencies(unpack_module(files.modules[name][1]))
            pending += [(one, False) for one in reversed(needed)]
    return order


def require_modules(names: Sequence[str], files: KernelFiles, release: str) -> None:
    """Raise UnknownModule for a name that is neither a module's nor that of a thing built in."""
    builtin = files.lists.get("modules.builtin", b"").decode(errors="replace").splitlines()
    inside = {module_name(line.removesuffix(".ko")) for line in builtin}
    known = {*files.modules, *inside}
    for name in names:
        if name.replace("-", "_") not in known:
            near = difflib.get_close_matches(name.replace("-", "_"), sorted(known), 3)
            hint = f"; there is {', '.join(near)}" if near else ""
            raise UnknownModule(f"{release} has no module {name}{hint}")


@dataclass(frozen=True)
class ModuleList:
    """`modules.toml`: what the initramfs loads, and everything the modules image holds."""

    boot: Sequence[str]
    all: Sequence[str]

    @classmethod
    def load(cls, path: Path) -> ModuleList:
        """Read the file; every key but `boot` is only a heading."""
        groups: dict[str, list[str]] = tomllib.loads(path.read_text())
        return cls(groups["boot"], [name for names in groups.values() for name in names])
