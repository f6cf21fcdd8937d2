# SPDX-License-Identifier: GPL-2.0-only
"""The module in the cage: what it can do, and its memory as SFF-8636 lays it out.

Offsets and codes are those of SFF-8636 and SFF-8024. The values (vendor, thresholds, what the
sensors read) are made up; docs/port.md says so.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping

from devmodel.bnxt.phy import ALL_MODES, Mode

I2C_ADDRESS = 0xA0
PAGE_BYTES = 128
"""Lower memory, and each page of the upper memory."""
VENDOR_BYTES = 16


class ModuleKind(enum.Enum):
    """What is plugged in; the names are those of the option ``module``."""

    NONE = "none"
    DAC = "dac"
    """A passive copper cable of 1 m for 200GBASE-CR4 (QSFP56)."""
    SR4 = "sr4"
    """An optical module for 100GBASE-SR4 (QSFP28) with sensors."""


_MODES: Mapping[ModuleKind, frozenset[Mode]] = {
    ModuleKind.NONE: frozenset(),
    ModuleKind.DAC: frozenset(ALL_MODES),
    ModuleKind.SR4: frozenset({Mode.NRZ_25G, Mode.NRZ_50G, Mode.NRZ_100G}),
}

VENDOR = "BNXT-TESTBED"
PART_NUMBERS = {ModuleKind.DAC: "QSFP56-CR4-1M", ModuleKind.SR4: "QSFP28-SR4"}
IDENTIFIER_QSFP28 = 0x11
"""QSFP28 or later with SFF-8636 (SFF-8024 table 4-1): QSFP56 as well."""


def modes_of_module(kind: ModuleKind) -> frozenset[Mode]:
    """Modes that can pass; none without a module."""
    return _MODES[kind]


def read_module(kind: ModuleKind, page: int, offset: int, length: int) -> bytes | None:
    """Memory from ``offset``: 0 to 127 is the lower one, from 128 on that of ``page``.

    None for memory the module does not have: it does not acknowledge.
    """
    pages = _PAGES.get(kind, {})
    upper = pages.get(page)
    if upper is None or offset + length > 2 * PAGE_BYTES:
        return None
    return (pages[_LOWER] + upper)[offset : offset + length]


def module_temperature(kind: ModuleKind) -> int | None:
    """Degrees Celsius, None if it does not measure."""
    return _TEMPERATURE if kind is ModuleKind.SR4 else None


_LOWER = -1
_TEMPERATURE = 38
_FLAT, _PAGED = 0x04, 0x00
_REVISION_2_7 = 0x07


def _ascii(text: str, size: int = VENDOR_BYTES) -> bytes:
    return text.encode("ascii").ljust(size)


def _words(*values: int) -> bytes:
    return b"".join(value.to_bytes(2, "big") for value in values)


def _page(first: int, fields: Mapping[int, bytes]) -> bytearray:
    """128 bytes that begin at offset ``first``: offset -> what is there."""
    page = bytearray(PAGE_BYTES)
    for offset, data in fields.items():
        page[offset - first : offset - first + len(data)] = data
    return page


def _identity(kind: ModuleKind, fields: Mapping[int, bytes]) -> bytes:
    """Upper page 00h: what both modules have, ``fields``, and its checksums."""
    page = _page(
        128,
        {
            128: bytes([IDENTIFIER_QSFP28]),
            131: b"\x80",  # see byte 192
            140: b"\xff",  # more than 25.4 GBd: see byte 222
            148: _ascii(VENDOR),
            165: bytes.fromhex("001018"),
            168: _ascii(PART_NUMBERS[kind]),
            184: b"A0",
            196: _ascii("EMULATED0001"),
            212: _ascii("260101", 8),
            **fields,
        },
    )
    page[63] = sum(page[:63]) & 0xFF  # CC_BASE
    page[95] = sum(page[64:95]) & 0xFF  # CC_EXT
    return bytes(page)


_PAGES: Mapping[ModuleKind, Mapping[int, bytes]] = {
    ModuleKind.DAC: {
        _LOWER: bytes(_page(0, {0: bytes([IDENTIFIER_QSFP28, _REVISION_2_7, _FLAT])})),
        0: _identity(
            ModuleKind.DAC,
            {
                130: b"\x23",  # no separable connector
                139: b"\x08",  # PAM4
                146: b"\x01",  # m
                147: b"\xa0",  # copper, unequalized
                186: bytes([5, 7, 9, 12]),  # dB at 2.5, 5, 7 and 12.9 GHz
                192: b"\x40",  # 50GBASE-CR, 100GBASE-CR2, 200GBASE-CR4
                222: bytes([106]),  # 250 MBd
            },
        ),
    },
    ModuleKind.SR4: {
        _LOWER: bytes(
            _page(
                0,
                {
                    0: bytes([IDENTIFIER_QSFP28, _REVISION_2_7, _PAGED]),
                    22: _words(_TEMPERATURE << 8),  # degrees C / 256
                    26: _words(33000),  # 100 uV
                    34: _words(9500, 9600, 9400, 9700),  # received power, 0.1 uW
                    42: _words(3500, 3450, 3550, 3500),  # bias, 2 uA
                    50: _words(10100, 10000, 10200, 9900),  # sent power, 0.1 uW
                },
            )
        ),
        0: _identity(
            ModuleKind.SR4,
            {
                129: b"\x8c",  # power class 3, CDR both ways
                130: b"\x0c",  # MPO 1x12
                139: b"\x05",  # 64B/66B
                143: bytes([35]),  # OM3, 2 m
                146: bytes([50]),  # OM4, 2 m
                186: _words(850 * 20, 10 * 200),  # wavelength and tolerance
                190: bytes([70]),  # degrees C
                192: b"\x02",  # 100GBASE-SR4
                220: b"\x3c",  # measures temperature, voltage, power both ways, average
                222: bytes([103]),  # 250 MBd
            },
        ),
        3: bytes(
            _page(
                128,
                {  # of each the high and low alarm, then the high and low warning
                    128: _words(75 << 8, 0, 70 << 8, 5 << 8),
                    144: _words(36300, 29700, 35000, 31000),
                    176: _words(34674, 467, 17378, 933),
                    184: _words(6500, 1000, 6000, 1500),
                    192: _words(34674, 724, 17378, 1445),
                },
            )
        ),
    },
}
