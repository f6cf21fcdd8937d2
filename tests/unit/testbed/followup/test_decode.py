# SPDX-License-Identifier: GPL-2.0-only
"""A trace is decoded by the very kernel that printed it, or stays as it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from images.store import Store
from testbed.artifacts.source_kernels import SourceKernels
from testbed.followup import decode
from testbed.followup.decode import decoded, find_vmlinux
from tests.unit.testbed.followup.whole_finding import dossier


def kernel(store: Store, image: bytes, config: str) -> str:
    """Puts a kernel into the store; the hash of its image."""

    def fill(folder: Path) -> None:
        (folder / "linux").write_bytes(image)
        (folder / "config").write_text(config)

    entry = store.ensure("kernel-build", {"image": image.hex(), "config": config}, fill)
    return str(cast("dict[str, Any]", entry.manifest["files"])["linux"])


def test_kernel_is_known_by_its_hash_and_needs_line_numbers(tmp_path: Path) -> None:
    store = Store(tmp_path / "cache")
    [trace] = dossier(tmp_path).traces
    with_lines = kernel(store, b"one", "CONFIG_DEBUG_INFO=y\n")
    without = kernel(store, b"two", "# CONFIG_DEBUG_INFO is not set\n")

    def found(sha256: str) -> Path | None:
        return find_vmlinux(store, type(trace)(**{**vars(trace), "image_sha256": sha256}))

    path = found(with_lines)
    assert path is not None
    assert path.read_bytes() == b"one"
    assert found(without) is None
    assert found("abc") is None
    assert found("") is None


def test_newest_trace_is_decoded_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Kernels:
        store = Store(tmp_path / "cache")
        build_root = None

    monkeypatch.setattr(decode.lines, "decoded", lambda _root, _vmlinux, _lines: ["f (a.c:3)"])
    kernels = cast("SourceKernels", Kernels())
    before = dossier(tmp_path)
    assert decoded(before, kernels) is before
    monkeypatch.setattr(decode, "find_vmlinux", lambda _store, _trace: tmp_path)
    [trace] = decoded(before, kernels).traces
    assert trace.lines == ("f (a.c:3)",)
    assert trace.decoded
