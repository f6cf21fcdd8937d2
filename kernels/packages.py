# SPDX-License-Identifier: GPL-2.0-only
"""Which packaged kernels there are, and which one a version on the command line means.

Until 6.18 Debian ships one linux-image-<release>; from 6.19 on linux-binary-<release> holds the
boot image, linux-modules-<release> the modules, linux-base-<release> the lists. A mirror may drop
one of the parts before the others; such a kernel is listed, but cannot be used.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from images.debian import Archive, Package
from images.errors import EnvironmentProblem
from images.store import Json, Store

HERE = Path(__file__).parent
LOCK_NAME = "kernels.lock"
SPLIT_PARTS = ("linux-base", "linux-binary", "linux-modules")
STABLE_MARK = "+deb13"  # releases built for the suite our tools come from
WHOLE_IMAGE_BYTES = 10_000_000  # a linux-image smaller than that only depends on the parts

NAME_PATTERN = r"(linux-(?:image|base|binary|modules))-(\d[^-]*-amd64)"
_NAME = re.compile(NAME_PATTERN)
_VERSION = re.compile(r"\d+(?:\.\d+)*")


class UnknownKernelError(Exception):
    """No packaged kernel is meant by what the user named; the message lists what there is."""


@dataclass(frozen=True)
class KernelPackages:
    """A packaged kernel: `release` is its `uname -r`, `missing` the parts the mirror lacks."""

    release: str
    parts: tuple[Package, ...]
    missing: tuple[str, ...] = ()

    @property
    def version(self) -> tuple[int, ...]:
        """(7, 2, 12) of 7.2.12+deb13-amd64."""
        match = _VERSION.match(self.release)
        return tuple(int(number) for number in match[0].split(".")) if match else ()

    @property
    def version_text(self) -> str:
        """7.2.12 of 7.2.12+deb13-amd64."""
        return ".".join(str(number) for number in self.version)

    def matches(self, wanted: str) -> bool:
        """Whether `wanted` ("7.2", "7.2.12", or a whole release) names this kernel."""
        if wanted == self.release:
            return True
        return f"{self.version_text}.".startswith(f"{wanted}.")


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


def choose(wanted: str, kernels: Sequence[KernelPackages], lock: Lock) -> KernelPackages:
    """The kernel that `wanted` means: a pinned one if it matches, else the newest.

    Kernels built for our suite come before those of sid and experimental. Raises
    UnknownKernelError, or EnvironmentProblem when only incomplete ones match.
    """
    matching = [kernel for kernel in kernels if kernel.matches(wanted)]
    complete = [kernel for kernel in matching if not kernel.missing]
    if not matching:
        raise UnknownKernelError(
            f"no packaged kernel is called {wanted!r}; there are: {_listing(kernels)}"
        )
    if not complete:
        gone = ", ".join(f"{kernel.release} lacks {kernel.missing[-1]}" for kernel in matching)
        raise EnvironmentProblem(
            f"kernel {wanted} is no longer complete on this mirror: {gone}",
            f"Use one of: {_listing(kernels)}.",
        )
    chosen = max(
        complete,
        key=lambda kernel: (
            kernel.release in lock.pins,
            STABLE_MARK in kernel.release,
            kernel.version,
        ),
    )
    lock.check(chosen)
    return chosen


def _listing(kernels: Sequence[KernelPackages]) -> str:
    return ", ".join(kernel.version_text for kernel in kernels if not kernel.missing) or "none"


def resolve(
    store: Store, archive: Callable[[], Archive], wanted: str | None, lock: Lock
) -> KernelPackages:
    """Look the kernel up, once: later runs get the same one without a network.

    Raises as `choose` does.
    """
    version = wanted or lock.default
    inputs: dict[str, Json] = {
        "wanted": version,
        "lock": {release: dict(hashes) for release, hashes in lock.pins.items()},
    }

    def look_up(folder: Path) -> None:
        packages = archive().list_matching(NAME_PATTERN)
        kernel = choose(version, list_kernels(packages), lock)
        parts = [{**part.as_input(), "size": part.size} for part in kernel.parts]
        text = json.dumps({"release": kernel.release, "parts": parts})
        (folder / "kernel.json").write_text(text)

    entry = store.ensure("kernel-choice", inputs, look_up)
    found = json.loads((entry.path / "kernel.json").read_text())
    return KernelPackages(found["release"], tuple(Package(**part) for part in found["parts"]))
