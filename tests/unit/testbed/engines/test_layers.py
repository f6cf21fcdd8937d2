# SPDX-License-Identifier: GPL-2.0-only
"""Mounting what a guest was given; the script itself runs in tests/driver/test_own_program.py."""

from __future__ import annotations

from typing import Any, cast

from testbed.engines.guest import GuestEndpoint
from testbed.engines.layers import SCRIPT, inside, mount_layers


class Ran(list[tuple[list[str], bytes]]):
    def run(self, argv: list[str], *, input: bytes, **_words: Any) -> None:
        self.append((argv, input))


def test_each_is_named_with_its_disk() -> None:
    dut = Ran()
    mount_layers(cast(GuestEndpoint, dut), {"share": "/dev/vdb", "root": "/dev/vdc"})
    assert dut == [(["/bin/sh", "-s", "share=/dev/vdb", "root=/dev/vdc"], SCRIPT.read_bytes())]


def test_guest_that_was_given_nothing_starts_nothing() -> None:
    """A program that is started is an event of the run, and part of its hash."""
    dut = Ran()
    mount_layers(cast(GuestEndpoint, dut), {})
    assert dut == []


def test_command_of_another_root() -> None:
    assert inside("/layers/root", "/root", ["sh", "-c", "true"]) == [
        "/usr/bin/unshare", "--root=/layers/root", "--wd=/root", "sh", "-c", "true",
    ]  # fmt: skip
