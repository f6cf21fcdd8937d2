# SPDX-License-Identifier: GPL-2.0-only
"""Completions and notifications as events of the fault engine, and back.

An event holds the raw members of the entry's structure by their C names, its bit fields by theirs,
and ``opaque``. A completion of two halves is one event.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from devmodel.bnxt.hsi import ring as hsi
from devmodel.bnxt.hsi.ring import CmplType
from devmodel.faults.engine import FaultEngine
from devmodel.faults.rule import Event
from devmodel.layout import Bits, Layout

_ENTRY_BYTES = 16
_HALVES: dict[int, tuple[type[Layout], ...]] = {
    CmplType.TX_L2: (hsi.TxCmp,),
    CmplType.TX_L2_COAL: (hsi.TxCmp,),
    CmplType.RX_L2: (hsi.RxCmp, hsi.RxCmpExt),
    CmplType.RX_AGG: (hsi.RxAggCmp,),
    CmplType.RX_TPA_START: (hsi.RxTpaStartCmp, hsi.RxTpaStartCmpExt),
    CmplType.RX_TPA_END: (hsi.RxTpaEndCmp, hsi.RxTpaEndCmpExt),
    CmplType.RX_TPA_AGG: (hsi.RxAggCmp,),
    CmplType.HWRM_DONE: (hsi.HwrmCmpl,),
    CmplType.HWRM_ASYNC_EVENT: (hsi.HwrmAsyncEventCmpl,),
    CmplType.CQ_NOTIFICATION: (hsi.NqeCn,),
}
_TYPE_MASK = 0x3F


class EntryRing(Protocol):
    """A ring of completions or notifications, seen from here."""

    @property
    def id(self) -> int:
        """Its number."""

    @property
    def prod(self) -> int:
        """Entries ever written."""

    def store(self, entries: bytearray, *, flip_phase: bool = False, advance: bool = True) -> bool:
        """Store whole entries."""

    def announce(self) -> None:
        """Tell the host of what was stored late."""


def _bits(kind: type[Layout]) -> tuple[str, ...]:
    return tuple(name for name, b in inspect.getmembers_static(kind) if isinstance(b, Bits))


_KINDS = {kind for halves in _HALVES.values() for kind in halves}
_BITS = {kind: _bits(kind) for kind in _KINDS}
_OPAQUE = {
    kind: next((f.name for f in kind.FIELDS if f.name.endswith("_cmp_opaque")), "")
    for kind in _KINDS
}
"""Name of a structure's opaque member, or empty."""


def type_name(number: int) -> str:
    """Name of a CmplType, or the number in decimal."""
    try:
        return CmplType(number).name
    except ValueError:
        return str(number)


def _type_number(name: object) -> int:
    if isinstance(name, str) and name in CmplType.__members__:
        return int(CmplType[name])
    try:
        return int(str(name), 0) & _TYPE_MASK
    except ValueError:
        return 0


def split(entries: bytes | bytearray) -> Iterator[bytes]:
    """One completion after the other, with all its parts."""
    at = 0
    while at < len(entries):
        halves = _HALVES.get(entries[at] & _TYPE_MASK, (hsi.TxCmp,))
        size = len(halves) * _ENTRY_BYTES
        yield bytes(entries[at : at + size])
        at += size


def decode(entry: bytes) -> Event:
    """The fields of one completion."""
    number = entry[0] & _TYPE_MASK
    event: Event = {}
    for i, kind in enumerate(_HALVES.get(number, (hsi.TxCmp,))):
        part = kind.unpack(entry, i * _ENTRY_BYTES)
        event |= {f.name: getattr(part, f.name) for f in kind.FIELDS}
        event |= {name: getattr(part, name) for name in _BITS[kind]}
        if name := _OPAQUE[kind]:
            event["opaque"] = getattr(part, name)
    event["type"] = type_name(number)
    return event


def encode(entry: bytes, before: Event, after: Event) -> bytearray:
    """``entry`` with the fields in which ``after`` differs; values are cut to their width."""
    number = entry[0] & _TYPE_MASK
    out = bytearray(entry)
    for i, kind in enumerate(_HALVES.get(number, (hsi.TxCmp,))):
        part = kind.unpack(entry, i * _ENTRY_BYTES)
        for f in kind.FIELDS:
            for name in (f.name, "opaque" if f.name == _OPAQUE[kind] else f.name):
                value = after.get(name)
                if name != "type" and value != before.get(name) and isinstance(value, int):
                    setattr(part, f.name, value & (1 << 8 * f.size) - 1)
        for name in _BITS[kind]:
            value = after.get(name)
            if name != "type" and value != before.get(name) and isinstance(value, int):
                mask: int = getattr(kind, name)
                setattr(part, name, value & mask // (mask & -mask))
        part.pack_into(out, i * _ENTRY_BYTES)
    if after.get("type") != before.get("type"):
        out[0] = out[0] & ~_TYPE_MASK | _type_number(after.get("type"))
    return out


def blank_entry(kind: str, fields: Mapping[str, Any]) -> bytearray:
    """A completion of type ``kind`` (a name of CmplType) with these fields, all others zero."""
    number = _type_number(kind)
    halves = _HALVES.get(number, (hsi.TxCmp,))
    entry = bytearray(_ENTRY_BYTES * len(halves))
    entry[0] = number
    before = decode(bytes(entry))
    return encode(bytes(entry), before, {**before, **fields})


def widths(kind: str) -> dict[str, int]:
    """Bits of each member of a completion of type ``kind`` that a fault can set to a number."""
    found: dict[str, int] = {}
    for half in _HALVES[CmplType[kind]]:
        masks = {name: getattr(half, name) for name in _BITS[half] if name != "type"}
        found |= {f.name: 8 * f.size for f in half.FIELDS if f.name != "type"}
        found |= {name: mask.bit_count() for name, mask in masks.items()}
        if _OPAQUE[half]:
            found["opaque"] = 32
    return found


def write_faulty(
    faults: FaultEngine, point: str, ring: EntryRing, entries: bytes | bytearray
) -> bool:
    """Write a batch with faults armed: each completion is an event of its own."""
    good = True
    for entry in split(entries):
        event = decode(entry)
        event |= {"ring_id": ring.id, "index": ring.prod, "flip_phase": False, "advance": True}

        def perform(changed: Event, entry: bytes = entry, event: Event = event) -> bool:
            target: EntryRing | None = ring
            if changed["ring_id"] != event["ring_id"]:
                target = faults.find_ring(point, changed["ring_id"])
            if target is None:
                return True
            done = target.store(
                encode(entry, event, changed),
                flip_phase=bool(changed["flip_phase"]),
                advance=bool(changed["advance"]),
            )
            if faults.is_late or target is not ring:
                target.announce()
            return done

        good = faults.pass_on(point, event, perform, True) and good
    return good
