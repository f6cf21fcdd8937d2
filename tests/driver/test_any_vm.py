# SPDX-License-Identifier: GPL-2.0-only
"""docs/any-vm.md: a QEMU that is started by hand, with the lines that are printed for it."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from testbed.artifacts.prepare import Artifacts
from testbed.card.guides import guest_command
from testbed.card.served import Places, serving

BOOT_S, PATIENCE_S = 300.0, 300.0
PROMPT = b":~# "  # "# " alone is in lines of the kernel too ("PME# supported")
COMMANDS = b"""modprobe virtio_net; modprobe bnxt_en
ip netns add peer; ip link set eth0 netns peer
ip -n peer addr add 192.0.2.2/24 dev eth0; ip -n peer link set eth0 up
ip addr add 192.0.2.1/24 dev eth1; ip link set eth1 up
until ping -q -c 3 -i 0.2 192.0.2.2 | grep " 0% packet loss"; do sleep 1; done
"""


def wait_until(done: Callable[[], bool], limit_s: float, what: Callable[[], str]) -> None:
    """Waits; what() is asked at the end of the wait, so that it tells what became of it."""
    deadline = time.monotonic() + limit_s
    while not done():
        assert time.monotonic() < deadline, what()
        time.sleep(0.05)


def test_hand_started_qemu_binds_and_pings(tmp_path: Path) -> None:
    places, told = Places(socket=tmp_path / "card.sock"), list[str]()
    artifacts = Artifacts()
    prepared, image = artifacts.prepare(), artifacts.prepare().kernel
    accel = artifacts.probe_accelerator("auto").accelerator
    command = guest_command(
        prepared.qemu, accel, image.vmlinuz, image.initramfs, prepared.disks, places
    )
    console = tmp_path / "console"

    def has_prompted(times: int) -> bool:
        return console.read_bytes().count(PROMPT) >= times

    def written() -> str:
        typed = console.read_bytes().decode(errors="replace")[-3000:]
        return f"{typed}\nQEMU ended: {qemu.poll()}\ncard: {told}"

    with (
        serving(
            places, seed=1, timing="asynchronous", options={}, plan=None, tell=told.append
        ) as card,
        console.open("wb") as output,
        subprocess.Popen(
            f"exec {command}", shell=True, stdin=subprocess.PIPE, stdout=output, stderr=output
        ) as qemu,
    ):  # fmt: skip
        try:
            assert qemu.stdin is not None
            for count, line in enumerate(COMMANDS.splitlines(keepends=True), start=1):
                # A serial port has room for 16 bytes that nobody reads: wait for the shell.
                wait_until(partial(has_prompted, count), BOOT_S, written)
                qemu.stdin.write(line)
                qemu.stdin.flush()
            wait_until(
                lambda: b"3 packets transmitted, 3 received" in console.read_bytes(),
                PATIENCE_S,
                written,
            )
        finally:
            qemu.kill()
        wait_until(
            lambda: any("side disconnected" in one for one in told), PATIENCE_S, lambda: str(told)
        )
        lines, is_bad = card.account()
    assert any(line.startswith("HWRM_VER_GET: the driver's HWRM is 1.") for line in told)
    assert any(line.startswith("driver registered: version ") for line in told)
    assert not is_bad, lines
    assert lines[0].startswith("guests: 1; frames sent ")
