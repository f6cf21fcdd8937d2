# SPDX-License-Identifier: GPL-2.0-only
"""Options of the card: what is wrong is named, and whatever is allowed makes a card that works."""

from __future__ import annotations

import dataclasses
import enum
from typing import Any

import pytest

from devmodel.bnxt.cmd.func import func_qcaps, func_resource_qcaps, ver_get
from devmodel.bnxt.hsi.func import HwrmFuncQcapsInput, HwrmFuncResourceQcapsInput
from devmodel.bnxt.hsi.ver import HwrmVerGetInput
from devmodel.bnxt.identity import Identity, Limits
from devmodel.bnxt.make import make_card
from devmodel.bnxt.module import ModuleKind
from devmodel.bnxt.options import OptionError, read_options
from devmodel.bnxt.phy import Fec, Mode, Partner
from devmodel.bnxt.resources import IdPolicy
from devmodel.clock import Clock
from devmodel.trace import Trace
from tests.unit.devmodel.bnxt.cardhost import ScriptedWire


def test_defaults() -> None:
    chosen = read_options({})
    assert (chosen.nic, chosen.id_policy, chosen.oracle) == (Identity(), IdPolicy.REUSE, True)


def test_each_kind_of_option() -> None:
    chosen = read_options(
        {
            "mac": "020304050607", "chip_rev": 0, "keeps_link": False, "board": "X",
            "adv_flow": 0x2000, "firmware": [1, 2, 3, 4], "limits": {"msix": 9},
            "id_policy": "fresh", "oracle": "off", "module": "sr4",
            "partner": {"speed": "25G", "advertise": ["25G", "10G"], "fec": "base-r"},
        }
    )  # fmt: skip
    nic = chosen.nic
    assert (nic.mac.hex(), nic.chip_rev, nic.keeps_link, nic.board) == (
        "020304050607",
        0,
        False,
        "X",
    )
    assert (nic.adv_flow, nic.firmware, nic.limits.msix) == (0x2000, (1, 2, 3, 4), 9)
    assert (chosen.id_policy, chosen.oracle) == (IdPolicy.FRESH, False)
    assert nic.module is ModuleKind.SR4
    assert nic.partner == Partner(
        speed=Mode.NRZ_25G, advertise=(Mode.NRZ_25G, Mode.NRZ_10G), fec=Fec.BASE_R
    )


@pytest.mark.parametrize(
    ("options", "key", "allowed"),
    [
        ({"max_agg": 1}, "max_agg", "id_policy, keeps_link, limits, mac"),
        ({"limits": {"x": 1}}, "limits.x", "msix, ntuple_filters"),
        ({"limits": 3}, "limits", "a table"),
        ({"limits": {"msix": 1025}}, "limits.msix", "an integer in 0..1024"),
        ({"limits": {"vnics": True}}, "limits.vnics", "an integer in 0..65535"),
        ({"chip_rev": "no"}, "chip_rev", "an integer in 0..255"),
        ({"doorbell_bar_mib": 3}, "doorbell_bar_mib", "1, 2, 4, 8, 16, 32, 64"),
        ({"max_aggs": -1}, "max_aggs", "an integer in 0..65535"),
        ({"max_aggs": 1 << 70}, "max_aggs", "an integer in 0..65535"),
        ({"max_aggs": {"a": 1}}, "max_aggs", "an integer in 0..65535"),
        ({"keeps_link": 1}, "keeps_link", "true, false"),
        ({"dev_caps": -1}, "dev_caps", "a sum of flags in 32 bits"),
        ({"mac": "zz"}, "mac", "6 bytes in hexadecimal"),
        ({"mac": "0203"}, "mac", "6 bytes in hexadecimal"),
        ({"mac": 3}, "mac", "6 bytes in hexadecimal"),
        ({"board": ""}, "board", "1 to 32 characters of ASCII"),
        ({"board": "\u00e9"}, "board", "1 to 32 characters of ASCII"),
        ({"package": "x" * 16}, "package", "1 to 15 characters of ASCII"),
        ({"firmware": [1, 2, 3]}, "firmware", "4 integers in 0..65535"),
        ({"hwrm_interface": [1, 2, 256]}, "hwrm_interface", "3 integers in 0..255"),
        ({"module": "qsfp"}, "module", "none, dac, sr4"),
        ({"module": 3}, "module", "none, dac, sr4"),
        ({"partner": "x"}, "partner", "a table"),
        ({"partner": {"baud": 1}}, "partner.baud", "advertise, autoneg, fec, pause, speed"),
        ({"partner": {"speed": "1G"}}, "partner.speed", "50G-pam4, 100G, 100G-pam4, 200G-pam4"),
        ({"partner": {"advertise": ["25G", 7]}}, "partner.advertise", "a list of 10G, 25G"),
        ({"partner": {"advertise": "25G"}}, "partner.advertise", "a list of 10G, 25G"),
        ({"id_policy": "never"}, "id_policy", "reuse, fresh, seeded"),
        ({"id_policy": []}, "id_policy", "reuse, fresh, seeded"),
        ({"oracle": True}, "oracle", "on, off"),
    ],
)
def test_wrong_option_is_named_with_what_is_allowed(
    options: dict[str, Any], key: str, allowed: str
) -> None:
    with pytest.raises(OptionError) as wrong:
        read_options(options)
    assert wrong.value.key == key
    assert allowed in ", ".join(wrong.value.allowed)


def test_wrong_value_is_quoted_in_part() -> None:
    with pytest.raises(OptionError) as wrong:
        read_options({"board": "x" * 5000})
    assert len(str(wrong.value)) < 200


def largest(name: str, old: Any) -> Any:
    """The largest value that is allowed for a field that was ``old``."""
    if isinstance(old, enum.Enum) and not isinstance(old, enum.Flag):
        return [one.value for one in type(old)][-1]
    if isinstance(old, enum.Flag | bool | bytes | str):
        return {enum.Flag: 0xFFFF_FFFF, bool: True, bytes: "ff" * 6, str: "x" * 15}[
            next(kind for kind in (enum.Flag, bool, bytes, str) if isinstance(old, kind))
        ]
    for value in (0xFFFF, 1024, 0xFF, 256, 128, 64, 7):
        given = value if isinstance(old, int) else [value] * len(old)
        try:
            read_options({name: given} if hasattr(Identity(), name) else {"limits": {name: given}})
        except OptionError:
            continue
        return given
    raise AssertionError(name)


def test_largest_values_make_a_card_that_answers() -> None:
    options = {
        field.name: largest(field.name, getattr(Identity(), field.name))
        for field in dataclasses.fields(Identity)
        if field.name not in ("limits", "partner")
    }
    names = [field.name for field in dataclasses.fields(Limits)]
    limits = {name: largest(name, getattr(Limits(), name)) for name in names}
    card: Any = make_card(Clock(1), Trace(), ScriptedWire(), {**options, "limits": limits})
    firmware = card.firmware
    ver_get(firmware, HwrmVerGetInput()).pack()
    func_qcaps(firmware, HwrmFuncQcapsInput(fid=0xFFFF)).pack()
    func_resource_qcaps(firmware, HwrmFuncResourceQcapsInput(fid=0xFFFF)).pack()
