# SPDX-License-Identifier: GPL-2.0-only
"""Running one selftest against an endpoint that plays the guest."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import cast

import pytest

from testbed.dut.protocols import Completed, Endpoint, OutputSink
from testbed.errors import GuestTimeout, LostVM
from testbed.ksft.guest import _START, Output, environment, run_test
from testbed.ksft.ktap import KtapResult
from testbed.ksft.select import TestFile

HDS = TestFile("drivers/net", "hds.py")


class PlayedGuest:
    """Prints what it is given, then ends as requested."""

    netdev = "nut0"

    def __init__(self, *pieces: tuple[str, bytes], end: int | Exception = 0) -> None:
        self.pieces = pieces
        self.end = end
        self.cwd = ""
        self.env: Mapping[str, str] = {}

    def run(
        self, argv: Sequence[str], *, check: bool, env: Mapping[str, str], cwd: str,
        timeout_s: float, on_output: OutputSink,
    ) -> Completed:  # fmt: skip
        self.cwd, self.env = cwd, env
        for stream, data in self.pieces:
            on_output(stream, data)
        if isinstance(self.end, Exception):
            raise self.end
        return Completed(tuple(argv), self.end, b"", b"", 0.0)


def played(guest: PlayedGuest) -> Endpoint:
    return cast("Endpoint", guest)


def test_run_in_its_folder_with_the_documented_variables() -> None:
    guest = PlayedGuest(("stdout", b"1..1\nok 1 hds.a\n"))
    ran = run_test(played(guest), HDS, netns="peer", limit_s=9, log=BytesIO())
    assert guest.cwd == "/ksft/drivers/net"
    assert {"NETIF", "LOCAL_V4", "REMOTE_V6", "REMOTE_TYPE", "LOCAL_PREFIX_V6"} <= guest.env.keys()
    assert [case.outcome for case in ran.cases] == [KtapResult.PASS]
    assert ran.exit_code == 0
    assert ran.problem is None


def test_lost_guest_keeps_what_was_printed() -> None:
    guest = PlayedGuest(("stdout", b"1..2\nok 1 hds.a\n# half"), end=LostVM("kernel panic"))
    ran = run_test(played(guest), HDS, netns="peer", limit_s=9, log=BytesIO())
    assert [case.outcome for case in ran.cases] == [KtapResult.PASS, KtapResult.FAIL]
    assert "kernel panic" in ran.cases[1].reason
    assert isinstance(ran.problem, LostVM)


def test_time_limit_is_named() -> None:
    ran = run_test(
        played(PlayedGuest(end=GuestTimeout("too long"))), HDS, netns="p", limit_s=9, log=BytesIO()
    )
    (case,) = ran.cases
    assert case.reason == "time limit of 9 s"


def test_standard_error_cannot_break_a_result_line() -> None:
    guest = PlayedGuest(
        ("stdout", b"1..2\nok 1 a\no"), ("stderr", b"warning\n"), ("stdout", b"k 2 b\n")
    )
    log = BytesIO()
    ran = run_test(played(guest), HDS, netns="peer", limit_s=9, log=log)
    assert [case.outcome for case in ran.cases] == [KtapResult.PASS, KtapResult.PASS]
    assert len(ran.case_seconds) == 2
    assert b"warning" in log.getvalue()


def test_output_is_capped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("testbed.ksft.guest.OUTPUT_CAP_BYTES", 8)
    output = Output(BytesIO())
    output("stdout", b"123456789")
    output("stdout", b"abc")
    assert bytes(output.stdout) == b"12345678"
    assert "output cut after 8 bytes" in output.text


def test_environment_names_the_remote_endpoint() -> None:
    assert environment("nut0", "peer")["REMOTE_ARGS"] == "peer"


@pytest.mark.parametrize("mode", [0o755, 0o644])
def test_program_without_execute_bit_goes_to_its_interpreter(tmp_path: Path, mode: int) -> None:
    script = tmp_path / "x.py"
    script.write_text("#!/bin/bash\necho ran by $BASH\n")
    script.chmod(mode)
    done = subprocess.run(
        ["/bin/sh", "-euc", _START, "sh", "./x.py"], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.stdout == "ran by /bin/bash\n"
