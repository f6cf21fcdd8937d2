# SPDX-License-Identifier: GPL-2.0-only
"""Kernels from source, built here or elsewhere, made ready for QEMU as packaged ones are."""

from __future__ import annotations

import lzma

from kernels.build import BuiltKernel
from kernels.image import KernelImage, Packer
from kernels.modules import SUFFIX, KernelFiles, ModuleProblem, module_name
from kernels.own import OwnKernel


def built_image(packer: Packer, built: BuiltKernel) -> KernelImage:
    """Pack a built kernel, or take it from the store. Raises ModuleProblem without modules."""
    source = built.provenance["source"]
    assert isinstance(source, dict)
    packages = {"testbed-kernel": built.key}
    if "version" in source:
        packages = {str(source["name"]): str(source["version"])}
    return packer.pack({"built": built.key}, lambda: read_files(built), built.release, packages)


def own_image(packer: Packer, own: OwnKernel) -> KernelImage:
    """Pack a kernel of the user's, or take it from the store. Raises ModuleProblem."""
    return packer.pack({"own": own.identity}, own.files, own.release, {"own": own.identity})


def read_files(built: BuiltKernel) -> KernelFiles:
    """What Debian's packages would hold of that kernel. Raises ModuleProblem without modules."""
    if built.modules is None:
        raise ModuleProblem(f"{built.release} is a {built.flavour} kernel: it has no modules")
    modules = {}
    for path in sorted(built.modules.glob("kernel/**/*.ko")):
        name = str(path.relative_to(built.modules)).removesuffix(".ko") + SUFFIX
        modules[module_name(name)] = (name, lzma.compress(path.read_bytes(), preset=0))
    lists = {path.name: path.read_bytes() for path in built.modules.glob("modules.*")}
    return KernelFiles(built.image.read_bytes(), modules, lists)
