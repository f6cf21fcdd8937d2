# SPDX-License-Identifier: GPL-2.0-only
"""The card's options: which other card it is to be. Read by the card, and by who checks them first.

An option is ``id_policy``, ``oracle``, ``limits`` (fields of Limits), ``partner`` (fields of
Partner) or a field of Identity.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from devmodel.bnxt.config_space import MSIX_PBA_OFFSET
from devmodel.bnxt.identity import Identity, Limits
from devmodel.bnxt.phy import Partner
from devmodel.bnxt.resources import IdPolicy
from devmodel.config import ConfigError

T = TypeVar("T", Identity, Limits, Partner)

_MSIX_ENTRY_BYTES = 16
_MOST: Mapping[str, int] = {
    "chip_rev": 0xFF, "chip_metal": 0xFF, "hwrm_interface": 0xFF, "pci_revision": 0xFF,
    "partition_type": 0xFF, "virtual_functions": 7,
    "msix": MSIX_PBA_OFFSET // _MSIX_ENTRY_BYTES,
}  # fmt: skip
_MOST_ELSE = 0xFFFF
"""Firmware tells every other number in 16 bits."""
_MOST_FLAGS = 0xFFFF_FFFF
_SIZES: Mapping[str, tuple[int, ...]] = {
    "register_bar_kib": (64, 128, 256), "doorbell_bar_mib": (1, 2, 4, 8, 16, 32, 64),
    "msix_bar_kib": (32, 64, 128),
}  # fmt: skip
"""A BAR is a power of two, and holds what the card has there."""
_LONGEST: Mapping[str, int] = {"package": 15}
_LONGEST_ELSE = 32


class OptionError(ConfigError):
    """An option is wrong. ``key`` is its whole name, ``allowed`` what it may be, one by one."""

    def __init__(self, key: str, problem: str, allowed: Sequence[str]) -> None:
        super().__init__(f"option {key}: {problem}; allowed: {', '.join(allowed)}")
        self.key = key
        self.problem = problem
        self.allowed = tuple(allowed)


@dataclasses.dataclass(frozen=True, slots=True)
class Personality:
    """Which card it is, how it gives out identifiers, and whether the oracle judges its DMA.

    :ivar store_fd: file that is its NVM, or None.
    """

    nic: Identity
    id_policy: IdPolicy
    oracle: bool
    store_fd: int | None = None


def read_options(options: Mapping[str, Any]) -> Personality:
    """The card that ``options`` describe. Raises OptionError."""
    chosen = dict(options)
    policy = _one_of("id_policy", chosen.pop("id_policy", "reuse"), [p.value for p in IdPolicy])
    oracle = _one_of("oracle", chosen.pop("oracle", "on"), ["on", "off"])
    store_fd = chosen.pop("store_fd", None)
    if store_fd is not None and not _fits(store_fd, _MOST_ELSE):
        raise OptionError("store_fd", _wrong(store_fd), ["a descriptor"])
    limits = chosen.pop("limits", {})
    if not isinstance(limits, dict):
        raise OptionError("limits", _wrong(limits), ["a table"])
    others = ["id_policy", "limits", "oracle", "partner"]
    nic = Identity(
        limits=_changed(Limits(), limits, "limits.", ()),
        partner=change_partner(Partner(), chosen.pop("partner", {})),
    )
    changed = _changed(nic, chosen, "", others)
    return Personality(changed, IdPolicy(policy), oracle == "on", store_fd)


def change_partner(partner: Partner, settings: Any) -> Partner:
    """A copy of ``partner`` with what ``settings``, a table, name. Raises OptionError."""
    if not isinstance(settings, dict):
        raise OptionError("partner", _wrong(settings), ["a table"])
    return _changed(partner, settings, "partner.", ())


def _wrong(value: Any) -> str:
    return f"{value!r:.100} is not allowed"


def _one_of(key: str, value: Any, allowed: list[str]) -> str:
    if not isinstance(value, str) or value not in allowed:
        raise OptionError(key, _wrong(value), allowed)
    return value


def _changed(base: T, options: Mapping[str, Any], prefix: str, others: Sequence[str]) -> T:
    """A copy of ``base`` with the fields that ``options`` names."""
    for name in options:
        if name not in _names(base):
            raise OptionError(prefix + name, "unknown key", sorted({*_names(base), *others}))
    changes = {
        name: _value(name, prefix, value, getattr(base, name)) for name, value in options.items()
    }
    return dataclasses.replace(base, **changes)


def _names(table: Identity | Limits | Partner) -> list[str]:
    return [field.name for field in dataclasses.fields(table)]


def _value(name: str, prefix: str, value: Any, old: Any) -> Any:
    """The value for a field that has been ``old``."""
    most, longest = _MOST.get(name, _MOST_ELSE), _LONGEST.get(name, _LONGEST_ELSE)
    converted: Any
    if isinstance(old, bool):
        allowed, converted = "true, false", value if isinstance(value, bool) else None
    elif isinstance(old, enum.Flag):
        allowed, converted = "a sum of flags in 32 bits", _flags(value, type(old))
    elif isinstance(old, enum.Enum):
        allowed, converted = _choices(old), _choice(value, type(old))
    elif isinstance(old, tuple) and isinstance(old[0], enum.Enum):
        allowed, converted = f"a list of {_choices(old[0])}", _several(value, type(old[0]))
    elif isinstance(old, bytes):
        allowed, converted = f"{len(old)} bytes in hexadecimal", _bytes(value, len(old))
    elif name in _SIZES:
        allowed = ", ".join(map(str, _SIZES[name]))
        converted = value if type(value) is int and value in _SIZES[name] else None
    elif isinstance(old, int):
        allowed, converted = f"an integer in 0..{most}", value if _fits(value, most) else None
    elif isinstance(old, str):
        allowed, converted = f"1 to {longest} characters of ASCII", _text(value, longest)
    else:
        allowed, converted = f"{len(old)} integers in 0..{most}", _numbers(value, len(old), most)
    if converted is None:
        raise OptionError(prefix + name, _wrong(value), [allowed])
    return converted


def _fits(value: Any, most: int) -> bool:
    return type(value) is int and 0 <= value <= most


def _flags(value: Any, kind: type[enum.Flag]) -> enum.Flag | None:
    try:
        return kind(value) if _fits(value, _MOST_FLAGS) else None
    except ValueError:
        return None


def _choices(member: enum.Enum) -> str:
    return ", ".join(str(one.value) for one in type(member))


def _choice(value: Any, kind: type[enum.Enum]) -> enum.Enum | None:
    return kind(value) if isinstance(value, str) and value in {o.value for o in kind} else None


def _several(value: Any, kind: type[enum.Enum]) -> tuple[enum.Enum, ...] | None:
    chosen = [_choice(one, kind) for one in value] if isinstance(value, list) else [None]
    found = tuple(one for one in chosen if one is not None)
    return found if len(found) == len(chosen) else None


def _bytes(value: Any, length: int) -> bytes | None:
    try:
        decoded = bytes.fromhex(value)
    except (TypeError, ValueError):
        return None
    return decoded if len(decoded) == length else None


def _text(value: Any, longest: int) -> str | None:
    fits = isinstance(value, str) and value.isascii() and value.isprintable()
    return value if fits and 1 <= len(value) <= longest else None


def _numbers(value: Any, count: int, most: int) -> tuple[int, ...] | None:
    fits = isinstance(value, list) and len(value) == count
    return tuple(value) if fits and all(_fits(one, most) for one in value) else None
