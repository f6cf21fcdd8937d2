# SPDX-License-Identifier: GPL-2.0-only
"""What the declared layouts say of events: their kinds, and the numbers in them."""

from __future__ import annotations

import pytest

from devmodel.bnxt.entry_events import blank_entry, decode
from testbed.card.plans import POINTS, kinds, members


@pytest.mark.parametrize(
    ("point", "field", "some"),
    [
        ("cqe.write", "type", {"RX_L2", "RX_TPA_END", "TX_L2"}),
        ("nqe.write", "type", {"CQ_NOTIFICATION", "HWRM_ASYNC_EVENT"}),
        ("doorbell.write", "type", {"SQ", "NQ_ARM"}),
        ("hwrm.request", "cmd", {"RING_ALLOC", "VNIC_UPDATE"}),
        ("dma.write", "purpose", {"payload", "header", "cqe", "indirect"}),
    ],
)
def test_kinds_of_events(point: str, field: str, some: set[str]) -> None:
    name, known = kinds(point)
    assert name == field
    assert some <= set(known)
    assert POINTS[point].field(field) is not None


def test_points_whose_events_are_alike() -> None:
    for point in ("now", "irq.raise", "register.read", "rx.place", "tx.frame"):
        assert kinds(point) == ("", ())
        assert members(point, "") == {}


def test_every_number_of_a_completion_is_as_wide_as_told() -> None:
    for point in ("cqe.write", "nqe.write"):
        for kind in kinds(point)[1]:
            words = {f for f in members(point, kind) if f.endswith("type")}  # type lies in them
            for name in set(members(point, kind)) - words:
                full = decode(bytes(blank_entry(kind, {name: (1 << 64) - 1})))
                assert full[name] == (1 << members(point, kind)[name]) - 1, (kind, name)


def test_numbers_of_requests_and_answers() -> None:
    request, answer = members("hwrm.request", "RING_ALLOC"), members("hwrm.answer", "RING_ALLOC")
    assert (request["req.ring_type"], request["req.page_tbl_addr"]) == (8, 64)
    assert answer["out.ring_id"] == 16
    assert "req.unused_2" not in members("hwrm.request", "NO_SUCH")
    for cmd in kinds("hwrm.answer")[1]:
        assert members("hwrm.answer", cmd), cmd
