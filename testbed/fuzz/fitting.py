# SPDX-License-Identifier: GPL-2.0-only
"""In which workloads what goes wrong comes to something; elsewhere it is met, and that is all."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from testbed.fuzz.acts import GRANT
from testbed.fuzz.classes import STREAMS
from testbed.fuzz.going_wrong import Kind

OPENING = ("open-again", "bind-again", "rebind", "restart-again", "settings-again", "reload")
"""Workloads that do again what every guest has done before its workload begins."""
GOING_AROUND = ("gro-wraps",)
"""Of workloads with TPA those whose rings go around: what is lost stays there."""
TPA_WORKLOADS = ("gro-wraps", "gro-streams", "gro-stream")
REOPENING = ("zcrx-up-down", "zcrx-drawn", "steered", "steered-reset", "devmem-held", "port-drawn",
             "zcrx-large-drawn", "devmem-drawn", "settings-drawn", "xdp-reconfigure",
             "open-often")  # fmt: skip
"""Workloads that open the interface anew when something hangs on it."""
PROVIDED = ("devmem", "devmem-joined", "devmem-held", "zcrx", "zcrx-joined", "zcrx-burst", "lease",
            "zcrx-large")  # fmt: skip
"""Workloads whose stream comes by a queue with a memory provider: what goes to another queue, or
into the wrong buffer, is of another kind than the rest."""
XDP_SENDING = ("xdp-redirect", "xdp-full", "xdp-large")
"""Workloads in which XDP puts frames on the transmit ring."""
_OF_POINT: tuple[tuple[str, Sequence[str]], ...] = (
    ("rx.steer ", PROVIDED), ("rx.place ", PROVIDED), ("cqe.write TX_L2 ", XDP_SENDING),
)  # fmt: skip
_OFTEN = 0.5


def fitting(
    random: Random, kind: Kind, names: Sequence[str], workload: str, *, common: bool
) -> Sequence[str]:
    """Workloads to take instead of the one that has met it; none if that one does.

    :param names: what goes wrong, as :mod:`testbed.fuzz.sweep` names it.
    :param common: it is of every guest's way to be ready.
    """
    if kind is Kind.MEMORY:
        return OPENING if common and random.random() < _OFTEN else ()
    if kind is Kind.ACT:
        return REOPENING if names[0].startswith(GRANT) else ()
    if kind not in (Kind.POINT, Kind.AGAIN):
        return ()
    of_tpa = any("RX_TPA" in one for one in names)
    better = next((of for point, of in _OF_POINT if names[0].startswith(point)), ())
    if better and not of_tpa and random.random() < _OFTEN:
        return better
    if kind is Kind.AGAIN:
        streams = () if workload in STREAMS else STREAMS
        return GOING_AROUND if of_tpa else streams
    return TPA_WORKLOADS if of_tpa and "gro" not in workload else ()
