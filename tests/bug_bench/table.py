# SPDX-License-Identifier: GPL-2.0-only
"""All bugs of the bench. ``python -P -m tests.bug_bench.table`` writes docs/fuzz-bench.md."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from kernels.patches import load_series
from testbed import ROOT

HERE = Path(__file__).parent
DOCUMENT = ROOT / "docs" / "fuzz-bench.md"
SUBJECT = "Bench bug: "
TOGETHER = HERE / "together" / "bugs.patch"
"""All of them behind all our fixes, each with a switch: a bit for each of BUGS, in that order."""
HELD_OUT = TOGETHER.with_name("held-out.patch")
"""Others, which were made after the search: what it finds of these nobody had in mind."""
VALUE, REFUSED, MEMORY, LATE, USE = (
    "a value", "a refusal", "no memory", "late or lost", "use alone"
)  # fmt: skip
"""What has to come to a bug: the card says it, the firmware refuses, an allocation fails, a
completion comes late or not, or nothing but unusual use."""
KINDS = (VALUE, REFUSED, MEMORY, LATE, USE)
_TABLE = re.compile(
    r"(?<=<!-- bugs: python -P -m tests.bug_bench.table -->\n\n).*?(?=\n<!-- /bugs)", re.S
)


@dataclass(frozen=True)
class BenchBug:
    """One patch of this folder.

    :ivar name: of the patch, without ending.
    :ivar kind: of :data:`KINDS`.
    :ivar needs: what has to happen for it to show, in which workload.
    """

    name: str
    kind: str
    needs: str

    @property
    def patch(self) -> Path:
        """Against the kernel that UML guests have by default."""
        return HERE / f"{self.name}.patch"

    @property
    def schedule(self) -> Path:
        """Made by hand, shows it; not there if none is known."""
        return HERE / f"{self.name}.json"

    @property
    def title(self) -> str:
        """What is broken, as the patch has it."""
        (patch,) = load_series(self.patch).patches
        return patch.title.removeprefix(SUBJECT)


# fmt: off
BUGS: Sequence[BenchBug] = (
    BenchBug("bnxt-queues-unbounded", VALUE, "QUEUE_QPORTCFG answers over ten queues at probe"),
    BenchBug("bnxt-reset-registers-unbounded", VALUE,
             "ERROR_RECOVERY_QCFG answers more than 16 registers at probe"),
    BenchBug("bnxt-port-statistics-unbounded", VALUE,
             "PORT_QSTATS_EXT answers a longer block, then counters are read"),
    BenchBug("bnxt-event-buffer-unbounded", VALUE, "an event DBG_BUF_PRODUCER names no buffer"),
    BenchBug("bnxt-rx-index-accepted", VALUE, "a receive completion names another buffer"),
    BenchBug("bnxt-agg-place-taken", LATE,
             "the end of a TPA aggregation is lost, then the ring wraps"),
    BenchBug("bnxt-agg-search-ends", LATE,
             "the same, and what stays is the end of the table"),
    BenchBug("bnxt-hwrm-lock-kept", LATE, "the completion of RING_FREE is lost"),
    BenchBug("bnxt-open-napi-left", REFUSED, "opening is refused in one step, then tried again"),
    BenchBug("bnxt-open-rings-left", REFUSED, "VNIC_ALLOC is refused while opening"),
    BenchBug("bnxt-probe-unwound-backwards", REFUSED, "a step of probing is refused"),
    BenchBug("bnxt-irq-requested-early", MEMORY, "an interrupt cannot be requested while opening"),
    BenchBug("bnxt-pool-error-kept", MEMORY, "a page pool cannot be made while opening"),
    BenchBug("bnxt-map-freed-twice", MEMORY, "rings cannot be made while opening"),
    BenchBug("bnxt-restart-index-shared", MEMORY,
             "a queue restarts with TPA, and its table of aggregations cannot be made"),
    BenchBug("bnxt-restart-live-ring-freed", MEMORY,
             "a queue restarts, and what comes behind its aggregation ring cannot be made"),
    BenchBug("bnxt-rx-buffer-both-ways", MEMORY, "no page for a received packet"),
    BenchBug("bnxt-tpa-buffer-kept", MEMORY, "no skb for an aggregated packet"),
    BenchBug("page-pool-nothing-allocated", MEMORY, "no page at all for a pool"),
    BenchBug("page-pool-fragment-kept", MEMORY, "no page for a pool whose last one is cut up"),
    BenchBug("netdev-queue-freed-unmade", MEMORY, "a queue restarts, and no part can be made"),
    BenchBug("devmem-owner-freed-twice", MEMORY, "a dmabuf is bound without memory for a chunk"),
    BenchBug("devmem-binding-freed-first", MEMORY, "a dmabuf is bound without memory for its pool"),
    BenchBug("zcrx-area-freed-twice", MEMORY, "an area without memory for its last list"),
    BenchBug("zcrx-pages-released-twice", MEMORY, "an area without memory to map it"),
    BenchBug("zcrx-queue-named-early", MEMORY, "an IFQ whose queue cannot be restarted"),
    BenchBug("bnxt-agg-page-lost", USE, "an area that is used up, so that the ring gets no buffer"),
    BenchBug("zcrx-refill-unbounded", USE,
             "user space gives back more than 128 buffers at once: a reader that was stopped"),
    BenchBug("zcrx-pool-without-reference", USE, "buffers are under way when their ring is closed"),
    BenchBug("page-pool-napi-kept", USE, "packets wait in sockets while the interface goes down"),
)
# fmt: on


def rows() -> Iterator[str]:
    """Lines of the table in docs/fuzz-bench.md."""
    yield "| bug | what is broken | what has to come to it | how it shows | by hand |"
    yield "|---|---|---|---|---|"
    for bug in BUGS:
        hand = f"[schedule](../tests/bug_bench/{bug.schedule.name})"
        cells = [
            f"[{bug.name}](../tests/bug_bench/{bug.patch.name})", bug.title, bug.kind, bug.needs,
            hand if bug.schedule.exists() else "not yet",
        ]  # fmt: skip
        yield f"| {' | '.join(cells)} |"


def document(text: str) -> str:
    """The text of docs/fuzz-bench.md with its table as it is now."""
    return _TABLE.sub(lambda _old: "".join(f"{row}\n" for row in rows()), text)


if __name__ == "__main__":
    DOCUMENT.write_text(document(DOCUMENT.read_text(encoding="utf-8")), encoding="utf-8")
