# SPDX-License-Identifier: GPL-2.0-only
"""The mapping that DMA-API debugging names, and who is asked about it."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from testbed.findings.kernel_log import KernelEvent, KernelLogWatcher
from testbed.fuzz.left_mapping import (
    MOST_ASKED,
    MOST_LISTED,
    LeftMapping,
    last_step,
    last_steps,
    left_mapping,
    remembered,
    step_of_all,
)

PENDING = """\
[    1.0] ------------[ cut here ]------------
[    1.0] WARNING: kernel/dma/debug.c:889 at dma_debug_device_change+0x3a0/0x660, CPU#0: sh/35
[    1.0] DMA-API: pci 0000:00:00.0: device driver has pending DMA allocations while released from device [count=1]
[    1.0] One of leaked entries details: [device address=0x0000000006005000] [size=4096 bytes] [mapped with DMA_FROM_DEVICE] [mapped as {}]
[    1.0] ---[ end trace 0000000000000000 ]---
"""  # noqa: E501
OTHER = "WARNING: net/core/dev.c:1 at f+0x1/0x2\n---[ end trace 0 ]---\n"


def events(log: str) -> Sequence[KernelEvent]:
    watcher = KernelLogWatcher()
    watcher.feed(log.encode())
    return watcher.events


@pytest.mark.parametrize("how", ["phy", "scatter-gather", "coherent"])
def test_the_mapping_is_read_off_the_complaint(how: str) -> None:
    (event,) = events(PENDING.format(how))
    assert left_mapping(event) == LeftMapping(0x6005000, 4096, "DMA_FROM_DEVICE", how)


@pytest.mark.parametrize(
    "log",
    [
        OTHER, OTHER.replace("---[", PENDING.splitlines()[3] + "\n---["),
        PENDING.format("phy").replace("0000000006005000", "1" * 17),
        PENDING.format("phy").replace("4096", "1" * 19),
    ],
    ids=["none", "of another kind", "no address", "no size"],
)  # fmt: skip
def test_others_name_none(log: str) -> None:
    assert [left_mapping(event) for event in events(log)] == [None]


def test_only_of_a_page_the_card_is_asked() -> None:
    """Of an area it would tell of one buffer of many, and of a ring it knows nothing."""
    asked = []

    def ask(address: int, size: int) -> Sequence[str]:
        asked.append((address, size))
        return ["a line"]

    several = events(PENDING.format("coherent") + OTHER + PENDING.format("phy"))
    found = remembered(several, ask)
    assert found == {several[-1].line_number: ["a line"]}
    assert asked == [(0x6005000, 4096)]


def test_a_log_full_of_them_is_not_asked_about_line_by_line() -> None:
    found = remembered(events(PENDING.format("phy") * 100), lambda _address, _size: [])
    assert len(found) == MOST_ASKED


def test_the_last_step_is_what_the_card_did_before_the_ring_was_freed() -> None:
    assert last_step(["0.000000 s mapped 0x3f18000, 0x1dca4000 bytes"]) == ""
    posted = "0.000149 s posted in RX_AGG ring 6, index 1983, opaque 0x7bf, 4096 bytes"
    assert last_step([posted, "0.000217 s RX_AGG ring 6 freed"]) == "posted in RX_AGG ring"


LISTED = (
    "pci 0000:00:00.0 {} idx 13792 P=0x{:016x} D={:x} L=1000 cln=0x00000000001af040 {}"
    " dma map error checked attrs=0x22\n"
)


def test_each_received_page_of_the_list_is_asked_about() -> None:
    asked = []

    def ask(address: int, size: int) -> Sequence[str]:
        asked.append((address, size))
        return (
            ["0.1 s taken in RX ring 4, index 5, opaque 0x5, 1536 bytes"] if len(asked) < 2 else []
        )

    kinds = (
        ("phy", "DMA_BIDIRECTIONAL"), ("phy", "DMA_FROM_DEVICE"), ("phy", "DMA_TO_DEVICE"),
        ("coherent", "DMA_BIDIRECTIONAL"),
    )  # fmt: skip
    lines = [
        LISTED.format(kind, 0x6000000 + (place << 12), 0x6000000 + (place << 12), direction)
        for place, (kind, direction) in enumerate(kinds)
    ]
    assert last_steps("".join(lines) + "nonsense\n", ask) == ["taken in RX ring"]
    assert asked == [(0x6000000, 4096), (0x6001000, 4096)]
    asked.clear()
    last_steps(lines[0] * 1000, ask)
    assert len(asked) == MOST_LISTED


def test_a_page_that_was_taken_stands_for_all() -> None:
    """How many have another life behind them, and which of all is named, is chance."""
    posted, taken, other = "posted in RX_AGG ring", "taken in RX_AGG ring", "taken in RX ring"
    assert step_of_all([posted] * 68 + [taken] * 30) == taken
    assert step_of_all([posted, taken, other, other]) == other
    assert step_of_all([taken, other]) == other
    assert step_of_all([posted]) == posted
    assert step_of_all([]) == ""
