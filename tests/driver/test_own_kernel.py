# SPDX-License-Identifier: GPL-2.0-only
"""A distribution's kernel as one's own: Debian's, as Debian installs it, and unpacked."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from kernels.modules import unpack_module
from testbed.artifacts.prepare import Prepared
from testbed.options import RunOptions
from tests.driver.conftest import CommandLine


@pytest.fixture
def installed(artefacts: tuple[RunOptions, Prepared], tmp_path: Path) -> Path:
    """``boot/vmlinuz-*`` and ``usr/lib/modules``, packed as Debian packs them."""
    kernel = artefacts[1].kernel
    image = tmp_path / f"boot/vmlinuz-{kernel.release}"
    image.parent.mkdir()
    shutil.copy(kernel.vmlinuz, image)
    shutil.copytree(kernel.modules, tmp_path / "usr/lib/modules")
    return image


def nic_comes_up(testbed: CommandLine, image: Path) -> None:
    done = testbed.run("exec", "--kernel", str(image), "--", "ip", "-br", "link", "show", "nut0")
    assert done.returncode == 0, done.stderr.decode()
    assert b"LOWER_UP" in done.stdout


def test_debians_kernel_is_ones_own(testbed: CommandLine, installed: Path) -> None:
    """Its version is behind the first 16 KiB; its modules stay as they are."""
    nic_comes_up(testbed, installed)


def test_modules_that_are_not_packed_load(testbed: CommandLine, installed: Path) -> None:
    """The kernel unpacks them itself, and knows one checksum of xz."""
    for path in sorted(installed.parents[1].glob("usr/lib/modules/**/*.ko.xz")):
        path.with_suffix("").write_bytes(unpack_module(path.read_bytes()))
        path.unlink()
    nic_comes_up(testbed, installed)
