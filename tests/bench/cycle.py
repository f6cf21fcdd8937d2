# SPDX-License-Identifier: GPL-2.0-only
"""What one zcrx cycle in a fresh guest of UML costs: ``python -P -m tests.bench.cycle [WORDS]``.

Prints, three times, the CPU seconds of this whole host for a few and for many runs of ``testbed
repeat zcrx``, and what one run more costs: guest, card and runner, without the command's start. The
host must have nothing else to do. WORDS are further options of ``testbed repeat``.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

FEW, MANY = 20, 80
ROUNDS = 3
BUSY = (0, 1, 2, 5, 6)  # of /proc/stat: user, nice, system, irq, softirq


def busy_s() -> float:
    """CPU seconds of all programs of this host since it was started."""
    first = Path("/proc/stat").read_text(encoding="ascii").split("\n", 1)[0]
    ticks = [int(word) for word in first.split()[1:]]
    return sum(ticks[at] for at in BUSY) / os.sysconf("SC_CLK_TCK")


def cost_s(runs: int, words: Sequence[str], folder: str) -> float:
    """CPU seconds of a command with so many runs."""
    before = busy_s()
    command = [sys.executable, "-P", "-m", "testbed", "repeat", "zcrx", "--runs", str(runs)]
    subprocess.run(
        [*command, "--run-dir", folder, *words], check=True, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    return busy_s() - before


def main(words: Sequence[str]) -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory(prefix="cycle-") as folder:
        Path(folder).chmod(0o755)
        for _ in range(ROUNDS):
            few, many = (cost_s(runs, words, folder) for runs in (FEW, MANY))
            each = (many - few) / (MANY - FEW)
            print(
                f"{FEW} runs {few:.2f}, {MANY} runs {many:.2f}, one {each:.3f} CPU s,"
                f" load {os.getloadavg()[0]:.1f}",
                flush=True,
            )


if __name__ == "__main__":
    main(sys.argv[1:])
