# SPDX-License-Identifier: GPL-2.0-only
"""What link two ends agree on."""

from __future__ import annotations

import dataclasses

import pytest

from devmodel.bnxt.hsi.phy import ActiveFec, FecCfg, Loopback, PauseBits, SignalMode
from devmodel.bnxt.phy import (
    ALL_MODES,
    NO_PAUSE,
    RS272,
    RS544,
    Fec,
    Mode,
    Negotiates,
    Partner,
    Pause,
    PhySettings,
    active_fec,
    fec_of,
    mask_of,
    modes_of,
    resolve,
    resolve_pause,
)

MEDIA = frozenset(ALL_MODES)
RX, TX, BOTH = PauseBits.RX, PauseBits.TX, PauseBits.RX | PauseBits.TX
AUTO = PhySettings(autoneg=True, fec=PhySettings().fec | FecCfg.AUTONEG_ENABLED)


def test_default_ends_agree() -> None:
    link = resolve(PhySettings(), Partner(), MEDIA)
    assert link is not None
    assert (link.mode, link.fec, link.pause) == (Mode.NRZ_100G, ActiveFec.CLAUSE91, NO_PAUSE)
    assert not link.negotiated


@pytest.mark.parametrize(
    "partner",
    [
        Partner(speed=Mode.NRZ_25G),
        Partner(speed=Mode.PAM4_100G),
        Partner(fec=Fec.NONE),
        Partner(autoneg=Negotiates.ON),
    ],
    ids=["speed", "signalling", "fec", "autoneg"],
)
def test_forced_ends_that_differ_have_no_link(partner: Partner) -> None:
    assert resolve(PhySettings(), partner, MEDIA) is None


def test_the_best_that_both_offer_is_negotiated() -> None:
    partner = Partner(advertise=(Mode.NRZ_25G, Mode.NRZ_100G, Mode.PAM4_100G))
    link = resolve(AUTO, partner, MEDIA)
    assert link is not None
    assert (link.mode, link.fec, link.negotiated) == (Mode.PAM4_100G, ActiveFec.RS544_IEEE, True)


@pytest.mark.parametrize(
    "partner",
    [Partner(autoneg=Negotiates.OFF), Partner(advertise=(Mode.NRZ_10G,))],
    ids=["partner is forced", "nothing in common"],
)
def test_negotiation_that_fails(partner: Partner) -> None:
    local = dataclasses.replace(AUTO, advertised=frozenset({Mode.NRZ_100G}))
    assert resolve(local, partner, MEDIA) is None


def test_fec_follows_the_partner_only_if_it_is_negotiated() -> None:
    partner = Partner(advertise=(Mode.NRZ_25G,), fec=Fec.BASE_R)
    link = resolve(AUTO, partner, MEDIA)
    assert link is not None
    assert link.fec is ActiveFec.CLAUSE74
    assert resolve(dataclasses.replace(AUTO, fec=PhySettings().fec), partner, MEDIA) is None


def test_negotiated_100g_has_rs_whatever_is_asked_for() -> None:
    link = resolve(AUTO, Partner(advertise=(Mode.NRZ_100G,), fec=Fec.NONE), MEDIA)
    assert link is not None
    assert link.fec is ActiveFec.CLAUSE91


@pytest.mark.parametrize(
    ("local", "partner", "used"),
    [
        (BOTH, BOTH, BOTH),
        (BOTH, RX, BOTH),
        (BOTH, TX, NO_PAUSE),
        (BOTH, NO_PAUSE, NO_PAUSE),
        (RX, BOTH, BOTH),
        (RX, TX, RX),
        (TX, RX, TX),
        (TX, TX, NO_PAUSE),
        (TX, BOTH, NO_PAUSE),
        (NO_PAUSE, BOTH, NO_PAUSE),
    ],
)
def test_pause_of_table_28b_3(local: PauseBits, partner: PauseBits, used: PauseBits) -> None:
    assert resolve_pause(local, partner) == used


def test_pause_is_negotiated_only_on_request() -> None:
    asked = dataclasses.replace(AUTO, auto_pause=BOTH | PauseBits.AUTONEG)
    for settings, used in ((asked, BOTH), (AUTO, NO_PAUSE)):
        link = resolve(settings, Partner(), MEDIA)
        assert link is not None
        assert link.pause == used


@pytest.mark.parametrize(
    ("mode", "fec", "active"),
    [
        (Mode.NRZ_10G, Fec.RS, ActiveFec.NONE),
        (Mode.NRZ_10G, Fec.BASE_R, ActiveFec.CLAUSE74),
        (Mode.NRZ_25G, Fec.RS, ActiveFec.CLAUSE91),
        (Mode.NRZ_25G, Fec.NONE, ActiveFec.NONE),
        (Mode.NRZ_100G, Fec.BASE_R, ActiveFec.NONE),
        (Mode.PAM4_50G, Fec.RS, ActiveFec.RS544_1XN),
        (Mode.PAM4_200G, Fec.NONE, ActiveFec.RS544_IEEE),
        (Mode.PAM4_50G, Fec.LLRS, ActiveFec.RS272_1XN),
        (Mode.PAM4_200G, Fec.LLRS, ActiveFec.RS272_IEEE),
    ],
)
def test_fec_of_a_speed(mode: Mode, fec: Fec, active: ActiveFec) -> None:
    assert active_fec(mode, fec) is active


def test_encodings_enabled_for_nrz_and_pam4() -> None:
    clause91, clause74 = FecCfg.CLAUSE91_ENABLED, FecCfg.CLAUSE74_ENABLED
    assert fec_of(clause91 | RS272, Mode.NRZ_25G) is Fec.RS
    assert fec_of(clause91 | RS272, Mode.PAM4_50G) is Fec.LLRS
    assert fec_of(clause91 | RS544, Mode.PAM4_50G) is Fec.RS
    assert fec_of(clause74, Mode.NRZ_25G) is Fec.BASE_R
    assert fec_of(FecCfg(0), Mode.NRZ_25G) is Fec.NONE


def test_masks_name_the_modes_of_their_signalling() -> None:
    nrz, pam4 = mask_of(ALL_MODES, SignalMode.NRZ), mask_of(ALL_MODES, SignalMode.PAM4)
    assert (nrz, pam4) == (0xF40, 0x7)
    assert modes_of(nrz, pam4) == MEDIA
    assert modes_of(0x100, 0x8000) == {Mode.NRZ_25G}


def test_loopback_needs_no_partner_but_a_module() -> None:
    looping = PhySettings(loopback=Loopback.LOCAL)
    assert resolve(looping, Partner(speed=Mode.NRZ_10G), MEDIA) is not None
    assert resolve(looping, Partner(), frozenset()) is None


def test_optics_do_not_negotiate() -> None:
    optics = frozenset({Mode.NRZ_25G, Mode.NRZ_100G})
    link = resolve(AUTO, Partner(), optics)
    assert link is not None
    assert (link.mode, link.negotiated) == (Mode.NRZ_100G, False)


def test_pause_words() -> None:
    assert [pause.bits for pause in Pause] == [NO_PAUSE, RX, TX, BOTH]
