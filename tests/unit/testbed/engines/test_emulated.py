# SPDX-License-Identifier: GPL-2.0-only
"""A session whose card has died, whatever that looks like from the guest's side."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from testbed.dut.protocols import Capability
from testbed.engines.emulated import EmulatedSession
from testbed.engines.open import build_options
from testbed.engines.topology import TopologyFailure
from testbed.errors import LaunchFailure, LostVM, ModelFailure, TestbedError
from testbed.findings.kernel_log import KernelLogWatcher

MACHINE: Any = SimpleNamespace(kernel_log=KernelLogWatcher(), kernel_log_path=Path("kernel.log"))
DEAD = ModelFailure("the card died: card ended with signal 9")


class NeverStarts(EmulatedSession):
    """Its start ends with ``error``."""

    machine, kernel_release, error = MACHINE, "7.2.12", LostVM("none")

    def _start_machine(self) -> None:
        raise self.error

    def _capabilities(self) -> frozenset[Capability]:
        return frozenset()


@pytest.mark.parametrize(
    "error",
    [
        LostVM("the guest hangs"),
        LaunchFailure("UML did not start", command=["linux"], returncode=1),
        TopologyFailure("nut0: no such device", MACHINE),
    ],
    ids=["lost", "not started", "no NIC"],
)
@pytest.mark.parametrize("failure", [DEAD, None], ids=["dead card", "card is well"])
def test_dead_card_is_why_the_guest_is_of_no_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: TestbedError,
    failure: ModelFailure | None,
) -> None:  # fmt: skip
    monkeypatch.setattr("testbed.host.memory.require_memory", lambda _bytes: None)
    monkeypatch.setattr(NeverStarts, "error", error)
    session = NeverStarts(build_options({"engine": "uml", "seed": 1}), tmp_path)
    session._card = cast(Any, SimpleNamespace(cause_of_loss=lambda: failure, failure=failure))
    with pytest.raises(TestbedError) as raised:
        session.__enter__()
    assert raised.value is (failure or error)
