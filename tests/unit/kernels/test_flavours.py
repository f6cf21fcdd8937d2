# SPDX-License-Identifier: GPL-2.0-only
"""The flavours are consistent data: nothing asked for twice in different ways, files that exist."""

from __future__ import annotations

import re

import pytest

from kernels.configs import select
from kernels.flavours import (
    COVERAGE_FLAGS,
    COVERED,
    FLAVOURS,
    HOST,
    UnknownFlavourError,
    flavour,
    with_coverage,
)
from kernels.version import KernelVersion


@pytest.mark.parametrize("name", [one.name for one in FLAVOURS])
def test_no_option_is_asked_for_in_two_ways(name: str) -> None:
    seen: dict[str, str] = {}
    for group in flavour(name).groups:
        for option, value in group.options.items():
            assert re.fullmatch(r"[A-Z0-9_]+|[0-9A-Z_]*x86[0-9A-Z_]*", option)
            assert seen.setdefault(option, value) == value, option


@pytest.mark.parametrize("name", [one.name for one in FLAVOURS])
def test_every_group_has_a_reason(name: str) -> None:
    assert all(group.reason for group in flavour(name).groups)


def test_simulated_time_and_several_cpus_exclude_each_other() -> None:
    for name, smp in (("uml", "n"), ("uml-san", "n"), ("uml-smp", "y")):
        options = select(flavour(name).groups, KernelVersion(7, 2)).options
        assert options["SMP"] == smp
        assert (options.get("UML_TIME_TRAVEL_SUPPORT") == "y") == (smp == "n")


def test_nothing_of_the_driver_is_worked_around_with_several_cpus() -> None:
    smp = flavour("uml-smp")
    flags = {"CFLAGS_virtio_pcidev.o": "-include /kernel/host/um_pcidev.h"}
    assert smp.make_variables() == flags
    assert list(smp.host_files()) == ["old_libc.c", "um_pcidev.h"]


def test_workaround_is_a_flag_of_one_object_and_names_its_file() -> None:
    fast = flavour("uml")
    assert fast.make_variables() == {
        "CFLAGS_bnxt.o": "-include /kernel/host/up_bnxt.h",
        "CFLAGS_virtio_pcidev.o": "-include /kernel/host/um_pcidev.h",
    }
    assert "irq_update_affinity_hint" in fast.host_files()["up_bnxt.h"]


def test_what_a_fix_of_ours_mends_is_worked_around_no_more() -> None:
    fast = flavour("uml")
    assert fast.mending(["some-other"]) == fast
    mended = fast.mending(["vnics-without-rfs-accel", "some-other"])
    flags = mended.make_variables()["CFLAGS_bnxt.o"]
    assert flags.split()[1::2] == ["/kernel/host/up_bnxt.h", "/kernel/host/up_bnxt_filters.h"]
    assert "up_bnxt_filters.h" in with_coverage(mended).host_files()
    assert flavour("uml-smp").mending(["vnics-without-rfs-accel"]) == flavour("uml-smp")


def test_a_workaround_can_be_for_one_of_several_objects_of_a_name() -> None:
    """kernel/stacktrace.c is the kernel's, and stays as it is."""
    variables = flavour("uml-san").make_variables()
    include = "-include /kernel/host/um_stacktrace.h"
    assert variables["CFLAGS_stacktrace.o"] == f"$(if $(filter arch/um/kernel,$(obj)),{include})"
    assert variables["CFLAGS_bnxt.o"] == flavour("uml").make_variables()["CFLAGS_bnxt.o"]


def test_a_flag_for_all_objects_is_told_with_its_reason() -> None:
    """Of User Mode Linux, only with it does KASAN check what memcpy() touches."""
    sanitized = flavour("uml-san")
    assert sanitized.make_variables()["KCFLAGS"] == "-fbuiltin"
    assert any(line.startswith("-fbuiltin: ") for line in sanitized.done_from_outside())
    assert "KCFLAGS" not in flavour("uml").make_variables()
    told = [one.line for one in flavour("uml").workarounds]
    assert flavour("uml").done_from_outside() == told


def test_host_sees_no_file_of_the_guest() -> None:
    for one in FLAVOURS:
        assert select(one.groups, KernelVersion(7, 2)).options.get("HOSTFS", "n") == "n"


def test_coverage_adds_to_the_workaround() -> None:
    covered = with_coverage(flavour("uml"))
    variables = covered.make_variables()
    assert variables["CFLAGS_bnxt.o"] == f"-include /kernel/host/up_bnxt.h {COVERAGE_FLAGS}"
    assert set(variables) == {f"CFLAGS_{name}.o" for name in (*COVERED, "virtio_pcidev")}
    assert set(covered.host_files()) == {
        "coverage.c", "entropy.c", "old_libc.c", "um_pcidev.h", "up_bnxt.h",
    }  # fmt: skip
    assert covered.groups == flavour("uml").groups


def test_unknown_flavour_lists_the_known() -> None:
    with pytest.raises(UnknownFlavourError, match="there are: uml, uml-san, uml-smp, x86, debug"):
        flavour("umll")
    with pytest.raises(UnknownFlavourError, match="debug has KCOV"):
        with_coverage(flavour("debug"))


def test_every_host_file_is_used() -> None:
    used = {name for one in FLAVOURS for name in one.host_files()}
    used |= {name for one in FLAVOURS for name in one.mending(one.mended).host_files()}
    used |= set(with_coverage(flavour("uml")).host_files())
    assert used == {path.name for path in HOST.iterdir()}
