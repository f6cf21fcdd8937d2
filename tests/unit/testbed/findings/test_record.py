# SPDX-License-Identifier: GPL-2.0-only
"""How often a finding was replayed goes into its file, and nothing else of it changes."""

from __future__ import annotations

from pathlib import Path

import pytest

from testbed.findings.load import Replayed, read_finding
from testbed.findings.record import record_replay

BEGIN = """+++
id = "a-bug"
title = "It breaks"
status = "open"
first_seen = 2026-11-20
kernels = ["7.2.12"]
flavours = ["uml"]
replay = "./tb run"

[[splat]]
sanitizer = "WARNING"
title = "dev.c"
"""
END = "+++\n# It breaks\n\n```\n[[replayed]]\nno = table\n+++\n```\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "a-bug.md"
    path.write_text(BEGIN + END)
    return path


def test_first_count_is_added(file: Path) -> None:
    record_replay(file, Replayed("uml", 20, 20, 1))
    table = '\n[[replayed]]\nkernel = "uml"\nruns = 20\nshown = 20\nevent_hashes = 1\n'
    assert file.read_text() == BEGIN + table + END
    assert read_finding(file).replayed == (Replayed("uml", 20, 20, 1),)


def test_new_count_replaces_that_of_its_kernel_only(file: Path) -> None:
    record_replay(file, Replayed("uml", 3, 3, 1))
    record_replay(file, Replayed("debian", 5, 4))
    record_replay(file, Replayed("uml", 20, 20, 1))
    assert read_finding(file).replayed == (Replayed("debian", 5, 4), Replayed("uml", 20, 20, 1))
    assert file.read_text().startswith(BEGIN)
    assert file.read_text().endswith(END)
