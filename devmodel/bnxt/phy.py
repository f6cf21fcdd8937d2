# SPDX-License-Identifier: GPL-2.0-only
"""What two ends of a cable are set to, and what link comes of it.

Modes and their encodings are those of IEEE 802.3 (clauses 73, 74, 91, 119, 134) and, for 25 Gb/s
lanes in pairs, of the 25G Ethernet Consortium. docs/port.md says which values are guesses.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass, field

from devmodel.bnxt.hsi.phy import ActiveFec, FecCfg, Loopback, PauseBits, SignalMode

NO_PAUSE = PauseBits(0)


class Mode(enum.Enum):
    """A speed and its signalling, from the least to the most preferred."""

    NRZ_10G = "10G"
    NRZ_25G = "25G"
    NRZ_40G = "40G"
    NRZ_50G = "50G"
    PAM4_50G = "50G-pam4"
    NRZ_100G = "100G"
    PAM4_100G = "100G-pam4"
    PAM4_200G = "200G-pam4"

    @property
    def signal(self) -> SignalMode:
        """How many bits a symbol has."""
        return SignalMode.PAM4 if self.value.endswith("-pam4") else SignalMode.NRZ

    @property
    def speed(self) -> int:
        """In units of 100 Mb/s (PORT_PHY_QCFG_RESP_LINK_SPEED_*)."""
        return int(self.value.partition("G")[0]) * 10

    @property
    def mask(self) -> int:
        """The bit in a mask of its signalling (PORT_PHY_QCFG_RESP_SUPPORT[_PAM4]_SPEEDS_*)."""
        return _MASKS[self]


_MASKS = {
    Mode.NRZ_10G: 0x40,
    Mode.NRZ_25G: 0x100,
    Mode.NRZ_40G: 0x200,
    Mode.NRZ_50G: 0x400,
    Mode.NRZ_100G: 0x800,
    Mode.PAM4_50G: 0x1,
    Mode.PAM4_100G: 0x2,
    Mode.PAM4_200G: 0x4,
}
ALL_MODES = tuple(Mode)


def mask_of(modes: Iterable[Mode], signal: SignalMode) -> int:
    """The mask of those modes that have this signalling."""
    return sum(mode.mask for mode in set(modes) if mode.signal is signal)


def modes_of(nrz: int, pam4: int) -> frozenset[Mode]:
    """The modes of two masks; bits of speeds the card does not have are left out."""
    masks = {SignalMode.NRZ: nrz, SignalMode.PAM4: pam4}
    return frozenset(mode for mode in Mode if mode.mask & masks[mode.signal])


class Fec(enum.Enum):
    """An encoding, whatever its width is at a speed."""

    NONE = "none"
    BASE_R = "base-r"
    RS = "rs"
    LLRS = "llrs"


_CLAUSE74 = (Mode.NRZ_10G, Mode.NRZ_25G, Mode.NRZ_40G, Mode.NRZ_50G)
_CLAUSE91 = (Mode.NRZ_25G, Mode.NRZ_50G, Mode.NRZ_100G)


def active_fec(mode: Mode, fec: Fec) -> ActiveFec:
    """What ``fec`` is at that speed: NRZ without an encoding of this kind has none, PAM4 has one
    always.
    """
    if mode.signal is SignalMode.PAM4:
        is_single = mode is Mode.PAM4_50G
        if fec is Fec.LLRS:
            return ActiveFec.RS272_1XN if is_single else ActiveFec.RS272_IEEE
        return ActiveFec.RS544_1XN if is_single else ActiveFec.RS544_IEEE
    if fec is Fec.BASE_R and mode in _CLAUSE74:
        return ActiveFec.CLAUSE74
    if fec in (Fec.RS, Fec.LLRS) and mode in _CLAUSE91:
        return ActiveFec.CLAUSE91
    return ActiveFec.NONE


RS544 = FecCfg.RS544_1XN_ENABLED | FecCfg.RS544_IEEE_ENABLED
RS272 = FecCfg.RS272_1XN_ENABLED | FecCfg.RS272_IEEE_ENABLED


def fec_of(enabled: FecCfg, mode: Mode) -> Fec:
    """The encoding that is meant for that speed."""
    if mode.signal is SignalMode.PAM4:
        return Fec.LLRS if enabled & RS272 and not enabled & RS544 else Fec.RS
    if enabled & FecCfg.CLAUSE91_ENABLED:
        return Fec.RS
    return Fec.BASE_R if enabled & FecCfg.CLAUSE74_ENABLED else Fec.NONE


class Negotiates(enum.Enum):
    """Whether a link partner takes part in autonegotiation (clause 73)."""

    AUTO = "auto"
    """If the other end does; else it is at its forced speed."""
    ON = "on"
    OFF = "off"


class Pause(enum.Enum):
    """Which PAUSE frames an end obeys (rx) and sends (tx)."""

    NONE = "none"
    RX = "rx"
    TX = "tx"
    BOTH = "both"

    @property
    def bits(self) -> PauseBits:
        """As the commands have it."""
        return {
            Pause.NONE: NO_PAUSE,
            Pause.RX: PauseBits.RX,
            Pause.TX: PauseBits.TX,
            Pause.BOTH: PauseBits.RX | PauseBits.TX,
        }[self]


@dataclass(frozen=True, slots=True)
class Partner:
    """The port at the other end of the cable.

    :ivar speed: what it is forced to without autonegotiation.
    :ivar advertise: what it offers in autonegotiation, ``pause`` with it.
    :ivar fec: what it uses, or asks for in autonegotiation.
    """

    autoneg: Negotiates = Negotiates.AUTO
    speed: Mode = Mode.NRZ_100G
    advertise: tuple[Mode, ...] = ALL_MODES
    fec: Fec = Fec.RS
    pause: Pause = Pause.BOTH


@dataclass(frozen=True, slots=True)
class PhySettings:
    """What PORT_PHY_CFG set.

    :ivar fec: encodings enabled, and whether they are negotiated.
    """

    autoneg: bool = False
    forced: Mode = Mode.NRZ_100G
    advertised: frozenset[Mode] = field(default=frozenset(Mode))
    auto_pause: PauseBits = NO_PAUSE
    force_pause: PauseBits = NO_PAUSE
    fec: FecCfg = FecCfg.CLAUSE91_ENABLED | RS544
    loopback: Loopback = Loopback.NONE


@dataclass(frozen=True, slots=True)
class Outcome:
    """A link.

    :ivar negotiated: the ends have told each other what they can do.
    """

    mode: Mode
    fec: ActiveFec
    pause: PauseBits
    negotiated: bool = False


def resolve(local: PhySettings, partner: Partner, media: frozenset[Mode]) -> Outcome | None:
    """The link that two ends agree on, None for none.

    :param media: what the module can do. Only copper, which can do all, carries autonegotiation.
    """
    if not media:
        return None
    if local.loopback is Loopback.LOCAL:
        return _alone(local, media)
    if local.autoneg and media >= frozenset(Mode):
        return _negotiate(local, partner)
    mode = _own_mode(local, media)
    fec = active_fec(mode, fec_of(local.fec, mode))
    if partner.autoneg is Negotiates.ON or partner.speed is not mode:
        return None
    if fec is not active_fec(mode, partner.fec):
        return None
    return Outcome(mode, fec, local.force_pause)


def _own_mode(local: PhySettings, media: frozenset[Mode]) -> Mode:
    return best(local.advertised & media or media) if local.autoneg else local.forced


def _alone(local: PhySettings, media: frozenset[Mode]) -> Outcome:
    mode = _own_mode(local, media)
    return Outcome(mode, active_fec(mode, fec_of(local.fec, mode)), local.force_pause)


def best(modes: Iterable[Mode]) -> Mode:
    """The highest in the order of preference."""
    return max(modes, key=ALL_MODES.index)


def _negotiate(local: PhySettings, partner: Partner) -> Outcome | None:
    common = local.advertised & frozenset(partner.advertise)
    if partner.autoneg is Negotiates.OFF or not common:
        return None
    mode = best(common)
    fec = active_fec(mode, partner.fec)
    if local.fec & FecCfg.AUTONEG_ENABLED:
        if mode is Mode.NRZ_100G:  # clause 91 is a part of 100GBASE-CR4
            fec = ActiveFec.CLAUSE91
    elif fec is not active_fec(mode, fec_of(local.fec, mode)):
        return None
    pause = local.force_pause
    if local.auto_pause & PauseBits.AUTONEG:
        pause = resolve_pause(local.auto_pause, partner.pause.bits)
    return Outcome(mode, fec, pause, negotiated=True)


def resolve_pause(local: PauseBits, partner: PauseBits) -> PauseBits:
    """What is used of what both ends advertise (802.3 annex 28B, table 28B-3)."""
    symmetric, asymmetric = _advertisement(local)
    far_symmetric, far_asymmetric = _advertisement(partner)
    if symmetric and far_symmetric:
        return PauseBits.RX | PauseBits.TX
    if asymmetric and far_asymmetric:
        if symmetric:
            return PauseBits.RX
        if far_symmetric:
            return PauseBits.TX
    return NO_PAUSE


def _advertisement(pause: PauseBits) -> tuple[bool, bool]:
    """PAUSE and ASM_DIR."""
    receives, sends = bool(pause & PauseBits.RX), bool(pause & PauseBits.TX)
    return receives, receives != sends
