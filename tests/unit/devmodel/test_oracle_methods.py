# SPDX-License-Identifier: GPL-2.0-only
"""What is remembered of memory, asked from outside."""

from __future__ import annotations

from typing import Any

import pytest

from devmodel.control import BadParams
from devmodel.oracle_methods import OracleMethods
from devmodel.pci.network import NetworkFunction


class Card(NetworkFunction):
    """Says what it is asked."""

    def __init__(self) -> None:
        """It needs none of what a function has."""

    def remembered(self, address: int, size: int) -> list[str]:
        return [f"{address:#x}", f"{size}"]


def ask(**params: Any) -> Any:
    (method,) = OracleMethods(Card).methods.values()
    return method(params)


def test_the_card_is_asked() -> None:
    assert ask(address=0x6005000, bytes=4096) == {"lines": ["0x6005000", "4096"]}


@pytest.mark.parametrize(
    ("wrong", "name"),
    [
        ({}, "address"), ({"address": -1}, "address"), ({"address": 1 << 64}, "address"),
        ({"address": True}, "address"), ({"address": 0}, "bytes"),
        ({"address": 0, "bytes": "1"}, "bytes"),
    ],
)  # fmt: skip
def test_what_is_no_number_is_refused(wrong: dict[str, Any], name: str) -> None:
    with pytest.raises(BadParams, match=f"{name} is .*; allowed: 0 to 2"):
        ask(**wrong)
