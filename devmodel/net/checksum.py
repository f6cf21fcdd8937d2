# SPDX-License-Identifier: GPL-2.0-only
"""The Internet checksum (RFC 1071) without a loop over words.

A sum of 16-bit words folded with end-around carry is the number modulo 65535, so one big-integer
conversion and one remainder do the work. Everything here works on the bytes read *little-endian*:
one's complement sums do not care, as long as the result is stored the same way (RFC 1071 section
2.B), and CPython converts that order without a copy of its own.
"""

from __future__ import annotations

Octets = bytes | bytearray | memoryview

_SPLIT_BYTES = 512
_from_bytes = int.from_bytes
_masks: dict[int, int] = {}


def ones_sum(data: Octets, initial: int = 0) -> int:
    """Sum of the little-endian 16-bit words of ``data`` plus ``initial``, modulo 65535.

    An odd last byte counts as if a zero byte followed. ``initial`` may be any non-negative number
    of the same byte order. The result is 0 exactly if the one's complement sum is 0 or 0xffff.
    """
    length = len(data)
    if length < _SPLIT_BYTES:
        return (_from_bytes(data, "little") + initial) % 65535
    # The remainder costs more than an addition of the same size: halve three times first.
    half = (length >> 1) & ~1
    total = _from_bytes(data[:half], "little") + _from_bytes(data[half:], "little")
    bits = (half << 2) & ~15
    mask = _masks.get(bits) or _make_mask(bits)
    total = (total >> bits) + (total & mask)
    bits = (bits >> 1) & ~15
    mask = _masks.get(bits) or _make_mask(bits)
    total = (total >> bits) + (total & mask)
    return (total + initial) % 65535


def _make_mask(bits: int) -> int:
    if len(_masks) > 4096:
        _masks.clear()
    mask = _masks[bits] = (1 << bits) - 1
    return mask


def checksum(data: Octets, initial: int = 0) -> int:
    """The value of a checksum field over ``data``, to be stored little-endian (``"<H"``).

    The field itself must be zero in ``data`` or subtracted in ``initial``. All-zero input gives
    0xffff.
    """
    total = ones_sum(data, initial)
    if total:
        return 0xFFFF - total
    return 0 if initial or any(data) else 0xFFFF


def pseudo_header(protocol: int, length_bytes: int) -> int:
    """The part of the TCP/UDP pseudo header that is not the addresses, as an ``initial``."""
    return (protocol + (length_bytes & 0xFFFF) + (length_bytes >> 16)) << 8
