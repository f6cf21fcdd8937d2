# SPDX-License-Identifier: GPL-2.0-only
"""Which packaged kernels there are, and which one a version on the command line means.

Until 6.18 Debian ships one linux-image-<release>; from 6.19 on linux-binary-<release> holds the
boot image, linux-modules-<release> the modules, linux-base-<release> the lists. The boot image is
signed, and so published hours or days after the modules and the source; until then the kernel can
be built from source. A mirror drops modules before the rest; such a kernel is listed, but is gone.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from images.debian import Archive, Package
from images.errors import EnvironmentProblem
from images.store import Json, Store
from kernels.version import KernelVersion

HERE = Path(__file__).parent
LOCK_NAME = "kernels.lock"
SIGNED_PART = "linux-binary"
SPLIT_PARTS = ("linux-base", SIGNED_PART, "linux-modules")
STABLE_MARK = "+deb13"  # releases built for the suite our tools come from
SUITE_MARK = "~bpo13"  # and versions of its packages
WHOLE_IMAGE_BYTES = 10_000_000  # a linux-image smaller than that only depends on the parts

KERNEL_PATTERN = r"(linux-(?:image|base|binary|modules))-(\d[^-]*-amd64)"
SOURCE_PATTERN = r"linux-source-\d+\.\d+"
NAME_PATTERN = f"{KERNEL_PATTERN}|{SOURCE_PATTERN}"
_NAME = re.compile(KERNEL_PATTERN)
_SOURCE = re.compile(SOURCE_PATTERN)
_SERIES = re.compile(r"\d+(\.\d+)?")


class UnknownKernelError(Exception):
    """No packaged kernel is meant by what the user named; the message lists what there is."""


class NotPublishedYet(Exception):
    """Debian has the source of the kernel that is meant, and not yet all packages to boot it.

    :ivar source: the package of the source.
    :ivar missing: names of the packages that are to come; none where not even that is known.
    """

    def __init__(self, source: Package, missing: Sequence[str]) -> None:
        awaited = ", ".join(missing) or "a package to boot"
        super().__init__(f"{source_version(source)}: Debian has not published {awaited} yet")
        self.source = source
        self.missing = missing


class State(StrEnum):
    """Whether a kernel can be booted as Debian packages it."""

    COMPLETE = "complete"
    NOT_YET = "not published yet"
    GONE = "gone"


@dataclass(frozen=True)
class KernelPackages:
    """A packaged kernel: `release` is its `uname -r`, `missing` the parts the mirror lacks."""

    release: str
    parts: tuple[Package, ...]
    missing: tuple[str, ...] = ()

    @property
    def version(self) -> KernelVersion:
        """7.2.12 of 7.2.12+deb13-amd64; 7.3-rc7 of 7.3-amd64, which only its packages tell."""
        return KernelVersion.parse(self.parts[0].version if self.parts else self.release)

    @property
    def state(self) -> State:
        """What is missing without its modules will not come any more."""
        if not self.missing:
            return State.COMPLETE
        to_come = all(name.startswith(SIGNED_PART) for name in self.missing)
        return State.NOT_YET if to_come else State.GONE

    def matches(self, wanted: str) -> bool:
        """Whether `wanted` ("7.2", "7.2.12", "7.3-rc7", or a whole release) names this kernel."""
        return wanted == self.release or is_called(self.version, wanted)


def is_called(version: KernelVersion, wanted: str) -> bool:
    """Whether `wanted` is that version, its series, or the first number of it."""
    return wanted == str(version.major) or version.is_called(wanted.replace("~rc", "-rc"))


def source_version(package: Package) -> KernelVersion:
    """The version of a linux-source package."""
    return KernelVersion.parse(package.version)


@dataclass(frozen=True)
class Lock:
    """Pinned kernels: the default version, and per release the SHA-256 of each package."""

    default: str
    pins: Mapping[str, Mapping[str, str]]

    @classmethod
    def load(cls, path: Path = HERE / LOCK_NAME) -> Lock:
        """Read a lock file (TOML: `default`, then a table of package hashes per release)."""
        text = tomllib.loads(path.read_text())
        return cls(text["default"], text["sha256"])

    def leaves_open(self, wanted: str) -> bool:
        """Whether `wanted` is a series of which a newer kernel may come, and none is pinned."""
        pinned = any(is_called(KernelVersion.parse(release), wanted) for release in self.pins)
        return _SERIES.fullmatch(wanted) is not None and not pinned

    def check(self, kernel: KernelPackages) -> None:
        """Compare with the pin, if there is one. Raises EnvironmentProblem naming the package."""
        pinned = self.pins.get(kernel.release, {})
        for part in kernel.parts:
            if pinned.get(part.name, part.sha256) != part.sha256:
                raise EnvironmentProblem(
                    f"{part.name} {part.version} of the mirror has SHA-256 {part.sha256}, "
                    f"{LOCK_NAME} expects {pinned[part.name]}",
                    "Take another mirror; if the kernel was rebuilt on purpose, renew the lock.",
                )


def list_kernels(packages: Sequence[Package]) -> list[KernelPackages]:
    """Every kernel among index entries, oldest first, complete or not."""
    releases: dict[str, dict[str, Package]] = {}
    for package in packages:
        if match := _NAME.fullmatch(package.name):
            # apt lists the newest version first
            releases.setdefault(match[2], {}).setdefault(match[1], package)
    kernels = []
    for release, parts in releases.items():
        image = parts.get("linux-image")
        if image is not None and image.size > WHOLE_IMAGE_BYTES:
            kernels.append(KernelPackages(release, (image,)))
            continue
        missing = tuple(f"{part}-{release}" for part in SPLIT_PARTS if part not in parts)
        found = tuple(parts[part] for part in SPLIT_PARTS if part in parts)
        kernels.append(KernelPackages(release, found, missing))
    return sorted(kernels, key=lambda kernel: (kernel.version, kernel.release))


def list_sources(packages: Sequence[Package]) -> list[Package]:
    """Every linux-source among index entries, oldest first."""
    sources = [package for package in packages if _SOURCE.fullmatch(package.name)]
    return sorted(sources, key=source_version)


def choose(
    wanted: str, kernels: Sequence[KernelPackages], lock: Lock, sources: Sequence[Package] = ()
) -> KernelPackages:
    """The kernel that `wanted` means: a pinned one if it matches, else the newest.

    Kernels built for our suite come before those of sid and experimental. Raises
    UnknownKernelError; NotPublishedYet where that is a kernel of which there is only the source
    (one of `sources`); EnvironmentProblem when only incomplete ones match.
    """
    matching = [kernel for kernel in kernels if kernel.matches(wanted)]
    complete = [kernel for kernel in matching if kernel.state is State.COMPLETE]
    unsigned = {kernel.version: kernel for kernel in matching if kernel.state is State.NOT_YET}
    open_ones = [
        source
        for source in sources
        if is_called(source_version(source), wanted) or source_version(source) in unsigned
    ]
    if not matching and not open_ones:
        raise UnknownKernelError(
            f"no packaged kernel is called {wanted!r}; there are: {_listing(kernels)}"
        )
    chosen = max(
        complete,
        key=lambda kernel: (kernel.release in lock.pins, *_rank(kernel)),
        default=None,
    )
    source = max(open_ones, key=_source_rank, default=None)
    if source is not None and (chosen is None or _is_newer(source, chosen, lock)):
        awaited = unsigned.get(source_version(source))
        raise NotPublishedYet(source, awaited.missing if awaited else ())
    if chosen is None:
        gone = ", ".join(f"{one.release} lacks {one.missing[-1]}" for one in matching)
        raise EnvironmentProblem(
            f"kernel {wanted} is no longer complete on this mirror: {gone}",
            f"Use one of: {_listing(kernels)}.",
        )
    lock.check(chosen)
    return chosen


def _rank(kernel: KernelPackages) -> tuple[bool, KernelVersion]:
    return STABLE_MARK in kernel.release, kernel.version


def _source_rank(source: Package) -> tuple[bool, KernelVersion]:
    return SUITE_MARK in source.version, source_version(source)


def _is_newer(source: Package, kernel: KernelPackages, lock: Lock) -> bool:
    return kernel.release not in lock.pins and _source_rank(source) > _rank(kernel)


def _listing(kernels: Sequence[KernelPackages]) -> str:
    return ", ".join(str(kernel.version) for kernel in kernels if not kernel.missing) or "none"


def resolve(
    store: Store, archive: Callable[[], Archive], wanted: str | None, lock: Lock
) -> KernelPackages:
    """Look the kernel up: later runs get the same one without a network.

    Of a series without a pinned kernel it is looked up again when the package indexes were renewed:
    there may be a newer one. Raises as `choose` does, and remembers nothing then.
    """
    version = wanted or lock.default
    inputs: dict[str, Json] = {
        "wanted": version,
        "lock": {release: dict(hashes) for release, hashes in lock.pins.items()},
    }
    if lock.leaves_open(version):
        inputs["index"] = archive().state()

    def look_up(folder: Path) -> None:
        packages = archive().list_matching(NAME_PATTERN)
        kernel = choose(version, list_kernels(packages), lock, list_sources(packages))
        parts = [{**part.as_input(), "size": part.size} for part in kernel.parts]
        text = json.dumps({"release": kernel.release, "parts": parts})
        (folder / "kernel.json").write_text(text)

    entry = store.ensure("kernel-choice", inputs, look_up)
    found = json.loads((entry.path / "kernel.json").read_text())
    return KernelPackages(found["release"], tuple(Package(**part) for part in found["parts"]))
