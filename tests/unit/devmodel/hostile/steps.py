# SPDX-License-Identifier: GPL-2.0-only
"""What a guest driver gone mad can do, as data: hypothesis draws steps, a host carries them out.

A step names rings and other objects by their place in the list of those that exist, so that it
means the same whenever it is carried out, and so that hypothesis can leave others away.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from devmodel.bnxt.card import DOORBELL_BAR, REGISTER_BAR
from devmodel.bnxt.config_space import EXPRESS_OFFSET, MSIX_OFFSET
from devmodel.bnxt.hsi.cmds import Cmd
from devmodel.bnxt.hsi.header import HwrmInput
from devmodel.bnxt.hsi.regs import (
    CHIMP_TRIGGER,
    DB_TYPE_SHIFT,
    DB_XID_SHIFT,
    DbType,
)
from devmodel.bnxt.hsi.ring_alloc import RingType
from devmodel.bnxt.hwrm import COMMANDS
from devmodel.layout import Field
from devmodel.pci.function import ResetKind
from tests.unit.devmodel.bnxt.cardhost import BASE, MEMORY_BYTES
from tests.unit.devmodel.hostile.guarded import EDGES, PAGED_BYTES, GuardedHost
from tests.unit.devmodel.hostile.wire import frames

PAGE = 4096
DATA = BASE + (4 << 20)
"""Where buffers and page tables are put."""
HEADER_FIELDS = {f.name for f in HwrmInput.FIELDS}
PLAUSIBLE: dict[str, tuple[int, ...]] = {
    "fid": (0xFFFF, 128),
    "vf_id": (128, 129),
    "encap_async_event_target_id": (128, 0xFFFF),
    "req_buf_num_pages": (1, 10),
    "req_buf_page_size": (12, 30),
    "req_buf_len": (16, 128, 4096),
    "port_id": (0,),
    "ring_type": tuple(RingType),
    "length": (2, 8, 64, 256, 1 << 16),
    "page_tbl_depth": (0, 1, 2),
    "page_size": (12, 16),
    "fbo": (0,),
    "int_mode": (2,),
    "logical_id": (0, 1, 31),
    "enables": (0, 1, 0x1C8, 0x93FF3, 0xFFFFFFFF),
    "mru": (0, 1518, 9600),
    "rx_buf_size": (0, 1, 640, 4096, 0xFFFF),
    "update_period_ms": (0, 1, 1000, 0xFFFFFFFF),
    "ip_addr_type": (0, 4, 6),
    "dir_type": (2, 5, 18, 60),
    "dir_idx": (0, 1, 8),
    "len": (1, 4096, 1 << 20, 0xFFFFFFFF),
    "dir_data_length": (0, 64, 8 << 20, 0xFFFFFFFF),
    "dir_item_length": (0, 4096, 4 << 20, 0xFFFFFFFF),
    "option_num": (108, 401, 602, 9999),
    "data_len": (1, 8, 10, 24, 0xFFFF),
    "host_buf_len": (0, 1, 16, 4096, 0xFFFFFFFF),
    "component_id": (1, 2),
    "segment_id": (0, 1, 2, 3),
    "read_addr": (0x8000_0000, 0x8000_FFFC),
    "read_len32": (1, 3140, 0x4000, 0xFFFFFFFF),
    "embedded_proc_type": tuple(range(9)),
    "selfrst_status": (0, 1, 2, 3),
    "structure_id": (0x421,),
    "subtype": (0x300, 0xFFFF),
    "hdr_cnt": (0, 1, 255),
    "entry_cnt": (0, 1, 64, 0xFFFF),
    "src_fid": (1,),
    "action_flags": (4, 0x14),
    "tunnel_type": (1,),
    "tunnel_handle": (1, 2),
    "decap_filter_id": (1, 2),
    "encap_record_id": (1, 2),
    "flow_handle": (0x8000, 0x8001),
    "flow_handle_0": (0x8000, 0x8001),
    "num_flows": (1, 10, 11, 0xFFFF),
    "ethertype": (0x0800, 0x86DD),
    "ip_dst_mask_len": (0, 8, 32, 128, 255),
    "ptp_pps_event": (0, 1, 2, 3),
    "pin0_state": (0, 1),
    "pin0_usage": (0, 1, 2, 5),
    "pin1_state": (0, 1),
    "pin1_usage": (1, 2),
    "ptp_freq_adj_ext_period": (0, 1, 1_000_000_000),
    "ptp_freq_adj_ext_phase_upper": (0, 0xFFFFFFFF),
    "ptp_freq_adj_ppb": (0, 31_000_000, 0xFFFFFFFF, 0x80000000),
    "ptp_set_time": (0, (1 << 64) - 1),
    "ptp_hdr_offset": (0, 14, 42, 0xFFFF),
    "rx_ts_capture_ptp_msg_type": (0, 0xFFFF),
    "i2c_slave_addr": (0xA0,),
    "page_number": (0, 1, 3),
    "page_offset": (0, 128, 255),
    "data_length": (1, 64, 255),
    "dimensions": (0, 1),
    "index_0": (0, 1, 2),
    "tunnel_dst_port_id": (1, 5),
    "instance": (0, 1),
}
DESTRUCTIVE = (Cmd.FUNC_RESET, Cmd.FUNC_DRV_UNRGTR)


@dataclass(frozen=True)
class Live:
    """The ``number``-th object that exists (modulo their count), whatever its kind."""

    number: int


@dataclass(frozen=True)
class Step:
    """``call(host, *arguments)``."""

    call: Callable[..., None]
    arguments: tuple[Any, ...]

    def __repr__(self) -> str:
        return f"{self.call.__name__}{self.arguments}"

    def take(self, host: GuardedHost) -> None:
        """Carry it out and let its effects happen."""
        self.call(host, *self.arguments)
        host.end_step()


def live_ids(host: GuardedHost) -> list[int]:
    """Ids of every object of the card."""
    return [i for table in host.card.resources._tables().values() for i in table]


def resolve(host: GuardedHost, value: Any, bits: int = 64) -> Any:
    """A number; Live becomes an id."""
    if isinstance(value, Live):
        ids = live_ids(host)
        value = ids[value.number % len(ids)] if ids else 0
        return value & ((1 << bits) - 1)
    return value


# -- registers ------------------------------------------------------------------------------------
def write_register(host: GuardedHost, bar: int, offset: int, data: bytes) -> None:
    """MMIO write."""
    host.card.mmio_write(bar, offset, data)


def read_register(host: GuardedHost, bar: int, offset: int, length: int) -> None:
    """MMIO read, which answers as many bytes as were asked for."""
    assert len(host.card.mmio_read(bar, offset, length)) == length


def write_config(host: GuardedHost, offset: int, data: bytes) -> None:
    """Configuration write."""
    host.card.config_write(offset, data)


def read_config(host: GuardedHost, offset: int, length: int) -> None:
    """Configuration read."""
    assert len(host.card.config_read(offset, length)) == length


def wake(host: GuardedHost) -> None:
    """Power, memory space, bus mastering and MSI-X on again."""
    host.card.config_write(0x4C, b"\0\0")
    host.card.config_write(4, b"\6\0")
    host.card.config_write(MSIX_OFFSET + 2, b"\0\x80")


def reset(host: GuardedHost, kind: ResetKind) -> None:
    """A reset, after which the driver opens again."""
    if kind is ResetKind.FLR:
        host.card.config_write(EXPRESS_OFFSET + 9, b"\x80")
    else:
        host.card.reset(kind)
    assert not any(host.card.resources.ledger().values())
    wake(host)
    host.open()


# -- commands -------------------------------------------------------------------------------------
MOST_WAIT_NS = 65_535_000
"""What 16 bits of PORT_TS_QUERY have the firmware wait for, in us."""


def command(host: GuardedHost, code: int, values: dict[str, Any], ring: Any) -> None:
    """A request with a right header, whatever its members: it is answered, and whole; unless it
    looks like one that was given up, whose answer would go into the request itself."""
    kind = COMMANDS[code].request
    request = kind()
    for f in kind.FIELDS:
        if f.name in values:
            setattr(request, f.name, resolve(host, values[f.name], 8 * f.size))
    before, late = host.card.hwrm.requests, host.trace.counters["late_requests"]
    answer = host.submit(request, cmpl_ring=resolve(host, ring, 16))
    if host.card.hwrm.waits:
        host.clock.advance_to(host.clock.now_ns + MOST_WAIT_NS)
        answer = host.answer()
    if host.card.faults.armed:
        return
    if not host.card.dma.bus_master_enabled:  # a short request lies in memory that it cannot read
        assert host.card.hwrm.requests == before
        return
    given_up = host.trace.counters["late_requests"] - late
    assert host.card.hwrm.requests == before + 1 - given_up
    if request.resp_addr == host.response_at:
        assert 16 <= len(answer) <= host.card.firmware.identity.max_resp_len
        assert answer[-1] == 1


def come_and_go(
    host: GuardedHost, allocate: int, values: dict[str, Any], free: int, member: str
) -> None:
    """Allocate something and free what came of it; ``member`` of the second command names it."""
    before = set(live_ids(host))
    command(host, allocate, values, 0xFFFF)
    for new in set(live_ids(host)) - before:
        named = {member: new, "ring_type": values.get("ring_type", 0)}
        command(host, free, named, 0xFFFF)


def raw_command(host: GuardedHost, window: bytes, request: bytes) -> None:
    """Any bytes in the window, any bytes where a short request may point to."""
    host.poke(host.request_at, request[:4096])
    host.write_window(window)
    host.trigger()


def open_again(host: GuardedHost) -> None:
    """The driver starts over with a function reset."""
    host.send_short(HwrmInput(req_type=Cmd.FUNC_RESET, resp_addr=host.response_at).pack())
    host.open()


# -- rings ----------------------------------------------------------------------------------------
def doorbell(host: GuardedHost, kind: int, xid: Any, index: int, halves: bool) -> None:
    """One doorbell; in two writes if ``halves``."""
    value = kind << DB_TYPE_SHIFT | resolve(host, xid, 20) << DB_XID_SHIFT | index
    data = value.to_bytes(8, "little")
    if halves:
        host.card.mmio_write(DOORBELL_BAR, host.doorbell_offset, data[:4])
        host.card.mmio_write(DOORBELL_BAR, host.doorbell_offset + 4, data[4:])
    else:
        host.card.mmio_write(DOORBELL_BAR, host.doorbell_offset, data)


def post(host: GuardedHost, number: int, words: Sequence[tuple[int, int, int]]) -> None:
    """Descriptors as they come, behind the producer of a ring, and its doorbell."""
    rings = list(host.card.resources.descriptor_rings())
    if not rings:
        return
    ring = rings[number % len(rings)]
    at = ring.prod
    for flags, opaque, address in words:
        place = ring.memory.address(at & ring.mask)
        if BASE <= place <= BASE + MEMORY_BYTES - 16:
            host.poke(place, struct.pack("<IIQ", flags, opaque, address))
        at += 1
    kind = DbType.SQ if ring.KIND == "TX" else DbType.SRQ
    host.doorbell(kind, ring.id, at & ring.mask)


def refill(host: GuardedHost, count: int) -> None:
    """Good buffers on every receive and aggregation ring, as many as fit up to ``count``."""
    for ring in (*host.card.resources.rx_rings.values(), *host.card.resources.agg_rings.values()):
        room = ring.mask - ((ring.prod - ring.cons) & ring.mask)
        size = min(ring.buf_size or PAGE, PAGE)
        words = [
            (size << 16 | ring.BD_TYPE, i, DATA + (ring.prod + i) % 256 * PAGE)
            for i in range(min(count, room))
        ]
        rings = list(host.card.resources.descriptor_rings())
        post(host, rings.index(ring), words)


def poll(host: GuardedHost) -> None:
    """Everything is consumed and armed, as NAPI does."""
    for cq in list(host.card.resources.cmpl_rings.values()):
        host.doorbell(DbType.CQ_ARMALL, cq.id, cq.prod & cq.mask)
    for nq in list(host.card.resources.nqs.values()):
        host.doorbell(DbType.NQ_ARM, nq.id, nq.prod & nq.mask)


def scribble(host: GuardedHost, address: int, data: bytes) -> None:
    """The guest writes its own memory."""
    host.poke(address, data[: BASE + MEMORY_BYTES - address])


def page_table(
    host: GuardedHost, entries: Sequence[int], depth: int, values: dict[str, Any]
) -> None:
    """RING_ALLOC through a page table of any content."""
    host.poke(DATA, struct.pack(f"<{len(entries)}Q", *entries))
    shape = {"page_tbl_addr": DATA, "page_tbl_depth": depth, "page_size": 12, "fbo": 0}
    command(host, Cmd.RING_ALLOC, {**values, **shape}, 0xFFFF)


# -- the world around -----------------------------------------------------------------------------
def receive(host: GuardedHost, batch: Sequence[bytes]) -> None:
    """Frames from the wire."""
    host.card.receive(list(batch))


def link(host: GuardedHost, up: bool) -> None:
    """The cable."""
    host.card.set_link(up)


def congestion(host: GuardedHost, congested: bool) -> None:
    """The wire's queue is full, or has room again."""
    host.wire.congested = congested
    if not congested:
        host.wire.on_room()


def pass_time(host: GuardedHost, nanoseconds: int) -> None:
    """Timers fire."""
    host.go_on(host.clock.now_ns + nanoseconds)


def unmap(host: GuardedHost, page: int) -> None:
    """The guest unmaps a page the card may still use; and maps it again."""
    address = BASE + page * PAGE
    if host.card.dma.unmap(address, PAGE) == 0:
        host.map(address, PAGE)


# -- strategies -----------------------------------------------------------------------------------
def integers(bits: int) -> st.SearchStrategy[int]:
    """All of them, with a liking for the ends."""
    top = (1 << bits) - 1
    return st.one_of(st.sampled_from((0, 1, 2, top - 1, top, 1 << bits - 1)), st.integers(0, top))


def drawn(call: Callable[..., None], *arguments: st.SearchStrategy[Any]) -> st.SearchStrategy[Step]:
    """A step of this kind with arguments of these kinds."""
    return st.builds(lambda *values: Step(call, values), *arguments)


live = st.builds(Live, st.integers(0, 31))
addresses = st.one_of(
    st.integers(0, MEMORY_BYTES // 16 - 1).map(lambda n: BASE + 16 * n),
    st.integers(0, PAGED_BYTES // PAGE - 1).map(lambda n: BASE + PAGE * n),
    st.sampled_from(EDGES),
    integers(64),
)
short_bytes = st.binary(min_size=1, max_size=8)


def value_of(f: Field) -> st.SearchStrategy[Any]:
    """What a member of a request may hold; ids exist more often than chance has it."""
    if f.code == "s":
        return st.binary(min_size=f.size, max_size=f.size)
    bits = 8 * f.size // f.count
    if f.count > 1:
        return st.tuples(*[integers(bits)] * f.count)
    choices: list[st.SearchStrategy[Any]] = [integers(bits)]
    if f.name in PLAUSIBLE:
        allowed = [value for value in PLAUSIBLE[f.name] if value < 1 << bits]
        choices = [st.sampled_from(allowed), *choices]
    if f.name.endswith(("_id", "_idx")):
        choices = [live, *choices]
    if f.size == 8:
        choices = [addresses, *choices]
    return st.one_of(choices)


def values_of(code: int) -> st.SearchStrategy[dict[str, Any]]:
    """Members of a request; those not drawn stay 0."""
    fields = [f for f in COMMANDS[code].request.FIELDS if f.name not in HEADER_FIELDS]
    pairs = [st.tuples(st.just(f.name), value_of(f)) for f in fields]
    pairs.append(st.tuples(st.just("resp_addr"), addresses))
    return st.lists(st.one_of(pairs), max_size=12).map(dict)


def commands_of(codes: Sequence[int]) -> st.SearchStrategy[Step]:
    """A structured request of one of these commands."""
    rings = st.one_of(st.just(0xFFFF), live, integers(16))
    one_of = [
        st.tuples(st.just(int(code)), values_of(code), rings).map(lambda a: Step(command, a))
        for code in codes
    ]
    return st.one_of(one_of)


commands = commands_of(sorted(set(COMMANDS) - set(DESTRUCTIVE)))
PAIRS = (
    (Cmd.STAT_CTX_ALLOC, Cmd.STAT_CTX_FREE, "stat_ctx_id"),
    (Cmd.RING_ALLOC, Cmd.RING_FREE, "ring_id"),
    (Cmd.VNIC_ALLOC, Cmd.VNIC_FREE, "vnic_id"),
    (Cmd.VNIC_RSS_COS_LB_CTX_ALLOC, Cmd.VNIC_RSS_COS_LB_CTX_FREE, "rss_cos_lb_ctx_id"),
    (Cmd.CFA_L2_FILTER_ALLOC, Cmd.CFA_L2_FILTER_FREE, "l2_filter_id"),
    (Cmd.CFA_NTUPLE_FILTER_ALLOC, Cmd.CFA_NTUPLE_FILTER_FREE, "ntuple_filter_id"),
)
comings_and_goings = st.one_of(
    [
        st.builds(
            lambda values, pair=pair: Step(come_and_go, (pair[0], values, *pair[1:])),
            values_of(pair[0]),
        )
        for pair in PAIRS
    ]
)
raw_commands = drawn(
    raw_command,
    st.one_of(
        st.binary(min_size=16, max_size=128),
        st.builds(
            lambda code, size, address: struct.pack("<HHHHQ", code, 0x4321, 0, size, address),
            st.one_of(st.sampled_from(sorted(COMMANDS)), integers(16)),
            integers(16),
            st.one_of(st.just(BASE), addresses),
        ),
    ),
    st.binary(max_size=256),
)
doorbells = drawn(
    doorbell,
    st.one_of(st.sampled_from([int(kind) for kind in DbType]), st.integers(0, 15)),
    st.one_of(live, integers(20)),
    st.one_of(st.integers(0, 300), integers(24)),
    st.booleans(),
)
bd_flags = st.one_of(
    st.builds(
        lambda kind, length: length << 16 | kind,
        st.sampled_from((4, 6, 0x10, 0x20, 0x40 | 1 << 8, 0x50 | 2 << 8, 0x50 | 3 << 8)),
        st.one_of(st.sampled_from((0, 1, 14, 60, 1514, 4096, 65535)), integers(16)),
    ),
    integers(32),
)
bds = st.tuples(bd_flags, integers(32), addresses)
posts = drawn(post, st.integers(0, 15), st.lists(bds, min_size=1, max_size=40))
page_tables = drawn(
    page_table,
    st.lists(
        st.one_of(
            st.builds(lambda a, bits: a & ~0xFFF | bits, addresses, st.integers(0, 3)), integers(64)
        ),
        max_size=64,
    ),
    st.integers(0, 3),
    values_of(Cmd.RING_ALLOC).map(lambda values: {"length": 512, "int_mode": 2, **values}),
)
registers = st.one_of(
    drawn(
        write_register,
        st.sampled_from((0, 2, 4)),
        st.one_of(st.integers(0, 0x110), st.just(CHIMP_TRIGGER), st.integers(0, 0x7FF8)),
        short_bytes,
    ),
    drawn(
        read_register,
        st.sampled_from((0, 2, 4)),
        st.one_of(st.integers(0, 0x110), st.integers(0, 0x7FF8)),
        st.integers(1, 8),
    ),
    st.builds(
        lambda value: Step(write_register, (REGISTER_BAR, 0x400, struct.pack("<I", value))),
        integers(32),
    ),
)
config_offsets = st.one_of(st.integers(0, 0x120), st.integers(0, 4095))
configuration = st.one_of(
    drawn(write_config, config_offsets, short_bytes),
    drawn(read_config, config_offsets, st.integers(1, 8)),
    st.just(Step(wake, ())),
)
receptions = drawn(receive, st.lists(frames, max_size=24))
scribbles = drawn(
    scribble,
    st.integers(0, MEMORY_BYTES // 16 - 1).map(lambda n: BASE + 16 * n),
    st.binary(min_size=1, max_size=64),
)
surroundings = st.one_of(
    drawn(link, st.booleans()),
    drawn(congestion, st.booleans()),
    drawn(pass_time, st.sampled_from((1, 10**3, 10**6, 10**9))),
    drawn(unmap, st.integers(2, 40)),
)
chores = st.one_of(st.just(Step(poll, ())), drawn(refill, st.integers(1, 64)))
resets = st.one_of(drawn(reset, st.sampled_from(list(ResetKind))), st.just(Step(open_again, ())))
