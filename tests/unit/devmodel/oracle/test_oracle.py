# SPDX-License-Identifier: GPL-2.0-only
"""What the oracle remembers, for somebody who is no guest."""

from __future__ import annotations

from devmodel.dma import PAGE_SIZE
from tests.unit.devmodel.bnxt.rig import HDS_FLAGS, Rig


def test_a_page_is_known_by_any_byte_that_a_buffer_has() -> None:
    """A receive buffer begins somewhere in its page; what is asked for ends where the next one
    begins, and a ring that was freed is remembered."""
    rig = Rig(paged=True, oracle=True)
    queue = rig.add_queue(rx_entries=32, agg_entries=64)
    rig.add_vnic().plcmodes.flags = HDS_FLAGS
    oracle = rig.oracle
    assert oracle is not None
    address = queue.rx_addresses[3]
    page, length = address & -PAGE_SIZE, queue.rx.buf_size
    known = f"posted in RX ring {queue.rx.id}, index 3, "
    for at, size in ((page, PAGE_SIZE), (address, 1), (address + length - 1, 1)):
        assert any(known in line for line in oracle.remembered(at, size))
    for at, size in ((address - 1, 1), (address + length, 1)):
        assert not any(known in line for line in oracle.remembered(at, size))
    assert queue.rx.ledger is not None
    oracle.forget_buffers(queue.rx.ledger)
    *_, posted, freed = oracle.remembered(address, 1)
    assert known in posted
    assert freed.endswith(f"RX ring {queue.rx.id} freed")
