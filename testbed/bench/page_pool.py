# SPDX-License-Identifier: GPL-2.0-only
"""One guest that runs the page_pool benchmark, and what the module says of each path."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from testbed.bench.kernels import MODULE, BenchKernel
from testbed.dut.nic import set_link
from testbed.dut.protocols import Endpoint
from testbed.engines.qemu.session import QemuSession
from testbed.errors import GuestCommandFailed
from testbed.options import Accel, RunOptions, Timing

TICKS_PER_INSTRUCTION = 2
"""``-icount shift=1``: an instruction takes 2 ns, and the guest's TSC counts nanoseconds."""

PATHS = {
    "for_loop": "empty loop",
    "no-softirq-page_pool01": "fast path",
    "no-softirq-page_pool02": "ptr_ring",
    "no-softirq-page_pool03": "slow path",
}
"""What the module calls them -> what they are. 01 returns each page to the pool's cache, 02 to its
ring, 03 to the page allocator."""

BASELINE = "empty loop"
LOOPS = 2_000
RUNS = 12
MODULE_PLACE = f"/tmp/{MODULE}.ko"
RUN_TIMEOUT_S = 600.0

_LINE = re.compile(r"Type:(\S+) Per elem: .*\(invoke count:(\d+) tsc_interval:(\d+)\)")


@dataclass(frozen=True)
class PathCost:
    """Instructions per page of one path, a value for each run of the module, the loop included.

    What comes on top of the path's own are interrupts, the timer's above all: many short runs, of
    which some have none (or, of the slow path, as few as can be), say more than few long ones.
    """

    name: str
    instructions: tuple[float, ...]

    @property
    def floor(self) -> float:
        """The run least interrupted."""
        return min(self.instructions)

    @property
    def spread(self) -> float:
        """How far the next best run is above it, as a part of it."""
        best = sorted(self.instructions)[:2]
        return (best[-1] - best[0]) / best[0]


def bench_options() -> RunOptions:
    """A guest whose clock is its instructions, alone on one CPU."""
    return RunOptions(
        accel=Accel.TCG, icount=True, timing=Timing.SYNCHRONOUS, cpus=1, seed=1, memory_mib=1024
    )


def parse(log: str) -> dict[str, float]:
    """Instructions per page by path, of one run of the module. Raises GuestCommandFailed."""
    found = {
        PATHS[name]: int(ticks) / TICKS_PER_INSTRUCTION / int(count)
        for name, count, ticks in _LINE.findall(log)
        if name in PATHS
    }
    missing = set(PATHS.values()) - set(found)
    if missing:
        raise GuestCommandFailed(
            f"the benchmark printed nothing of {', '.join(sorted(missing))}: {log[-500:]!r}"
        )
    return found


def run_once(dut: Endpoint, loops: int) -> dict[str, float]:
    """Load the module, which measures as it does, and unload it. Raises GuestCommandFailed.

    With real-time priority no other task takes its turn in between.
    """
    dut.run(["dmesg", "--clear"])
    load = ["chrt", "--fifo", "99", "insmod", MODULE_PLACE, f"loops={loops}"]
    dut.run(load, timeout_s=RUN_TIMEOUT_S)
    log = dut.run(["dmesg"]).text
    dut.run(["rmmod", MODULE])
    return parse(log)


def measure(
    kernel: BenchKernel, run_dir: Path, *, loops: int = LOOPS, runs: int = RUNS,
    say: Callable[[str], None],
) -> Mapping[str, PathCost]:  # fmt: skip
    """Boot the kernel, run the module once to warm up and ``runs`` times more.

    Raises LostVM, ModelFailure, GuestCommandFailed, EnvironmentProblem.
    """
    with QemuSession(bench_options(), run_dir, kernel.prepared) as session:
        say(f"{kernel.name}: {kernel.prepared.kernel.release} is up")
        set_link(session.dut, "down")  # nothing to do for driver and card
        session.dut.put(kernel.module, MODULE_PLACE)
        run_once(session.dut, loops)
        found = [run_once(session.dut, loops) for _ in range(runs)]
    return {name: PathCost(name, tuple(run[name] for run in found)) for name in PATHS.values()}
