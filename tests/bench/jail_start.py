# SPDX-License-Identifier: GPL-2.0-only
"""What starting a program in the jail costs: ``python -P -m tests.bench.jail_start [RUNS]``.

Prints, in milliseconds, the least and the median wall time and CPU time of a program that does
nothing: as it is, in the jail, and what of that Python takes. One after the other, in turns.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from images.jail import start
from images.jail.host import surroundings
from images.jail.spec import JailSpec
from images.jail.user import draw_uid

NOTHING = ["/usr/bin/true"]


def commands() -> Mapping[str, Sequence[str]]:
    """What is compared."""
    spec = JailSpec(
        filter="uml", parent=os.getpid(), uid=draw_uid(), memory={"/dev/shm": 1 << 30},
        **surroundings([Path(NOTHING[0])]),
    )  # fmt: skip
    python = [sys.executable, "-I", "-S", "-c", ""]
    return {"as it is": NOTHING, "Python": python, "in the jail": start.command(spec, NOTHING)}


def cost_ms(argv: Sequence[str]) -> tuple[float, float]:
    """Wall time and CPU time of one start to its end."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(argv, check=True)
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return wall * 1e3, cpu * 1e3


def main() -> None:
    """Measure and print."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 40
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in commands()}
    for _ in range(runs):
        for name, argv in commands().items():
            found[name].append(cost_ms(argv))
    for name, costs in found.items():
        wall, cpu = zip(*costs, strict=True)
        print(
            f"{name:12} wall {min(wall):5.1f} {statistics.median(wall):5.1f}"
            f"  CPU {min(cpu):5.1f} {statistics.median(cpu):5.1f} ms"
        )


if __name__ == "__main__":
    main()
