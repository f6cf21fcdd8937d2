# SPDX-License-Identifier: GPL-2.0-only
"""``testbed vng``: what cannot work is said in a line, with the remedy, before anything starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from kernels.own import BZIMAGE
from testbed.card.vng import NEEDED
from testbed.cli import main as cli
from testbed.cli import vng as command


@pytest.fixture(autouse=True)
def _host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A host that has what a guest of virtme-ng needs, and a folder of its own."""
    monkeypatch.chdir(tmp_path)
    programs = tmp_path / "sbin"
    programs.mkdir()
    for name in ("insmod", "udevadm"):
        (programs / name).write_text("")
        (programs / name).chmod(0o755)
    monkeypatch.setattr(command, "ADMIN_PATH", str(programs))


def tree(folder: Path, config: str, *, built: bool = True) -> Path:
    image = folder / "tree" / BZIMAGE
    image.parent.mkdir(parents=True)
    if built:
        image.write_bytes(b"")
    (folder / "tree" / ".config").write_text(config)
    return folder / "tree"


def test_a_tree_that_lacks_something(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = [f"CONFIG_{name}=y" for name in NEEDED if name not in ("BNXT", "VIRTIO_FS")]
    where = tree(tmp_path, "\n".join(lines) + "\n")
    assert cli.run_app(["vng", "--tree", str(where), "--", "true"]) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "need CONFIG_VIRTIO_FS=y, CONFIG_BNXT=m" in said
    assert "vng --kconfig --configitem CONFIG_VIRTIO_FS=y --configitem CONFIG_BNXT=m" in said


def test_a_tree_that_is_not_built(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    where = tree(tmp_path, "", built=False)
    assert cli.run_app(["vng", "--tree", str(where), "--", "true"]) == 2
    assert "make bzImage modules" in " ".join(capsys.readouterr().err.split())


def test_two_kernels(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run_app(["vng", "--tree", str(tmp_path), "--kernel", "7.2", "--", "true"]) == 2
    assert "two kernels" in capsys.readouterr().err


@pytest.mark.parametrize(("program", "package"), [("insmod", "kmod"), ("udevadm", "udev")])
def test_a_host_that_lacks_something(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], program: str, package: str
) -> None:
    (tmp_path / "sbin" / program).unlink()
    assert cli.run_app(["vng", "--", "true"]) == 3
    said = " ".join(capsys.readouterr().err.split())
    assert f"has no {program} remedy: apt install {package}" in said


def test_all_that_a_host_lacks_is_told_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for program in ("insmod", "udevadm"):
        (tmp_path / "sbin" / program).unlink()
    assert cli.run_app(["vng", "--", "true"]) == 3
    said = " ".join(capsys.readouterr().err.split())
    assert "has no insmod and no udevadm remedy: apt install kmod udev" in said


def test_no_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run_app(["vng"]) == 2
    assert "COMMAND" in capsys.readouterr().err.upper()
