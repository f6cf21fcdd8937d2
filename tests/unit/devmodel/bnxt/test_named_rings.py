# SPDX-License-Identifier: GPL-2.0-only
"""VNICs, RSS tables and filters that follow the restart of a ring, and those that do not."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from scapy.layers.inet import TCP

from devmodel.bnxt.hsi.cfa import (
    HwrmCfaL2FilterAllocInput,
    HwrmCfaNtupleFilterAllocInput,
    L2FilterEnables,
    L2FilterFlags,
    NtupleEnables,
)
from devmodel.bnxt.hsi.ring_alloc import RingType
from devmodel.bnxt.hsi.vnic import (
    HwrmVnicAllocInput,
    HwrmVnicFreeInput,
    HwrmVnicRssCfgInput,
    HwrmVnicRssCosLbCtxAllocInput,
)
from devmodel.bnxt.resources import Vnic
from tests.unit.devmodel.bnxt.cardhost import CardHost, OpenQueue
from tests.unit.devmodel.frames import ETHER, MAC, V4, build

OTHER_RING = 1


class Steered:
    """A default VNIC that takes frames, and a filter that sends them on to another VNIC's RSS."""

    def __init__(self, host: CardHost, queue: OpenQueue, vnic_id: int) -> None:
        self.host = host
        self.queue = queue
        host.set_mru(vnic_id, 1518)
        self.vnic_id = self.new_vnic()
        self.name_ring()
        host.set_mru(self.vnic_id, 1518)
        host.call(
            HwrmCfaL2FilterAllocInput(
                flags=L2FilterFlags.PATH_RX, enables=L2FilterEnables.L2_ADDR, l2_addr=MAC,
                dst_id=vnic_id,
            )
        )  # fmt: skip
        self.filter_id = self.add_filter(0)

    def new_vnic(self) -> int:
        return int(self.host.call(HwrmVnicAllocInput()).vnic_id)

    def add_filter(self, bucket: int) -> int:
        request = HwrmCfaNtupleFilterAllocInput(
            enables=NtupleEnables.RFS_RING_TBL_IDX, dst_id=self.vnic_id, rfs_ring_tbl_idx=bucket
        )
        return int(self.host.call(request).ntuple_filter_id)

    def name_ring(self) -> None:
        """The RSS table names the queue's ring as it is now."""
        ctx = self.host.call(HwrmVnicRssCosLbCtxAllocInput()).rss_cos_lb_ctx_id
        table = self.host.rss_table([(self.queue.rx, self.queue.rx_cq)])
        self.host.call(
            HwrmVnicRssCfgInput(vnic_id=self.vnic_id, rss_ctx_idx=ctx, ring_grp_tbl_addr=table)
        )

    def restart(self) -> None:
        """The ring freed and allocated again: the id is the same."""
        queue = self.queue
        self.host.free_ring(RingType.RX, queue.rx)
        self.host.free_ring(RingType.RX_AGG, queue.agg)
        given = self.host.ring(
            RingType.RX, rx_buf_size=640, nq_ring_id=queue.nq, stat_ctx_id=queue.stat
        )
        assert given == queue.rx

    def frame(self, sport: int = 1000) -> None:
        """A frame comes that the filter matches."""
        self.host.card.receive([build(ETHER / V4 / TCP(sport=sport, dport=5000))])
        self.host.card.flush()


@pytest.fixture
def steered(host: CardHost, queue: OpenQueue, vnic_id: int) -> Steered:
    made = Steered(host, queue, vnic_id)
    host.set_mru(vnic_id, 0)  # the default ring is another rule's
    host.card.resources.vnics[vnic_id].default_rx_ring = OTHER_RING
    host.card.resources.vnics[made.vnic_id].default_rx_ring = OTHER_RING
    return made


def only_violation(host: CardHost) -> dict[str, object]:
    (found,) = host.trace.violations
    assert found["culprit"] == "driver"
    return found


def test_a_table_that_was_written_again(steered: Steered) -> None:
    host = steered.host
    host.set_mru(steered.vnic_id, 0)
    steered.restart()
    steered.name_ring()
    host.set_mru(steered.vnic_id, 1518)
    steered.frame()
    assert not host.rules


def test_a_packet_on_its_way_to_a_ring_freed_since(steered: Steered) -> None:
    """VNIC_CFG may take the VNIC up again as well; then a packet shows what it names."""
    host = steered.host
    host.set_mru(steered.vnic_id, 0)
    steered.restart()
    steered.frame()
    assert not host.rules, "while the VNIC is stopped nothing is steered"
    host.card.resources.vnics[steered.vnic_id].mru = 1518
    host.card.resources.steering_changed()
    steered.frame()
    steered.frame()
    found = only_violation(host)
    assert found["rule"] == "vnic_names_freed_ring"
    assert (found["filter"], found["where"]) == (steered.filter_id, ["RSS table 0"])
    assert found["given_again"] == [steered.queue.rx]


def test_a_ring_freed_under_traffic_is_told_of_once(steered: Steered) -> None:
    """Packets come between RING_FREE and the new table; after that they are judged again."""
    host = steered.host
    steered.restart()
    steered.frame()
    assert only_violation(host)["rule"] == "ring_free_in_rss_table"
    steered.name_ring()
    host.set_mru(steered.vnic_id, 0)
    host.free_ring(RingType.RX, steered.queue.rx)
    host.card.resources.vnics[steered.vnic_id].mru = 1518
    host.card.resources.steering_changed()
    steered.frame()
    assert host.trace.violation_counts["vnic_names_freed_ring"] == 1


def test_every_ring_freed_is_remembered(steered: Steered) -> None:
    host, first = steered.host, steered.queue
    second = host.ring(RingType.RX, rx_buf_size=640, nq_ring_id=first.nq, stat_ctx_id=first.stat)
    vnic: Vnic = host.card.resources.vnics[steered.vnic_id]
    vnic.set_rss_part(0, [(first.rx, first.rx_cq), (second, first.rx_cq)])
    host.set_mru(steered.vnic_id, 0)
    for ring in (first.rx, second):
        host.free_ring(RingType.RX, ring)
    host.set_mru(steered.vnic_id, 1518)
    assert only_violation(host)["rings"] == sorted([first.rx, second])


def freed(steered: Steered) -> str:
    steered.host.call(HwrmVnicFreeInput(vnic_id=steered.vnic_id))
    steered.frame()
    return f"VNIC {steered.vnic_id} was freed"


def given_again(steered: Steered) -> str:
    steered.host.call(HwrmVnicFreeInput(vnic_id=steered.vnic_id))
    assert steered.new_vnic() == steered.vnic_id
    return f"VNIC {steered.vnic_id} was freed and its id given again"


def beyond(steered: Steered) -> str:
    resources = steered.host.card.resources
    resources.ntuple_filters.clear()
    steered.filter_id = steered.add_filter(64)
    steered.frame()
    return f"bucket 64 of VNIC {steered.vnic_id}, which has 64"


@pytest.mark.parametrize("way", [freed, given_again, beyond])
def test_filter_leads_nowhere(steered: Steered, way: Callable[[Steered], str]) -> None:
    why = way(steered)
    for sport in (1000, 1000, 1001):
        steered.frame(sport)
    found = only_violation(steered.host)
    assert (found["rule"], found["filter"], found["why"]) == (
        "filter_leads_nowhere", steered.filter_id, why,
    )  # fmt: skip


def test_filter_to_where_there_is_something(steered: Steered) -> None:
    steered.frame()
    steered.new_vnic()
    assert not steered.host.rules
    assert steered.host.card.mac.rx.snapshot()["rx_good_frames"] == 1
