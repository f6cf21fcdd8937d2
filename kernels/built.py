# SPDX-License-Identifier: GPL-2.0-only
"""Kernels from source, built here or elsewhere, made ready for QEMU as packaged ones are."""

from __future__ import annotations

from images.store import Json
from kernels.build import BuiltKernel
from kernels.image import KernelImage, Packer
from kernels.modules import PACKING, SUFFIX, KernelFiles, ModuleProblem, module_name, pack_module
from kernels.own import OwnKernel


def built_image(packer: Packer, built: BuiltKernel) -> KernelImage:
    """Pack a built kernel, or take it from the store. Raises ModuleProblem without modules."""
    source = built.provenance["source"]
    assert isinstance(source, dict)
    packages = {"testbed-kernel": built.key}
    if "version" in source:
        packages = {str(source["name"]): str(source["version"])}
    what: dict[str, Json] = {"built": built.key, "packing": PACKING}
    return packer.pack(what, lambda: read_files(built), built.release, packages, stock=built.stock)


def own_image(packer: Packer, own: OwnKernel) -> KernelImage:
    """Pack a kernel of the user's, or take it from the store. Raises ModuleProblem."""
    what: dict[str, Json] = {"own": own.identity, "packing": PACKING}
    return packer.pack(what, own.files, own.release, {"own": own.identity})


def read_files(built: BuiltKernel) -> KernelFiles:
    """What Debian's packages would hold of that kernel. Raises ModuleProblem without modules."""
    if built.modules is None:
        raise ModuleProblem(f"{built.release} is a {built.flavour} kernel: it has no modules")
    modules = {}
    for path in sorted(built.modules.glob("kernel/**/*.ko")):
        name = str(path.relative_to(built.modules)).removesuffix(".ko") + SUFFIX
        modules[module_name(name)] = (name, pack_module(path.read_bytes()))
    lists = {path.name: path.read_bytes() for path in built.modules.glob("modules.*")}
    return KernelFiles(built.image.read_bytes(), modules, lists)
