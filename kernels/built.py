# SPDX-License-Identifier: GPL-2.0-only
"""Kernels from source, built here or elsewhere, made ready for QEMU as packaged ones are."""

from __future__ import annotations

import lzma
from collections.abc import Callable, Mapping, Sequence

from images.buildroot import BuildRoot
from images.store import Json, Store, file_sha256
from images.toolroot import ToolRoot
from kernels.build import BuiltKernel
from kernels.image import KernelImage, init_program, open_image, write_image
from kernels.modules import SUFFIX, KernelFiles, ModuleProblem, module_name
from kernels.own import OwnKernel
from kernels.packages import HERE


def built_image(
    store: Store,
    tools: Callable[[], ToolRoot],
    build_root: Callable[[], BuildRoot],
    build_packages: Sequence[Mapping[str, Json]],
    built: BuiltKernel,
) -> KernelImage:
    """Pack a built kernel, or take it from the store. Raises ModuleProblem without modules."""
    entry = store.ensure(
        "kernel",
        _inputs({"built": built.key}, build_packages),
        lambda folder: write_image(read_files(built), built.release, folder, tools(), build_root()),
        needs_bytes=500_000_000,
    )
    source = built.provenance["source"]
    assert isinstance(source, dict)
    if "version" in source:
        return open_image(entry, built.release, {str(source["name"]): str(source["version"])})
    return open_image(entry, built.release, {"testbed-kernel": built.key})


def own_image(
    store: Store,
    tools: Callable[[], ToolRoot],
    build_root: Callable[[], BuildRoot],
    build_packages: Sequence[Mapping[str, Json]],
    own: OwnKernel,
) -> KernelImage:
    """Pack a kernel of the user's, or take it from the store. Raises ModuleProblem."""
    entry = store.ensure(
        "kernel",
        _inputs({"own": own.identity}, build_packages),
        lambda folder: write_image(own.files(), own.release, folder, tools(), build_root()),
        needs_bytes=500_000_000,
    )
    return open_image(entry, own.release, {"own": own.identity})


def _inputs(what: dict[str, Json], build_packages: Sequence[Mapping[str, Json]]) -> dict[str, Json]:
    return {
        **what,
        "modules": file_sha256(HERE / "modules.toml"),
        "init": init_program().as_input(build_packages),
    }


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
