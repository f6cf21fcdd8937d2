# SPDX-License-Identifier: GPL-2.0-only
"""What the command tests.busy makes of the runs it has seen."""

from __future__ import annotations

from pathlib import Path

from tests.busy import Run, table, wrong_of

PASS = Run("uml", 0, "pass", "a" * 64, 3.0, Path("/1"))
OTHER = Run("uml", 0, "pass", "b" * 64, 9.0, Path("/2"))
QEMU = Run("qemu", 0, "pass", "", 90.0, Path("/3"))
LOST = Run("qemu", 5, "lost-vm", "", 80.0, Path("/4"))


def test_all_is_well() -> None:
    assert wrong_of([PASS, PASS, QEMU]) == []


def test_anything_but_a_pass_is_wrong() -> None:
    assert wrong_of([PASS, LOST]) == ["qemu: exit code 5, verdict lost-vm: /4"]
    silent = Run("uml", 0, "none", "", 1.0, Path("/5"))
    assert wrong_of([silent]) == ["uml: exit code 0, verdict none: /5"]


def test_one_seed_is_one_hash() -> None:
    assert wrong_of([PASS, OTHER]) == ["uml: 2 event hashes of one seed"]


def test_table() -> None:
    assert table([PASS, OTHER, PASS, LOST, QEMU])[1:] == [
        "qemu | 2 | 0 pass (1), 5 lost-vm (1) | 80 to 90 | -",
        "uml | 3 | 0 pass (3) | 3 to 9 | aaaaaaaaaaaa (2), bbbbbbbbbbbb (1)",
    ]
