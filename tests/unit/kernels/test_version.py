# SPDX-License-Identifier: GPL-2.0-only
"""Versions of kernels: every spelling there is, and their order."""

from __future__ import annotations

import itertools

import pytest

from kernels.version import EXAMPLES, KernelVersion

DEBIAN_RC = "#1 SMP PREEMPT_DYNAMIC Debian 7.3~rc7-1~exp1 (2026-11-15)"


@pytest.mark.parametrize(
    ("text", "spelt"),
    [
        ("7.2.12", "7.2.12"),
        ("7.2.12+deb13-amd64", "7.2.12"),
        ("7.2.12-testbed-uml-san", "7.2.12"),
        ("7.2.12-1~bpo13+1", "7.2.12"),
        ("7.3-rc7", "7.3-rc7"),
        ("7.3~rc7", "7.3-rc7"),
        ("7.3~rc7-1~exp1", "7.3-rc7"),
        ("7.3.0-rc7-testbed-uml", "7.3-rc7"),
        ("7.3-rc7-amd64", "7.3-rc7"),
        ("7.3-amd64", "7.3"),
        ("v7.3", "7.3"),
        ("7.3.0", "7.3"),
        ("7.4.0-rc2-next-20261120-testbed-uml", "7.4-rc2-next-20261120"),
        ("7.4.0-rc2-00012-g1234567", "7.4-rc2"),
        ("6.12.107+deb13-amd64", "6.12.107"),
    ],
)
def test_every_spelling_has_one_text(text: str, spelt: str) -> None:
    version = KernelVersion.parse(text)
    assert str(version) == spelt
    assert KernelVersion.parse(str(version)) == version


@pytest.mark.parametrize(
    "text", ["", "7", "x7.2", "7.2x", "7.2.12.1", "7.2.", "7.3rc7", "linux-7.2", "7.²"]
)
def test_other_texts_are_no_versions(text: str) -> None:
    with pytest.raises(ValueError, match="does not begin with the version of a kernel"):
        KernelVersion.parse(text)


@pytest.mark.parametrize(
    ("release", "build", "spelt"),
    [
        ("7.3-amd64", DEBIAN_RC, "7.3-rc7"),
        ("7.3-amd64", "#1 SMP Debian 7.3-1 (2026-11-30)", "7.3"),
        ("7.3.4-amd64", DEBIAN_RC, "7.3.4"),
        ("7.4-amd64", DEBIAN_RC, "7.4"),
        ("7.3.0-rc6-testbed-uml", DEBIAN_RC, "7.3-rc6"),
        ("7.3-amd64", "#1 SMP Debian", "7.3"),
        ("7.3-amd64", "#1 Debian x", "7.3"),
    ],
)
def test_build_tells_which_candidate_a_release_of_debian_is(
    release: str, build: str, spelt: str
) -> None:
    assert str(KernelVersion.parse(release, build)) == spelt


def test_order_is_that_of_the_releases() -> None:
    texts = [
        "6.18.46", "7.2-rc1", "7.2", "7.2.2", "7.2.12", "7.3-rc1", "7.3-rc2",
        "7.3-rc2-next-20261101", "7.3-rc2-next-20261102", "7.3-rc10", "7.3", "7.3.1", "7.10",
    ]  # fmt: skip
    ordered = [KernelVersion.parse(text) for text in texts]
    for earlier, later in itertools.combinations(ordered, 2):
        assert earlier < later
        assert later > earlier
        assert earlier <= later
        assert earlier != later


@pytest.mark.parametrize(
    ("version", "first", "has_it"),
    [
        ("7.3-rc1", "7.3", True),
        ("7.2.12", "7.3", False),
        ("7.3-rc1", "7.3-rc2", False),
        ("7.3-rc2", "7.3-rc2", True),
        ("7.3", "7.3.1", False),
        ("7.3.1", "7.3.1", True),
        ("7.4-rc1", "7.3.1", True),
    ],
)
def test_candidates_have_what_their_release_brought(version: str, first: str, has_it: bool) -> None:
    assert KernelVersion.parse(version).is_since(KernelVersion.parse(first)) is has_it


@pytest.mark.parametrize(
    ("wanted", "called"),
    [("7.2", True), ("7.2.12", True), ("7.2.1", False), ("7.3", False), ("7", False)],
)
def test_series_and_version_are_its_names(wanted: str, called: bool) -> None:
    assert KernelVersion.parse("7.2.12+deb13-amd64").is_called(wanted) is called


def test_examples_are_the_one_spelling() -> None:
    assert [str(KernelVersion.parse(text)) for text in EXAMPLES] == list(EXAMPLES)
