# SPDX-License-Identifier: GPL-2.0-only
"""What a run is asked to be: :class:`RunOptions`, from the command line over ``testbed.toml``."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, make_dataclass, replace
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Annotated, Any, get_type_hints

from testbed.errors import UsageProblem
from testbed.schema import FilePath, OneOf, read_toml

CONFIG_NAME = "testbed.toml"
SECTION = "run"
ENGINES: dict[str, str] = {
    "qemu": "testbed.engines.qemu.engine",
    "uml": "testbed.engines.uml.engine",
    "lab": "testbed.engines.lab.engine",
}
"""What can run a guest, by name: the module whose ``ENGINE`` it is (testbed.engines.engine)."""


EngineName = Annotated[str, OneOf(ENGINES)]


def engine_name(text: str) -> str:
    """``text``, if an engine is called so. Raises ValueError."""
    return OneOf(ENGINES).check(text)


class Accel(StrEnum):
    """Which QEMU accelerator to use; ``auto`` asks the probe, which boots."""

    AUTO = "auto"
    KVM = "kvm"
    TCG = "tcg"


class Switch(StrEnum):
    """A setting that is on or off, spelt so on the command line and in the file."""

    ON = "on"
    OFF = "off"


class Timing(StrEnum):
    """How the card orders its effects: see ``devmodel.clock``."""

    ASYNCHRONOUS = "asynchronous"
    SYNCHRONOUS = "synchronous"


class Nic(StrEnum):
    """The NIC under test: the card, or one of QEMU's own for comparison."""

    BNXT = "bnxt"
    IGB = "igb"
    E1000E = "e1000e"
    VIRTIO_NET = "virtio-net"


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """Everything that defines a run, and with the artefacts repeats it.

    ``engine`` is one of ENGINES; what it refuses of the others, its ``check()`` says.
    ``kernel`` is a Debian kernel version or None for the pinned default; ``memory_mib`` is guest
    RAM; ``seed`` None means "draw one" (:meth:`with_seed`); ``icount`` counts instructions
    instead of wall time, which with synchronous timing makes runs repeatable.

    ``oracle`` has the card judge every DMA (docs/oracle.md). ``card_options`` make it another card:
    ``id_policy``, ``limits`` and any field of its identity (devmodel.bnxt.card, make_card).

    With engine uml, ``kernel`` is a version Debian has the source of, or a folder with sources, and
    ``flavour`` what is built of it; all but uml-smp run in simulated time on one CPU, so that a
    seed is a run. A guest that does nothing for ``watchdog_s`` while it should is lost.

    With engine lab, ``lab`` names lab.toml and ``dut`` the machine in it (docs/lab.md).
    """

    engine: EngineName = "qemu"
    kernel: str | None = None
    flavour: str = "uml"
    watchdog_s: int = 30
    accel: Accel = Accel.AUTO
    iommu: Switch = Switch.OFF
    cpus: int = 2
    memory_mib: int = 2048
    timing: Timing = Timing.ASYNCHRONOUS
    icount: bool = False
    coverage: bool = False
    seed: int | None = None
    oracle: Switch = Switch.ON
    card_options: Mapping[str, object] = field(default_factory=dict)
    share: FilePath | None = None
    nic: Nic = Nic.BNXT
    lab: FilePath | None = None
    dut: str | None = None

    def __post_init__(self) -> None:
        if self.engine not in ENGINES:
            raise UsageProblem(
                f"there is no engine {self.engine!r}", remedy=f"allowed: {', '.join(ENGINES)}"
            )
        _check_range("watchdog_s", self.watchdog_s, 1, 3600)
        if self.dut is not None and self.lab is None:
            raise UsageProblem(f"--dut {self.dut}: no lab", remedy="add --lab lab.toml")
        _check_range("cpus", self.cpus, 1, 16)
        _check_range("memory_mib", self.memory_mib, 512, 65536)
        if self.seed is not None:
            _check_range("seed", self.seed, 0, 2**63 - 1)
        if self.share is not None and not self.share.is_dir():
            raise UsageProblem(
                f"--share {self.share}: not a folder",
                remedy="name an existing folder of this host",
            )

    def with_seed(self) -> RunOptions:
        """Return options whose seed is drawn if it was not given."""
        if self.seed is not None:
            return self
        return replace(self, seed=secrets.randbelow(2**31))


def _check_range(key: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        raise UsageProblem(f"{key} = {value} is out of range", remedy=f"allowed: {low}..{high}")


def find_config(start: Path) -> Path | None:
    """Return the nearest ``testbed.toml`` in ``start`` or a folder above it."""
    for folder in (start, *start.parents):
        candidate = folder / CONFIG_NAME
        if candidate.is_file():
            return candidate
    return None


def load_config(file: Path) -> dict[str, Any]:
    """Read the ``[run]`` table of ``file`` as keyword arguments of :class:`RunOptions`.

    Raises ConfigProblem, which names the file, the key and the allowed values.
    """
    table = vars(getattr(read_toml(_config_file(), file), SECTION))
    return {key: value for key, value in table.items() if value is not None}


@cache
def _config_file() -> Any:
    """The file as a dataclass: each field of :class:`RunOptions` may be given."""
    hints = get_type_hints(RunOptions, include_extras=True)
    keys = [(name, kind | None, None) for name, kind in hints.items()]
    run: Any = make_dataclass("RunTable", keys)
    return make_dataclass("ConfigFile", [(SECTION, run, field(default_factory=run))])


def merge_options(given: Mapping[str, Any], *, start: Path | None = None) -> dict[str, Any]:
    """``given`` (command line; None = not given) over the nearest ``testbed.toml``.

    Who gives an option that is called like an engine (lab) and names none, means that one. Raises
    ConfigProblem.
    """
    file = find_config(start or Path.cwd())
    merged: dict[str, Any] = load_config(file) if file else {}
    merged.update({key: value for key, value in given.items() if value is not None})
    named = [name for name in ENGINES if given.get(name) is not None]
    if named and given.get("engine") is None:
        merged["engine"] = named[0]
    return merged
