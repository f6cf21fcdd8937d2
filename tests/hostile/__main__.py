# SPDX-License-Identifier: GPL-2.0-only
"""``python -P -m tests.hostile card|vfio-user|vhost-user``: very many hostile acts, with a seed.

``card``: acts of a guest in the card's own process, every access of the card guarded. What it does
between two looks at its control channel is timed. ``vfio-user`` and ``vhost-user``: malformed
messages with odd descriptors to the card's real, confined process, which is asked for its state
all the time.

The work comes in rounds, each drawn from the seed and its number. A round that fails is named, and
``--first N`` begins with it. Ends after ``--minutes`` in any case, and prints what was done.
"""

from __future__ import annotations

import argparse
import sys
import time
import traceback
from collections.abc import Callable

from tests.hostile.messages import VfioUserRound, VhostUserRound
from tests.hostile.rounds import CardRound, Report

ROUNDS: dict[str, Callable[[int, int, Report], None]] = {
    "card": CardRound.play,
    "vfio-user": VfioUserRound.play,
    "vhost-user": VhostUserRound.play,
}


def main() -> int:
    """Run the campaign; 1 if a round failed."""
    parser = argparse.ArgumentParser(prog="python -P -m tests.hostile", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("what", choices=ROUNDS)
    parser.add_argument("--operations", type=int, default=10_000_000, metavar="N")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, metavar="N", help="first round")
    parser.add_argument("--step", type=int, default=1, metavar="N", help="only each N-th round")
    parser.add_argument("--minutes", type=float, default=60.0)
    given = parser.parse_args()
    report = Report(given.what)
    number = given.first
    deadline = time.monotonic() + given.minutes * 60
    while report.operations < given.operations and time.monotonic() < deadline:
        try:
            ROUNDS[given.what](given.seed, number, report)
        except Exception:  # noqa: BLE001 - whatever a round raises is what we look for
            traceback.print_exc()
            print(f"round {number} failed: --seed {given.seed} --first {number}", flush=True)
            return 1
        number += given.step
        if report.is_due():
            print(report.line(number), flush=True)
    print(report.line(number))
    return 0


if __name__ == "__main__":
    sys.exit(main())
