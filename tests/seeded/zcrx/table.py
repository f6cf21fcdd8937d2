# SPDX-License-Identifier: GPL-2.0-only
"""What catches each bug of zero-copy receive."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from tests.seeded.record import FROM_ZCRX, Oracle, Seeded, SuiteTests
from tests.seeded.zcrx.binding import BINDING
from tests.seeded.zcrx.receiving import RECEIVING

_bug = partial(Seeded, "zcrx")
_on_qemu = partial(Seeded, "zcrx", engine="qemu")
_ANY_ORDER = (
    "connection, ring and area can be closed in any order, under traffic and with buffers held"
)
_LETS_GO = (
    "interface down or driver unbound, before the release or during use: the provider lets go"
)
_DRY = (
    "without a free buffer packets are dropped and nothing is overwritten; returned buffers end the"
    " failure"
)

ZCRX: Sequence[Seeded] = (
    *RECEIVING,
    *BINDING,
    # -- QEMU only: several CPUs, bounce buffers ----------------------------------------------
    _on_qemu(
        "area_not_synchronised",
        SuiteTests(["test_receive.py::test_scattered_area"]),
        bounces=True,
        promise="what the NIC wrote is synchronised for the CPU",
    ),
    # -- seen by the card -------------------------------------------------------------------
    _bug(
        "niov_handed_out_twice",
        Oracle(
            rules=("posted_twice",),
            others="data received by zcrx is wrong; WARN in zcrx as the area goes",
        ),
        promise=_DRY,
    ),
    _bug(
        "niov_recycled_early",
        Oracle(rules=("posted_twice",), others="WARN in zcrx and page_pool as the area goes"),
        in_sample=True,
        promise="buffers that the user holds are not reused",
    ),
    _on_qemu(
        "zcrx_area_not_unmapped",
        Oracle(rules=("mapping_leaked",), others="DMA_API_DEBUG at unbind", workloads=FROM_ZCRX),
        promise=_LETS_GO,
    ),
    _on_qemu(
        "zcrx_area_unmapped_early",
        Oracle(
            rules=("unmap_while_owned",),
            # where a packet comes between the two: the refill posts a niov without an address
            consequences=("posted_unmapped", "rx_buffer"),
            others="DMA_API_DEBUG (a sync of address 0)",
            workloads=FROM_ZCRX,
        ),
        in_sample=True,
        promise=_ANY_ORDER,
    ),
    _on_qemu(
        "niov_leaked",
        Oracle(
            rules=("mapping_leaked",),
            others="zcrx starves; DMA_API_DEBUG at unbind",
            workloads=FROM_ZCRX,
        ),
        promise="no buffer is lost over many allocation failures",
    ),
)
