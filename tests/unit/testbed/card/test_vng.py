# SPDX-License-Identifier: GPL-2.0-only
"""virtme-ng's arguments, the script that its guest runs, and what a kernel must have."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from testbed.card.vng import (
    NEEDED,
    guest_script,
    lacking,
    modules_in_order,
    starter,
    vng_arguments,
)

WHOLE = {name: allowed[0] for name, allowed in NEEDED.items()}


HOST = "udevadm() { :; }; "


def run(script: str) -> str:
    done = subprocess.run(["sh", "-c", HOST + script], capture_output=True, text=True, check=False)
    return done.stdout


def test_a_kernel_with_all_it_needs() -> None:
    assert lacking(WHOLE) == []
    assert lacking({**WHOLE, "BNXT": "m", "VIRTIO_NET": "m", "DEBUG_INFO": "y"}) == []


@pytest.mark.parametrize("name", NEEDED)
def test_what_a_kernel_lacks_is_named_as_it_is_to_be_set(name: str) -> None:
    without = {key: value for key, value in WHOLE.items() if key != name}
    assert lacking(without) == [f"CONFIG_{name}={NEEDED[name][-1]}"]


def test_a_root_file_system_cannot_be_a_module() -> None:
    assert lacking({**WHOLE, "VIRTIO_FS": "m"}) == ["CONFIG_VIRTIO_FS=y"]


def test_modules_come_after_what_they_need(tmp_path: Path) -> None:
    (tmp_path / "7.2").mkdir()
    (tmp_path / "7.2" / "modules.dep").write_text(
        "kernel/bnxt_en.ko.xz: kernel/tls.ko.xz kernel/devlink.ko\n"
        "kernel/virtio_net.ko: kernel/failover.ko kernel/devlink.ko\n"
        "kernel/tls.ko.xz:\n"
    )
    found = modules_in_order(tmp_path, "7.2", ["virtio_net", "bnxt_en", "builtin_one"])
    assert [path.relative_to(tmp_path / "7.2" / "kernel").name for path in found] == [
        "devlink.ko", "failover.ko", "virtio_net.ko", "tls.ko.xz", "bnxt_en.ko.xz",
    ]  # fmt: skip


def test_one_word_is_a_command_line_and_several_are_a_program() -> None:
    assert run(guest_script(["echo one; echo two"], [])) == "one\ntwo\n"
    assert run(guest_script(["printf", "<%s>", "a b", "$x;"], [])) == "<a b><$x;>"


def test_the_status_is_the_commands() -> None:
    done = subprocess.run(["sh", "-c", HOST + guest_script(["exit 7"], [])], check=False)
    assert done.returncode == 7


def test_modules_are_loaded_before_the_command() -> None:
    odd = Path("/a b/$x.ko")
    script = 'insmod() { echo loads $#: "$1"; }; ' + guest_script(["echo runs"], [odd])
    assert run(script) == "loads 1: /a b/$x.ko\nruns\n"


def test_names_of_interfaces_are_asked_for_when_they_are_final() -> None:
    script = guest_script(["echo command"], [])
    assert script.index("udevadm settle") < script.index("export CARD=") < script.index("command")


def test_without_files_modprobe_finds_them_or_nothing_runs() -> None:
    script = guest_script(["echo runs"], None)
    assert run("modprobe() { return 0; }; " + script) == "runs\n"
    assert run("modprobe() { [ $1 = -q ]; }; " + script) == ""


@pytest.mark.parametrize("kvm", [True, False])
def test_arguments(kvm: bool) -> None:
    words = vng_arguments(
        Path("/v"), Path("/k"), Path("/w"), "true", memory_mib=512, cpus=3, kvm=kvm
    )
    assert words[:5] == ["/v", "--run", "/k", "--qemu", "/w"]
    assert "--disable-microvm" in words
    assert ("--disable-kvm" in words) != kvm
    assert words[-6:] == ["--memory", "512M", "--cpus", "3", "--", "true"]


def test_starter_is_the_program_with_these_arguments(tmp_path: Path) -> None:
    path = tmp_path / "start"
    path.write_text(starter(["printf", "<%s>", "a b"]))
    path.chmod(0o700)
    done = subprocess.run([path, "c d"], capture_output=True, text=True, check=True)
    assert done.stdout == "<a b><c d>"
