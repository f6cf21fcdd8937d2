# SPDX-License-Identifier: GPL-2.0-only
"""The accelerator is decided by a boot, once, and a hang does not become ours."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from kernels.image import KernelImage
from testbed.artifacts.accelerator import BOOTED, AcceleratorProbe, Prober, probe_boot
from testbed.errors import EnvironmentProblem
from tests.unit.read_only import read_only


def program(folder: Path, script: str) -> list[str]:
    path = folder / "qemu"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return [str(path)]


def test_guest_that_reaches_its_first_program_counts(tmp_path: Path) -> None:
    argv = program(tmp_path, f"echo '[ 1.0] {BOOTED.decode()}'")
    assert probe_boot(argv, 10).accelerator == "kvm"


def test_guest_that_hangs_is_killed_at_the_deadline(tmp_path: Path) -> None:
    argv = program(tmp_path, "echo 'a warning' >&2; exec sleep 60")
    started = time.monotonic()
    verdict = probe_boot(argv, 0.3)
    assert time.monotonic() - started < 5
    assert verdict == AcceleratorProbe("tcg", "KVM: no boot within 0 s (a warning)")


def test_guest_whose_cpu_stops_is_not_waited_for(tmp_path: Path) -> None:
    argv = program(tmp_path, "echo 'KVM internal error. Suberror: 1' >&2; exec sleep 60")
    started = time.monotonic()
    verdict = probe_boot(argv, 30)
    assert time.monotonic() - started < 5
    assert verdict.reason == "KVM: the guest's CPU stopped (KVM internal error. Suberror: 1)"


def test_guest_that_boots_and_then_hangs_counts(tmp_path: Path) -> None:
    argv = program(tmp_path, f"echo '{BOOTED.decode()}'; exec sleep 60")
    started = time.monotonic()
    assert probe_boot(argv, 30).accelerator == "kvm"
    assert time.monotonic() - started < 5


def test_qemu_that_refuses_is_quoted(tmp_path: Path) -> None:
    argv = program(tmp_path, "echo 'could not access KVM' >&2; exit 1")
    verdict = probe_boot(argv, 10)
    assert verdict == AcceleratorProbe("tcg", "KVM: QEMU ended with 1 (could not access KVM)")


@pytest.fixture
def image(tmp_path: Path) -> KernelImage:
    fields: dict[str, Any] = dict.fromkeys(KernelImage.__dataclass_fields__, "")
    return KernelImage(**{**fields, "vmlinuz": tmp_path, "initramfs": tmp_path})


@pytest.fixture
def kvm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A device that anyone may open, and that gives a virtual machine."""
    device = tmp_path / "kvm"
    device.touch()
    device.chmod(0o666)
    monkeypatch.setattr("fcntl.ioctl", lambda descriptor, *_: os.dup(descriptor))
    monkeypatch.setattr(Prober, "_jailed", lambda _self, argv, _images: argv)
    return device


def prober(tmp_path: Path, script: str, kvm: Path) -> Prober:
    return Prober(tmp_path / "cache", program(tmp_path, script), [], lambda _text: None, kvm)


def test_verdict_is_asked_for_once_and_found_again(
    tmp_path: Path, kvm: Path, image: KernelImage
) -> None:
    script = f"echo once >> {tmp_path}/calls; echo '{BOOTED.decode()}'"
    first = prober(tmp_path, script, kvm).choose("auto", lambda: image)
    again = prober(tmp_path, script, kvm).choose("auto", lambda: image)
    assert first == again == AcceleratorProbe("kvm", "a guest booted with it")
    assert (tmp_path / "calls").read_text() == "once\n"
    assert Prober.last_verdict(tmp_path / "cache", kvm) == first


def gone(device: Path) -> None:
    device.unlink()


def of_root_alone(device: Path) -> None:
    device.chmod(0o600)


def made_anew(device: Path) -> None:
    device.rename(device.with_name("old"))
    device.touch()
    device.chmod(0o666)


@pytest.mark.parametrize(
    ("change", "boots", "verdict"),
    [(gone, 0, "tcg"), (of_root_alone, 0, "tcg"), (made_anew, 1, "kvm")],
)
def test_verdict_holds_while_the_device_is_as_it_was(
    tmp_path: Path,
    kvm: Path,
    image: KernelImage,
    change: Callable[[Path], None],
    boots: int,
    verdict: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("os.getuid", lambda: 0)
    script = f"echo once >> {tmp_path}/calls; echo '{BOOTED.decode()}'"
    assert prober(tmp_path, script, kvm).choose("auto", lambda: image).accelerator == "kvm"
    change(kvm)
    assert Prober.last_verdict(tmp_path / "cache", kvm) is None
    again = prober(tmp_path, script, kvm).choose("auto", lambda: image)
    assert again.accelerator == verdict
    assert Prober.last_verdict(tmp_path / "cache", kvm) == again
    assert (tmp_path / "calls").read_text() == "once\n" * (1 + boots)
    assert len(list((tmp_path / "cache").rglob("*.json"))) == 1


def test_device_that_comes_is_tried(tmp_path: Path, kvm: Path, image: KernelImage) -> None:
    absent = kvm.rename(tmp_path / "away")
    script = f"echo '{BOOTED.decode()}'"
    assert prober(tmp_path, script, kvm).choose("auto", lambda: image).accelerator == "tcg"
    absent.rename(kvm)
    assert prober(tmp_path, script, kvm).choose("auto", lambda: image).accelerator == "kvm"


def test_device_that_no_longer_gives_a_machine(
    tmp_path: Path, kvm: Path, image: KernelImage, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = f"echo '{BOOTED.decode()}'"
    assert prober(tmp_path, script, kvm).choose("auto", lambda: image).accelerator == "kvm"

    def refuse(*_: object) -> int:
        raise OSError(errno.EBUSY, "Device or resource busy")

    monkeypatch.setattr("fcntl.ioctl", refuse)
    verdict = prober(tmp_path, script, kvm).choose("auto", lambda: image)
    assert verdict == AcceleratorProbe(
        "tcg", f"{kvm} gives no virtual machine: Device or resource busy"
    )


def test_read_only_cache_is_no_hindrance(
    tmp_path: Path, kvm: Path, image: KernelImage, monkeypatch: pytest.MonkeyPatch
) -> None:
    probing = prober(tmp_path, f"echo '{BOOTED.decode()}'", kvm)
    read_only(monkeypatch)
    assert probing.choose("auto", lambda: image).accelerator == "kvm"


def test_guest_is_tried_in_the_jail_of_a_run(
    tmp_path: Path, image: KernelImage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The device is the only one it gets that a jail does not have anyway."""
    monkeypatch.setattr("testbed.artifacts.accelerator._refusal", lambda _device: "")
    device = Path("/dev/full")
    script = f"[ -w {device} ] && [ ! -e /dev/tty ] && [ ! -e {Path(__file__)} ] && "
    script += f"id -u | grep -qv '^0$' && echo '{BOOTED.decode()}'"
    argv = program(tmp_path, script)
    reach = [Path(argv[0]), *map(Path, ("/bin/sh", "/usr/bin/id", "/bin/grep"))]
    probing = Prober(tmp_path / "cache", argv, reach, lambda _text: None, device)
    file = tmp_path / "file"
    file.touch()
    verdict = probing.choose("auto", lambda: replace(image, vmlinuz=file, initramfs=file))
    assert verdict.accelerator == "kvm", verdict.reason


def test_jail_that_cannot_be_made_is_no_verdict(tmp_path: Path) -> None:
    argv = program(tmp_path, "echo 'jail failed namespaces: not permitted' >&2; exit 126")
    with pytest.raises(EnvironmentProblem, match="the jail cannot be made"):
        probe_boot(argv, 10)


def test_other_qemu_is_asked_again(tmp_path: Path, kvm: Path, image: KernelImage) -> None:
    prober(tmp_path, "exit 1", kvm).choose("auto", lambda: image)
    other = tmp_path / "other"
    other.mkdir()
    argv = program(other, f"echo '{BOOTED.decode()}'")
    verdict = Prober(tmp_path / "cache", argv, [], lambda _text: None, kvm).choose(
        "auto", lambda: image
    )
    assert verdict.accelerator == "kvm"


def test_unreadable_verdict_is_asked_for_again(
    tmp_path: Path, kvm: Path, image: KernelImage
) -> None:
    probing = prober(tmp_path, f"echo '{BOOTED.decode()}'", kvm)
    probing.choose("auto", lambda: image)
    for file in (tmp_path / "cache").rglob("*.json"):
        file.write_text("{")
    assert probing.choose("auto", lambda: image).accelerator == "kvm"


def test_tcg_needs_no_probe(tmp_path: Path, kvm: Path) -> None:
    probing = prober(tmp_path, f"touch {tmp_path}/called", kvm)
    assert probing.choose("tcg", lambda: cast("KernelImage", None)).accelerator == "tcg"
    assert not (tmp_path / "called").exists()


def test_kvm_that_does_not_work_is_refused_by_name(
    tmp_path: Path, kvm: Path, image: KernelImage
) -> None:
    with pytest.raises(EnvironmentProblem, match=r"KVM does not work here: .*ended with 1"):
        prober(tmp_path, "exit 1", kvm).choose("kvm", lambda: image)


def test_missing_device_needs_no_boot(tmp_path: Path) -> None:
    probing = prober(tmp_path, f"touch {tmp_path}/called", tmp_path / "absent")
    verdict = probing.choose("auto", lambda: cast("KernelImage", None))
    assert verdict.accelerator == "tcg"
    assert not (tmp_path / "called").exists()
