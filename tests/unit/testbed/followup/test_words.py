# SPDX-License-Identifier: GPL-2.0-only
"""Every value that a head may have has words, and a place in the order of severity."""

from __future__ import annotations

from kernels.flavours import FLAVOURS
from testbed.findings.head import Impact, Needs, Trigger
from testbed.followup.words import (
    IMPACT,
    NEEDS,
    REACH,
    SEVERITY,
    TRIGGER,
    configuration,
    machine,
)


def test_every_value_has_words_and_a_rank() -> None:
    assert NEEDS.keys() == set(Needs)
    assert TRIGGER.keys() == set(Trigger) == set(REACH)
    assert IMPACT.keys() == set(Impact) == set(SEVERITY)


def test_configuration_names_what_decides_whether_it_shows() -> None:
    assert "CONFIG_KASAN" in configuration("uml-san")
    assert "CONFIG_KASAN" not in configuration("uml")
    assert "a header of ours ahead of bnxt.c (bnxt_en 7.2 cannot be opened" in configuration("uml")
    assert configuration("debian") == "x86-64 in QEMU, Debian's package"
    assert machine("x86") == "x86-64 in QEMU"
    assert all(configuration(flavour.name) for flavour in FLAVOURS)
