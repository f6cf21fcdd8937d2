# SPDX-License-Identifier: GPL-2.0-only
"""Figures others measured on the real card, to be read beside ours."""

from __future__ import annotations

from dataclasses import dataclass

SOURCE = (
    "David Wei, [PATCH net-next v11 00/21] io_uring zero copy rx, 16 January 2025 "
    "(20250116231704.2402455-1-dw@davidwei.uk): AMD EPYC 9454, BCM957508 200G, kernel 6.11 base, "
    "kperf, 4K MTU, one TCP flow"
)


@dataclass(frozen=True)
class Published:
    """Throughput in Gbit/s; ``vcpu`` as in a variant: where program and softirq ran."""

    vcpu: str
    epoll_gbps: float
    zcrx_gbps: float

    @property
    def gain(self) -> float:
        """zcrx's throughput divided by epoll's."""
        return self.zcrx_gbps / self.epoll_gbps


COVER_LETTER = (Published("different", 82.2, 116.2), Published("same", 62.6, 80.9))
STATEMENT = (
    "What an emulated card can say: how many instructions, atomic instructions and copied bytes "
    "kernel and program spend on what is received, exactly, and again tomorrow. It cannot say how "
    "long they take. An instruction here has no cache, no memory bandwidth, no contention between "
    "cores and no PCIe behind it. A locked instruction counts as one, though it may cost a hundred "
    "cycles. A string instruction counts once per repetition, so that a copy of 1 KiB by REP MOVSB "
    "counts 1024, where a real CPU moves 32 to 64 bytes a cycle until memory is the limit. A ratio "
    "of instructions is therefore no ratio of Gbit/s, with repetitions or without."
)
