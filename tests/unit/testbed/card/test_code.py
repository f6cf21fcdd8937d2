# SPDX-License-Identifier: GPL-2.0-only
"""The card's program as byte code: whole, of the sources as they are, and never a must."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from images.errors import EnvironmentProblem
from images.store import Store
from testbed.card import code


@pytest.fixture
def source(tmp_path: Path) -> Iterator[Path]:
    """A package whose function raises; what was asked of others is forgotten."""
    folder = tmp_path / "source" / "toy"
    (folder / "inner").mkdir(parents=True)
    (folder / "__init__.py").write_text("")
    (folder / "inner" / "__init__.py").write_text("")
    (folder / "inner" / "bad.py").write_text("def act():\n    raise ValueError('of the toy')\n")
    (folder / "table.toml").write_text("x = 1\n")
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__" / "stale.pyc").write_bytes(b"stale")
    yield folder
    code._inputs.cache_clear()


def run(root: Path, program: str) -> subprocess.CompletedProcess[str]:
    """Run a line of Python that imports from ``root`` only."""
    return subprocess.run(
        [sys.executable, "-S", "-B", "-c", program], env={"PYTHONPATH": str(root)},
        capture_output=True, text=True, check=False, cwd="/",
    )  # fmt: skip


def test_compiled_card_is_byte_code_and_tables_only(tmp_path: Path, source: Path) -> None:
    root = code.compiled(Store(tmp_path / "cache"), source)
    assert root is not None
    names = {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}
    assert names == {
        "toy/__init__.pyc", "toy/inner/__init__.pyc", "toy/inner/bad.pyc", "toy/table.toml",
    }  # fmt: skip
    assert run(root, "import toy.inner.bad").returncode == 0


def test_traceback_names_the_source(tmp_path: Path, source: Path) -> None:
    root = code.compiled(Store(tmp_path / "cache"), source)
    assert root is not None
    said = run(root, "import toy.inner.bad as b; b.act()").stderr
    assert f'File "{source}/inner/bad.py", line 2, in act' in said
    assert "ValueError: of the toy" in said


def test_changed_source_is_compiled_again(tmp_path: Path, source: Path) -> None:
    store = Store(tmp_path / "cache")
    before = code.compiled(store, source)
    assert code.compiled(store, source) == before
    (source / "inner" / "bad.py").write_text("act = 7\n")
    code._inputs.cache_clear()  # as another run's
    after = code.compiled(store, source)
    assert after is not None
    assert after != before
    assert run(after, "import toy.inner.bad as b; print(b.act)").stdout == "7\n"


def test_altered_byte_code_is_not_used(tmp_path: Path, source: Path) -> None:
    store = Store(tmp_path / "cache")
    root = code.compiled(store, source)
    assert root is not None
    altered = root / "toy" / "inner" / "bad.pyc"
    altered.chmod(0o644)
    altered.write_bytes(b"something else")
    os.utime(altered, (0, 0))
    again = code.compiled(store, source)
    assert again is not None
    assert run(again, "import toy.inner.bad").returncode == 0


def test_cache_that_cannot_be_written_leaves_the_sources(
    source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_words: object, **_more: object) -> None:
        raise EnvironmentProblem("the cache cannot be written", "")

    monkeypatch.setattr(Store, "ensure", refuse)
    assert code.compiled(Store(), source) is None
