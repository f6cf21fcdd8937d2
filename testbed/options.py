# SPDX-License-Identifier: GPL-2.0-only
"""What defines a run: :class:`RunOptions`, from the command line over ``testbed.toml``."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, make_dataclass, replace
from enum import Enum, StrEnum
from functools import cache
from pathlib import Path
from typing import Annotated, Any, get_type_hints

from annotated_types import Interval

from images.jail.start import FULL, WEAKER
from images.rootfs import CONTAINER
from kernels.flavours import FLAVOURS
from testbed.errors import ConfigProblem, UsageProblem
from testbed.schema import FilePath, OneOf, WrongValue, bare, read_toml

WRITABLE = ":rw"
"""What ``share`` ends with where the guest may write."""
MOST_APPENDED = 1024
"""Of the 2048 bytes that x86 and the 4096 that UML take, ours need some."""
CONFIG_NAME = "testbed.toml"
SECTION = "run"
ENGINES: dict[str, str] = {
    "qemu": "testbed.engines.qemu.engine",
    "uml": "testbed.engines.uml.engine",
    "lab": "testbed.engines.lab.engine",
}
"""What can run a guest, by name: the module whose ``ENGINE`` it is (testbed.engines.engine)."""


class Accel(StrEnum):
    """Which QEMU accelerator to use; ``auto`` asks the probe, which boots."""

    AUTO = "auto"
    KVM = "kvm"
    TCG = "tcg"


class Switch(StrEnum):
    """A setting that is on or off, spelt so on the command line and in the file."""

    ON = "on"
    OFF = "off"


class Jail(StrEnum):
    """How much of the jail every program must get: see docs/SECURITY.md."""

    FULL = FULL
    WEAKER = WEAKER


class Capture(StrEnum):
    """What is kept of the frames on the wire: see :data:`SNAP_BYTES`."""

    OFF = "off"
    HEADERS = "headers"
    ALL = "all"


SNAP_BYTES = {Capture.OFF: None, Capture.HEADERS: 128, Capture.ALL: 65536}
"""Of each frame; headers: Ethernet with a tag, IPv6 and TCP with all options."""


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


class Peer(StrEnum):
    """How the peer's NIC of a QEMU guest reaches the card: docs/architecture.md."""

    STREAM = "stream"
    VHOST_USER = "vhost-user"


@dataclass(frozen=True)
class Option:
    """How a run's option is given, on the command line and (``--testbed-...``) to pytest.

    ``flag`` is its name there, if that is not the field's; ``panel`` its box in the help text.
    """

    help: str
    flag: str = ""
    panel: str | None = "Machine"


def _flavours(arch: str) -> str:
    return ", ".join(one.name for one in FLAVOURS if one.arch == arch)


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """Everything that defines a run, and with the artefacts repeats it.

    Here an option is declared, and nowhere else: type, default, limits and how it is given. The
    command line (testbed.cli.options), ``[run]`` of testbed.toml and the options of the pytest
    plugin are made of the fields, in this order.

    ``engine`` is one of ENGINES; what it refuses of the others, its ``check()`` says.
    ``kernel`` is a Debian kernel version or None for the pinned default; ``memory_mib`` is guest
    RAM; ``seed`` None means "draw one" (:meth:`with_seed`); ``icount`` counts instructions
    instead of wall time, which with synchronous timing makes runs repeatable.

    ``share`` is a folder of the host, read-only unless ``:rw`` is behind it; what a guest writes
    belongs to the folder's owner.

    ``packages`` of Debian are added to the guest, ``modules`` to those of its kernel; ``root`` is
    what its commands see as their root: a folder, a tar file or oci:ARCHIVE (docs/own-program.md).
    ``capture``: the first 128 bytes of each frame, all of it, or no file at all. ``activity`` is
    for timelines of what failed (docs/reading-a-run.md).

    ``append`` comes behind what we tell the kernel, and so goes before it; a word with blanks has
    them in double quotes, as the kernel wants it.

    ``oracle`` has the card judge every DMA (docs/oracle.md). ``card_options`` make it another card:
    ``id_policy``, ``limits`` and any field of its identity (devmodel.bnxt.options);
    ``personality`` is a file of them (docs/personalities.md), and ``card_options`` go before it.

    With engine uml, ``kernel`` is a version Debian has the source of, or a folder with sources, and
    ``flavour`` what is built of it; all but uml-smp run in simulated time on one CPU, so that a
    seed is a run. A guest that does nothing for ``watchdog_s`` while it should is lost.

    With engine lab, ``lab`` names lab.toml and ``dut`` the machine in it (docs/lab.md).
    """

    engine: Annotated[str, OneOf(ENGINES), Option("What runs the guest.")] = "qemu"
    kernel: Annotated[
        str | None,
        Option(
            f"Debian's version, e.g. 7.2.12; {_flavours('x86_64')}; or your own bzImage, UML "
            "program or build tree."
        ),
    ] = None
    flavour: Annotated[str, Option(f"UML kernel: {_flavours('um')}.")] = "uml"
    watchdog_s: Annotated[
        int,
        Interval(ge=1, le=3600),
        Option("UML: seconds after which a silent guest is lost.", flag="watchdog"),
    ] = 30
    accel: Annotated[Accel, Option("Accelerator; auto probes by booting.")] = Accel.AUTO
    iommu: Annotated[Switch, Option("Emulated IOMMU, strict.")] = Switch.OFF
    swiotlb: Annotated[
        Switch, Option("Every DMA goes through a bounce buffer (swiotlb=force).")
    ] = Switch.OFF
    cpus: Annotated[int, Interval(ge=1, le=16), Option("Virtual CPUs, 1..16.")] = 2
    memory_mib: Annotated[
        int, Interval(ge=512, le=65536), Option("Guest memory in MiB.", flag="memory")
    ] = 2048
    timing: Annotated[Timing, Option("How the card orders its effects.")] = Timing.ASYNCHRONOUS
    icount: Annotated[
        bool, Option("Count instructions instead of wall time (repeatable, TCG only).")
    ] = False
    snapshot: Annotated[
        Switch,
        Option("QEMU without KVM: go on with a guest that has booted, and plug the card in."),
    ] = Switch.ON
    coverage: Annotated[
        bool, Option("UML: count which code of driver and zcrx ran; see testbed coverage report.")
    ] = False
    oracle: Annotated[Switch, Option("The card judges every DMA.")] = Switch.ON
    capture: Annotated[
        Capture, Option("What wire.pcapng keeps of the frames; all is some 100 MB a minute.")
    ] = Capture.HEADERS
    activity: Annotated[
        bool, Option("The card's trace ends with its last doorbells, DMA and interrupts.")
    ] = False
    nvm: Annotated[
        FilePath | None,
        Option("File that is the card's NVM, and survives it; made if absent (docs/firmware.md)."),
    ] = None
    seed: Annotated[
        int | None, Interval(ge=0, le=2**63 - 1), Option("Seed of the card; drawn if absent.")
    ] = None
    share: Annotated[
        FilePath | None,
        Option("Show this host folder at /share, read-only; FOLDER:rw lets the guest write."),
    ] = None
    jail: Annotated[Jail, Option("weaker: go on without what this host does not give.")] = Jail.FULL
    append: Annotated[
        str, Option("More words of the guest kernel's command line, e.g. slab_debug=FZPU.")
    ] = ""
    nic: Annotated[Nic, Option("NIC under test.")] = Nic.BNXT
    peer: Annotated[
        Peer, Option("QEMU: what joins the peer's NIC to the card: shared memory, or a socket.")
    ] = Peer.VHOST_USER
    personality: Annotated[
        str | None,
        Option(
            "Another card: bcm57508, minimal, new-firmware, npar, old-firmware, or a TOML file of "
            "card options."
        ),
    ] = None
    lab: Annotated[
        FilePath | None,
        Option("lab.toml: run on a machine described there (docs/lab.md).", panel=None),
    ] = None
    dut: Annotated[str | None, Option("Which machine of lab.toml.", panel=None)] = None
    card_options: Mapping[str, object] = field(default_factory=dict)
    packages: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()
    root: str | None = None

    def __post_init__(self) -> None:
        for name, (_, metadata) in _annotations().items():
            value = getattr(self, name)
            for limit in metadata if value is not None else ():
                _check_limit(name, value, limit)
        is_text = self.append.isascii() and self.append.isprintable()
        if not is_text or self.append.count('"') % 2 or len(self.append) > MOST_APPENDED:
            raise UsageProblem(
                "--append: no words of a kernel's command line",
                remedy=f"at most {MOST_APPENDED} printable characters of ASCII, quotes in pairs",
            )
        if self.dut is not None and self.lab is None:
            raise UsageProblem(f"--dut {self.dut}: no lab", remedy="add --lab lab.toml")
        if self.shared_folder is not None and not self.shared_folder.is_dir():
            raise UsageProblem(
                f"--share {self.share}: not a folder",
                remedy=f"name an existing folder of this host, with {WRITABLE} behind it if the "
                "guest may write there",
            )

    @property
    def shared_folder(self) -> Path | None:
        """The folder of ``share``."""
        return None if self.share is None else _folder_of(self.share)

    @property
    def share_is_writable(self) -> bool:
        """Whether the guest may write to the folder of ``share``."""
        return str(self.share).endswith(WRITABLE)

    def with_seed(self) -> RunOptions:
        """Return options whose seed is drawn if it was not given."""
        if self.seed is not None:
            return self
        return replace(self, seed=secrets.randbelow(2**31))


@dataclass(frozen=True)
class Setting:
    """A field of :class:`RunOptions` that can be given: ``flag`` without dashes, ``kind`` a type.

    ``choices``: the only values there are, as they are spelt; empty if there are many.
    """

    flag: str
    kind: type
    choices: tuple[str, ...]
    option: Option


@cache
def settings() -> Mapping[str, Setting]:
    """The fields that have an :class:`Option`, by name."""
    found = {}
    for name, (kind, metadata) in _annotations().items():
        for option in (mark for mark in metadata if isinstance(mark, Option)):
            choices = [str(one.value) for one in kind] if issubclass(kind, Enum) else []
            choices += [text for mark in metadata if isinstance(mark, OneOf) for text in mark.texts]
            found[name] = Setting(option.flag or name, kind, tuple(choices), option)
    return found


@cache
def _annotations() -> Mapping[str, tuple[Any, tuple[Any, ...]]]:
    hints = get_type_hints(RunOptions, include_extras=True)
    return {name: bare(hint) for name, hint in hints.items()}


def _check_limit(key: str, value: Any, limit: object) -> None:
    if isinstance(limit, OneOf) and value not in limit.texts:
        allowed = ", ".join(limit.texts)
        raise UsageProblem(f"there is no {key} {value!r}", remedy=f"allowed: {allowed}")
    if isinstance(limit, Interval) and not limit.ge <= value <= limit.le:
        allowed = f"{limit.ge}..{limit.le}"
        raise UsageProblem(f"{key} = {value} is out of range", remedy=f"allowed: {allowed}")


def _folder_of(share: Path) -> Path:
    return Path(str(share).removesuffix(WRITABLE))


def find_config(start: Path) -> Path | None:
    """Return the nearest ``testbed.toml`` in ``start`` or a folder above it."""
    for folder in (start, *start.parents):
        candidate = folder / CONFIG_NAME
        if candidate.is_file():
            return candidate
    return None


def load_config(file: Path) -> dict[str, Any]:
    """Read the ``[run]`` table of ``file`` as keyword arguments of :class:`RunOptions`.

    The file may have come with somebody else's folder: it shares nothing outside of that. Raises
    ConfigProblem, which names the file, the key and the allowed values.
    """
    table = vars(getattr(read_toml(_config_file(), file), SECTION))
    share, here = table["share"], file.parent.resolve()
    if share is not None and not _folder_of(share).resolve().is_relative_to(here):
        allowed = [f"a folder below {here}", "any other with --share"]
        raise ConfigProblem(file, f"{SECTION}.share", f"{share} is elsewhere", allowed=allowed)
    if table["root"] is not None:
        table["root"] = _placed_root(table["root"], file)
    return {key: value for key, value in table.items() if value is not None}


def _placed_root(root: str, file: Path) -> str:
    """``root`` with the whole path of what it names, which is below the folder of ``file``."""
    start = CONTAINER if root.startswith(CONTAINER) else ""
    here = file.parent.resolve()
    path = here / root.removeprefix(CONTAINER)
    if not path.resolve().is_relative_to(here):
        allowed = [f"one below {here}", "any other with --root"]
        raise ConfigProblem(file, f"{SECTION}.root", f"{root} is elsewhere", allowed=allowed)
    return f"{start}{path}"


@cache
def _config_file() -> Any:
    """The file as a dataclass: each field of :class:`RunOptions` may be given."""
    hints = get_type_hints(RunOptions, include_extras=True)
    keys = [(name, kind | None, None) for name, kind in hints.items()]
    run: Any = make_dataclass("RunTable", keys)
    return make_dataclass("ConfigFile", [(SECTION, run, field(default_factory=run))])


def merge_options(
    given: Mapping[str, Any], check_card: Callable[[Mapping[str, Any]], None], *,
    start: Path | None = None,
) -> dict[str, Any]:  # fmt: skip
    """``given`` (command line; None = not given) over the nearest ``testbed.toml``.

    Who gives an option that is called like an engine (lab) and names none, means that one.
    ``check_card`` raises WrongValue for card options that no card has. Raises ConfigProblem.
    """
    file = find_config(start or Path.cwd())
    merged: dict[str, Any] = load_config(file) if file else {}
    if file is not None and "card_options" in merged:
        try:
            check_card(merged["card_options"])
        except WrongValue as wrong:
            key = f"{SECTION}.card_options.{wrong.key}"
            raise ConfigProblem(file, key, str(wrong), allowed=wrong.allowed) from wrong
    merged.update({key: value for key, value in given.items() if value is not None})
    named = [name for name in ENGINES if given.get(name) is not None]
    if named and given.get("engine") is None:
        merged["engine"] = named[0]
    return merged
