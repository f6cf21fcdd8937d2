# SPDX-License-Identifier: GPL-2.0-only
"""The card's options: which other card it is to be. Read by the card, and by who checks them first.

An option is ``id_policy``, ``oracle``, ``limits`` (fields of Limits) or a field of Identity.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from devmodel.bnxt.config_space import MSIX_PBA_OFFSET
from devmodel.bnxt.identity import Identity, Limits
from devmodel.bnxt.resources import IdPolicy
from devmodel.config import ConfigError

T = TypeVar("T", Identity, Limits)

_MSIX_ENTRY_BYTES = 16
_MOST: Mapping[str, int] = {
    "chip_rev": 0xFF, "chip_metal": 0xFF, "hwrm_interface": 0xFF,
    "msix": MSIX_PBA_OFFSET // _MSIX_ENTRY_BYTES,
}  # fmt: skip
_MOST_ELSE = 0xFFFF
"""Firmware tells every other number in 16 bits."""
_MOST_FLAGS = 0xFFFF_FFFF
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
    """Which card it is, how it gives out identifiers, and whether the oracle judges its DMA."""

    nic: Identity
    id_policy: IdPolicy
    oracle: bool


def read_options(options: Mapping[str, Any]) -> Personality:
    """The card that ``options`` describe. Raises OptionError."""
    chosen = dict(options)
    policy = _one_of("id_policy", chosen.pop("id_policy", "reuse"), [p.value for p in IdPolicy])
    oracle = _one_of("oracle", chosen.pop("oracle", "on"), ["on", "off"])
    limits = chosen.pop("limits", {})
    if not isinstance(limits, dict):
        raise OptionError("limits", _wrong(limits), ["a table"])
    others = ["id_policy", "limits", "oracle"]
    nic = Identity(limits=_changed(Limits(), limits, "limits.", ()))
    return Personality(_changed(nic, chosen, "", others), IdPolicy(policy), oracle == "on")


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


def _names(table: Identity | Limits) -> list[str]:
    return [field.name for field in dataclasses.fields(table)]


def _value(name: str, prefix: str, value: Any, old: Any) -> Any:
    """The value for a field that has been ``old``."""
    most, longest = _MOST.get(name, _MOST_ELSE), _LONGEST.get(name, _LONGEST_ELSE)
    converted: Any
    if isinstance(old, bool):
        allowed, converted = "true, false", value if isinstance(value, bool) else None
    elif isinstance(old, enum.Flag):
        allowed, converted = "a sum of flags in 32 bits", _flags(value, type(old))
    elif isinstance(old, bytes):
        allowed, converted = f"{len(old)} bytes in hexadecimal", _bytes(value, len(old))
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
