# SPDX-License-Identifier: GPL-2.0-only
"""The workloads that no entry of the catalogue is tried under, without a fault."""

from __future__ import annotations

from random import Random

import pytest

from testbed.dut.defer import DeferStack
from testbed.dut.protocols import Capability, Dut, Endpoint
from testbed.faults.catalogue import load_catalogue
from testbed.workloads.table import WORKLOADS
from testbed.workloads.traffic import check_traffic
from testbed.workloads.workload import WorkloadContext

TRIED = {fault.workload for fault in load_catalogue().values()}
LEAVES_PORT = [pytest.mark.finding("devlink-reload-port-left")]
SHOWS = {
    "devlink-reset": LEAVES_PORT,
    "reload-nth": LEAVES_PORT,
    "devmem-unbind": [pytest.mark.finding("devmem-mapped-after-unbind")],
    "devmem-send-unbind": [
        pytest.mark.needs(Capability.SANITIZERS),  # without, anything may come of it
        pytest.mark.finding("devmem-tx-device-freed"),
        pytest.mark.finding("devmem-mapped-after-unbind"),
    ],
}
SEEDS = {"settings-drawn": 5}
"""Others than 1. With most seeds steps come into a reset of the firmware: findings fw-reset-closed
and fw-reset-notice-stale, which have tests of their own. This one draws no reset."""


def marks(name: str) -> list[pytest.MarkDecorator]:
    """What the workload needs, shows and has the driver say."""
    workload = WORKLOADS[name]
    said = [pytest.mark.expect_complaint(*workload.complaints)] if workload.complaints else []
    return [pytest.mark.needs(*workload.needs), *said, *SHOWS.get(name, [])]


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=marks(name))
        for name, workload in WORKLOADS.items()
        if name not in TRIED and not workload.removes
    ],
)
def test_workload(name: str, dut: Dut, remote: Endpoint) -> None:
    """It does what it promises, and traffic flows once its settings are taken back."""
    undo = DeferStack()
    context = WorkloadContext(dut, remote, undo, random=Random(SEEDS.get(name, 1)))
    try:
        WORKLOADS[name].run(context)
    finally:
        undo.unwind()
    check_traffic(context)
