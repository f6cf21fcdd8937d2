# SPDX-License-Identifier: GPL-2.0-only
"""Capabilities are read out of what the guest says, whatever it says."""

from __future__ import annotations

from typing import Any

import pytest

from testbed.dut import Capability, Completed
from testbed.suite.probing import lacking_in_kernel

WITHOUT_ZCRX = {Capability.ZCRX, Capability.QUEUE_RESTART}
FAILING = {Capability.FAILING_ALLOCATIONS, Capability.FAILING_FUNCTIONS}


class End:
    """Says one text, and another of debugfs."""

    netdev, ipv4, ipv6 = "nut0", "192.0.2.1", "2001:db8::1"

    def __init__(self, text: str, debugfs: str = "") -> None:
        self.text = text
        self.debugfs = debugfs

    def run(self, argv: Any, **_: Any) -> Completed:
        text = self.debugfs if argv[0] == "ls" else self.text
        return Completed(tuple(argv), 0, text.encode(), b"", 0.1)


@pytest.mark.parametrize(
    ("said", "lacking"),
    [
        ('{"recv_zc":true}\n[{"rx": 511, "hds-thresh": 256}]', set()),
        ('{"recv_zc":true}\n[{"rx": 511, "hds-thresh": 0}]', set()),
        ('{"recv_zc":false}\n[{"rx": 511, "hds-thresh": 0}]', WITHOUT_ZCRX),
        ('{"recv_zc":true}\n[{"rx": 511}]', {Capability.HEADER_SPLIT}),
        ('{"recv_zc":true}\n[{"hds-thresh": "n/a"}]', {Capability.HEADER_SPLIT}),
        ("", {*WITHOUT_ZCRX, Capability.HEADER_SPLIT}),
        ("[]\nnull", {*WITHOUT_ZCRX, Capability.HEADER_SPLIT}),
    ],
)
def test_lacking(said: str, lacking: set[Capability]) -> None:
    assert lacking_in_kernel(End(said)) == lacking | FAILING  # type: ignore[arg-type]  # only run()


@pytest.mark.parametrize(
    ("debugfs", "lacking"),
    [
        ("bdi\nfailslab\nsched\n", {Capability.FAILING_FUNCTIONS}),
        ("fail_function\nfailslab\n", set()),
        ("not_failslab\n", FAILING),
    ],
)
def test_what_fails_on_request(debugfs: str, lacking: set[Capability]) -> None:
    end = End('{"recv_zc":true}\n[{"hds-thresh": 0}]', debugfs)
    assert lacking_in_kernel(end) == lacking  # type: ignore[arg-type]  # only run() is used
