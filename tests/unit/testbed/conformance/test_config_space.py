# SPDX-License-Identifier: GPL-2.0-only
"""Configuration space as values."""

from __future__ import annotations

import random

from testbed.conformance.config_space import read_config_space


def lines(data: bytes) -> list[str]:
    return [data[at : at + 16].hex(" ") for at in range(0, len(data), 16)]


def read(space: bytes) -> dict[str, str]:
    return dict(read_config_space(lines(space)))


def put(space: bytearray, at: int, text: str) -> None:
    data = bytes.fromhex(text)
    space[at : at + len(data)] = data


def test_capabilities_are_read() -> None:
    space = bytearray(4096)
    put(space, 0x34, "40")
    put(space, 0x40, "11 50 1f 80 04 00 00 00 04 40 00 00")
    put(space, 0x50, "10 58 02 00 a2 8d 00 10 00 00 00 00 04 01 44 00")
    put(space, 0x58, "05 00 86 00")
    put(space, 0x100, "03 00 01 14 01 aa 20 fe ff 18 10 00")
    put(space, 0x140, "10 00 01 00 02 00 00 00 00 00 00 00 10 00 20 00")
    put(space, 0x154, "10 00 01 00 00 00 06 18")
    found = read(bytes(space))
    assert found["msix/vectors"] == "32"
    assert (found["msix/table bar"], found["msix/pending offset"]) == ("4", "0x4000")
    assert (found["express/largest speed"], found["express/largest width"]) == ("16", "16")
    assert found["express/function level reset"] == "1"
    assert found["msi/vectors"] == "8"
    assert found["serial/number"] == "00-10-18-ff-fe-20-aa-01"
    assert (found["sriov/total"], found["sriov/initial"]) == ("32", "16")
    assert (found["sriov/device"], found["sriov/stride"]) == ("0x1806", "1")


def test_an_unknown_capability_has_its_number() -> None:
    space = bytearray(256)
    put(space, 0x34, "40")
    put(space, 0x40, "7f 00")
    assert read(bytes(space))["capability 0x7f/offset"] == "0x40"
    assert read(bytes(space))["bytes"] == "256"


def test_a_list_in_a_circle_ends() -> None:
    space = bytearray(4096)
    put(space, 0x34, "40")
    put(space, 0x40, "09 44 00 00 09 40")
    put(space, 0x100, "01 00 01 10")
    found = read(bytes(space))
    assert found["aer/offset"] == "0x100"


def test_any_bytes_are_read() -> None:
    draw = random.Random(1)
    for size in (0, 3, 64, 256, 4096):
        for _ in range(20):
            read(draw.randbytes(size))
    assert list(read_config_space(["not bytes"])) == []
