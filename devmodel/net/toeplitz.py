# SPDX-License-Identifier: GPL-2.0-only
"""The Toeplitz hash of receive side scaling, by table.

Source: Microsoft "RSS hashing functions" (the test vectors of that page are in the unit test).
The hash is linear over XOR, so the contribution of each byte at each position is looked up.
"""

from __future__ import annotations

import functools

KEY_BYTES = 40
INPUT_BYTES = KEY_BYTES - 4


@functools.lru_cache(maxsize=32)
def _tables(key: bytes) -> tuple[tuple[int, ...], ...]:
    bits = int.from_bytes(key, "big")
    width = len(key) * 8
    tables = []
    for position in range(len(key) - 4):
        row = [0]
        for bit in range(7, -1, -1):
            window = bits >> (width - 32 - position * 8 - bit) & 0xFFFFFFFF
            row += [entry ^ window for entry in row]
        tables.append(tuple(row))
    return tuple(tables)


def toeplitz(key: bytes, data: bytes) -> int:
    """32-bit hash of ``data`` (addresses, then ports, in network order) under a 40-byte ``key``.

    Raises ValueError for another key size or more than 36 bytes of input.
    """
    if len(key) != KEY_BYTES or len(data) > INPUT_BYTES:
        raise ValueError(f"key of {len(key)} bytes, input of {len(data)} bytes")
    value = 0
    for table, byte in zip(_tables(key), data, strict=False):
        value ^= table[byte]
    return value
