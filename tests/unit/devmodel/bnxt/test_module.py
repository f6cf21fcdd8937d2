# SPDX-License-Identifier: GPL-2.0-only
"""The memory of the module, as SFF-8636 has it."""

from __future__ import annotations

import pytest

from devmodel.bnxt.module import (
    PART_NUMBERS,
    VENDOR,
    ModuleKind,
    modes_of_module,
    module_temperature,
    read_module,
)
from devmodel.bnxt.phy import ALL_MODES

KINDS = [ModuleKind.DAC, ModuleKind.SR4]


def memory(kind: ModuleKind, page: int) -> bytes:
    data = read_module(kind, page, 0, 256)
    assert data is not None
    return data


@pytest.mark.parametrize("kind", KINDS)
def test_checksums_and_names(kind: ModuleKind) -> None:
    data = memory(kind, 0)
    assert data[191] == sum(data[128:191]) & 0xFF
    assert data[223] == sum(data[192:223]) & 0xFF
    assert data[0] == data[128] == 0x11
    assert data[148:164].decode() == VENDOR.ljust(16)
    assert data[168:184].decode() == PART_NUMBERS[kind].ljust(16)


def test_flat_memory_has_one_page() -> None:
    assert memory(ModuleKind.DAC, 0)[2] & 0x04
    assert read_module(ModuleKind.DAC, 3, 128, 16) is None


def test_thresholds_enclose_what_the_sensors_read() -> None:
    data = memory(ModuleKind.SR4, 3)
    assert not data[2] & 0x04

    def word(at: int) -> int:
        return int.from_bytes(data[at : at + 2], "big")

    assert word(22) >> 8 == module_temperature(ModuleKind.SR4)
    readings = {128: [22], 144: [26], 176: range(34, 42, 2), 184: range(42, 50, 2)}
    for threshold, places in readings.items():
        high_alarm, low_alarm, high, low = (word(threshold + 2 * i) for i in range(4))
        for place in places:
            assert low_alarm < low < word(place) < high < high_alarm, place


def test_memory_that_is_not_there() -> None:
    assert read_module(ModuleKind.NONE, 0, 0, 1) is None
    assert read_module(ModuleKind.DAC, 0, 255, 2) is None
    assert read_module(ModuleKind.DAC, 0, 128, 128) == memory(ModuleKind.DAC, 0)[128:]


def test_what_passes() -> None:
    assert modes_of_module(ModuleKind.NONE) == frozenset()
    assert modes_of_module(ModuleKind.DAC) == frozenset(ALL_MODES)
    assert modes_of_module(ModuleKind.SR4) < frozenset(ALL_MODES)
    assert module_temperature(ModuleKind.DAC) is None
