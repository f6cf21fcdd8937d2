# SPDX-License-Identifier: GPL-2.0-only
"""Card options by what they show."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Any

import pytest

from testbed.card.personality import default_card
from testbed.conformance.keys import KEYS, keys_of
from tests.unit.testbed.conformance.sample import recording

FLAGS = default_card()["func_flags"]
READS = {one.name: one.read for one in KEYS}
INVISIBLE = {
    "tpa_timer_us", "def_req_timeout_ms", "keeps_link", "port_id", "partner", "limits.l2_filters",
    "limits.ntuple_filters", "limits.tunnel_ports", "virtual_functions",
}  # fmt: skip
"""Options that no value of a recording shows: behaviour, what only use shows, and what a card made
of a recording leaves off."""


def names(card: dict[str, Any], prefix: str = "") -> set[str]:
    found: set[str] = set()
    for name, value in card.items():
        is_table = isinstance(value, dict) and name == "limits"
        found |= names(value, f"{name}.") if is_table else {prefix + name}
    return found


def test_every_option_can_be_read_or_is_known_to_be_invisible() -> None:
    assert set(READS) | INVISIBLE == names(default_card())
    assert not set(READS) & INVISIBLE


def test_what_is_told_of_the_default_card_is_the_default() -> None:
    card = default_card()
    flat = {**card, **{f"limits.{name}": value for name, value in card["limits"].items()}}
    told = {name: read(recording().values) for name, read in READS.items()}
    told = {name: value for name, value in told.items() if value is not None}
    assert told == {name: flat[name] for name in told}
    assert len(told) > 25


@pytest.mark.parametrize(
    ("name", "path", "value", "expected"),
    [
        ("pci_device_id", "pci/device", "0x1751", 0x1751),
        ("chip_num", "info/fixed/asic.id", "1760", 0x1760),
        ("chip_num", "info/fixed/asic.id", "?", 0x1750),
        ("chip_rev", "info/fixed/asic.rev", "C3", 2),
        ("chip_metal", "info/fixed/asic.rev", "C3", 3),
        ("chip_metal", "info/fixed/asic.rev", "1", None),
        ("doorbell_bar_mib", "bar/2", "33554432", 32),
        ("mac", "permanent/Permanent address", "00:10:18:xx:xx:xx", None),
        ("mac", "permanent/Permanent address", "00:0a:f7:01:02:03", "000af7010203"),
        ("serial", "info/board.serial_number", "xxxx", None),
        ("board", "info/fixed/board.id", "", None),
        ("firmware", "hwrm/VER_GET/hwrm_fw_patch", "7", [232, 0, 1, 7]),
        ("package", "info/running/fw", "227.1.111.0", "227.1.111.0"),
        ("nvm_config", "info/running/fw.psid", "1.2.3", [1, 2, 3]),
        ("hwrm_interface", "info/running/fw.mgmt.api", "1.10.2", [1, 10, 2]),
        ("max_mtu", "ip/maxmtu", "9000", 9000),
        ("max_tso_segs", "ip/tso_max_segs", "32", 32),
        ("module", "module/exit", "1", "none"),
        ("limits.msix", "config/msix/vectors", "74", 74),
        ("limits.tx_rings", "channels/Pre-set maximums/Combined", "20", 20),
        ("limits.tx_rings", "channels/Pre-set maximums/Combined", "32", None),
        ("limits.vnics", "rss/table", "512", 18),
        ("max_aggs", "features/rx-gro-hw", "off [fixed]", 0),
        ("func_flags", "link/Supports Wake-on", "g", FLAGS | 0x20),
        ("func_flags", "registers/bytes", "12560", FLAGS & ~0x10000),
        ("func_flags", "dump/exit", "1", FLAGS & ~0x80000000),
        ("dev_caps", "hwrm/VER_GET/dev_caps_cfg", "12", 12),
        ("has_backing_store", "hwrm/FUNC_BACKING_STORE_QCAPS/error", "CMD_NOT_SUPPORTED", False),
    ],
)
def test_an_option_is_read(name: str, path: str, value: str, expected: object) -> None:
    values = {**recording().values, path: value}
    assert READS[name](values) == expected
    if expected is not None and value != "?":
        assert name in keys_of(path), "what decides the value is named where it differs"


def test_the_module_is_the_most_like() -> None:
    assert READS["module"](recording().values) == "dac"
    values = {p: v for p, v in recording().values.items() if not p.startswith("module/")}
    optical = {"module/exit": "0", "module/Connector": "0x0c (MPO Parallel Optic)"}
    assert READS["module"]({**values, **optical}) == "sr4"
    assert READS["module"](values) is None


def test_without_recovery_or_counters_the_flags_are_off() -> None:
    values = dict(recording().values)
    del values["health/fw/auto_recover"]
    assert READS["func_flags"](values) == FLAGS & ~0xC00000
    shortened = {p: v for p, v in values.items() if p != "statistics/rx_bytes_cos0"}
    assert READS["func_flags_ext"](shortened) == default_card()["func_flags_ext"] & ~0x4
    assert READS["func_flags_ext"]({**values, "statistics/rx_bytes_cos0": "present"}) is None


def test_each_pattern_is_of_a_section() -> None:
    sections = {path.partition("/")[0] for path in recording().values}
    for key in KEYS:
        assert key.shows
        for pattern in key.shows:
            section = pattern.partition("/")[0]
            assert any(fnmatchcase(one, section) for one in sections), pattern
