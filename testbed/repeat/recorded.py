# SPDX-License-Identifier: GPL-2.0-only
"""Event hashes of earlier days: what a scenario's run was when it was last recorded.

A hash depends on everything that takes part in a run: kernel, guest, the card's code, scenario,
seed, and the host. With one and the same of all the others, a host with two cores of an Intel Xeon
and one with four of an AMD EPYC gave different hashes, each its own every time. (UML sizes the
state of threads, and the guest's C library chooses its code, by the CPU; that it is this was not
shown.) So each record names the hash of all that (:func:`inputs_of`), and says something about a
run only where that is the same.
"""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path

from testbed import ROOT
from testbed.engines.topology import SCRIPT as TOPOLOGY
from testbed.engines.uml import agent, argv
from testbed.engines.uml.prepare import UmlPrepared
from testbed.host.cpu import host_cpu
from testbed.options import RunOptions
from testbed.workloads import scripts

FILE = ROOT / "docs" / "event-hashes.json"
CARD = ROOT / "devmodel"
RUNNER = (Path(scripts.__file__), Path(agent.__file__), Path(argv.__file__), TOPOLOGY)


@dataclass(frozen=True)
class Record:
    """``runs`` runs of ``scenario`` on ``date`` all had ``event_hash``.

    ``kernel`` is the SHA-256 of its program, ``cpu`` the name of the host's.
    """

    scenario: str
    flavour: str
    seed: int
    inputs: str
    kernel: str
    cpu: str
    release: str
    date: str
    runs: int
    event_hash: str


def _code() -> Iterator[Path]:
    """Our own files that a run's events depend on."""
    yield from sorted(CARD.rglob("*.py"))
    yield from RUNNER


def inputs_of(options: RunOptions, prepared: UmlPrepared) -> str:
    """SHA-256 over kernel, guest, card, scenarios, settings, host; not over where they are."""
    host = [host_cpu(), os.cpu_count(), platform.release()]
    state = sha256(json.dumps(host, sort_keys=True).encode())
    state.update(
        f"{options.flavour} {options.seed} {options.memory_mib} "
        f"{prepared.kernel.provenance['image_sha256']} {prepared.provenance['root_image']}".encode()
    )
    state.update(prepared.initramfs.read_bytes())
    for path in _code():
        state.update(f"\n{path.relative_to(ROOT)}\n".encode())
        state.update(path.read_bytes())
    return state.hexdigest()


def load(file: Path = FILE) -> list[Record]:
    """Everything on record."""
    return [Record(**entry) for entry in json.loads(file.read_text(encoding="utf-8"))]


def find(scenario: str, inputs: str, file: Path = FILE) -> Record | None:
    """The record of that very run, or None."""
    found = (one for one in load(file) if (one.scenario, one.inputs) == (scenario, inputs))
    return next(found, None)


def keep(record: Record, file: Path = FILE) -> None:
    """Put ``record`` in the place of an older one of its scenario, flavour, seed and CPU."""

    def key(one: Record) -> tuple[str, str, int, str]:
        return one.flavour, one.scenario, one.seed, one.cpu

    others = [one for one in load(file) if key(one) != key(record)]
    ordered = sorted([*others, record], key=key)
    text = json.dumps([asdict(one) for one in ordered], indent=1)
    file.write_text(text + "\n", encoding="utf-8")
