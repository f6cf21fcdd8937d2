# SPDX-License-Identifier: GPL-2.0-only
"""Container images in archives: what docker and podman save, and what somebody hostile makes."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from images import oci
from images.oci import ArchiveProblem, opened

LAYERS = (b"the lower layer", b"the upper layer")


def archive(path: Path, members: Mapping[str, Any]) -> Path:
    """A tar file of members: bytes as they are, anything else as JSON."""
    with tarfile.open(path, "w") as tar:
        for name, content in members.items():
            data = content if isinstance(content, bytes) else json.dumps(content).encode()
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return path


def docker(*layers: str) -> dict[str, Any]:
    return {"manifest.json": [{"Config": "c.json", "RepoTags": ["a:b"], "Layers": list(layers)}]}


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def blob(data: bytes, **more: Any) -> dict[str, Any]:
    return {"digest": f"sha256:{digest(data)}", "size": len(data), **more}


def layout(manifests: list[dict[str, Any]], *blobs: bytes) -> dict[str, Any]:
    return {
        "oci-layout": {"imageLayoutVersion": "1.0.0"},
        "index.json": {"manifests": manifests},
        **{f"blobs/sha256/{digest(data)}": data for data in blobs},
    }


MANIFEST = json.dumps({"layers": [blob(data) for data in LAYERS]}).encode()


def read(path: Path, folder: Path) -> list[bytes]:
    with opened(path) as found:
        return [layer.read_bytes() for layer in found.copy(found.layers(), folder)]


def test_what_docker_saves(tmp_path: Path) -> None:
    members = {"0/layer.tar": LAYERS[0], "1/layer.tar": LAYERS[1]}
    path = archive(tmp_path / "a.tar", {**docker(*members), **members})
    (tmp_path / "work").mkdir()
    assert read(path, tmp_path / "work") == list(LAYERS)
    assert list((tmp_path / "work").iterdir()) == []


def test_layout_of_one_platform(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.tar", layout([blob(MANIFEST)], MANIFEST, *LAYERS))
    assert read(path, tmp_path) == list(LAYERS)


def test_layout_of_many_platforms_gives_ours(tmp_path: Path) -> None:
    """As `docker buildx` writes it: the index names an index, which has a manifest of each."""
    others = json.dumps({"layers": [blob(b"arm")]}).encode()
    index = json.dumps(
        {
            "manifests": [
                blob(others, platform={"architecture": "arm64", "os": "linux"}),
                blob(MANIFEST, platform={"architecture": "amd64", "os": "linux"}),
            ]
        }
    ).encode()
    path = archive(tmp_path / "a.tar", layout([blob(index)], index, others, MANIFEST, *LAYERS))
    assert read(path, tmp_path) == list(LAYERS)


def test_blob_that_is_not_what_it_is_called(tmp_path: Path) -> None:
    members = layout([blob(MANIFEST)], MANIFEST, *LAYERS)
    members[f"blobs/sha256/{digest(LAYERS[1])}"] = b"another layer"
    with pytest.raises(ArchiveProblem, match="is not what its name says"):
        read(archive(tmp_path / "a.tar", members), tmp_path)


@pytest.mark.parametrize(
    ("members", "problem"),
    [
        ({"etc/passwd": b"root"}, "no container image"),
        ({"manifest.json": b"{"}, "is not JSON"),
        ({"manifest.json": b"[" * 100_000}, "is not JSON"),
        ({"manifest.json": {}}, "not that of one image"),
        ({"manifest.json": [{}, {}]}, "not that of one image"),
        ({"manifest.json": [[]]}, "is no object"),
        ({"manifest.json": [{"Layers": [1]}]}, "has no list of layers"),
        (docker(), "0 layers"),
        (docker(*(["l"] * 128)), "128 layers"),
        (docker("../../etc/shadow"), "is not in it"),
        ({"index.json": {"manifests": [{"digest": "sha256:../../etc"}]}}, "no SHA-256 digest"),
        ({"index.json": {"manifests": [{"digest": "md5:00"}]}}, "no SHA-256 digest"),
        ({"index.json": {"manifests": [blob(b"1"), blob(b"2")]}}, "names 2 images"),
        ({"index.json": {"manifests": []}}, "names 0 images"),
        ({"index.json": {}}, "no list of layers"),
    ],
)
def test_what_is_no_image(tmp_path: Path, members: dict[str, Any], problem: str) -> None:
    with pytest.raises(ArchiveProblem, match=problem):
        read(archive(tmp_path / "a.tar", members), tmp_path)


def test_no_tar_file(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"#!/bin/sh")
    with pytest.raises(ArchiveProblem, match="no readable tar file"):
        read(tmp_path / "a", tmp_path)


def test_layer_that_is_a_link_to_a_file_of_the_host(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    archive(path, docker("layer.tar"))
    with tarfile.open(path, "a") as tar:
        link = tarfile.TarInfo("layer.tar")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/shadow"
        tar.addfile(link)
    with pytest.raises(ArchiveProblem, match="is not in it"):
        read(path, tmp_path)


def test_bounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = archive(tmp_path / "a.tar", {**docker("l", "l"), "l": bytes(600)})
    monkeypatch.setattr(oci, "MOST_BYTES", 1000)
    with pytest.raises(ArchiveProblem, match="layers have more than"):
        read(path, tmp_path)
    monkeypatch.setattr(oci, "MOST_LIST_BYTES", 10)
    with pytest.raises(ArchiveProblem, match=r"manifest\.json has more than"):
        read(path, tmp_path)


def test_names_as_tar_writes_them_for_a_folder(tmp_path: Path) -> None:
    """Of `tar -C image -cf a.tar .`"""
    path = archive(
        tmp_path / "a.tar", {f"./{name}": x for name, x in docker("l").items()} | {"./l": b"x"}
    )
    assert read(path, tmp_path) == [b"x"]


def test_more_members_than_any_image_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(oci, "MOST_MEMBERS", 1)
    with pytest.raises(ArchiveProblem, match="more than 1 members"):
        read(archive(tmp_path / "a.tar", {**docker("l"), "l": b"x"}), tmp_path)


def test_packed_archive(tmp_path: Path) -> None:
    """A few bytes may be a header of gigabytes."""
    path = archive(tmp_path / "a.tar", {**docker("l"), "l": b"x"})
    (tmp_path / "a.tar.gz").write_bytes(gzip.compress(path.read_bytes()))
    with pytest.raises(ArchiveProblem, match="or a packed one"):
        read(tmp_path / "a.tar.gz", tmp_path)


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME])
def test_header_of_a_member_is_bounded(tmp_path: Path, kind: bytes) -> None:
    header = tarfile.TarInfo("long")
    header.type = kind
    header.size = 1 << 40  # tarfile would read as much at once
    path = tmp_path / "image.tar"
    path.write_bytes(header.tobuf(tarfile.GNU_FORMAT) + bytes(1024))
    with pytest.raises(ArchiveProblem, match="a header of more than 1 MiB"), opened(path):
        pass


def test_long_names_are_read(tmp_path: Path) -> None:
    name = "a/" * 100 + "layer.tar"
    with opened(archive(tmp_path / "image.tar", {**docker(name), name: LAYERS[0]})) as found:
        assert [layer.name for layer in found.layers()] == [name]
