# SPDX-License-Identifier: GPL-2.0-only
"""Functions of driver, page pool, zcrx and devmem that allocate, read off a kernel's program.

Where a call goes is in its bytes: a displacement (x86: e8, or e9 for a tail call), or the address
that is loaded before it (movabs), as the large code model of User Mode Linux does. What is loaded
and not called is taken for a call, too: a few functions too many, which cost a run each.
"""

from __future__ import annotations

import re
import struct
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

from elftools.elf.elffile import ELFFile

from testbed.engines.uml.symbols import Symbols, no_program
from testbed.fuzz.signature import in_scope, symbols_of

DEPTH = 5
"""Calls from a function in scope to the allocator, through functions that are not."""
HELPER_DEPTH = 3
"""The same from a helper on."""
SLAB, PAGES = "slab", "pages"
_ALLOCATORS: Mapping[str, re.Pattern[str]] = {
    SLAB: re.compile(r"__kmalloc|__kvmalloc|kmem_cache_alloc|__alloc_skb"),
    PAGES: re.compile(r"__alloc_(frozen_)?pages|alloc_pages|get_page_from_freelist|__vmalloc"),
}
"""Who fails by failslab, and by fail_page_alloc."""
_ASIDE = re.compile(
    r"print|^_dev_|^netdev_(err|warn|info|printk)|warn_slowpath|dump|panic|kasan|kmemleak|lockdep|debug"
    r"|^schedule|mutex|^rtnl|sanitizer"
)
"""What reports, waits or checks: it allocates, but nobody minds if it cannot."""
_CALL = re.compile(rb"[\xe8\xe9]")
_LOADS = re.compile(rb"[\x48\x49][\xb8-\xbf](?=(.{4})\0{4})", re.DOTALL)
_DISPLACEMENT = struct.Struct("<i")
MOST_BYTES = 1 << 30
_EXECUTED = 4  # SHF_EXECINSTR
_FILTER = b"require-start\0"
"""A file of debugfs, of CONFIG_FAULT_INJECTION_STACKTRACE_FILTER."""
_NAME = re.compile(r"(?!.*\.cold)[\w.]{1,64}", re.ASCII)
"""A name that a schedule may have."""

_GIVES_BACK = re.compile(
    r"(^|_)(k?v?free|f?put|del|release|unmap|destroy|close|disable|shutdown|exit|uninit|uninstall"
    r"|unregister|consume|recycle|drop|erase|cleanup|detach|unlease|carrier|report)(_|$)"
)
"""Functions that free, or only tell of something, are left out: those that call them have a turn of
their own."""

Calls = Mapping[str, set[str]]


@dataclass(frozen=True)
class Allocates:
    """A function in scope: where it begins and where it ends, in bytes from ``__binary_start`` on,
    as edges have their places; what it allocates, of SLAB and PAGES; and the ``helpers`` that
    allocate for it, which are not in scope, each with what."""

    first: int
    end: int
    of: frozenset[str]
    helpers: Mapping[str, frozenset[str]] = field(default_factory=dict)


def allocating(image: Path) -> dict[str, Allocates]:
    """Functions that allocate, by name.

    ``image`` may be a path that a worker on another machine has told. Empty for what is no program,
    and for a kernel without the stack filter, where their allocations could not fail alone.
    """
    if not image.is_file() or image.stat().st_size > MOST_BYTES:
        return {}
    symbols = symbols_of(image)
    try:
        program = image.read_bytes()
        calls = calls_of(program, symbols) if _FILTER in program else {}
    except (OSError, ValueError):
        return {}
    found = {}
    for name, first, end in symbols:
        if in_scope(name) and _may_fail(name) and (of := reached(calls, name)):
            places = first - symbols.start, end - symbols.start
            found[name] = Allocates(*places, of, _helpers(calls, name))
    return found


def _may_fail(name: str) -> bool:
    return _NAME.fullmatch(name) is not None and not _GIVES_BACK.search(name.partition(".")[0])


def _helpers(calls: Calls, name: str) -> dict[str, frozenset[str]]:
    """Who allocates for it: request_threaded_irq(), dma_pool_alloc()."""
    others = (one for one in calls[name] if not in_scope(one) and _may_fail(one))
    return {
        one: of
        for one in others
        if not _ASIDE.search(one) and not _kind(one) and (of := reached(calls, one, HELPER_DEPTH))
    }


def _kind(name: str) -> str:
    return next((kind for kind, names in _ALLOCATORS.items() if names.match(name)), "")


def calls_of(program: bytes, symbols: Symbols) -> Calls:
    """Who calls whom. Raises ValueError."""
    table = list(symbols)
    names = {first: name for name, first, _ in table}
    starts = [first for _, first, _ in table]
    calls: defaultdict[str, set[str]] = defaultdict(set)
    for at, target in _targets(program):
        if (callee := names.get(target)) is not None:
            calls[table[bisect_right(starts, at) - 1][0]].add(callee)
    return calls


def _targets(program: bytes) -> Iterator[tuple[int, int]]:
    """Address of each call or load, and the address that it names."""
    for text, address in _texts(program):
        for match in _CALL.finditer(text, 0, len(text) - _DISPLACEMENT.size):
            (displacement,) = _DISPLACEMENT.unpack_from(text, match.end())
            yield address + match.start(), address + match.end() + _DISPLACEMENT.size + displacement
        for match in _LOADS.finditer(text):
            yield address + match.start(), int.from_bytes(match[1], "little")


def _texts(program: bytes) -> Iterator[tuple[bytes, int]]:
    """What is executed, and where it is."""
    with no_program():
        for section in ELFFile(BytesIO(program)).iter_sections():
            if section["sh_flags"] & _EXECUTED and section["sh_type"] == "SHT_PROGBITS":
                yield section.data(), section["sh_addr"]


def reached(calls: Calls, name: str, depth: int = DEPTH) -> frozenset[str]:
    """What ``name`` allocates, by itself or by others that are not in scope."""
    seen, front, found = {name}, [name], set[str]()
    for _ in range(depth):
        callees = {callee for one in front for callee in calls.get(one, ())} - seen
        found |= set(map(_kind, callees))
        seen |= callees
        front = [
            one for one in callees
            if not _kind(one) and not in_scope(one) and _may_fail(one) and not _ASIDE.search(one)
        ]  # fmt: skip
    return frozenset(found - {""})
