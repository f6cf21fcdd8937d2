# SPDX-License-Identifier: GPL-2.0-only
"""What messages of any content are drawn from."""

from __future__ import annotations

import struct
from typing import Any

from hypothesis import strategies as st


def integers(bits: int) -> st.SearchStrategy[int]:
    """All of them, with a liking for the ends."""
    top = (1 << bits) - 1
    return st.one_of(st.sampled_from((0, 1, top - 1, top)), st.integers(0, top))


def packed(layout: str, *members: st.SearchStrategy[Any]) -> st.SearchStrategy[bytes]:
    """A structure of the ``struct`` module's layout."""
    return st.tuples(*members).map(lambda values: struct.pack(layout, *values))
