# SPDX-License-Identifier: GPL-2.0-only
"""PCI Express errors (AER) above the card, and what the driver makes of them; QEMU only.

The card cannot send an error message: vfio-user has none that QEMU would pass on to a guest. QEMU's
root port can, and the kernel's recovery then calls the drivers of all functions below it.
"""

from __future__ import annotations

import time

import pytest

from testbed.dut.nic import link
from testbed.engines.qemu.session import QemuSession
from tests.driver.conftest import Opener

DETECTED = "PCI I/O error detected"
RECOVERY_S = 60.0  # bnxt_io_slot_reset() alone sleeps five seconds (bnxt.c:17600)


def inject(session: QemuSession, error: str) -> None:
    """Have the root port signal ``error``, a name of QEMU's ``pcie_aer_inject_error``."""
    line = f"pcie_aer_inject_error nut-port {error}"
    answer = session.loop.run(session.machine.qmp("human-monitor-command", {"command-line": line}))
    assert str(answer).startswith("OK"), answer


def await_line(session: QemuSession, *texts: str) -> str:
    """Wait until the guest's kernel has logged one of ``texts``; which one it was."""
    deadline = time.monotonic() + RECOVERY_S * session.patience
    while True:
        log = session.kernel_log.tail(400)
        for text in texts:
            if text in log:
                return text
        session.check()
        if time.monotonic() > deadline:
            pytest.fail(f"the kernel logged none of {texts}:\n{session.kernel_log.tail(30)}")
        time.sleep(0.2)


def check_traffic(session: QemuSession) -> None:
    """The interface comes back and echoes pass."""
    deadline = time.monotonic() + RECOVERY_S * session.patience
    while link(session.dut)["operstate"] != "UP":
        assert time.monotonic() < deadline, link(session.dut)
        time.sleep(0.2)
    session.remote.run(["ping", "-q", "-c", "3", "-i", "0.2", "-w", "30", session.dut.ipv4])


def test_correctable_error_is_none_of_the_drivers_business(open_session: Opener) -> None:
    with open_session() as session:
        before = session.card.state()["card"]["hwrm_requests"]
        inject(session, "RCVR")
        await_line(session, "Correctable")
        check_traffic(session)
        assert session.card.state()["card"]["resources"]
        assert DETECTED not in session.kernel_log.tail(400)
        assert session.card.state()["card"]["hwrm_requests"] - before < 50


REMOVE_AND_RESCAN = """
device=/sys/bus/pci/devices/$1
echo 1 >"$device/remove"
[ ! -e "$device" ]
echo 1 >/sys/bus/pci/rescan
set -- "$device"/net/*
ip link set dev "${1##*/}" up
for try in $(seq 200); do
    [ "$(cat "$1/carrier")" = 1 ] && exit 0
    sleep 0.1
done
exit 1
"""


def test_fatal_error_reaches_the_driver(open_session: Opener) -> None:
    """bnxt_io_error_detected(), bnxt_io_slot_reset(), bnxt_io_resume() (bnxt.c:17532 on).

    QEMU 11.1's root port does not say after its reset that the link is active, so the kernel gives
    the card up: the driver has to survive that, and a new probe has to find the card in order.
    """
    with open_session() as session:
        inject(session, "DLP")
        await_line(session, DETECTED)
        end = await_line(session, "PCI Slot Resume", "device recovery failed")
        if end == "PCI Slot Resume":
            check_traffic(session)
        else:
            address = session.dut.pci_address
            words = ["sh", "-euc", REMOVE_AND_RESCAN, "sh", address]
            session.dut.run(words, timeout_s=RECOVERY_S)
        others = [e.line for e in session.kernel_log.events if DETECTED not in e.line]
        assert others == []
