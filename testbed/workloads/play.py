# SPDX-License-Identifier: GPL-2.0-only
"""A scenario played in a guest with simulated time."""

from __future__ import annotations

from contextlib import suppress

from testbed.engines.session import Session
from testbed.workloads.judge import CardAccount, FindingShown, require_clean_log
from testbed.workloads.workload import Scenario


def play(session: Session, scenario: Scenario) -> str:
    """Run ``scenario`` in an entered session; returns the hash of its event log.

    Raises GuestCommandFailed if a command fails or card or kernel show more than known issues.
    """
    session.dut.run(
        ["/bin/sh", "-eus", *scenario.words], input=scenario.script.encode(),
        timeout_s=scenario.timeout_s,
    )  # fmt: skip
    state = session.card.state()
    account = CardAccount.of(state)
    account.require_no_violation()
    account.require_known_hwrm()
    with suppress(FindingShown):
        require_clean_log(session.kernel_log, session.kernel)
    digest: str = state["digest"]
    return digest
