# SPDX-License-Identifier: GPL-2.0-only
"""The jail's specification survives its way through a command line."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from testbed.host.jail import JailSpec, closed_ancestor

FULL = JailSpec(
    parent=7, uid=61234, cwd="/tmp/a=b c", namespaces=False, own_pids=True, groups=[3, 4],
    reach=["/x y", "/z:1"], limits={"CPU": 5, "FSIZE": 1 << 40},
)  # fmt: skip


@pytest.mark.parametrize("spec", [JailSpec(parent=1), FULL])
def test_words_say_all(spec: JailSpec) -> None:
    assert vars(JailSpec.parse(spec.words())) == vars(spec)


def test_topmost_closed_folder_is_found() -> None:
    with TemporaryDirectory(dir="/tmp") as base:
        Path(base).chmod(0o755)
        outer, inner = Path(base, "outer"), Path(base, "outer", "inner")
        inner.mkdir(parents=True)
        assert closed_ancestor(str(inner)) is None
        inner.chmod(0o700)
        assert closed_ancestor(str(inner)) == str(inner)
        outer.chmod(0o700)
        assert closed_ancestor(str(inner / ".." / "inner")) == str(outer)
