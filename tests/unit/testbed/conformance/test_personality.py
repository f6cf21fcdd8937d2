# SPDX-License-Identifier: GPL-2.0-only
"""A recording as a personality."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from testbed.card.personality import load_personality
from testbed.conformance.personality import make_personality
from tests.unit.testbed.conformance.sample import recording


def test_the_default_card_needs_no_option() -> None:
    made = make_personality(recording())
    assert made.options == {}
    assert made.refused == {}


def test_what_differs_is_an_option_of_the_file(tmp_path: Path) -> None:
    values = {
        **recording().values,
        "pci/revision": "0x11", "config/msix/vectors": "24", "bar/4": "65536",
        "info/board.serial_number": 'a "quoted" one', "info/running/fw.psid": "1.2.3",
        "hwrm/FUNC_RESOURCE_QCAPS/error": "SUCCESS", "hwrm/FUNC_RESOURCE_QCAPS/max_vnics": "9",
    }  # fmt: skip
    made = make_personality(replace(recording(), values=values))
    limits = made.options["limits"]
    assert (limits["msix"], limits["vnics"], limits["tx_rings"]) == (24, 9, 0)
    file = tmp_path / "mine.toml"
    file.write_text(made.text(Path("card.json")))
    assert "# The card of card.json" in file.read_text()
    assert load_personality(str(file)) == made.options
    assert made.options["serial"] == 'a "quoted" one'
    assert made.options["nvm_config"] == [1, 2, 3]


def test_what_cannot_be_had_is_told() -> None:
    values = {**recording().values, "bar/0": str(1 << 30), "config/msix/vectors": "2048"}
    values["channels/Pre-set maximums/Combined"] = "2048"
    del values["info/fixed/board.id"]
    made = make_personality(replace(recording(), values=values))
    assert made.options == {}
    assert made.refused == {
        "register_bar_kib": "1048576: allowed: 64, 128, 256",
        "limits.msix": "2048: allowed: an integer in 0..1024",
    }
    assert "board" in made.untold
    assert {"rings", "coalesce", "tunnels"} <= set(made.without)
    assert not {"pci", "info", "made"} & set(made.without)
