# SPDX-License-Identifier: GPL-2.0-only
"""What the capture says of a received frame: its queue and what chose that, or why it is dropped.

Of the frames of a flow the first alone is looked at, so only of that it is said.
"""

from __future__ import annotations

from devmodel.bnxt.steering import Target
from devmodel.net.port import Frame
from devmodel.trace import Trace


def tell_target(trace: Trace, frame: Frame, target: Target) -> None:
    """Where steering sends the frame."""
    if trace.about_frame is None:
        return
    if target.drop:
        tell_dropped(trace, frame, target.drop)
    elif target.ring is not None:
        trace.about_frame(frame, f"queue {target.ring.logical_id}: {target.why}")


def tell_dropped(trace: Trace, frame: Frame, reason: str) -> None:
    """``reason`` is as in the counters, rx_drop_<reason>."""
    if trace.about_frame is not None:
        trace.about_frame(frame, f"dropped: {reason}")
