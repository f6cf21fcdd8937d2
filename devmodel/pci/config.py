# SPDX-License-Identifier: GPL-2.0-only
"""Configuration space: registers declared as field tables, each field with its access rule.

The space is three byte arrays built from the tables (values, write mask, write-one-to-clear mask),
so that the same code handles any access of any width. Names are those of the PCI
Express Base Specification, chapter 7.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass

CONFIG_SPACE_SIZE = 4096


class FieldAccess(enum.Enum):
    """Access rule of a field (PCIe Base Spec 7.4)."""

    RO = "read only"
    RW = "read-write"
    RW1C = "write one to clear"
    RSVDZ = "reserved, zero"


@dataclass(frozen=True, slots=True)
class Field:
    """Bits ``high..low`` (inclusive) of a register and their value after reset."""

    name: str
    high: int
    low: int
    access: FieldAccess = FieldAccess.RO
    reset: int = 0

    @property
    def mask(self) -> int:
        """Mask in place."""
        return ((1 << (self.high - self.low + 1)) - 1) << self.low


@dataclass(frozen=True, slots=True)
class Register:
    """A little-endian register of ``size`` bytes; bits that no field names are reserved-zero."""

    name: str
    offset: int
    size: int
    fields: tuple[Field, ...]

    def moved(self, base: int) -> Register:
        """The same register at an offset ``base`` bytes higher."""
        return Register(self.name, base + self.offset, self.size, self.fields)


def register(name: str, offset: int, size: int, *fields: Field) -> Register:
    """Declare a register. Raises ValueError if fields overlap or do not fit."""
    used = 0
    for f in fields:
        if used & f.mask or f.mask >> (8 * size) or f.reset << f.low & ~f.mask:
            raise ValueError(
                f"{name}.{f.name} overlaps, exceeds the register or has too large a value"
            )
        used |= f.mask
    return Register(name, offset, size, fields)


def constant(name: str, offset: int, size: int, value: int) -> Register:
    """A read-only register."""
    return register(name, offset, size, Field("VALUE", 8 * size - 1, 0, FieldAccess.RO, value))


def read_write(name: str, offset: int, size: int, value: int = 0) -> Register:
    """A register that keeps whatever is written."""
    return register(name, offset, size, Field("VALUE", 8 * size - 1, 0, FieldAccess.RW, value))


class ConfigSpace:
    """4096 bytes of configuration space made of registers."""

    def __init__(self) -> None:
        self._values = bytearray(CONFIG_SPACE_SIZE)
        self._reset = bytearray(CONFIG_SPACE_SIZE)
        self._writable = bytearray(CONFIG_SPACE_SIZE)
        self._w1c = bytearray(CONFIG_SPACE_SIZE)
        self._claimed = bytearray(CONFIG_SPACE_SIZE)
        self._registers: dict[str, Register] = {}
        self._watchers: dict[int, Callable[[], None]] = {}

    def add(self, reg: Register) -> None:
        """Place a register. Raises ValueError if its name or bytes are taken."""
        span = slice(reg.offset, reg.offset + reg.size)
        if reg.name in self._registers or any(self._claimed[span]):
            raise ValueError(f"{reg.name} at {reg.offset:#x} is taken")
        reset = writable = w1c = 0
        for f in reg.fields:
            reset |= f.reset << f.low
            if f.access is FieldAccess.RW:
                writable |= f.mask
            elif f.access is FieldAccess.RW1C:
                w1c |= f.mask
        self._registers[reg.name] = reg
        self._claimed[span] = b"\1" * reg.size
        self._reset[span] = self._values[span] = reset.to_bytes(reg.size, "little")
        self._writable[span] = writable.to_bytes(reg.size, "little")
        self._w1c[span] = w1c.to_bytes(reg.size, "little")

    def watch(self, name: str, call: Callable[[], None]) -> None:
        """Call ``call`` after each write that touches the register."""
        self._watchers[self._registers[name].offset] = call

    def has(self, name: str) -> bool:
        """Whether there is such a register."""
        return name in self._registers

    def offset_of(self, name: str) -> int:
        """Byte offset of a register."""
        return self._registers[name].offset

    def read(self, offset: int, length: int) -> bytes:
        """Bytes at ``offset``; zeros where there is no register, all ones beyond the space."""
        return bytes(self._values[offset : offset + length]).ljust(length, b"\xff")

    def write(self, offset: int, data: bytes | memoryview) -> bool:
        """Write through the rules, then call the watchers. False if it changed no writable bit."""
        allowed = False
        for at, byte in enumerate(data, offset):
            if at >= CONFIG_SPACE_SIZE:
                break
            writable, w1c, old = self._writable[at], self._w1c[at], self._values[at]
            self._values[at] = (old & ~writable | byte & writable) & ~(byte & w1c)
            allowed = allowed or bool(writable | w1c)
        end = offset + len(data)
        for reg in list(self._registers.values()):
            if reg.offset < end and offset < reg.offset + reg.size:
                call = self._watchers.get(reg.offset)
                if call is not None:
                    call()
        return allowed

    def get(self, name: str, field: str = "VALUE") -> int:
        """Present value of a field."""
        reg, f = self._find(name, field)
        word = int.from_bytes(self._values[reg.offset : reg.offset + reg.size], "little")
        return (word & f.mask) >> f.low

    def set(self, name: str, value: int, field: str = "VALUE") -> None:
        """Set a field as hardware does: rules do not apply, watchers are not called."""
        reg, f = self._find(name, field)
        span = slice(reg.offset, reg.offset + reg.size)
        word = int.from_bytes(self._values[span], "little") & ~f.mask
        self._values[span] = (word | value << f.low & f.mask).to_bytes(reg.size, "little")

    def reset(self) -> None:
        """Every register returns to its reset value; watchers are not called."""
        self._values[:] = self._reset

    def _find(self, name: str, field: str) -> tuple[Register, Field]:
        reg = self._registers[name]
        for f in reg.fields:
            if f.name == field:
                return reg, f
        raise KeyError(f"{name}.{field}")
