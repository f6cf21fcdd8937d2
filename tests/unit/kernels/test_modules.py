# SPDX-License-Identifier: GPL-2.0-only
"""What modules say about themselves, and which of them go into an image."""

from __future__ import annotations

import lzma
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from images.errors import EnvironmentProblem
from kernels.modules import (
    KernelFiles,
    ModuleList,
    ModuleProblem,
    UnknownModule,
    build_id,
    closure,
    dependencies,
    modinfo,
    module_name,
    read_packages,
    require_modules,
    unpack_module,
)
from kernels.packages import HERE

NOTE = bytes.fromhex("04000000 14000000 03000000") + b"GNU\0"


def module(depends: str = "", *more: str) -> bytes:
    """An object with a .modinfo section as the kernel writes it, and a build id."""
    info = b"\0".join(text.encode() for text in ("license=GPL", f"depends={depends}", *more))
    return b"\x7fELF\0" + info + b"\0" + NOTE + bytes(range(20)) + b"rest"


FILES = KernelFiles(
    vmlinuz=b"MZ",
    modules={
        name: (f"kernel/{name}.ko.xz", lzma.compress(content))
        for name, content in {
            "bonding": module("tls"),
            "tls": module(""),
            "virtio_net": module("net_failover", "softdep=pre: crc32c-x post: later"),
            "net_failover": module("failover"),
            "failover": module(),
            "crc32c_x": module(),
            "later": module(),
            "loop_a": module("loop_b"),
            "loop_b": module("loop_a"),
        }.items()
    },
    lists={},
)


def test_modinfo_finds_every_value_of_a_key() -> None:
    content = module("a,b", "alias=pci:1", "alias=pci:2")
    assert modinfo(content, "alias") == ["pci:1", "pci:2"]
    assert modinfo(content, "depends") == ["a,b"]
    assert modinfo(content, "version") == []


def test_dependencies_are_hard_ones_and_soft_ones_before() -> None:
    content = module("a-b,c", "softdep=pre: d e-f post: g")
    assert dependencies(content) == ["a_b", "c", "d", "e_f"]


def test_closure_puts_needed_modules_first_and_drops_unknown_names() -> None:
    assert closure(["virtio-net", "built_in", "bonding", "tls"], FILES) == [
        *("failover", "net_failover", "crc32c_x", "virtio_net", "tls", "bonding")
    ]


def test_closure_ends_on_a_loop() -> None:
    assert closure(["loop_a"], FILES) == ["loop_b", "loop_a"]


def test_build_id_is_that_of_the_note() -> None:
    assert build_id(module()) == bytes(range(20)).hex()
    with pytest.raises(ModuleProblem):
        build_id(b"\x7fELF")


def test_modules_by_name_are_there_or_built_in() -> None:
    lists = {"modules.builtin": b"kernel/fs/built-in_x.ko\nkernel/net/tls.ko\n"}
    files = replace(FILES, lists=lists)
    require_modules(["virtio-net", "built_in_x", "tls"], files, "7.2")
    with pytest.raises(UnknownModule, match=r"7\.2 has no module virtio-nt; there is virtio_net"):
        require_modules(["tls", "virtio-nt"], files, "7.2")


def test_module_names_are_the_kernels() -> None:
    assert module_name("kernel/drivers/char/hw_random/virtio-rng.ko.xz") == "virtio_rng"


def test_shipped_list_has_the_drivers_and_boots_from_virtio() -> None:
    wanted = ModuleList.load(HERE / "modules.toml")
    assert {"bnxt_en", "igb", "e1000e", "virtio_net"} <= set(wanted.all)
    assert {"virtio_blk", "erofs", "overlay"} <= set(wanted.boot) <= set(wanted.all)


RELEASE = "7.2.0-amd64"


def kernel_deb(folder: Path, files: dict[str, bytes]) -> Path:
    tree = folder / "tree"
    for path, content in files.items():
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        (tree / path).write_bytes(content)
    (tree / "DEBIAN").mkdir(parents=True)
    (tree / "DEBIAN/control").write_text(
        "Package: linux-x\nVersion: 1\nArchitecture: all\nMaintainer: x <x@example.org>\n"
        "Description: x\n"
    )
    deb = folder / "linux-x_1_all.deb"
    subprocess.run(["dpkg-deb", "-b", tree, deb], check=True, capture_output=True)
    return deb


@pytest.mark.parametrize(
    ("vmlinuz", "modules"),
    [
        (f"boot/vmlinuz-{RELEASE}", f"lib/modules/{RELEASE}"),
        (f"usr/lib/modules/{RELEASE}/vmlinuz", f"usr/lib/modules/{RELEASE}"),
    ],
)
def test_packages_are_read_wherever_they_put_things(
    tmp_path: Path, vmlinuz: str, modules: str
) -> None:
    packed = lzma.compress(module())
    deb = kernel_deb(
        tmp_path,
        {
            vmlinuz: b"MZ",
            f"{modules}/kernel/net/virtio-net.ko.xz": packed,
            f"{modules}/modules.builtin": b"list",
        },
    )
    files = read_packages([deb], RELEASE)
    assert files.vmlinuz == b"MZ"
    assert files.modules == {"virtio_net": ("kernel/net/virtio-net.ko.xz", packed)}
    assert unpack_module(files.modules["virtio_net"][1]) == module()
    assert files.lists == {"modules.builtin": b"list"}


def test_package_without_a_kernel_is_refused(tmp_path: Path) -> None:
    deb = kernel_deb(tmp_path, {"usr/share/x": b""})
    with pytest.raises(ModuleProblem, match=RELEASE):
        read_packages([deb], RELEASE)


def test_truncated_package_is_refused(tmp_path: Path) -> None:
    deb = kernel_deb(tmp_path, {"boot/vmlinuz": b"MZ" * 5000})
    deb.write_bytes(deb.read_bytes()[:-60])
    with pytest.raises(EnvironmentProblem, match="cannot be read"):
        read_packages([deb], RELEASE)
