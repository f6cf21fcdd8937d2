# SPDX-License-Identifier: GPL-2.0-only
"""The layers of a container image in an archive: `docker save`, `podman save`, OCI image layout.

The archive is of somebody else. Nothing in it is unpacked here: of a tar file only members that are
plain files are read, by names that its own lists give, each bounded, and copied out as they are.
https://github.com/opencontainers/image-spec/blob/main/image-layout.md
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MOST_LIST_BYTES = 4 << 20
MOST_MEMBERS = 10_000
MOST_LAYERS = 127
MOST_HEADER_BYTES = 1 << 20
"""Of what precedes a member, which is read whole: a long name, the attributes of pax."""
MOST_BYTES = 4 << 30
"""Of all layers together, as packed."""
PLATFORM = {"architecture": "amd64", "os": "linux"}


class ArchiveProblem(Exception):
    """The archive is not what it has to be; the message says which part of it."""


@dataclass(frozen=True)
class LayerFile:
    """A layer of the archive: a member's name, and the SHA-256 that names it, if any does."""

    name: str
    sha256: str = ""


class _Member(tarfile.TarInfo):
    """A member whose headers are bounded; tarfile has its subclasses hook in here."""

    _HEADERS = (
        tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK, tarfile.XHDTYPE, tarfile.XGLTYPE,
        tarfile.SOLARIS_XHDTYPE,
    )  # fmt: skip

    def _proc_member(self, tar: tarfile.TarFile) -> tarfile.TarInfo:
        if self.type in self._HEADERS and self.size > MOST_HEADER_BYTES:
            raise ArchiveProblem(f"it has a header of more than {MOST_HEADER_BYTES >> 20} MiB")
        return super()._proc_member(tar)  # type: ignore[misc,no-any-return]


class ContainerArchive:
    """An archive opened for reading; made by :func:`opened`."""

    def __init__(self, tar: tarfile.TarFile) -> None:
        self._tar = tar
        self._members: dict[str, tarfile.TarInfo] = {}
        for number, member in enumerate(tar):
            if number >= MOST_MEMBERS:
                raise ArchiveProblem(f"it has more than {MOST_MEMBERS} members")
            if member.isreg():
                self._members[_plain(member.name)] = member

    def layers(self) -> list[LayerFile]:
        """The layers from the lowest up. Raises ArchiveProblem."""
        if "manifest.json" in self._members:
            found = self._of_docker()
        elif "index.json" in self._members:
            found = self._of_oci()
        else:
            raise ArchiveProblem("no container image: neither manifest.json nor index.json")
        if not 0 < len(found) <= MOST_LAYERS:
            raise ArchiveProblem(f"{len(found)} layers; 1..{MOST_LAYERS} are possible")
        return found

    def copy(self, layers: Sequence[LayerFile], folder: Path) -> Iterator[Path]:
        """Write each layer to a file below ``folder``, which is removed before the next is made.

        Raises ArchiveProblem for what is missing, too large or has another hash.
        """
        left = MOST_BYTES
        for number, layer in enumerate(layers):
            member = self._member(layer.name)
            left -= member.size
            if left < 0:
                raise ArchiveProblem(f"its layers have more than {MOST_BYTES >> 30} GiB")
            path = folder / f"layer-{number}.tar"
            source = self._tar.extractfile(member)
            assert source is not None
            with source, path.open("wb") as target:
                shutil.copyfileobj(source, target, 1 << 20)
            if layer.sha256:
                with path.open("rb") as stream:
                    found = hashlib.file_digest(stream, "sha256").hexdigest()
                if found != layer.sha256:
                    raise ArchiveProblem(f"{layer.name} is not what its name says (sha256)")
            yield path
            path.unlink()

    def _of_docker(self) -> list[LayerFile]:
        images = self._list("manifest.json")
        if not isinstance(images, list) or len(images) != 1:
            raise ArchiveProblem("manifest.json is not that of one image; save one")
        names = _mapping(images[0], "manifest.json").get("Layers")
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise ArchiveProblem("manifest.json has no list of layers")
        return [LayerFile(name) for name in names]

    def _of_oci(self) -> list[LayerFile]:
        index = self._list("index.json")
        for _ in range(2):  # an index may name one of many platforms
            manifests = _mapping(index, "index.json").get("manifests")
            if not isinstance(manifests, list):
                break
            index = self._list(_blob(_chosen(manifests)).name)
        layers = _mapping(index, "the image's manifest").get("layers")
        if not isinstance(layers, list):
            raise ArchiveProblem("the image's manifest has no list of layers")
        return [_blob(_mapping(layer, "a layer")) for layer in layers]

    def _member(self, name: str) -> tarfile.TarInfo:
        try:
            return self._members[_plain(name)]
        except KeyError:
            raise ArchiveProblem(f"{name!r} is not in it") from None

    def _list(self, name: str) -> object:
        member = self._member(name)
        if member.size > MOST_LIST_BYTES:
            raise ArchiveProblem(f"{name} has more than {MOST_LIST_BYTES >> 20} MiB")
        stream = self._tar.extractfile(member)
        assert stream is not None
        try:
            return json.loads(stream.read())
        except (ValueError, RecursionError) as error:
            raise ArchiveProblem(f"{name} is not JSON") from error


@contextmanager
def opened(path: Path) -> Iterator[ContainerArchive]:
    """The archive at ``path``. Raises ArchiveProblem, also for what breaks while it is read.

    Not one that is packed itself: nobody knows how long it is.
    """
    try:
        with tarfile.open(path, "r:", tarinfo=_Member) as tar:
            yield ContainerArchive(tar)
    except tarfile.TarError as error:
        raise ArchiveProblem(f"no readable tar file, or a packed one: {error}") from error


def _plain(name: str) -> str:
    return name.removeprefix("./")


def _mapping(found: object, what: str) -> Mapping[str, Any]:
    if not isinstance(found, dict):
        raise ArchiveProblem(f"{what} is no object")
    return found


def _blob(descriptor: Mapping[str, Any]) -> LayerFile:
    digest = str(descriptor.get("digest"))
    kind, _, value = digest.partition(":")
    if kind != "sha256" or len(value) != 64 or set(value) - set("0123456789abcdef"):
        raise ArchiveProblem(f"{digest[:100]!r} is no SHA-256 digest")
    return LayerFile(f"blobs/sha256/{value}", value)


def _chosen(manifests: Sequence[object]) -> Mapping[str, Any]:
    """That of our platform, or the only one."""
    found = [_mapping(one, "a manifest") for one in manifests]
    ours = [one for one in found if _is_ours(one.get("platform"))]
    chosen = ours or found
    if len(chosen) != 1:
        raise ArchiveProblem(f"index.json names {len(chosen)} images; save one, for amd64")
    return chosen[0]


def _is_ours(platform: object) -> bool:
    return isinstance(platform, dict) and PLATFORM.items() <= platform.items()
