# SPDX-License-Identifier: GPL-2.0-only
"""Injection points that every function has; a card lists those it wants in its FaultRegistry.

``dma.*`` are passed in :class:`devmodel.dma.DmaSpace`, ``config.read`` and ``irq.raise`` in
:class:`devmodel.pci.function.Function`. A card whose registers may be changed passes
``register.read`` in its ``bar_read`` (:meth:`~devmodel.pci.function.Function.read_faulty`).
"""

from __future__ import annotations

from collections.abc import Sequence

from devmodel.faults.points import ALL, CHANGE, Action, Field, Point

_READ = (Action.SET, Action.CARD)


def dma_points(*, purposes: Sequence[str], rings: Sequence[str]) -> tuple[Point, Point]:
    """``dma.read`` and ``dma.write``.

    :param purposes: what the card's accesses are for (:class:`devmodel.dma.Who`).
    :param rings: kinds of its rings.
    """
    fields = (
        Field("purpose", "str", ", ".join(purposes)),
        Field("ring", "str", ", ".join(rings) + ", or empty"),
        Field("ring_id", "int", "id of that ring, -1 without one"),
        Field("iova", "int", "address", settable=True),
        Field("length", "int", "bytes; less truncates, more adds bytes 0xa5", settable=True),
        Field("xor_at", "int", "offset of a byte to invert, -1 for none", settable=True),
    )
    return (
        Point("dma.read", "The card reads host memory.", fields, CHANGE),
        Point("dma.write", "The card writes host memory.", fields, ALL),
    )


IRQ_RAISE = Point(
    "irq.raise",
    "The card raises an MSI-X vector.",
    (Field("vector", "int", "entry of the MSI-X table", settable=True),),
    ALL,
)


def register_read(bar: int) -> Point:
    """``register.read`` for registers that lie in ``bar``."""
    return Point(
        "register.read",
        f"The driver reads BAR{bar}.",
        (
            Field("offset", "int", f"offset in BAR{bar}"),
            Field("length", "int", "bytes"),
            Field("value", "int", "what it reads", settable=True),
        ),
        _READ,
    )


CONFIG_READ = Point(
    "config.read",
    "The host reads configuration space.",
    (
        Field("offset", "int", "register"),
        Field("length", "int", "bytes"),
        Field("value", "int", "what it reads", settable=True),
    ),
    _READ,
)
