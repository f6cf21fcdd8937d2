# SPDX-License-Identifier: GPL-2.0-only
"""Recording the card of a session, whatever its engine."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from testbed.conformance.firmware import firmware_values
from testbed.conformance.parse import read_face
from testbed.conformance.recording import Recording
from testbed.dut.protocols import Dut
from testbed.engines.session import Session
from testbed.report.trace import Reader, Record

SCRIPT = Path(__file__).with_name("record.sh")
TIMEOUT_S = 300.0
_ADDRESS = "/mac_address"


def record_session(session: Session, *, scrub: bool = True) -> Recording:
    """The card of a session; of an emulated one also what its firmware answered.

    Raises GuestCommandFailed, GuestTimeout, LostVM, ModelFailure.
    """
    values = show(session.dut, scrub=scrub)
    if not session.has_card:
        return Recording.of(values)
    session.card.state()  # what it has told is in its file with the answer
    told = told_by_firmware(Reader(session.card.trace_path), scrub=scrub)
    return Recording.of({**values, **told})


def show(dut: Dut, *, scrub: bool = True) -> dict[str, str]:
    """Run the script at the DUT and read what it says.

    :param scrub: serial numbers and the own half of MAC addresses are replaced.

    Raises GuestCommandFailed, GuestTimeout, LostVM.
    """
    done = dut.run(
        ["sh", "-s", dut.netdev], input=SCRIPT.read_bytes(),
        env={"SCRUB": "1" if scrub else "0"}, timeout_s=TIMEOUT_S,
    )  # fmt: skip
    return read_face(done.text, SCRIPT)


def told_by_firmware(records: Iterable[Record], *, scrub: bool) -> dict[str, str]:
    """What the firmware answered, without the address if ``scrub``."""
    told = firmware_values(records)
    return {path: one for path, one in told.items() if not (scrub and path.endswith(_ADDRESS))}
