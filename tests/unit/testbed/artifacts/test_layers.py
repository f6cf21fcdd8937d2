# SPDX-License-Identifier: GPL-2.0-only
"""Further images of a guest: on which of its disks each is."""

from __future__ import annotations

from pathlib import Path

import pytest

from images.store import Entry
from testbed.artifacts import prepare
from testbed.artifacts.layers import NO_LAYERS, Layers
from testbed.artifacts.prepare import Artifacts
from testbed.errors import UsageProblem


def test_disks_follow_those_that_every_guest_has() -> None:
    layers = Layers({"packages": Path("/p"), "root": Path("/r")})
    assert layers.devices(first=2) == {"packages": "/dev/vdc", "root": "/dev/vdd"}
    assert layers.images == [Path("/p"), Path("/r")]
    assert not NO_LAYERS.images


def entry(path: Path) -> Entry:
    return Entry("root-image", "k", path, {"files": {"root.erofs": f"hash of {path}"}})


def test_folder_and_archive_are_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prepare, "folder_root", lambda _store, _tools, folder: entry(folder))
    monkeypatch.setattr(
        prepare, "archive_root", lambda _store, _tools, name: entry(Path(f"/of/{name}"))
    )
    artifacts = Artifacts(tmp_path)
    assert artifacts.layers((), str(tmp_path)).by_name == {"root": tmp_path / "root.erofs"}
    found = artifacts.layers((), "oci:app.tar")
    assert found.by_name == {"root": Path("/of/oci:app.tar/root.erofs")}
    assert found.provenance == {
        "own root": {"name": "oci:app.tar", "sha256": "hash of /of/oci:app.tar"}
    }  # fmt: skip


def test_what_is_not_there_is_of_the_user(tmp_path: Path) -> None:
    with pytest.raises(UsageProblem, match="no-such: not a file"):
        Artifacts(tmp_path).layers((), "oci:no-such")
