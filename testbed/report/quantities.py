# SPDX-License-Identifier: GPL-2.0-only
"""Numbers with units, for people."""

from __future__ import annotations

_BINARY = ("B", "KiB", "MiB", "GiB", "TiB")


def binary_bytes(count: int) -> str:
    """``count`` bytes, powers of 1024: ``64 MiB``, ``1.5 KiB``, ``17 B``."""
    value = float(count)
    for unit in _BINARY:
        if value < 1024 or unit == _BINARY[-1]:
            break
        value /= 1024
    digits = 0 if value == int(value) or value >= 100 else 1
    return f"{value:.{digits}f} {unit}"


def seconds_text(seconds: float) -> str:
    """``850 ms``, ``3.2 s``, ``2 min 05 s``."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s"


def megabits_per_second(byte_count: int, seconds: float) -> str:
    """A rate as networks count it: ``612 Mbit/s`` (10^6 bits)."""
    return f"{byte_count * 8 / seconds / 1e6:.0f} Mbit/s" if seconds > 0 else "-"
