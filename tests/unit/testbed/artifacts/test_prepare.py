# SPDX-License-Identifier: GPL-2.0-only
"""What `Artifacts` makes of errors below it, and what it says a confined machine must reach."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import images.errors
from images.debian import Archive, Package
from kernels.image import KernelImage
from kernels.modules import ModuleProblem
from testbed.artifacts import Artifacts, Prepared
from testbed.artifacts.prepare import has_device
from testbed.artifacts.source_kernels import KernelRequest, SourceKernels
from testbed.errors import EnvironmentProblem, UsageProblem


@pytest.fixture
def artifacts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Artifacts:
    monkeypatch.setenv("TESTBED_DEBIAN_MIRROR", "http://mirror.example/debian")
    return Artifacts(tmp_path)


@pytest.fixture(autouse=True)
def no_indexes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Archive, "state", lambda _self: "")


def test_kernel_that_does_not_exist_is_a_usage_problem(
    artifacts: Artifacts, monkeypatch: pytest.MonkeyPatch
) -> None:
    only = [Package("linux-image-6.12.1+deb13-amd64", "6.12.1-1", "0" * 64, 20_000_000)]
    monkeypatch.setattr(Archive, "list_matching", lambda _self, _pattern: only)
    with pytest.raises(UsageProblem, match=r"'9\.9'; there are: 6\.12\.1$"):
        artifacts.prepare("9.9")


def test_source_is_built_where_no_kernel_is_published_yet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TESTBED_DEBIAN_MIRROR", "http://mirror.example/debian")
    source = Package("linux-source-7.4", "7.4~rc1-1~exp1", "0" * 64, 1)
    monkeypatch.setattr(Archive, "list_matching", lambda _self, _pattern: [source])
    requests: list[KernelRequest] = []

    class Enough(Exception):
        """What the build was asked for is known."""

    def build(_self: SourceKernels, request: KernelRequest) -> None:
        requests.append(request)
        raise Enough

    monkeypatch.setattr(SourceKernels, "build", build)
    said: list[str] = []
    with pytest.raises(Enough):
        Artifacts(tmp_path, said.append).prepare("7.4")
    assert requests == [KernelRequest("x86", base="7.4~rc1-1~exp1")]
    assert any(line.startswith("7.4-rc1: Debian has not published") for line in said)


@pytest.mark.parametrize(
    "error", [images.errors.EnvironmentProblem("no mirror", "Do this."), ModuleProblem("no driver")]
)
def test_what_the_machine_or_mirror_lacks_is_an_environment_problem(
    artifacts: Artifacts, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(_self: Archive, _pattern: str) -> list[Package]:
        raise error

    monkeypatch.setattr(Archive, "list_matching", fail)
    with pytest.raises(EnvironmentProblem) as problem:
        artifacts.prepare()
    assert problem.value.message in ("no mirror", "no driver")
    assert problem.value.remedy


def test_folders_are_whole_package_trees_not_only_where_the_loader_lies(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """No image, which is handed over; and a QEMU of the host has its firmware elsewhere."""
    monkeypatch.setattr("testbed.artifacts.prepare.FIRMWARE_FOLDERS", ("usr/bin", "usr/gone"))
    fields: dict[str, Any] = dict.fromkeys(KernelImage.__dataclass_fields__, "")
    kernel = KernelImage(**{**fields, "vmlinuz": Path("/c/kernel/k/files/vmlinuz")})
    prepared = Prepared(
        qemu=["/c/root-qemu/q/files/usr/lib64/ld.so", "qemu"], virtiofsd=["/usr/libexec/virtiofsd"],
        kernel=kernel, root_image=Path("/c/guest-image/g/files/root.erofs"), provenance={},
    )  # fmt: skip
    assert [str(folder) for folder in prepared.folders] == [
        "/c/root-qemu/q/files",
        "/usr/bin",
        "/usr/libexec/virtiofsd",
    ]


def test_device_is_looked_for_by_its_whole_name(tmp_path: Path) -> None:
    qemu = tmp_path / "qemu"
    qemu.write_text("#!/bin/sh\necho 'name \"vfio-user-pci\", bus PCI'\n")
    qemu.chmod(0o755)
    assert has_device([str(qemu)], "vfio-user-pci")
    assert not has_device([str(qemu)], "vfio-user")
