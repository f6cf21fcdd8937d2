# SPDX-License-Identifier: GPL-2.0-only
"""One name for one bug: from a complaint of the kernel, class and place, no number and no line.

KASAN, UBSAN, a page fault and the panic of User Mode Linux are one class where they mean one thing:
memory that is not the accessor's; what is freed twice is told apart from what is used. The place is
the innermost function in scope, and for what asserts something (WARN, BUG) also the function that
asserts it. A mapping that was left has no place, but was mapped in some way; nor has a packet that
nothing points to, which several functions allocate in parts, and none of them has lost.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path

from testbed.engines.uml.symbols import Symbols, system_map
from testbed.findings.kernel_log import KernelEvent, Splat
from testbed.findings.splat_report import SplatReport, is_helper
from testbed.fuzz.left_mapping import left_mapping

MEMORY, ARITHMETIC = "memory", "arithmetic"

_FREED_TWICE = ("double-free", "invalid-free")

NameOf = Callable[[int], str]
"""Address in the kernel -> ``function+0xoffset``, empty if there is none."""

_IN_SCOPE = re.compile(
    r"bnxt_|hwrm_|page_pool|netmem|net_mp_|netdev_rx_queue|netdev_nl_|devmem|net_iov|zcrx|io_pp_"
    r"|recvzc|dmabuf|send_zc|sendmsg_zc"
)
# traps and what tells of them, as User Mode Linux's guesses have them
_TRAPS = re.compile(
    r"^(panic|vpanic|nmi_panic|dump_stack|_printk|relay_signal|sig_handler|hard_handler|segv"
    r"|bad_segv|show_stack|block_signals|unblock_signals|um_[gs]et_signals)"
)
_GUESS = re.compile(r"\] \? (?P<function>[\w.]+)\+0x(?P<offset>[0-9a-f]+)")
_ADDRESS = re.compile(r"\bip 0x([0-9a-f]+)")
_PACKET = re.compile(
    r"^(kmalloc_reserve|napi_skb_cache_get|skb_clone|_*(napi_)?(alloc|build)_skb(_around)?)$"
)
_NUMBER = re.compile(r"\b(0x)?[0-9a-f]*\d[0-9a-f]*\b")
_CODE_PART = re.compile(r"\.(cold|isra|part|constprop|lto_priv)\b.*")
_DIVIDE = re.compile(r"signal 8\b|divide error|division|shift-out-of-bounds|overflow")
_FAULT = re.compile(
    r"Kernel mode fault|access user memory|Segfault|signal (7|11)\b|general protection|NULL pointer"
    r"|page fault|paging request"
)
_SLEEPS = re.compile(r"Invalid wait context|sleeping function called|scheduling while atomic")
_BOUNDS = re.compile(r"index-out-of-bounds|object-size|null-ptr|pointer-overflow|misaligned")


def in_scope(function: str) -> bool:
    """Whether ``function`` is of the driver, the page pool, zcrx, devmem or queue management."""
    return _IN_SCOPE.search(function) is not None


def kind_of(report: SplatReport) -> str:
    """The class of a complaint: what is equal for all ways in which one bug may show."""
    said = f"{report.kind} {report.headline}"
    match report.sanitizer:
        case Splat.KASAN | Splat.KFENCE:
            return MEMORY
        case Splat.UBSAN if _BOUNDS.search(report.kind):
            return MEMORY
        case Splat.OOPS | Splat.PANIC | Splat.UBSAN if _DIVIDE.search(said):
            return ARITHMETIC
        case Splat.OOPS | Splat.PANIC if _FAULT.search(said):
            return MEMORY
        case Splat.WARNING:
            return "WARN"
        case Splat.BUG if report.kind.startswith("BUG_ON"):
            return "BUG"
    words = _NUMBER.sub("N", report.kind).strip(" .:")
    return f"{report.sanitizer}: {words}" if words else report.sanitizer


def place_of(report: SplatReport) -> tuple[str, str]:
    """The function that complains, and the innermost that is in scope; empty if not known."""
    frames = list(report.trace) or list(_guesses(report))
    inner = _at_address(report) or report.function or ""
    if failed := re.search(r"BUG: failure at \S+?/(\w+)\(\)!", report.headline):
        inner = failed[1]
    inner = inner or next(iter(frames), "")
    scope = next((name for name in (inner, *frames) if in_scope(name)), "")
    return inner, scope


def signature(report: SplatReport) -> str:
    """The bug's name: ``memory: bnxt_rx_pkt``, ``WARN: napi_enable_locked < bnxt_queue_start``."""
    kind = kind_of(report)
    if (left := left_mapping(report.events[0])) is not None:
        return f"{kind}: {left.how}"  # it is told of where the driver goes, not where it was lost
    inner, scope = place_of(report)
    if report.sanitizer == Splat.KMEMLEAK and _PACKET.match(inner):
        return f"{kind}: skb"  # of head and data, by whoever filled the cache, or sent it
    if kind in (MEMORY, ARITHMETIC, Splat.OOM) and scope:
        inner = scope  # what is called with a bad pointer, or allocates, is many functions
    if report.sanitizer == Splat.KASAN and report.kind.startswith(_FREED_TWICE):
        kind = f"{kind}: freed twice"
    place = " < ".join(dict.fromkeys(name for name in (inner, scope) if name))
    return f"{kind}: {place}" if place else kind


def path_of(report: SplatReport, known: str = "") -> str:
    """What one path does wrong is one complaint of a run, whatever it called complains of; empty if
    nothing of the path is in scope.

    Who sleeps where it must not is told by lockdep and by the scheduler, by each function that
    may: it is one for the outermost function, which may be who forbade it. What is on record
    there (``known``) hides nothing that is not.
    """
    kind, (_, scope) = kind_of(report), place_of(report)
    if _SLEEPS.search(report.kind):
        outer = next(filter(in_scope, reversed(report.trace)), "")
        return f"sleeps: {outer} {known}" if outer else ""
    return f"{kind} {scope}" if scope else ""


def _at_address(report: SplatReport) -> str:
    """The function that :func:`with_place` has written down: no frame of the trace, which begins
    with its caller."""
    address = _ADDRESS.search(report.headline)
    if address is None:
        return ""
    at = re.compile(rf"\[<{address[1]}>\] \? ([\w.]+)\+0x")
    found = [at.search(line) for event in report.events for line in event.excerpt]
    names = [_CODE_PART.sub("", one[1]) for one in found if one]
    return "" if not names or is_helper(names[0]) else names[0]


def _guesses(report: SplatReport) -> Iterator[str]:
    """Functions that User Mode Linux without frame pointers found on the stack, innermost first.

    One at offset 0 is an address that somebody had in a register, not where a call returns.
    """
    for event in report.events:
        for line in event.excerpt:
            found = _GUESS.search(line)
            if found is None or not int(found["offset"], 16):
                continue
            name = _CODE_PART.sub("", found["function"])
            if not _TRAPS.match(name) and not is_helper(name):
                yield name


def with_place(event: KernelEvent, name_of: NameOf) -> KernelEvent:
    """``event`` with the function its headline's address is in: there it happened, while all that
    User Mode Linux has of the stack are guesses."""
    address = _ADDRESS.search(event.line)
    if address is None or not (name := name_of(int(address[1], 16))):
        return event
    first, *others = event.excerpt
    return replace(event, excerpt=[first, f"  [<{address[1]}>] ? {name}", *others])


def names_of(program: Path) -> NameOf:
    """Names of a kernel's functions; none for what is no program."""
    table = symbols_of(program)
    return lambda address: table.name(address) or ""


@cache
def symbols_of(program: Path) -> Symbols:
    """Those of the System.map beside a kernel's program, or of the program itself; none of what is
    no program."""
    try:
        return Symbols((program.parent / "System.map").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        try:
            return Symbols(system_map(program.read_bytes()))
        except (OSError, ValueError):
            return Symbols("")
