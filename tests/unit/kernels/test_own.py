# SPDX-License-Identifier: GPL-2.0-only
"""A developer's own build: recognised, or refused with the reason."""

from __future__ import annotations

import gzip
import lzma
import struct
from pathlib import Path

import pytest

from kernels.modules import unpack_module
from kernels.needs import lost, missing
from kernels.own import UM, X86, OwnKernelProblem, find_own

RELEASE = "7.2.12-mine"


def bzimage(*, bits: int = 64, release: str = RELEASE, place: int = 0x3000) -> bytes:
    """The setup header as far as it is read; ``place``: where in the file the version is."""
    head = bytearray(place + 64)
    head[0x202:0x206] = b"HdrS"
    struct.pack_into("<H", head, 0x20E, place - 0x200)
    struct.pack_into("<H", head, 0x236, 1 if bits == 64 else 0)
    head[place : place + 40] = f"{release} (me@here) #1".encode().ljust(40, b"\0")
    return bytes(head)


def elf(*, machine: int = 62, sections: bytes = b"", config: str = "") -> bytes:
    """An ELF64 head, and somewhere behind it what is searched for."""
    head = bytearray(64)
    head[:5] = b"\x7fELF\x02"
    struct.pack_into("<H", head, 18, machine)
    banner = f"Linux version {RELEASE} (me@here)".encode()
    return bytes(head) + sections + b"\0" + banner + b"\0" + config.encode()


def enough(arch: str) -> dict[str, str]:
    """A configuration that lacks nothing."""
    config: dict[str, str] = {}
    while lines := missing(config, arch):
        for line in lines:
            name = line.split()[0].removeprefix("CONFIG_")
            wanted = line.split()[4] if " is n, not " in line else "y"
            config[name] = wanted.rstrip(",")
    return config


def text_of(config: dict[str, str]) -> str:
    return "".join(f"CONFIG_{name}={value}\n" for name, value in config.items())


UML = elf(sections=b"\0.uml.setup.init\0", config=text_of(enough(UM)))


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A build tree with an image, two modules, one of them listed as an object."""
    (tmp_path / "arch/x86/boot").mkdir(parents=True)
    (tmp_path / "arch/x86/boot/bzImage").write_bytes(bzimage())
    (tmp_path / ".config").write_text(text_of(enough(X86)))
    (tmp_path / "drivers/net").mkdir(parents=True)
    for name in ("bnxt_en", "virtio-net"):
        (tmp_path / f"drivers/net/{name}.ko").write_bytes(name.encode())
    (tmp_path / "modules.order").write_text("drivers/net/bnxt_en.o\ndrivers/net/virtio-net.ko\n")
    (tmp_path / "modules.builtin").write_text("kernel/fs/erofs/erofs.ko\n")
    return tmp_path


@pytest.mark.parametrize("named", ["", "arch/x86/boot/bzImage"])
def test_build_tree(tree: Path, named: str) -> None:
    own = find_own(tree / named, X86)
    assert own.release == RELEASE
    files = own.files()
    assert sorted(files.modules) == ["bnxt_en", "virtio_net"]
    path, packed = files.modules["virtio_net"]
    assert path == "kernel/drivers/net/virtio-net.ko.xz"
    assert unpack_module(packed) == b"virtio-net"
    assert files.lists["modules.builtin"] == b"kernel/fs/erofs/erofs.ko\n"


@pytest.mark.parametrize("place", [0x300, 0x4500, 0x101FF])
def test_version_is_where_the_boot_protocol_says(tree: Path, place: int) -> None:
    """0x4500: Debian's 7.2.12. The field has 16 bits, counted from 0x200 on."""
    (tree / "arch/x86/boot/bzImage").write_bytes(bzimage(place=place))
    assert find_own(tree, X86).release == RELEASE


def test_packed_modules_have_a_checksum_that_the_kernel_reads(tree: Path) -> None:
    _, packed = find_own(tree, X86).files().modules["bnxt_en"]
    assert packed[7] == lzma.CHECK_CRC32  # stream flags of the xz header


def test_identity_follows_the_modules(tree: Path) -> None:
    before = find_own(tree, X86).identity
    assert find_own(tree, X86).identity == before
    (tree / "drivers/net/bnxt_en.ko").write_bytes(b"changed driver")
    assert find_own(tree, X86).identity != before


@pytest.mark.parametrize("below", ["lib/modules", "usr/lib/modules"])
def test_installed_kernel(tmp_path: Path, below: str) -> None:
    """vmlinuz beside lib/modules, as INSTALL_PATH and INSTALL_MOD_PATH leave them."""
    (tmp_path / "boot").mkdir()
    (tmp_path / f"boot/vmlinuz-{RELEASE}").write_bytes(bzimage())
    (tmp_path / f"boot/config-{RELEASE}").write_text(text_of(enough(X86)))
    modules = tmp_path / below / RELEASE
    (modules / "kernel").mkdir(parents=True)
    (modules / "kernel/bnxt_en.ko.xz").write_bytes(lzma.compress(b"one"))
    (modules / "kernel/veth.ko.gz").write_bytes(gzip.compress(b"two"))
    (modules / "kernel/tun.ko.zst").write_bytes(b"?")
    files = find_own(tmp_path / f"boot/vmlinuz-{RELEASE}", X86).files()
    assert files.modules["bnxt_en"][1] == (modules / "kernel/bnxt_en.ko.xz").read_bytes()
    assert unpack_module(files.modules["bnxt_en"][1]) == b"one"
    assert unpack_module(files.modules["veth"][1]) == b"two"
    with pytest.raises(
        OwnKernelProblem,
        match=r"tun\.ko\.zst is packed .*\.ko\.gz and \.ko\.xz\. Of a copy .* unzstd",
    ):
        files.modules["tun"]


def test_modules_are_not_found(tmp_path: Path) -> None:
    (tmp_path / "bzImage").write_bytes(bzimage())
    with pytest.raises(OwnKernelProblem, match=f"no modules of {RELEASE} are to be found"):
        find_own(tmp_path / "bzImage", X86)


def test_module_is_not_built(tree: Path) -> None:
    (tree / "drivers/net/virtio-net.ko").unlink()
    with pytest.raises(OwnKernelProblem, match=r"drivers/net/virtio-net\.ko is not built"):
        find_own(tree, X86)


def test_uml_program_tells_its_own_configuration(tmp_path: Path) -> None:
    (tmp_path / "linux").write_bytes(UML)
    own = find_own(tmp_path, UM)
    assert (own.release, own.config["BNXT"], own.modules) == (RELEASE, "y", {})


@pytest.mark.parametrize(
    ("content", "arch", "complaint"),
    [
        (bzimage(), UM, "boots on a PC: drop --engine uml"),
        (UML, X86, "is a UML kernel: add --engine uml"),
        (bzimage(bits=32), X86, "32-bit kernel"),
        (elf(), X86, "an ELF file that no machine boots"),
        (elf(machine=183), UM, "another architecture"),
        (b"MZ" + bytes(0x4000), X86, "neither a bzImage for x86 nor a UML program"),
        (b"", UM, "neither a bzImage"),
    ],
    ids=["PC for UML", "UML for a PC", "32 bits", "vmlinux", "arm64", "other", "empty"],
)
def test_refused(tmp_path: Path, content: bytes, arch: str, complaint: str) -> None:
    (tmp_path / "kernel").write_bytes(content)
    with pytest.raises(OwnKernelProblem, match=complaint):
        find_own(tmp_path / "kernel", arch)


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(OwnKernelProblem, match="no such file or folder"):
        find_own(tmp_path / "bzImage", X86)
    with pytest.raises(OwnKernelProblem, match="holds no arch/x86/boot/bzImage: it is not built"):
        find_own(tmp_path, X86)
    (tmp_path / "linux").write_bytes(UML)
    with pytest.raises(OwnKernelProblem, match="add --engine uml"):
        find_own(tmp_path, X86)


def test_every_missing_option_is_named(tree: Path) -> None:
    config = {**enough(X86), "BNXT": "y"}
    for name in ("EROFS_FS", "IO_URING"):
        del config[name]
    (tree / ".config").write_text(text_of(config))
    with pytest.raises(OwnKernelProblem) as caught:
        find_own(tree, X86)
    lines = str(caught.value).splitlines()[1:]
    assert [line.split()[0] for line in lines] == [
        "CONFIG_EROFS_FS",
        "CONFIG_IO_URING",
        "CONFIG_BNXT",
    ]
    assert "CONFIG_BNXT is y, not m" in lines[2]


def test_modules_do_for_a_pc_only() -> None:
    assert missing({**enough(X86), "EROFS_FS": "m"}, X86) == []
    (line,) = missing({**enough(UM), "EROFS_FS": "m"}, UM)
    assert line.startswith("CONFIG_EROFS_FS is not set")


def test_guest_must_not_see_the_host() -> None:
    (line,) = missing({**enough(UM), "HOSTFS": "y"}, UM)
    assert line.startswith("CONFIG_HOSTFS is y, not n")


def test_what_is_lost(tree: Path) -> None:
    lines = lost({**enough(X86), "IO_URING_ZCRX": "y"}, X86)
    assert any(line.startswith("CONFIG_DEBUG_INFO_BTF is not set (BPF") for line in lines)
    assert any(line.startswith("CONFIG_NET_DEVMEM ") for line in lines)
    assert not any(line.startswith("CONFIG_IO_URING_ZCRX ") for line in lines)
    assert find_own(tree, X86).lost


def test_without_configuration_nothing_is_checked(tree: Path) -> None:
    (tree / ".config").rename(tree / "elsewhere")
    (tree / "arch/x86/boot/modules/kernel").mkdir(parents=True)
    (line,) = find_own(tree, X86).lost
    assert "options unchecked" in line
