# SPDX-License-Identifier: GPL-2.0-only
"""Recording a machine: the script, and what is asked of a session."""

from __future__ import annotations

import subprocess
from types import SimpleNamespace
from typing import Any, cast

from testbed.conformance.record import SCRIPT, record_session, show, told_by_firmware
from testbed.dut.protocols import Dut
from testbed.engines.session import Session
from testbed.report.trace import Record
from tests.unit.testbed.conformance.sample import FACE

ADDRESS = Record(
    0, 0, "hwrm",
    {"cmd": "FUNC_QCAPS", "error": "SUCCESS", "req": {}, "resp": {"mac_address": "00", "fid": 1}},
)  # fmt: skip


class FakeDut:
    netdev = "ens1f0np0"

    def __init__(self) -> None:
        self.asked: list[tuple[list[str], dict[str, Any]]] = []

    def run(self, argv: list[str], **more: Any) -> Any:
        self.asked.append((argv, more))
        return SimpleNamespace(text=FACE.read_text("utf-8"))


def test_the_script_goes_to_a_shell_and_hides_what_it_is_told_to() -> None:
    dut = FakeDut()
    values = show(cast(Dut, dut))
    assert values["pci/vendor"] == "0x14e4"
    (argv, more) = dut.asked[0]
    assert argv == ["sh", "-s", "ens1f0np0"]
    assert more["input"] == SCRIPT.read_bytes()
    assert more["env"] == {"SCRUB": "1"}
    show(cast(Dut, dut), scrub=False)
    assert dut.asked[1][1]["env"] == {"SCRUB": "0"}


def test_a_real_card_tells_nothing_of_its_firmware() -> None:
    session = SimpleNamespace(dut=FakeDut(), has_card=False)
    recording = record_session(cast(Session, session))
    assert "hwrm" not in recording.sections()
    assert "pci/irq" in recording.left_out


def test_the_address_is_hidden_there_as_well() -> None:
    assert "hwrm/FUNC_QCAPS/fid" in told_by_firmware([ADDRESS], scrub=True)
    assert "hwrm/FUNC_QCAPS/mac_address" not in told_by_firmware([ADDRESS], scrub=True)
    assert "hwrm/FUNC_QCAPS/mac_address" in told_by_firmware([ADDRESS], scrub=False)


def test_the_script_is_one_a_plain_shell_takes() -> None:
    assert subprocess.run(["sh", "-n", SCRIPT], check=False).returncode == 0
    done = subprocess.run(["sh", SCRIPT], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "usage: sh record.sh INTERFACE" in done.stderr
