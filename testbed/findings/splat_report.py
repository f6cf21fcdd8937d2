# SPDX-License-Identifier: GPL-2.0-only
"""A complaint of the kernel as a structured report: who complains, of what, in which function.

Pure: reads the excerpts that :mod:`testbed.findings.kernel_log` collected. Wording as printed by
linux 7.2: mm/kasan/report.c, lib/ubsan.c, kernel/locking/lockdep.c, kernel/dma/debug.c,
mm/kmemleak.c, kernel/panic.c, and the traces of arch/um and arch/x86.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import dropwhile
from typing import Any

from testbed.findings.kernel_log import KernelEvent, Splat

TRACE_FUNCTIONS = 24

_PREFIX = re.compile(r"^(?:<\d+>)?\[\s*\d+\.\d+\](?:\[\s*[TC]\d+\])? ?")
_FRAME = re.compile(
    r"^(?:kmemleak:)?\s*(?:\[<[0-9a-f]+>\] )?(?P<guess>\? )?"
    r"(?P<function>[\w.]+)\+0x(?P<offset>[0-9a-f]+)/0x[0-9a-f]+(?: \[\w+\])?$"
)
_TRACE_BEGINS = re.compile(r"Call Trace:|backtrace \(crc|stack backtrace:")
_TRACE_ENDS = re.compile(
    r"^---\[|^Allocated by|^Freed by|^irq event stamp|^Code:|^RIP:|^The buggy address|^Modules"
    r"|^Last potentially|^kmemleak:   \.\.\."
)
_PC = re.compile(r"^(?:RIP: \w+:|EIP: |pc : )([\w.]+)\+0x")
_SUFFIX = re.compile(r"(\.(cold|constprop\.\d+|isra\.\d+|part\.\d+|llvm\.\d+))+$")
_COMM = re.compile(r"PID: (?P<pid>\d+) Comm: (?P<name>\S+)")
_TASK = re.compile(r"by task (?P<name>.+)/(?P<pid>\d+)$")
_LEAKED_BY = re.compile(r'comm "(?P<name>[^"]*)", pid (?P<pid>\d+)')
_HUNG = re.compile(r"INFO: task (?P<name>.+):(?P<pid>\d+) blocked for")
_LOCKED_BY = re.compile(r"^(?P<name>\S+)/(?P<pid>\d+) (?:\[.*\] takes:|is trying to)")
_ACCESS = re.compile(r"^(Read|Write) of size (\d+) at")
_LEAK_SIZE = re.compile(r"unreferenced object 0x[0-9a-f]+ \(size (\d+)\)")
_PLACE = re.compile(r"(?:/kernel/source/)?([\w./-]+\.[ch]:\d+)")
_AT = re.compile(r" at:? ([\w.]+)\+0x")
_NUMBER = re.compile(r"0x[0-9a-f]+|\b[0-9a-f]{8,}\b|\d+")
_PANIC_OF = re.compile(
    r"not syncing: (BUG!|Fatal exception|Fatal hardware|panic_on_warn|kasan\.|KASAN|UBSAN|hung_task"
    r"|softlockup|Oops|System is deadlocked on memory)"
)

# Frames that say how a complaint is made, or that only carry out what their caller asked for.
_HELPERS = {
    "show_stack", "dump_stack", "dump_stack_lvl", "panic", "vpanic", "nmi_panic", "report_bug",
    "handle_bug", "print_report", "end_report", "check_unmap", "kmem_dump_obj", "print_usage_bug",
    "mark_lock", "__lock_acquire", "lock_acquire", "print_circular_bug", "check_noncircular",
    "print_deadlock_bug", "lockdep_rcu_suspicious", "print_unlock_imbalance_bug", "mark_lock_irq",
    "mark_held_locks", "save_stack_trace", "set_track_prepare", "__alloc_object",
    "__create_object", "memcpy", "memmove", "memset", "memcmp", "strlen", "strcpy", "strscpy",
    "refcount_warn_saturate", "add_dma_entry", "skb_panic", "skb_over_panic", "skb_under_panic",
    "skb_put", "skb_push", "skb_pull", "__skb_pull", "__skb_put", "asm_exc_invalid_op",
    "exc_invalid_op", "asm_exc_page_fault", "exc_page_fault", "page_fault_oops", "die", "__die",
    "die_addr", "do_trap", "do_error_trap", "segv", "segv_handler", "sig_handler",
    "sig_handler_common", "get_page_from_freelist", "hard_handler", "bust_spinlocks", "vprintk",
    "vprintk_emit", "_printk", "kmalloc", "kzalloc", "kmalloc_array", "kvmalloc", "vmalloc",
    "vzalloc", "__schedule", "schedule", "schedule_timeout", "schedule_preempt_disabled",
    "netdev_rx_csum_fault", "do_netdev_rx_csum_fault", "__skb_checksum_complete",
    "__report_bad_irq", "note_interrupt", "dump_header", "oom_kill_process", "out_of_memory",
}  # fmt: skip
_HELPER_PREFIXES = (
    "__asan_", "kasan_", "__kasan_", "__ubsan_", "ubsan_", "__warn", "warn_slowpath", "_raw_spin_",
    "_raw_read_", "_raw_write_", "__might_", "might_", "__schedule_bug", "dma_map_", "dma_unmap_",
    "__dma_map_", "debug_dma_", "dma_entry_", "dma_alloc_", "dma_free_", "stack_trace_",
    "stack_depot_", "kmemleak_", "__kmalloc", "kmem_cache_alloc", "kfence_", "__sanitizer_",
    "__list_add", "__list_del", "err_printk", "check_for_", "check_sync", "__alloc_pages",
    "__mutex_lock", "mutex_lock", "wait_for_completion", "rwsem_", "down_",
    "__alloc_frozen_", "alloc_pages", "alloc_frozen_", "__vmalloc", "___slab_alloc", "slab_",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class SplatReport:
    """One complaint.

    ``sanitizer`` is a value of :class:`Splat`; ``kind`` what it complains of, in its own words
    without numbers; ``function`` the innermost function that is not a helper of the complaint;
    ``location`` file:line as the kernel says it; ``access`` "read" or "write" of
    ``access_bytes`` bytes (of a leak: the size of the object); ``trace`` innermost first, from the
    first function on that is no helper.
    ``panicked``: the kernel ended because of it. ``count``: how often it came, if the same ones
    were put together (:mod:`testbed.findings.repeated`).
    """

    sanitizer: str
    kind: str
    function: str | None
    headline: str
    location: str | None = None
    access: str | None = None
    access_bytes: int | None = None
    task: str | None = None
    trace: tuple[str, ...] = ()
    uptime_s: float | None = None
    panicked: bool = False
    count: int = 1
    events: tuple[KernelEvent, ...] = field(default=(), compare=False, repr=False)

    @property
    def signature(self) -> str:
        """The same for the same bug in another run, another build or another boot."""
        return ": ".join(part for part in (self.sanitizer, self.kind, self.function) if part)

    def went_through(self, function: str) -> bool:
        """Whether a trace names ``function``; without frame pointers all of it are guesses."""
        frame = re.compile(rf"\b{re.escape(function)}(\.[\w.]+)?\+0x")
        return any(frame.search(line) for event in self.events for line in event.excerpt)

    def as_document(self) -> dict[str, Any]:
        """For summary.json."""
        return {
            "sanitizer": self.sanitizer, "kind": self.kind, "function": self.function,
            "signature": self.signature, "headline": self.headline, "location": self.location,
            "access": self.access, "access_bytes": self.access_bytes, "task": self.task,
            "trace": list(self.trace), "uptime_s": self.uptime_s, "panicked": self.panicked,
            "count": self.count,
        }  # fmt: skip


def reports(events: Sequence[KernelEvent]) -> list[SplatReport]:
    """One report for each complaint; a panic that only follows from one belongs to it."""
    found: list[SplatReport] = []
    waiting = deque(events)
    while waiting:
        story = [waiting.popleft()]
        while waiting and _follows(story[-1], waiting[0]):
            story.append(waiting.popleft())
        found.append(_report(story))
    return found


def _follows(first: KernelEvent, then: KernelEvent) -> bool:
    if then.kind is not Splat.PANIC or first.kind is Splat.PANIC:
        return False
    return _PANIC_OF.search(then.line) is not None


def plain(line: str) -> str:
    """A line of the kernel log without its time stamp."""
    return _PREFIX.sub("", line)


def _report(story: list[KernelEvent]) -> SplatReport:
    event = story[0]
    lines = [plain(line) for one in story for line in one.excerpt]
    headline = plain(event.line)
    trace = tuple(dropwhile(is_helper, _trace(lines)))
    access, size = _access(lines)
    return SplatReport(
        sanitizer=event.kind.value, kind=_kind(event.kind, headline, access),
        function=_function(event.kind, headline, lines, trace), headline=headline,
        location=_location(headline, lines), access=access, access_bytes=size, task=_task(lines),
        trace=trace, uptime_s=event.uptime_s, panicked=story[-1].kind is Splat.PANIC,
        events=tuple(story),
    )  # fmt: skip


def _trace(lines: Sequence[str]) -> Iterator[str]:
    """Functions of the first stack trace, innermost first, without the kernel's guesses."""
    # lockdep prints older traces first; its own has this title
    titled = [n for n, line in enumerate(lines) if line.startswith("stack backtrace:")]
    begun = False
    count = 0
    for line in lines[titled[0] if titled else 0 :]:
        if _TRACE_BEGINS.search(line):
            begun = True
            continue
        if not begun:
            continue
        frame = _FRAME.match(line.rstrip())
        if frame is None:
            if count and _TRACE_ENDS.search(line):
                return
            continue
        # a return address at the very start of a function is behind a call that never returns
        if frame["guess"] or frame["offset"] == "0":
            continue
        yield _SUFFIX.sub("", frame["function"])
        count += 1
        if count >= TRACE_FUNCTIONS:
            return


def is_helper(function: str) -> bool:
    """Whether ``function`` only makes the complaint, or does what its caller asked for."""
    return function in _HELPERS or function.startswith(_HELPER_PREFIXES)


def _function(kind: Splat, headline: str, lines: Sequence[str], trace: Sequence[str]) -> str | None:
    named: list[str] = []
    if kind in (Splat.KASAN, Splat.KFENCE, Splat.KCSAN):
        named += re.findall(r" in ([\w.]+)\+0x", headline)[:1]
    elif kind is Splat.LOCKDEP:
        named += next((_AT.findall(line)[:1] for line in lines if _AT.search(line)), [])
    elif failure := re.search(r"BUG: failure at [\w./-]+:\d+/(\w+)\(\)", headline):
        named.append(failure[1])  # as User Mode Linux says it
    else:
        named += [at[1] for line in lines[:4] if (at := _AT.search(line))]
        named += [pc[1] for line in lines if (pc := _PC.match(line))][:1]
    candidates = (_SUFFIX.sub("", name) for name in (*named, *trace))
    return next((name for name in candidates if not is_helper(name)), None)


def _kind(kind: Splat, headline: str, access: str | None) -> str:
    text = headline
    if match := re.search(r"BUG: K(?:ASAN|FENCE|CSAN): ([\w -]+?)(?: in |$| on )", text):
        return f"{match[1]} {access}" if access and access not in match[1] else match[1]
    if kind is Splat.UBSAN:
        return text.partition("UBSAN: ")[2].partition(" in ")[0]
    if kind is Splat.LOCKDEP:
        return re.sub(r"^.*?(WARNING|BUG): ", "", text).partition(" at ")[0].rstrip("]! ")
    if kind is Splat.DMA_API:
        words = text.partition("DMA-API: ")[2].partition(": ")[2] or text.partition("DMA-API: ")[2]
        return words.partition(" [")[0].removeprefix("device driver ")
    if kind is Splat.KMEMLEAK:
        return "unreferenced object"
    if kind is Splat.WARNING:
        return "WARN"
    if kind is Splat.BUG and re.search(r"BUG: failure at|kernel BUG at", text):
        return "BUG_ON"
    if kind is Splat.OOPS:
        text = re.sub(r"^(BUG|Oops): ", "", text).partition(", ")[0]
    if kind is Splat.HUNG_TASK:
        return "blocked task"
    if kind is Splat.OOM:
        return ""  # whose allocation it was that found no memory is chance
    if kind is Splat.REFCOUNT:
        return text.partition("refcount_t: ")[2].rstrip(".")
    return _NUMBER.sub("N", text.partition("not syncing: ")[2] or text)


def _access(lines: Sequence[str]) -> tuple[str | None, int | None]:
    for line in lines:
        if match := _ACCESS.match(line):
            return match[1].lower(), int(match[2])
        if leak := _LEAK_SIZE.search(line):
            return None, int(leak[1])
    return None, None


def _task(lines: Sequence[str]) -> str | None:
    for line in lines:
        for pattern in (_TASK, _COMM, _LEAKED_BY, _HUNG, _LOCKED_BY):
            if match := pattern.search(line):
                return f"{match['name']}/{match['pid']}"
    return None


def _location(headline: str, lines: Sequence[str]) -> str | None:
    for line in (headline, *lines[:3]):
        if match := _PLACE.search(line):
            return match[1]
    return None
