# SPDX-License-Identifier: GPL-2.0-only
"""What exec and shell do in a guest before the user's command."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, cast

import pytest

from testbed.artifacts.copies import Copy
from testbed.cli import own
from testbed.cli.own import OwnProgram, with_program
from testbed.dut.nic import ZcrxQueue
from testbed.engines.session import Session
from testbed.engines.shell import Place


class Guest:
    """Notes what is run and put; the remote endpoint is another."""

    netdev, ipv4, ipv6, netns = "nut0", "192.0.2.1", "2001:db8::1", "peer"

    def __init__(self) -> None:
        self.done: list[Any] = []

    def run(self, argv: Sequence[str]) -> None:
        self.done.append(list(argv))

    def put(self, data: bytes, target: str, *, mode: int) -> None:
        self.done.append((data, target, mode))


def ready(guest: Guest, program: OwnProgram, root: str | None = None) -> Place:
    session = SimpleNamespace(options=SimpleNamespace(root=root), dut=guest, remote=guest)
    return program.ready(cast(Session, session), cast(Any, guest))


def test_nothing_asked_for_is_nothing_done() -> None:
    guest = Guest()
    assert ready(guest, OwnProgram()) == Place("/", {}, "")
    assert guest.done == []


def test_files_lie_in_the_folder_or_at_their_path() -> None:
    guest = Guest()
    place = ready(guest, OwnProgram([Copy("a", b"1"), Copy("/opt/b", b"2")]))
    assert place == Place("/root", {}, "")
    assert guest.done == [
        ["/bin/mkdir", "-p", "/root"], (b"1", "/root/a", 0o755),
        ["/bin/mkdir", "-p", "/opt"], (b"2", "/opt/b", 0o755),
    ]  # fmt: skip


def test_files_of_another_root_lie_there() -> None:
    guest = Guest()
    place = ready(guest, OwnProgram([Copy("a", b"1"), Copy("/b", b"2")]), root="oci:a.tar")
    assert place.root == "/layers/root"
    assert [one[1] for one in guest.done if isinstance(one, tuple)] == [
        "/layers/root/root/a", "/layers/root/b",
    ]  # fmt: skip
    assert place.words(["./a"])[-2:] == ["--wd=/root", "./a"]


@pytest.mark.parametrize(
    ("root", "nsenter"), [(None, "nsenter"), ("oci:a.tar", "/run/busybox nsenter")]
)
def test_facts_are_printed_and_told(
    monkeypatch: pytest.MonkeyPatch, root: str | None, nsenter: str
) -> None:
    said: list[str] = []
    monkeypatch.setattr(own, "progress", said.append)
    monkeypatch.setattr(
        own.own_program, "ready_queue", lambda _dut, _remote, port: ZcrxQueue(3, port, 4)
    )
    place = ready(Guest(), OwnProgram(port=9000), root)
    assert place.environ["ZCRX_PORT"] == "9000"
    assert place.environ["REMOTE_RUN"] == f"{nsenter} --net=/run/netns/peer"
    assert said[1:] == [f"  {name}={value}" for name, value in place.environ.items()]


def test_names_are_separated_by_commas_or_blanks_and_named_once() -> None:
    given = with_program({"seed": 1}, ["strace,gdb", "gdb perf"], "d", None)
    assert given == {
        "seed": 1, "packages": ("strace", "gdb", "perf"), "root": "d", "modules": None,
    }  # fmt: skip
