# SPDX-License-Identifier: GPL-2.0-only
"""Context memory: what the card wants of it, and where the driver has it, in both versions.

Version 1 tells all types in one command. In version 2 each type, and each instance of it, has its
own. Newer firmware knows version 2 and refuses the configuration of version 1 (a public report of a
BCM57504 shows INVALID_PARAMS).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from devmodel.bnxt.backing_store import (
    INIT_OFFSET_WORDS,
    INIT_VALUE,
    QP1_ENTRIES,
    TQM_FAST_PATH_RINGS,
    TQM_MULTIPLE,
    BackingStore,
    BadContextMemory,
)
from devmodel.bnxt.cmd.table import CommandTable
from devmodel.bnxt.firmware import Firmware, HwrmError
from devmodel.bnxt.hsi.backing_store import (
    NO_CONTEXT_TYPE,
    BackingStoreCfgV2Flags,
    BackingStoreEnables,
    BackingStoreFlags,
    BackingStoreQcapsV2Flags,
    ContextType,
    HwrmFuncBackingStoreCfgInput,
    HwrmFuncBackingStoreCfgOutput,
    HwrmFuncBackingStoreCfgV2Input,
    HwrmFuncBackingStoreCfgV2Output,
    HwrmFuncBackingStoreQcapsInput,
    HwrmFuncBackingStoreQcapsOutput,
    HwrmFuncBackingStoreQcapsV2Input,
    HwrmFuncBackingStoreQcapsV2Output,
    HwrmFuncBackingStoreQcfgInput,
    HwrmFuncBackingStoreQcfgOutput,
    HwrmFuncBackingStoreQcfgV2Input,
    HwrmFuncBackingStoreQcfgV2Output,
)
from devmodel.bnxt.hsi.cmds import Cmd
from devmodel.bnxt.hsi.func import FuncQcapsFlagsExt
from devmodel.bnxt.hsi.header import Err
from devmodel.errors import DmaFault

COMMANDS = CommandTable()
_INITIALISED_TYPES = 5
"""QP, SRQ, CQ, VNIC, STAT: bits 0 to 4 of ctx_init_mask."""


@dataclass(frozen=True, slots=True)
class _Member:
    """Where version 1 has a table: names of the fields of its messages."""

    type: ContextType
    instance: int
    enable: int
    prefix: str
    attributes: str
    size: str


def _members() -> Iterator[_Member]:
    for kind, name, short in (
        (ContextType.QP, "qpc", "qp"), (ContextType.SRQ, "srq", "srq"),
        (ContextType.CQ, "cq", "cq"), (ContextType.VNIC, "vnic", "vnic"),
        (ContextType.STAT, "stat", "stat"),
    ):  # fmt: skip
        yield _Member(
            kind, 0, BackingStoreEnables[short.upper()], name, f"{name}_pg_size_{name}_lvl", short
        )
    rings: list[tuple[ContextType, int, int, str]] = [
        (ContextType.SP_TQM_RING, 0, BackingStoreEnables.TQM_SP, "tqm_sp")
    ]
    rings += [
        (ContextType.FP_TQM_RING, i, BackingStoreEnables.TQM_RING0 << i, f"tqm_ring{i}")
        for i in range(TQM_FAST_PATH_RINGS)
    ]
    for kind, instance, enable, name in rings:
        yield _Member(kind, instance, enable, name, f"{name}_pg_size_{name}_lvl", "tqm")


_MEMBERS = tuple(_members())
_KNOWN_ENABLES = sum(member.enable for member in _MEMBERS)


def _store(fw: Firmware) -> BackingStore:
    if not fw.contexts.kinds:
        raise HwrmError(Err.CMD_NOT_SUPPORTED)
    return fw.contexts


def _has_v2(fw: Firmware) -> bool:
    return bool(fw.identity.func_flags_ext & FuncQcapsFlagsExt.BS_V2_SUPPORTED)


def _store_v2(fw: Firmware) -> BackingStore:
    """For commands that older firmware does not know."""
    if not _has_v2(fw):
        raise HwrmError(Err.CMD_NOT_SUPPORTED)
    return _store(fw)


@COMMANDS.handles(Cmd.FUNC_BACKING_STORE_QCAPS, HwrmFuncBackingStoreQcapsInput)
def qcaps(fw: Firmware, req: HwrmFuncBackingStoreQcapsInput) -> HwrmFuncBackingStoreQcapsOutput:
    """Sizes and counts of all types."""
    kinds = _store(fw).kinds
    limits = fw.identity.limits
    tqm = kinds[ContextType.SP_TQM_RING]
    return HwrmFuncBackingStoreQcapsOutput(
        qp_max_entries=kinds[ContextType.QP].max_entries,
        qp_min_qp1_entries=QP1_ENTRIES,
        qp_max_l2_entries=limits.tx_rings,
        qp_entry_size=kinds[ContextType.QP].entry_bytes,
        srq_max_l2_entries=limits.rx_rings,
        srq_max_entries=kinds[ContextType.SRQ].max_entries,
        srq_entry_size=kinds[ContextType.SRQ].entry_bytes,
        cq_max_l2_entries=limits.cmpl_rings,
        cq_max_entries=kinds[ContextType.CQ].max_entries,
        cq_entry_size=kinds[ContextType.CQ].entry_bytes,
        vnic_max_vnic_entries=limits.vnics,
        vnic_max_ring_table_entries=limits.rsscos_ctx,
        vnic_entry_size=kinds[ContextType.VNIC].entry_bytes,
        stat_max_entries=kinds[ContextType.STAT].max_entries,
        stat_entry_size=kinds[ContextType.STAT].entry_bytes,
        tqm_entry_size=tqm.entry_bytes,
        tqm_min_entries_per_ring=tqm.min_entries,
        tqm_max_entries_per_ring=tqm.max_entries,
        tqm_entries_multiple=TQM_MULTIPLE,
        tqm_fp_rings_count=TQM_FAST_PATH_RINGS,
        ctx_kind_initializer=INIT_VALUE,
        ctx_init_mask=(1 << _INITIALISED_TYPES) - 1,
        qp_init_offset=INIT_OFFSET_WORDS,
        srq_init_offset=INIT_OFFSET_WORDS,
        cq_init_offset=INIT_OFFSET_WORDS,
        vnic_init_offset=INIT_OFFSET_WORDS,
        stat_init_offset=INIT_OFFSET_WORDS,
    )


@COMMANDS.handles(Cmd.FUNC_BACKING_STORE_CFG, HwrmFuncBackingStoreCfgInput)
def cfg(fw: Firmware, req: HwrmFuncBackingStoreCfgInput) -> HwrmFuncBackingStoreCfgOutput:
    """The tables that are enabled, all or none. Boot code (PREBOOT_MODE) has none."""
    store = _store(fw)
    if _has_v2(fw):
        raise HwrmError(Err.INVALID_PARAMS)
    if req.flags & BackingStoreFlags.PREBOOT_MODE:
        return HwrmFuncBackingStoreCfgOutput()
    if req.enables & ~_KNOWN_ENABLES:
        raise fw.refuse("context_memory", Err.INVALID_ENABLES, enables=req.enables)
    for member in _MEMBERS:
        if req.enables & member.enable:
            _configure(
                fw,
                member.type,
                member.instance,
                entries=_entries(req, member),
                entry_bytes=getattr(req, f"{member.size}_entry_size"),
                page_attributes=getattr(req, member.attributes),
                page_dir=getattr(req, f"{member.prefix}_page_dir"),
            )
    store.activate()
    return HwrmFuncBackingStoreCfgOutput()


def _entries(req: HwrmFuncBackingStoreCfgInput, member: _Member) -> int:
    if member.type is ContextType.VNIC:
        return req.vnic_num_vnic_entries + req.vnic_num_ring_table_entries
    name = member.prefix if member.size == "tqm" else member.size
    return int(getattr(req, f"{name}_num_entries"))


def _configure(fw: Firmware, kind: ContextType, instance: int, **how: int) -> None:
    try:
        fw.contexts.configure(
            kind, instance, entries=how["entries"], entry_bytes=how["entry_bytes"],
            page_attributes=how["page_attributes"], page_dir=how["page_dir"],
        )  # fmt: skip
    except (BadContextMemory, DmaFault) as bad:
        fw.contexts.drop_staged()
        raise fw.refuse("context_memory", type=kind.name, detail=str(bad)) from bad


@COMMANDS.handles(Cmd.FUNC_BACKING_STORE_QCFG, HwrmFuncBackingStoreQcfgInput)
def qcfg(fw: Firmware, req: HwrmFuncBackingStoreQcfgInput) -> HwrmFuncBackingStoreQcfgOutput:
    """What is configured, as it was told."""
    store = _store(fw)
    limits = fw.identity.limits
    out = HwrmFuncBackingStoreQcfgOutput()
    for member in _MEMBERS:
        table = store.table(member.type, member.instance)
        if table is None:
            continue
        out.enables |= member.enable
        setattr(out, member.attributes, table.page_attributes)
        setattr(out, f"{member.prefix}_page_dir", table.page_dir)
        if member.type is ContextType.VNIC:
            out.vnic_num_vnic_entries = min(limits.vnics, table.entries)
            out.vnic_num_ring_table_entries = table.entries - out.vnic_num_vnic_entries
        else:
            name = member.prefix if member.size == "tqm" else member.size
            setattr(out, f"{name}_num_entries", table.entries)
    return out


@COMMANDS.handles(Cmd.FUNC_BACKING_STORE_QCAPS_V2, HwrmFuncBackingStoreQcapsV2Input)
def qcaps_v2(
    fw: Firmware, req: HwrmFuncBackingStoreQcapsV2Input
) -> HwrmFuncBackingStoreQcapsV2Output:
    """Size and counts of one type, and which type is next."""
    kinds = _store_v2(fw).kinds
    out = HwrmFuncBackingStoreQcapsV2Output(
        type=req.type, next_valid_type=next((t for t in kinds if t > req.type), NO_CONTEXT_TYPE)
    )
    if req.type not in kinds:
        return out
    kind = kinds[ContextType(req.type)]
    out.entry_size = kind.entry_bytes
    out.flags = BackingStoreQcapsV2Flags.TYPE_VALID
    if req.type < _INITIALISED_TYPES:
        out.flags |= BackingStoreQcapsV2Flags.ENABLE_CTX_KIND_INIT
        out.ctx_init_value, out.ctx_init_offset = INIT_VALUE, INIT_OFFSET_WORDS
    else:
        out.entry_multiple = TQM_MULTIPLE
    if kind.instances > 1:
        out.instance_bit_map = (1 << kind.instances) - 1
    out.max_instance_count = kind.instances
    out.max_num_entries, out.min_num_entries = kind.max_entries, kind.min_entries
    out.subtype_valid_cnt = len(kind.split)
    for i, entries in enumerate(kind.split):
        setattr(out, f"split_entry_{i}", entries)
    return out


def _type(fw: Firmware, number: int) -> ContextType:
    try:
        return ContextType(number)
    except ValueError:
        raise fw.refuse("context_memory", type=number, detail="no such type") from None


@COMMANDS.handles(Cmd.FUNC_BACKING_STORE_CFG_V2, HwrmFuncBackingStoreCfgV2Input)
def cfg_v2(fw: Firmware, req: HwrmFuncBackingStoreCfgV2Input) -> HwrmFuncBackingStoreCfgV2Output:
    """One table; BS_CFG_ALL_DONE puts all that were told in force."""
    store = _store_v2(fw)
    if req.flags & BackingStoreCfgV2Flags.PREBOOT_MODE:
        return HwrmFuncBackingStoreCfgV2Output()
    _configure(
        fw, _type(fw, req.type), req.instance, entries=req.num_entries, entry_bytes=req.entry_size,
        page_attributes=req.page_size_pbl_level, page_dir=req.page_dir,
    )  # fmt: skip
    if req.flags & BackingStoreCfgV2Flags.BS_CFG_ALL_DONE:
        store.activate()
    return HwrmFuncBackingStoreCfgV2Output()


@COMMANDS.handles(Cmd.FUNC_BACKING_STORE_QCFG_V2, HwrmFuncBackingStoreQcfgV2Input)
def qcfg_v2(fw: Firmware, req: HwrmFuncBackingStoreQcfgV2Input) -> HwrmFuncBackingStoreQcfgV2Output:
    """One table as it was told; all zero if it was not."""
    store = _store_v2(fw)
    table = store.table(_type(fw, req.type), req.instance)
    out = HwrmFuncBackingStoreQcfgV2Output(type=req.type, instance=req.instance)
    if table is not None:
        out.page_dir, out.num_entries = table.page_dir, table.entries
        out.page_size_pbl_level = table.page_attributes
    return out
