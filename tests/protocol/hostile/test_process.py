# SPDX-License-Identifier: GPL-2.0-only
"""Malformed messages with odd descriptors to the card's real, confined process: a small sample.

``python -P -m tests.hostile vfio-user`` sends as many as one likes.
"""

from __future__ import annotations

import pytest

from tests.hostile.messages import VfioUserRound, VhostUserRound
from tests.hostile.process import ENDS
from tests.hostile.rounds import Report


@pytest.mark.parametrize("kind", [VfioUserRound, VhostUserRound])
def test_a_round(kind: type[VfioUserRound | VhostUserRound]) -> None:
    """It goes on, or says that we broke the protocol or took memory back; and answers its runner
    meanwhile.
    """
    report = Report(kind.__name__)
    for number in (2, 3):
        kind.play(1, number, report, messages=250)
    assert report.operations > 100
    assert set(report.ends) <= set(ENDS)
