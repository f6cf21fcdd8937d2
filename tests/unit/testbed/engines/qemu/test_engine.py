# SPDX-License-Identifier: GPL-2.0-only
"""A kernel with patches is the one that boots, and the one that the report names."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from testbed.engines.qemu import engine
from testbed.options import RunOptions


@dataclass(frozen=True)
class Started:
    """What a run starts from, as far as patches matter."""

    kernel: str
    provenance: dict[str, Any] = field(default_factory=dict)


def test_the_report_names_the_kernel_with_the_patches(monkeypatch: pytest.MonkeyPatch) -> None:
    class Builder:
        def prepare_built(self, _request: object) -> Started:
            return Started("patched", {"kernel": "with patches", "root_image": "another"})

    monkeypatch.setattr(engine, "Artifacts", Builder)
    usual: Any = Started("usual", {"kernel": "Debian's", "root_image": "ours"})
    patched = engine.ENGINE.patched(RunOptions(), usual, [Path("bug.patch")])
    assert patched == Started("patched", {"kernel": "with patches", "root_image": "ours"})
    assert engine.ENGINE.patched(RunOptions(), usual, []) is usual
