# SPDX-License-Identifier: GPL-2.0-only
"""A hostile virtual function beside others: whatever it does, they keep what is theirs."""

from __future__ import annotations

from random import Random

import pytest

from devmodel.bnxt.hsi.regs import DOORBELL_VF_OFFSET
from devmodel.bnxt.hsi.vf import FuncVfCfgEnables, HwrmFuncVfCfgInput
from devmodel.bnxt.iov import FIRST_VF_FID
from devmodel.bnxt.sriov import PfCard
from tests.hostile.acts import Acts
from tests.unit.devmodel.bnxt.cardhost import CardHost
from tests.unit.devmodel.bnxt.sriov_bench import Family, frame, mac, open_queue, received
from tests.unit.devmodel.hostile.guarded import GuardedHost

ACTS = 400
HOSTILE, NEIGHBOUR = 0, 1


class HostileFunction(GuardedHost):
    """A guarded host of a virtual function, which reserves as one."""

    def reserve(self, **counts: int) -> None:
        """FUNC_VF_CFG."""
        wanted = {
            "num_cmpl_rings": 8, "num_tx_rings": 2, "num_rx_rings": 4, "num_stat_ctxs": 4,
            "num_rsscos_ctxs": 4, "num_vnics": 4, **counts,
        }  # fmt: skip
        enables = sum(FuncVfCfgEnables[name.upper()] for name in wanted)
        self.call(HwrmFuncVfCfgInput(enables=enables, **wanted))


def drawn(seed: int) -> tuple[Family, CardHost]:
    """A family in which one virtual function has done ACTS acts; and its neighbour."""
    family = Family()
    family.enable(2)
    family.pf.reserve()
    open_queue(family.pf, family.card.firmware.mac)
    family.open(NEIGHBOUR, mac(NEIGHBOUR))
    vf = family.card.functions[HOSTILE]
    vf.dma.unmap_all()
    host = HostileFunction(card=vf, is_open=False)
    host.doorbell_offset = DOORBELL_VF_OFFSET
    family.vfs[HOSTILE] = host
    family.open(HOSTILE, mac(HOSTILE))
    acts = Acts(host, Random(seed))
    for _ in range(ACTS):
        acts.one()
        family.card.settle()
    return family, family.vfs[NEIGHBOUR]


@pytest.mark.parametrize("seed", range(4))
def test_the_others_keep_what_is_theirs(seed: int) -> None:
    family, neighbour = drawn(seed)
    pf: PfCard = family.card
    assert family.trace.violation_counts, "it did nothing that is not allowed"
    assert {v["function"] for v in family.trace.violations} == {"vf0"}
    for host in (family.pf, neighbour):
        have = host.card.resources.ledger()
        assert (have["rx_rings"], have["tx_rings"], have["l2_filters"]) == (1, 1, 1)
    pf.set_link(True)
    before = received(neighbour)
    family.receive(frame(mac(NEIGHBOUR)))
    assert received(neighbour) == before + 1
    record = pf.iov.get(FIRST_VF_FID + HOSTILE)
    assert record is not None
    assert not record.owns(mac(NEIGHBOUR))
    assert not record.is_trusted
