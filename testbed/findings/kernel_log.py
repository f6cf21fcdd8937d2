# SPDX-License-Identifier: GPL-2.0-only
"""Reads the guest's kernel log as it grows and names what is wrong in it.

Pure: bytes in, events out. The serial console is the source, since it still speaks when the guest
no longer does.
"""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass, field
from enum import StrEnum

from testbed.findings import messages
from testbed.host.terminal import escape

LINE_CAP_BYTES = 4096
EXCERPT_LINES = 200
TAIL_LINES = 400


class Splat(StrEnum):
    """What a line of the kernel log reports."""

    PANIC = "panic"
    OOPS = "oops"
    BUG = "BUG"
    KASAN = "KASAN"
    UBSAN = "UBSAN"
    KCSAN = "KCSAN"
    KFENCE = "KFENCE"
    KMEMLEAK = "kmemleak"
    REFCOUNT = "refcount"
    LOCKDEP = "lockdep"
    WARNING = "WARNING"
    SOFT_LOCKUP = "soft lockup"
    HUNG_TASK = "hung task"
    RCU_STALL = "RCU stall"
    DMAR_FAULT = "DMAR fault"
    DMA_API = "DMA-API"
    TX_TIMEOUT = "transmit time-out"
    PAGE_POOL = "page_pool"
    RX_CHECKSUM = "RX checksum"
    NETWORK = "network stack"
    DMA_MAPPING = "DMA mapping"
    INTERRUPT = "interrupt"
    OOM = "OOM killer"
    PAGE_ALLOC = "page allocation failure"
    HWRM_FAILURE = "failed HWRM command"
    DRIVER_ERROR = "driver error"


# The first pattern that matches names the line; the kernel's own wording, most specific first.
_PATTERNS: tuple[tuple[Splat, str], ...] = (
    (Splat.PANIC, r"Kernel panic - not syncing"),
    (Splat.KASAN, r"BUG: KASAN:"),
    (Splat.KCSAN, r"BUG: KCSAN:"),
    (Splat.KFENCE, r"BUG: KFENCE:"),
    (Splat.KMEMLEAK, r"kmemleak: (unreferenced object|\d+ new suspected memory leaks)"),
    (Splat.UBSAN, r"UBSAN:"),
    (Splat.SOFT_LOCKUP, r"watchdog: BUG: soft lockup|hard LOCKUP"),
    (
        Splat.LOCKDEP,
        r"WARNING: (possible (circular locking|recursive locking|irq lock inversion)"
        r"|inconsistent lock state|suspicious RCU usage|bad unlock balance|held lock freed"
        r"|(HARDIRQ|SOFTIRQ)-safe)|BUG: (sleeping function called|scheduling while atomic"
        r"|Invalid wait context)|\[ BUG: Invalid wait context|" + "|".join(messages.LOCKING),
    ),
    (
        Splat.OOPS,
        r"BUG: (kernel NULL pointer|unable to handle)|Oops:|general protection fault"
        r"|kernel BUG at|invalid opcode:|stack segment:|double fault:|Unable to handle kernel",
    ),
    (Splat.REFCOUNT, r"refcount_t: "),
    (
        Splat.BUG,
        r"\bBUG[: ]|list_(add|del) corruption|Bad page state|" + "|".join(messages.OBJECT),
    ),
    (Splat.HUNG_TASK, r"INFO: task .* blocked for more than \d+ seconds"),
    (Splat.RCU_STALL, r"rcu: INFO: .*(detected stall|self-detected stall)|rcu.*kthread starved"),
    (Splat.DMAR_FAULT, r"DMAR: (\[.*Request device|DRHD: handling fault|VT-d detected)"),
    (Splat.DMA_API, r"DMA-API: (\w[\w-]* [0-9a-z]\S*: |exceeded|overlapping|.*leak)"),
    (Splat.TX_TIMEOUT, r"NETDEV WATCHDOG|transmit queue \d+ timed out"),
    (Splat.WARNING, r"\bWARNING: (CPU: \d+ PID|[\w./-]+:\d+ at )|------------\[ cut here \]"),
    (Splat.OOM, r"invoked oom-killer:"),
    (Splat.PAGE_ALLOC, r"page allocation failure"),
    (Splat.PAGE_POOL, "|".join(messages.PAGE_POOL)),
    (Splat.RX_CHECKSUM, "|".join(messages.RX_CHECKSUM)),
    (Splat.NETWORK, "|".join(messages.NETWORK)),
    (Splat.DMA_MAPPING, "|".join(messages.DMA_MAPPING)),
    (Splat.INTERRUPT, "|".join(messages.INTERRUPT)),
    (
        Splat.HWRM_FAILURE,
        r"hwrm req_type 0x|Resp cmpl intr|Abandoning msg|Error \(timeout: \d+|oversized hwrm"
        r"|Discarding out of seq|Firmware not responding|(?i:\bhwrm.*(fail|err|invalid))",
    ),
    (
        Splat.DRIVER_ERROR,
        r"bnxt_en [0-9a-f:.]+.*\b(?i:fail|failed|failure|error|abort|aborting|timed out|Unable to"
        r"|missed irq|invalid|exceeded|dropped)\b"
        r"|bnxt_en [0-9a-f:.]+.*(" + "|".join(messages.DRIVER) + ")",
    ),
)
_ANY = re.compile("|".join(text for _, text in _PATTERNS))
_NAMED = [(kind, re.compile(text)) for kind, text in _PATTERNS]
_TIMESTAMP = re.compile(r"^(?:<\d+>)?\[\s*(\d+\.\d+)\]")
_END = re.compile(r"---\[ end (trace|Kernel panic)|(^|\] )={20,}$")
_CUT_HERE = "[ cut here ]"
_KERNEL_FAULT = re.compile(
    "Kernel panic - not syncing: (Kernel mode fault|Kernel tried to access user memory|Segfault w)"
)
_REGISTERS = "] RIP: "
_REGISTER_LINES = 9
_BANNER = re.compile(r"Linux version \S+ .* (#\d+ .*)")
# Kinds that a trace follows: the lines after them belong to them.
_ONE_LINE = {
    Splat.DMAR_FAULT, Splat.TX_TIMEOUT, Splat.HWRM_FAILURE, Splat.DRIVER_ERROR, Splat.DMA_API,
    Splat.PAGE_POOL, Splat.NETWORK, Splat.DMA_MAPPING,
}  # fmt: skip
# Kinds of which each headline is a report of its own, also right after another one.
_ONE_EACH = {
    Splat.KASAN, Splat.KFENCE, Splat.UBSAN, Splat.HUNG_TASK, Splat.OOM, Splat.KMEMLEAK,
    Splat.RX_CHECKSUM, Splat.INTERRUPT,
}  # fmt: skip
# What a WARNING says in its first lines is what it is.
_MESSAGE_LINES = 3
_SAID_BY_WARNING = {Splat.DMA_API, Splat.REFCOUNT, Splat.TX_TIMEOUT, Splat.BUG}
_LEAK_COUNT = "new suspected memory leaks"


@dataclass
class KernelEvent:
    """One complaint of the kernel. ``uptime_s`` is the guest's, None where the line has none.

    ``excerpt`` grows while the trace is still being printed, at most EXCERPT_LINES lines.
    """

    kind: Splat
    line: str
    uptime_s: float | None
    line_number: int
    excerpt: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return f"{self.kind.value}: {self.line}"


def classify(line: str) -> Splat | None:
    """What ``line`` reports, or None if it is an ordinary line."""
    if _ANY.search(line) is None:
        return None
    return next(kind for kind, pattern in _NAMED if pattern.search(line))


class KernelLogWatcher:
    """Feed it the serial console's bytes; it collects :attr:`events`.

    ``build`` is the `uname -v` that the kernel begins with, "" before that.

    A line longer than LINE_CAP_BYTES is cut there: the guest decides how much it prints.
    """

    def __init__(self) -> None:
        self.events: list[KernelEvent] = []
        self.line_count = 0
        self.build = ""
        self._partial = b""
        self._tail: deque[str] = deque(maxlen=TAIL_LINES)
        self._open: KernelEvent | None = None

    def feed(self, data: bytes) -> list[KernelEvent]:
        """Take the next bytes and return the events that begin in them."""
        *lines, rest = (self._partial + data).split(b"\n")
        while len(rest) > LINE_CAP_BYTES:
            lines.append(rest[:LINE_CAP_BYTES])
            rest = rest[LINE_CAP_BYTES:]
        self._partial = rest
        found = [self._take(line[:LINE_CAP_BYTES]) for line in lines]
        return [event for event in found if event is not None]

    def tail(self, lines: int = 30) -> str:
        """The last lines of the log, safe to print."""
        partial = [escape(self._decode(self._partial))] if self._partial else []
        return "\n".join([*self._tail, *partial][-lines:])

    @staticmethod
    def _decode(line: bytes) -> str:
        return line.decode("utf-8", errors="replace").rstrip("\r")

    def _take(self, raw: bytes) -> KernelEvent | None:
        line = escape(self._decode(raw))
        self._tail.append(line)
        self.line_count += 1
        if not self.build and (banner := _BANNER.search(line)) is not None:
            self.build = banner[1]
        kind = classify(line)
        inside = self._open
        if inside is not None and self._belongs(inside, kind, line):
            self._extend(inside, kind, line)
            return None
        if kind is None:
            self._open = None
            return None
        stamp = _TIMESTAMP.match(line)
        uptime_s = float(stamp[1]) if stamp else None
        event = KernelEvent(kind, line, uptime_s, self.line_count, [line, *self._where(line)])
        self.events.append(event)
        # what another CPU says in one line does not end the trace around it
        self._open = inside if kind in _ONE_LINE else event
        return event

    def _where(self, line: str) -> list[str]:
        """Where the processor was: of a fault of its own kernel UML says so before (segv())."""
        if _KERNEL_FAULT.search(line) is None:
            return []
        before = list(self._tail)[-_REGISTER_LINES:]
        return [said for said in before if _REGISTERS in said][-1:]

    @staticmethod
    def _belongs(event: KernelEvent, kind: Splat | None, line: str) -> bool:
        """A trace repeats words of its headline; only a graver complaint starts a new event."""
        if kind is None:
            return True
        if kind is Splat.WARNING is event.kind:
            return _CUT_HERE in event.line
        if kind is event.kind:
            return kind not in _ONE_EACH or _LEAK_COUNT in line
        if kind is Splat.PANIC:
            return False
        has_message = event.kind is Splat.WARNING and len(event.excerpt) <= _MESSAGE_LINES
        return (
            _CUT_HERE in event.line
            or (event.kind, kind) in _SAME_STORY
            or (has_message and kind in _SAID_BY_WARNING)
        )

    def _extend(self, event: KernelEvent, kind: Splat | None, line: str) -> None:
        has_message = event.kind is Splat.WARNING and kind in _SAID_BY_WARNING
        if kind is not None and (_CUT_HERE in event.line or has_message):
            event.kind, event.line = kind, line  # the line after "cut here" says what it is
        if len(event.excerpt) < EXCERPT_LINES:
            event.excerpt.append(line)
        else:
            self._open = None
        if _END.search(line):
            self._open = None


_SAME_STORY = {
    (Splat.BUG, Splat.OOPS), (Splat.OOPS, Splat.BUG), (Splat.KASAN, Splat.BUG),
    (Splat.KASAN, Splat.OOPS), (Splat.LOCKDEP, Splat.WARNING), (Splat.WARNING, Splat.LOCKDEP),
    (Splat.REFCOUNT, Splat.WARNING), (Splat.DMA_API, Splat.WARNING), (Splat.BUG, Splat.WARNING),
}  # fmt: skip
