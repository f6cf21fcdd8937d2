# SPDX-License-Identifier: GPL-2.0-only
"""A kernel as the user names it, ready to boot, and the page_pool benchmark built for it.

Debian's kernels get the module from their headers package, as a user would build it; a kernel from
source builds it along with itself. The sources are always those of the kernel's selftests
(tools/testing/selftests/net/bench/page_pool), unchanged.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from images.buildroot import BuildRoot
from images.inside import Inside
from images.recipe import Recipe, package_tree
from images.store import Json
from testbed.artifacts.prepare import Artifacts, Prepared
from testbed.artifacts.source_kernels import KernelRequest, SourceKernels
from testbed.artifacts.translated import translated
from testbed.errors import UsageProblem

MODULE = "bench_page_pool"
SOURCES = "tools/testing/selftests/net/bench/page_pool"
PATCH = Path(__file__).parent / "bench_page_pool.patch"
X86 = "x86"
FORMAT = 1
_TOOLS = (
    "base-files", "bash", "coreutils", "dash", "findutils", "gawk", "gcc", "grep", "make", "sed",
)  # fmt: skip


@dataclass(frozen=True)
class BenchKernel:
    """What one side of the comparison boots, and the module file it loads."""

    name: str
    prepared: Prepared
    module: Path


def bench_kernel(name: str, report: Callable[[str], None]) -> BenchKernel:
    """``7.2.12``: Debian's. ``x86:7.2+a.patch+b.patch``: from source, with patches.

    Raises UsageProblem for what is no kernel or does not build, EnvironmentProblem.
    """
    if not name.startswith(f"{X86}:"):
        return _packaged(name, report)
    base, *patches = name.removeprefix(f"{X86}:").split("+")
    paths = [Path(patch).expanduser() for patch in patches]
    for path in paths:
        if not path.is_file():
            raise UsageProblem(f"{name}: there is no patch {path}")
    request = KernelRequest(X86, base=base, patches=[PATCH, *paths])
    artifacts = Artifacts(report=report)
    prepared = artifacts.prepare_built(request)
    modules = SourceKernels(artifacts.cache, report).build(request).modules
    found = sorted(modules.glob(f"**/{MODULE}.ko")) if modules else []
    if not found:
        raise UsageProblem(f"{name}: the build has no module {MODULE}")
    return BenchKernel(name, prepared, found[0])


def _packaged(version: str, report: Callable[[str], None]) -> BenchKernel:
    artifacts = Artifacts(report=report)
    prepared = artifacts.prepare(version)
    release = prepared.kernel.release
    sources = SourceKernels(artifacts.cache, report).fetch(KernelRequest()) / SOURCES
    recipe = Recipe(f"headers-{release}", (*_TOOLS, f"linux-headers-{release}"))
    with translated():
        headers = package_tree(artifacts.store, lambda: artifacts.archive, recipe)
        inputs: dict[str, Json] = {
            "format": FORMAT,
            "headers": headers.key,
            "sources": {path.name: path.read_text() for path in sorted(sources.glob("*.[ch]"))},
        }

        def build(folder: Path) -> None:
            work = folder / "work"
            shutil.copytree(sources, work)
            argv = ["make", "-C", f"/usr/src/linux-headers-{release}", "M=/bench", "AWK=gawk"]
            BuildRoot.of(headers).run([*argv, "modules"], write={"/bench": work})
            Inside(work).copy(f"{MODULE}.ko", folder / f"{MODULE}.ko")
            shutil.rmtree(work)

        entry = artifacts.store.ensure("bench-module", inputs, build)
    return BenchKernel(version, prepared, entry.path / f"{MODULE}.ko")
