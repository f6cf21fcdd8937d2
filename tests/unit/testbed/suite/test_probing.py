# SPDX-License-Identifier: GPL-2.0-only
"""Capabilities are read out of what the guest says, whatever it says."""

from __future__ import annotations

from typing import Any

import pytest

from testbed.dut import Capability, Completed
from testbed.suite.probing import lacking_in_kernel

WITHOUT_ZCRX = {Capability.ZCRX, Capability.QUEUE_RESTART}


class End:
    """Says one text."""

    netdev, ipv4, ipv6 = "nut0", "192.0.2.1", "2001:db8::1"

    def __init__(self, text: str) -> None:
        self.text = text

    def run(self, argv: Any, **_: Any) -> Completed:
        return Completed(tuple(argv), 0, self.text.encode(), b"", 0.1)


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
    assert lacking_in_kernel(End(said)) == lacking  # type: ignore[arg-type]  # only run() is used
