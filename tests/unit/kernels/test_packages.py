# SPDX-License-Identifier: GPL-2.0-only
"""Which kernel a version on the command line means, and the error when there is none."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from images.debian import Archive, Package
from images.errors import EnvironmentProblem
from images.store import Store
from kernels.packages import (
    KernelPackages,
    Lock,
    NotPublishedYet,
    State,
    UnknownKernelError,
    choose,
    list_kernels,
    list_sources,
    resolve,
)

NO_LOCK = Lock("7.2", {})


def package(name: str, size: int = 20_000_000, version: str = "") -> Package:
    upstream = name.split("-")[2].partition("+")[0]
    return Package(
        name, version or f"{upstream}-1", hashlib.sha256(name.encode()).hexdigest(), size
    )


def split(release: str, *, without: str = "", version: str = "") -> list[Package]:
    parts = ("linux-base", "linux-binary", "linux-modules")
    small = package(f"linux-image-{release}", size=1900, version=version)
    return [
        small,
        *(package(f"{part}-{release}", version=version) for part in parts if part != without),
    ]


def source(version: str) -> Package:
    return package(f"linux-source-{version[:3]}", version=version)


INDEX = [
    package("linux-image-6.12.94+deb13-amd64"), package("linux-image-6.12.107+deb13-amd64"),
    package("linux-image-6.12.107+deb13-cloud-amd64"),
    package("linux-image-6.12.107+deb13-amd64-dbg"),
    *split("7.1.13+deb13-amd64", without="linux-modules"), *split("7.2.9+deb13-amd64"),
    *split("7.2.12+deb13-amd64"), *split("7.2.13+deb14-amd64"),
    *split("7.3-amd64", version="7.3~rc7-1~exp1"),
]  # fmt: skip
KERNELS = list_kernels(INDEX)


def test_kernels_are_listed_oldest_first_without_flavours_and_debug_symbols() -> None:
    assert [str(kernel.version) for kernel in KERNELS] == [
        *("6.12.94", "6.12.107", "7.1.13", "7.2.9", "7.2.12", "7.2.13", "7.3-rc7")
    ]


def test_parts_follow_the_way_the_kernel_was_packaged() -> None:
    by_version = {str(kernel.version): kernel for kernel in KERNELS}
    whole = [part.name for part in by_version["6.12.107"].parts]
    assert whole == ["linux-image-6.12.107+deb13-amd64"]
    parts = [part.name for part in by_version["7.2.9"].parts]
    assert parts == [
        "linux-base-7.2.9+deb13-amd64",
        "linux-binary-7.2.9+deb13-amd64",
        "linux-modules-7.2.9+deb13-amd64",
    ]


@pytest.mark.parametrize(
    ("wanted", "release"),
    [
        ("7.2", "7.2.12+deb13-amd64"),  # newer 7.2.13 is not built for our suite
        ("7.2.9", "7.2.9+deb13-amd64"),
        ("7.2.13", "7.2.13+deb14-amd64"),
        ("7.2.13+deb14-amd64", "7.2.13+deb14-amd64"),
        ("6.12", "6.12.107+deb13-amd64"),
        ("7.3", "7.3-amd64"),
        ("7.3-rc7", "7.3-amd64"),
        ("7.3~rc7", "7.3-amd64"),
        ("7.3-amd64", "7.3-amd64"),
        ("7", "7.2.12+deb13-amd64"),
    ],
)
def test_version_means_the_newest_complete_kernel_of_our_suite(wanted: str, release: str) -> None:
    assert choose(wanted, KERNELS, NO_LOCK).release == release


@pytest.mark.parametrize("wanted", ["9.9", "7.2.1", "6.1", "", "x"])
def test_unknown_version_lists_what_there_is(wanted: str) -> None:
    with pytest.raises(UnknownKernelError) as problem:
        choose(wanted, KERNELS, NO_LOCK)
    assert repr(wanted) in str(problem.value)
    assert "7.2.12" in str(problem.value)
    assert "7.1.13" not in str(problem.value)


def test_incomplete_kernel_is_named_as_gone() -> None:
    with pytest.raises(EnvironmentProblem) as problem:
        choose("7.1", KERNELS, NO_LOCK)
    assert "linux-modules-7.1.13+deb13-amd64" in problem.value.message
    assert "7.2.12" in problem.value.remedy


def pin(kernel: KernelPackages, **changed: str) -> Lock:
    hashes = {part.name: part.sha256 for part in kernel.parts}
    return Lock("7.2", {kernel.release: {**hashes, **changed}})


def test_pinned_kernel_comes_before_a_newer_one() -> None:
    pinned = next(kernel for kernel in KERNELS if str(kernel.version) == "7.2.9")
    assert choose("7.2", KERNELS, pin(pinned)) is pinned


def test_other_content_than_pinned_is_refused() -> None:
    pinned = next(kernel for kernel in KERNELS if str(kernel.version) == "7.2.9")
    lock = pin(pinned, **{"linux-modules-7.2.9+deb13-amd64": "0" * 64})
    with pytest.raises(EnvironmentProblem, match=r"linux-modules-7\.2\.9.* expects 0000"):
        choose("7.2", KERNELS, lock)


def test_shipped_lock_pins_its_default() -> None:
    lock = Lock.load()
    assert any(release.startswith(f"{lock.default}.") for release in lock.pins)
    for hashes in lock.pins.values():
        assert all(len(value) == 64 for value in hashes.values())


WAITING = list_kernels([*INDEX, *split("7.3.4+deb13-amd64", without="linux-binary")])
SOURCES = list_sources([*INDEX, source("7.3.4-1~bpo13+1"), source("7.3~rc7-1~exp1")])


def test_kernel_whose_signed_part_is_missing_is_not_gone() -> None:
    states = {str(kernel.version): kernel.state for kernel in WAITING}
    assert states["7.3.4"] is State.NOT_YET
    assert states["7.1.13"] is State.GONE
    assert states["7.2.12"] is State.COMPLETE


@pytest.mark.parametrize("wanted", ["7.3", "7.3.4", "7.3.4+deb13-amd64"])
def test_newest_that_can_be_had_may_be_a_source(wanted: str) -> None:
    with pytest.raises(NotPublishedYet, match=r"7\.3\.4: .* linux-binary-7\.3\.4") as problem:
        choose(wanted, WAITING, NO_LOCK, SOURCES)
    assert problem.value.source.version == "7.3.4-1~bpo13+1"


def test_packaged_kernel_comes_before_its_source_and_before_those_of_other_suites() -> None:
    whole = list_kernels([*INDEX, *split("7.3.4+deb13-amd64")])
    assert choose("7.3", whole, NO_LOCK, SOURCES).release == "7.3.4+deb13-amd64"
    newer = list_sources([source("7.2.14-1")])
    assert choose("7.2", whole, NO_LOCK, newer).release == "7.2.12+deb13-amd64"
    pinned = next(kernel for kernel in whole if str(kernel.version) == "7.2.9")
    newest = list_sources([source("7.2.14-1~bpo13+1")])
    assert choose("7.2", whole, pin(pinned), newest) is pinned


def test_kernel_of_which_there_is_only_a_source() -> None:
    with pytest.raises(NotPublishedYet, match=r"7\.4-rc1: Debian has not published a package"):
        choose("7.4", KERNELS, NO_LOCK, list_sources([source("7.4~rc1-1~exp1")]))


def test_gone_kernel_is_not_built_from_the_source_of_another() -> None:
    with pytest.raises(EnvironmentProblem, match="no longer complete"):
        choose("7.1", WAITING, NO_LOCK, SOURCES)


@pytest.mark.parametrize(
    ("wanted", "is_open"),
    [("7.3", True), ("8", True), ("7.2", False), ("7.3.4", False), ("7.3-rc7", False)],
)
def test_only_a_series_that_is_not_pinned_is_looked_up_again(wanted: str, is_open: bool) -> None:
    assert Lock("7.2", {"7.2.12+deb13-amd64": {}}).leaves_open(wanted) == is_open


class OneLookUp(Archive):
    """An archive that may be queried once."""

    def __init__(self) -> None:
        self.queries = 0
        self.renewed = ""

    def state(self) -> str:
        return self.renewed

    def list_matching(self, pattern: str) -> list[Package]:
        self.queries += 1
        return INDEX


def test_resolved_kernel_needs_no_archive_again(tmp_path: Path) -> None:
    archive = OneLookUp()
    store = Store(tmp_path)
    first = resolve(store, lambda: archive, "7.2.12", NO_LOCK)
    assert first.release == "7.2.12+deb13-amd64"
    assert resolve(store, lambda: archive, "7.2.12", NO_LOCK) == first
    assert archive.queries == 1


def test_newer_index_may_have_a_newer_kernel(tmp_path: Path) -> None:
    archive = OneLookUp()
    store = Store(tmp_path)
    for renewed, queries in (("a", 1), ("a", 1), ("b", 2)):
        archive.renewed = renewed
        assert resolve(store, lambda: archive, "7.3", NO_LOCK).release == "7.3-amd64"
        assert archive.queries == queries


def test_failed_look_up_is_not_remembered(tmp_path: Path) -> None:
    archive = OneLookUp()
    for _ in range(2):
        with pytest.raises(UnknownKernelError):
            resolve(Store(tmp_path), lambda: archive, "9.9", NO_LOCK)
    assert archive.queries == 2
