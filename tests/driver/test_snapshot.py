# SPDX-License-Identifier: GPL-2.0-only
"""A guest that goes on with another one's boot is like one that booted; QEMU without KVM."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

import pytest

from testbed.engines.qemu import session as session_module
from testbed.engines.qemu.session import QemuSession
from testbed.options import Accel, Peer, Switch
from tests.driver.conftest import Opener

WOKEN: Sequence[Mapping[str, object]] = (
    {}, {"iommu": Switch.ON}, {"swiotlb": Switch.ON}, {"peer": Peer.STREAM},
)  # fmt: skip


def check_is_woken(session: QemuSession) -> None:
    if session.options.accel is Accel.KVM:
        pytest.skip("with KVM guests boot")
    assert session.machine.spec.plugged_later, "it booted: runner.log says why"


def bars(session: QemuSession) -> list[int]:
    """Sizes of the card's regions as the kernel has placed them, 0 for one without a place."""
    text = session.dut.get(f"/sys/bus/pci/devices/{session.dut.pci_address}/resource").decode()
    ends = [[int(word, 16) for word in line.split()] for line in text.splitlines()]
    return [end - start + 1 if end else 0 for start, end, _ in ends[:6]]


def test_a_guest_that_wakes_slowly_is_a_slow_one(
    open_session: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session_module, "USUAL_WAKE_S", 0.01)
    with open_session() as session:
        check_is_woken(session)
        assert session.patience > 10


@pytest.mark.parametrize("options", WOKEN, ids=lambda options: ",".join(options) or "plain")
def test_woken_guest_is_as_one_that_booted(
    open_session: Opener, options: Mapping[str, object]
) -> None:
    with open_session(**options) as session:
        check_is_woken(session)
        log = session.machine.kernel_log_path.read_text("utf-8")
        assert "Linux version" in log.splitlines()[0], "what was logged at boot is in the log"
        clock = float(session.dut.run(["date", "+%s.%N"]).text)
        assert abs(clock - time.time()) < 5
        session.remote.run(["ping", "-q", "-c", "3", "-i", "0.2", "-w", "30", session.dut.ipv4])
        assert session.card.state()["violations"]["counts"] == {}
        woken = bars(session), session.dut.pci_address, session.dut.capabilities
        session.dut.put(b"mine", "/run/left-by-the-first")
    with open_session(**options) as session:
        assert session.dut.run(["test", "-e", "/run/left-by-the-first"], check=False).returncode
    with open_session(snapshot=Switch.OFF, **options) as session:
        assert not session.machine.spec.plugged_later
        assert (bars(session), session.dut.pci_address, session.dut.capabilities) == woken
