# SPDX-License-Identifier: GPL-2.0-only
"""Traces with file and line.

It needs the very kernel, with line numbers (flavours uml-san and debug have them). Where the cache
has it no more, a trace stays as the kernel printed it.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

from images.store import Store
from kernels import lines
from kernels.build import KIND
from testbed.artifacts.source_kernels import SourceKernels
from testbed.artifacts.translated import translated
from testbed.followup.dossier import Dossier, Trace

_LINES = re.compile(r"^CONFIG_DEBUG_INFO=y$", re.MULTILINE)


def decoded(dossier: Dossier, kernels: SourceKernels) -> Dossier:
    """The same with the newest trace decoded, if its kernel is in the cache.

    Raises EnvironmentProblem.
    """
    if not dossier.traces:
        return dossier
    first, *others = dossier.traces
    vmlinux = find_vmlinux(kernels.store, first)
    if vmlinux is None:
        return dossier
    with translated():
        said = lines.decoded(kernels.build_root, vmlinux, first.lines)
    return replace(dossier, traces=(replace(first, lines=tuple(said), decoded=True), *others))


def find_vmlinux(store: Store, trace: Trace) -> Path | None:
    """The program with symbols of the kernel that printed `trace`; None if it has no lines."""
    for usage in store.entries():
        if usage.kind != KIND:
            continue
        manifest = json.loads((usage.path / "manifest.json").read_text())
        if trace.image_sha256 not in manifest["files"].values():
            continue
        files = usage.path / "files"
        if _LINES.search((files / "config").read_text()):
            linux = files / "linux"
            return linux if linux.exists() else files / "vmlinux"
    return None
