# SPDX-License-Identifier: GPL-2.0-only
"""`testbed cache`, `testbed doctor`: what is shown, what is removed, what is said to be missing."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import typer
from typer.testing import CliRunner

from images.debian import Package
from images.jail.start import JailReport
from images.store import Store
from kernels.packages import KernelPackages
from testbed.artifacts.prepare import Artifacts
from testbed.artifacts.pruning import contents, prune
from testbed.cli import artifacts as cli
from testbed.cli import doctor
from testbed.cli.doctor import Finding
from testbed.errors import ExitCode

OLD = (0, 0)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """A cache with an entry, an environment, a download and an index, all old."""
    monkeypatch.setenv("TESTBED_CACHE", str(tmp_path))
    store = Store(tmp_path)
    entry = store.ensure("thing", {}, lambda folder: (folder / "f").write_bytes(bytes(1000)))
    apt = tmp_path / "apt/abc"
    for name in ("venv/key/bin/python", "apt/abc/debs/a_1_all.deb", "apt/abc/lists/index"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(bytes(10))
    (apt / "updated").touch()
    (tmp_path / "venv/key.complete").touch()
    old = [entry.path.parent / "manifest.json", entry.path.parent / "verified.json"]
    old += [tmp_path / "venv/key.complete", apt / "debs/a_1_all.deb", apt / "lists"]
    for path in old:
        os.utime(path, OLD)
    return store


def kinds(store: Store) -> set[str]:
    return {item.kind for item in contents(store)}


def test_contents_name_everything(store: Store) -> None:
    assert kinds(store) == {"thing", "venv", "downloads", "index"}
    assert all(item.idle_s > 1e6 for item in contents(store))


def test_prune_removes_what_was_not_used(store: Store) -> None:
    assert prune(store, unused_for_s=3600) >= 1030
    assert kinds(store) == set()
    assert not (store.root / "apt/abc/updated").exists()
    assert not (store.root / "venv/key.complete").exists()


def test_prune_keeps_what_was_used(store: Store) -> None:
    for path in store.root.rglob("*"):
        path.touch()
    prune(store, unused_for_s=3600)
    assert kinds(store) == {"thing", "venv", "downloads", "index"}


def test_prune_keeps_the_environment_it_runs_in(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "prefix", str(store.root / "venv/key"))
    prune(store, unused_for_s=0)
    assert (store.root / "venv/key/bin/python").exists()


def run_cli(*arguments: str) -> tuple[int, str]:
    app = typer.Typer()
    app.add_typer(cli.cache, name="cache")
    app.command()(cli.doctor)
    app.command()(cli.kernels)
    result = CliRunner().invoke(app, arguments, env={"COLUMNS": "120"})
    return result.exit_code, result.output


def test_info_shows_sizes(store: Store) -> None:
    status, output = run_cli("cache", "info")
    assert status == 0
    assert "thing" in output
    assert "1 files" in output


def test_prune_all_frees_everything(store: Store) -> None:
    status, output = run_cli("cache", "prune", "--all")
    assert status == 0
    assert "freed" in output
    assert kinds(store) == set()


def findings() -> dict[str, Finding]:
    return {finding.what: finding for finding in doctor.examine()}


def test_doctor_names_the_package_of_a_missing_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(doctor.PROGRAMS, "no-such-program", "its-package")
    finding = findings()["host programs"]
    assert finding.ok is False
    assert "no-such-program" in finding.detail
    assert finding.remedy == "apt-get install its-package"


@pytest.mark.parametrize(("size", "ok"), [(64, False), (2048, True)])
def test_doctor_looks_at_shared_memory_where_a_jail_has_none_of_its_own(
    monkeypatch: pytest.MonkeyPatch, size: int, ok: bool
) -> None:
    about = SimpleNamespace(f_frsize=1 << 20, f_blocks=size, f_bavail=size, f_bfree=size)
    monkeypatch.setattr("os.statvfs", lambda _place: about)
    monkeypatch.setattr(doctor, "probe", lambda: JailReport(("namespaces: not permitted",)))
    found = findings()
    assert found["shared memory"].ok is ok
    assert f"{size} MiB" in found["shared memory"].detail
    assert found["jail"].ok is False
    assert found["jail"].detail == "this host does not give it namespaces: not permitted"
    assert "--jail weaker" in found["jail"].remedy
    monkeypatch.setattr(doctor, "probe", JailReport)
    found = findings()
    assert "shared memory" not in found
    assert found["jail"].ok is True


def test_doctor_names_a_host_without_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("testbed.host.memory.available_bytes", lambda: 100 << 20)
    found = findings()["memory"]
    assert found.ok is False
    assert "0.1 of them available" in found.detail
    assert "cgroup" in found.remedy


def test_doctor_wants_room_in_the_cache_until_it_is_filled(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "CACHE_BYTES", 1 << 62)
    assert findings()["cache"].ok is False
    store.ensure("kernel", {}, lambda folder: (folder / "vmlinuz").touch())
    assert findings()["cache"].ok is True


def test_doctor_finds_a_qemu_with_the_device(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    qemu = tmp_path / "qemu-system-x86_64"
    qemu.write_text("#!/bin/sh\necho 'name \"vfio-user-pci\", bus PCI'\n")
    qemu.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert findings()["QEMU"].ok is True
    qemu.write_text("#!/bin/sh\necho 'name \"e1000\", bus PCI'\n")
    assert findings()["QEMU"].ok is None  # our own will do


@pytest.mark.parametrize(("ok", "status"), [(True, 0), (None, 0), (False, ExitCode.ENVIRONMENT)])
def test_doctor_ends_with_3_when_a_run_would_fail(
    ok: bool | None, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = [Finding("first", True, "fine"), Finding("second", ok, "detail", "Do [this].")]
    monkeypatch.setattr(doctor, "examine", lambda: iter(found))
    code, output = run_cli("doctor")
    assert code == status
    assert ("MISSING  second" in output) == (ok is False)
    assert ("Do [this]." in output) == (ok is False)


def test_kernels_says_what_is_to_come_what_is_gone_and_what_is_source_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def part(name: str, version: str) -> Package:
        return Package(name, version, "0" * 64, 1)

    packaged = [
        KernelPackages(
            "7.3.4+deb13-amd64", (part("linux-modules-7.3.4+deb13-amd64", "7.3.4-1"),),
            ("linux-binary-7.3.4+deb13-amd64",),
        ),
        KernelPackages(
            "7.1.3+deb13-amd64", (part("linux-binary-7.1.3+deb13-amd64", "7.1.3-1"),),
            ("linux-modules-7.1.3+deb13-amd64",),
        ),
        KernelPackages("7.3-amd64", (part("linux-base-7.3-amd64", "7.3~rc7-1~exp1"),)),
    ]  # fmt: skip
    sources = [part("linux-source-7.3", "7.3.4-1"), part("linux-source-7.4", "7.4~rc1-1~exp1")]
    monkeypatch.setattr(Artifacts, "kernels", lambda _self: (packaged, sources))
    code, output = run_cli("kernels")
    words = " ".join(output.replace("│", " ").split())
    assert code == 0
    assert "7.3.4 7.3.4+deb13-amd64 not published yet: linux-binary-7.3.4+deb13-amd64" in words
    assert "7.1.3 7.1.3+deb13-amd64 gone: linux-modules-7.1.3+deb13-amd64" in words
    assert "7.3-rc7 7.3-amd64 complete" in words
    assert "7.4-rc1 source only: linux-source-7.4 7.4~rc1-1~exp1" in words
    assert "(flavour x86)" in words
