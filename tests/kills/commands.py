# SPDX-License-Identifier: GPL-2.0-only
"""Commands that are killed, and the processes of theirs that can be."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from testbed.errors import ExitCode


class Victim(StrEnum):
    """What gets the signal. Group: the process group of the runner, as a terminal does it."""

    RUNNER = "runner"
    GROUP = "group"
    RUNNER_AND_REAPER = "runner+reaper"
    CARD = "card"
    GUEST = "guest"
    REAPER = "reaper"
    VIRTIOFSD = "virtiofsd"
    WORKER = "worker"


MARKS = {
    Victim.CARD: (b"devmodel\0--config-fd",),
    Victim.GUEST: (b"\0umid=", b"qemu-system"),
    Victim.REAPER: (b"reaper.py",),
    Victim.VIRTIOFSD: (b"virtiofsd\0",),
}
"""What the command line of such a process holds, be it the program or the jail around it."""

EXPECTED: dict[Victim, tuple[int, ...]] = {
    Victim.CARD: (ExitCode.MODEL,),
    # one that has logged nothing yet never started
    Victim.GUEST: (ExitCode.LOST_VM, ExitCode.ENVIRONMENT),
    Victim.REAPER: (ExitCode.ENVIRONMENT,),
    Victim.VIRTIOFSD: (ExitCode.ENVIRONMENT, ExitCode.LOST_VM),
    Victim.WORKER: (ExitCode.ENVIRONMENT,),
}
"""Exit codes after SIGKILL, but for a victim that was needed no more."""

HELPERS = (Victim.CARD, Victim.GUEST, Victim.REAPER)


@dataclass(frozen=True)
class Command:
    """``words(folder)`` are the arguments, ``folder`` being the trial's; ``python`` runs another
    module than ``testbed``. ``weight``: how often it is drawn. ``reports``: it writes a summary.
    """

    name: str
    words: Callable[[Path], list[str]]
    victims: tuple[Victim, ...] = HELPERS
    weight: int = 1
    module: str = "testbed"
    reports: bool = True


def _fixed(text: str) -> Callable[[Path], list[str]]:
    return lambda _folder: text.split()


def _busy(_folder: Path) -> list[str]:
    both = "ethtool -L nut0 combined 1; ethtool -L nut0 combined 2"
    script = f"for n in 1 2 3 4 5 6 7 8; do {both}; done"
    return ["exec", "--engine", "uml", "--", "sh", "-c", script]


def _build(folder: Path) -> list[str]:
    """A kernel that nobody has built yet."""
    lines = [
        "--- a/io_uring/io_uring.c", "+++ b/io_uring/io_uring.c", "@@ -1,1 +1,2 @@",
        f"+/* {folder} {time.time_ns()} */", " // SPDX-License-Identifier: GPL-2.0",
    ]  # fmt: skip
    series = folder / "series.patch"
    series.write_text("\n".join(lines) + "\n")
    return ["kernel", "build", "--flavour", "uml", "--series", str(series)]


def _shared(folder: Path) -> list[str]:
    share = folder / "share"
    share.mkdir()
    return ["exec", "--share", str(share), "--", "sh", "-c", "ls /share; sleep 5"]


def _suite(folder: Path) -> list[str]:
    return [
        "-q", "-p", "no:cacheprovider", "tests/suite/link", "tests/suite/rings",
        "--testbed-engine", "uml", "--testbed-seed", "1", "--testbed-run-dir", str(folder / "runs"),
    ]  # fmt: skip


_NIGHT = """\
name = "killed"
minutes = 5
[[kernel]]
name = "7.2"
version = "7.2"
engines = ["uml"]
[[suite]]
suites = ["link"]
keyword = "ping"
[[faults]]
faults = ["irq-lost"]
"""


def _nightly(folder: Path) -> list[str]:
    """A night of two cells, each a command of its own."""
    config = folder / "nightly.toml"
    config.write_text(_NIGHT)
    return ["nightly", "--config", str(config)]


UML = (
    Command("run", _fixed("run --engine uml --seed 1"), weight=6),
    Command("soak", _fixed("soak --engine uml --minutes 0.1"), weight=2),
    Command("repeat", _fixed("repeat zcrx --runs 8 --workers 2"), (Victim.WORKER,), weight=3),
    Command("repeat --persistent", _fixed("repeat ping --runs 6 --persistent")),
    Command("faults run", _fixed("faults run irq-lost rx-opaque-wrong irq-late"), weight=3),
    Command("faults run --null", _fixed("faults run --null irq-lost rx-opaque-wrong"), weight=2),
    Command("exec", _busy, weight=2),
    Command("pytest", _suite, weight=3, module="pytest"),
    Command("matrix", _fixed("matrix --kernels uml:7.2 --suite link --limit 60"), (), weight=2),
    Command("nightly", _nightly, (), weight=2, reports=False),
    Command(
        "fuzz start", _fixed("fuzz start --flavour uml --minutes 0.2 --workers 2"), (), weight=2
    ),
    Command("findings check", _fixed("findings check tpa-agg-bug-on tx-ring-unchecked"), ()),
    Command("doctor", _fixed("doctor"), (), reports=False),
    Command("cache info", _fixed("cache info"), (), reports=False),
)
QEMU = (
    Command("run (QEMU)", _fixed("run --seed 1"), weight=3),
    Command("exec --share", _shared, (*HELPERS, Victim.VIRTIOFSD), weight=2),
    Command("faults run (QEMU)", _fixed("faults run irq-lost --engine qemu")),
)
KERNEL = (Command("kernel build", _build, (), reports=False),)
"""Only with a cache of its own: TESTBED_CACHE, which may be an overlay of the usual one."""

SETS = {"uml": UML, "qemu": QEMU, "kernel": KERNEL}
