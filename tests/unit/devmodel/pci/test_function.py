# SPDX-License-Identifier: GPL-2.0-only
"""What a card composes its function of: BARs and capabilities, and those that cannot be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from devmodel.clock import Clock
from devmodel.faults.points import FaultRegistry
from devmodel.pci.caps import Capability, Express, Msix, PowerManagement, SerialNumber
from devmodel.pci.function import Function
from devmodel.pci.header import Bar, PciIdentity
from devmodel.trace import Trace

MSIX = Msix(0x40, vectors=2, bar=0, table_offset=0, pba_offset=0x800)
BARS = {0: Bar(4096)}


def make(bars: Mapping[int, Bar] = BARS, capabilities: Sequence[Capability] = (MSIX,)) -> Function:
    return Function(
        identity=PciIdentity(1, 2, 3, 4, 5, 6), bars=bars, capabilities=capabilities,
        faults=FaultRegistry(), clock=Clock(1), trace=Trace(),
    )  # fmt: skip


def word(function: Function, offset: int, length: int = 4) -> int:
    return int.from_bytes(function.config_read(offset, length), "little")


@pytest.mark.parametrize(
    "bars",
    [
        {1: Bar(4096)},
        {0: Bar(5000)},
        {0: Bar(8)},
        {6: Bar(16, is_64bit=False)},
        {0: Bar(4096), 1: Bar(4096, is_64bit=False)},
    ],
)
def test_impossible_bars(bars: dict[int, Bar]) -> None:
    with pytest.raises(ValueError, match="BAR"):
        make(bars)


@pytest.mark.parametrize(
    ("bar", "low", "bits"),
    [
        (Bar(4096), 0xC, 64),
        (Bar(4096, is_prefetchable=False), 0x4, 64),
        (Bar(4096, is_64bit=False), 0x8, 32),
        (Bar(4096, is_64bit=False, is_prefetchable=False), 0x0, 32),
    ],
)
def test_kinds_of_bars_answer_sizing(bar: Bar, low: int, bits: int) -> None:
    function = make({0: bar})
    function.config_write(0x10, b"\xff" * 8)
    ones = word(function, 0x10, 8) & (1 << bits) - 1
    assert ones == (1 << bits) - 4096 | low
    assert bits == 64 or word(function, 0x14) == 0


@pytest.mark.parametrize(
    ("capabilities", "said"),
    [
        ((), "MSI-X"),
        ((Msix(0x40, 2, bar=2, table_offset=0, pba_offset=0x800),), "fit BAR2"),
        ((Msix(0x40, 2, bar=0, table_offset=0, pba_offset=0x1000),), "fit BAR0"),
        ((MSIX, PowerManagement(0x44)), "taken"),
        ((MSIX, SerialNumber(0x140, 1)), "first extended capability"),
    ],
)
def test_impossible_capabilities(capabilities: Sequence[Capability], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        make(capabilities=capabilities)


def test_capabilities_are_linked_in_the_order_given() -> None:
    function = make(capabilities=(SerialNumber(0x100, 7), PowerManagement(0x80), MSIX))
    assert word(function, 0x34, 1) == 0x80
    assert word(function, 0x80, 2) == 0x4001
    assert word(function, 0x40, 2) == 0x0011
    assert word(function, 0x100) == 0x0001_0003


def test_a_function_without_a_capability_lacks_what_comes_with_it() -> None:
    function = make()
    assert function.is_awake
    function.config_write(0x80, b"\xff" * 16)
    assert word(function, 0x80) == 0


def test_the_link_is_what_the_card_says() -> None:
    function = make(capabilities=(MSIX, Express(0x60, speed=3, width=4)))
    assert word(function, 0x60 + 18, 2) & 0x3FF == 4 << 4 | 3
    assert word(function, 0x60 + 44) == 0b111 << 1
