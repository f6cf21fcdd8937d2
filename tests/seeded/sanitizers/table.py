# SPDX-License-Identifier: GPL-2.0-only
"""What the kernel's sanitizers report of each bug; all are in one kernel, off until switched on."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from tests.seeded.record import Sanitizer, Seeded

_bug = partial(Seeded, "sanitizers", flavour="uml-san", in_sample=True)

SANITIZERS: Sequence[Seeded] = (
    _bug(
        "leak_agg_bmap",
        Sanitizer(
            signature="kmemleak: unreferenced object: bnxt_alloc_mem", workloads=("leak-scan",)
        ),
    ),
    _bug(
        "short_unmap",
        Sanitizer(
            signature="DMA-API: frees DMA memory with different size: bnxt_tx_int",
            workloads=("ping",),
        ),
    ),
    _bug(
        "lock_in_poll",
        Sanitizer(
            signature="lockdep: inconsistent lock state: bnxt_poll_p5",
            workloads=("settings", "ping"),
        ),
    ),
    _bug(
        "clear_beyond_bitmap",
        Sanitizer(
            signature="KASAN: slab-out-of-bounds write: bnxt_free_one_rx_ring_skbs",
            workloads=("up-down",),
        ),
    ),
)
