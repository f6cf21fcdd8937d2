# SPDX-License-Identifier: GPL-2.0-only
"""A guest that mixes everything: rules that misuse rings, and rules that keep them alive."""

from __future__ import annotations

import struct
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from devmodel.bnxt.hsi.cmds import Cmd
from devmodel.bnxt.hwrm import COMMANDS
from devmodel.bnxt.identity import Identity
from devmodel.clock import Timing
from tests.unit.devmodel.hostile import steps, wire
from tests.unit.devmodel.hostile.guarded import CARDS, GuardedHost
from tests.unit.devmodel.hostile.steps import Step

RSS_TABLE, RSS_KEY = steps.DATA + (2 << 20), steps.DATA + (2 << 20) + 512


class HostileGuest(RuleBasedStateMachine):
    """One card from power-on to whatever the guest makes of it."""

    host: GuardedHost

    @initialize(timing=st.sampled_from(Timing), nic=st.sampled_from(CARDS))
    def plug(self, timing: Timing, nic: Identity) -> None:
        """A card with an open queue and a VNIC."""
        self.host = GuardedHost(timing, nic)

    def step(self, call: Any, *arguments: Any) -> None:
        """One more."""
        Step(call, arguments).take(self.host)

    # -- what a driver does ---------------------------------------------------------------------
    @rule(count=st.integers(1, 64))
    def refill(self, count: int) -> None:
        self.step(steps.refill, count)

    @rule()
    def poll(self) -> None:
        self.step(steps.poll)

    @rule(segments=wire.streams)
    def stream(self, segments: list[bytes]) -> None:
        self.step(steps.receive, segments)

    def configure(self, code: Cmd, **values: int) -> None:
        """A command for the VNIC."""
        assert set(values) <= {f.name for f in COMMANDS[code].request.FIELDS}
        self.step(steps.command, code, {"vnic_id": self.host.vnic, **values}, 0xFFFF)

    @rule(flags=st.integers(0, 0xFF), threshold=steps.integers(16))
    def placement(self, flags: int, threshold: int) -> None:
        thresholds = {"jumbo_thresh": threshold, "hds_threshold": threshold}
        self.configure(Cmd.VNIC_PLCMODES_CFG, flags=flags, enables=7, **thresholds)

    @rule(
        flags=st.integers(0, 0x1FF), enables=st.integers(0, 0x1F), segments=steps.integers(16),
        aggregations=steps.integers(16), timer=steps.integers(32),
    )  # fmt: skip
    def aggregation(
        self, flags: int, enables: int, segments: int, aggregations: int, timer: int
    ) -> None:
        limits = {"max_agg_segs": segments, "max_aggs": aggregations, "max_agg_timer": timer}
        self.configure(Cmd.VNIC_TPA_CFG, flags=flags, enables=enables, **limits)

    @rule(kind=st.sampled_from((1, 5, 0x10)), port=st.just(wire.TUNNEL_PORT))
    def tunnel(self, kind: int, port: int) -> None:
        values = {"tunnel_type": kind, "tunnel_dst_port_val": port}
        self.step(steps.command, Cmd.TUNNEL_DST_PORT_ALLOC, values, 0xFFFF)

    @rule(table=st.binary(max_size=256), part=st.integers(0, 9), types=st.integers(0, 0xFFFF))
    def spreading(self, table: bytes, part: int, types: int) -> None:
        self.host.poke(
            RSS_TABLE, struct.pack("<HH", self.host.queue.rx, self.host.queue.rx_cq) * 64
        )
        self.host.poke(RSS_TABLE, table)
        self.step(steps.command, Cmd.VNIC_RSS_COS_LB_CTX_ALLOC, {}, 0xFFFF)
        tables = {"ring_grp_tbl_addr": RSS_TABLE, "hash_key_tbl_addr": RSS_KEY, "rss_ctx_idx": 0}
        self.configure(Cmd.VNIC_RSS_CFG, hash_type=types, ring_table_pair_index=part, **tables)

    @rule(mask=steps.integers(32))
    def receive_mask(self, mask: int) -> None:
        self.configure(Cmd.CFA_L2_SET_RX_MASK, mask=mask)

    # -- what no driver does --------------------------------------------------------------------
    @rule(step=st.one_of(steps.commands, steps.raw_commands, steps.page_tables))
    def request(self, step: Step) -> None:
        step.take(self.host)

    @rule(step=st.one_of(steps.posts, steps.doorbells, steps.scribbles))
    def descriptors(self, step: Step) -> None:
        step.take(self.host)

    @rule(step=st.one_of(steps.registers, steps.configuration))
    def access(self, step: Step) -> None:
        step.take(self.host)
        if not self.host.card._mmio_enabled:
            self.step(steps.wake)

    @rule(step=st.one_of(steps.receptions, steps.surroundings))
    def surroundings(self, step: Step) -> None:
        step.take(self.host)

    def before_reset(self) -> None:
        """What a card that is about to be opened again needs."""

    @rule(step=steps.resets)
    def reset(self, step: Step) -> None:
        self.before_reset()
        step.take(self.host)

    @invariant()
    def nothing_outgrows_its_limit(self) -> None:
        if hasattr(self, "host"):
            self.host.check_bounds()


TestHostileGuest = HostileGuest.TestCase
TestHostileGuest.settings = settings(stateful_step_count=40)
