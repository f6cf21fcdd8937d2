# SPDX-License-Identifier: GPL-2.0-only
"""One declarative style for every structure on a wire: commands, descriptors, vfio-user.

A layout is a dataclass whose fields are annotated with a C type of this module::

    @layout(size=16, c_name="vring_desc")
    class VringDesc(Layout):
        addr: le64 = 0
        len: le32 = 0
        flags: le16 = 0
        next: le16 = 0

        device_writes = Bits("flags", 1, 1)

Fields are naturally aligned, little-endian, of fixed size; the decorator checks alignment and that
the sum is ``size``. Arrays of bytes are ``Annotated[bytes, "6s"]``, arrays of integers
``Annotated[tuple[int, ...], "16H"]``. A layout may extend another one: the members of its base
come first (a header all messages share). Big-endian fields (network order) are
``be16``/``be32``: the value seen in Python is the value of the number, not of the bytes.
"""

from __future__ import annotations

import dataclasses
import inspect
import struct
import sys
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, ClassVar, Self, TypeVar, dataclass_transform

u8 = Annotated[int, "B"]
le16 = Annotated[int, "H"]
le32 = Annotated[int, "I"]
le64 = Annotated[int, "Q"]
be16 = Annotated[int, ">H"]
be32 = Annotated[int, ">I"]


@dataclasses.dataclass(frozen=True, slots=True)
class Field:
    """One member of a layout: byte offset, size in bytes, and how it is coded."""

    name: str
    offset: int
    size: int
    code: str
    count: int
    big_endian: bool


class Bits:
    """Bits ``high..low`` (inclusive) of an integer field of the same layout."""

    __slots__ = ("_field", "_mask", "_shift", "name")

    def __init__(self, field: str, high: int, low: int) -> None:
        self._field = field
        self._shift = low
        self._mask = (1 << (high - low + 1)) - 1
        self.name = ""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, obj: Layout | None, owner: type | None = None) -> int:
        if obj is None:
            return self._mask << self._shift
        word: int = getattr(obj, self._field)
        return (word >> self._shift) & self._mask

    def __set__(self, obj: Layout, value: int) -> None:
        if value & ~self._mask:
            raise ValueError(f"{self.name}={value:#x} does not fit {self._mask:#x}")
        word: int = getattr(obj, self._field)
        kept = word & ~(self._mask << self._shift)
        setattr(obj, self._field, kept | (value << self._shift))


class Layout:
    """Base of all layouts; subclasses are made by :func:`layout`."""

    SIZE: ClassVar[int]
    C_NAME: ClassVar[str]
    FIELDS: ClassVar[tuple[Field, ...]]
    _STRUCT: ClassVar[struct.Struct]
    _SPECIAL: ClassVar[tuple[tuple[int, int, Field], ...]]
    __slots__ = ()

    @classmethod
    def unpack(cls, data: bytes | bytearray | memoryview, offset: int = 0) -> Self:
        """Decode ``SIZE`` bytes at ``offset``; a shorter buffer reads as if padded with zeros.

        Firmware and driver of different ages send shorter structures than the newest one; hardware
        treats the missing tail as zero.
        """
        have = len(data) - offset
        if have < cls.SIZE:
            data = bytes(data[offset:]).ljust(cls.SIZE, b"\0")
            offset = 0
        values = cls._STRUCT.unpack_from(data, offset)
        return cls(*values) if not cls._SPECIAL else cls._from_values(values)

    @classmethod
    def _from_values(cls, values: tuple[Any, ...]) -> Self:
        out: list[Any] = list(values)
        for at, _, f in cls._SPECIAL:
            if f.big_endian:
                out[at] = _swap(out[at], f.size)
            else:
                out[at : at + f.count] = (values[at : at + f.count],)
        return cls(*out)

    def pack(self) -> bytes:
        """Encode to exactly ``SIZE`` bytes. Raises struct.error for a value out of range."""
        out: list[Any] = [getattr(self, f.name) for f in self.FIELDS]
        for _, at, f in self._SPECIAL:
            if f.big_endian:
                out[at] = _swap(out[at], f.size)
            else:
                out[at : at + 1] = out[at]
        return self._STRUCT.pack(*out)

    def pack_into(self, buffer: bytearray | memoryview, offset: int = 0) -> None:
        """Encode into ``buffer[offset:offset + SIZE]``."""
        buffer[offset : offset + self.SIZE] = self.pack()

    def __eq__(self, other: object) -> bool:
        """Of the same structure, with the same value in each field."""
        if type(other) is not type(self):
            return NotImplemented
        return all(getattr(self, f.name) == getattr(other, f.name) for f in self.FIELDS)

    __hash__ = None  # type: ignore[assignment]  # as of any mutable dataclass

    def __repr__(self) -> str:
        fields = ", ".join(f"{f.name}={getattr(self, f.name)!r}" for f in self.FIELDS)
        return f"{type(self).__qualname__}({fields})"

    def nonzero(self) -> dict[str, Any]:
        """Fields that are not zero, for traces: integers as they are, bytes as hex."""
        shown: dict[str, Any] = {}
        for f in self.FIELDS:
            value = getattr(self, f.name)
            if isinstance(value, bytes):
                if any(value):
                    shown[f.name] = value.rstrip(b"\0").hex()
            elif isinstance(value, tuple):
                if any(value):
                    shown[f.name] = list(value)
            elif value:
                shown[f.name] = value
        return shown


def _swap(value: int, size: int) -> int:
    return int.from_bytes(value.to_bytes(size, "little"), "big")


T = TypeVar("T", bound=Layout)
_TYPES: dict[tuple[str, str], Any] = {}
"""Module and annotation as written -> what it says. Many fields share a few of them."""


def _type_of(annotation: Any, module: str) -> Any:
    """What the annotation of a field of a structure in ``module`` says."""
    if not isinstance(annotation, str):
        return annotation
    key = module, annotation
    if key not in _TYPES:
        _TYPES[key] = eval(annotation, vars(sys.modules[module]))
    return _TYPES[key]


def _parse(name: str, offset: int, hint: Any) -> Field:
    meta = getattr(hint, "__metadata__", None)
    if not meta or not isinstance(meta[0], str):
        raise TypeError(f"{name}: annotate with a type of devmodel.layout")
    code = meta[0]
    big_endian = code.startswith(">")
    code = code.lstrip(">")
    count = int(code[:-1] or 1)
    element = struct.calcsize("<" + code[-1])
    if code[-1] != "s" and offset % element:
        raise TypeError(f"{name} at offset {offset:#x} is not aligned to {element}")
    return Field(name, offset, element * count, code[-1], count, big_endian)


def _special(fields: Sequence[Field]) -> Iterator[tuple[int, int, Field]]:
    """(index of its first value, its own index, field) of arrays and of what is swapped, the last
    one first: replacing one leaves the places of those before it.
    """
    values = sum(1 if f.code == "s" else f.count for f in fields)
    for at in reversed(range(len(fields))):
        f = fields[at]
        values -= 1 if f.code == "s" else f.count
        if f.big_endian or (f.count > 1 and f.code != "s"):
            yield values, at, f


@dataclass_transform()
def layout(*, size: int, c_name: str) -> Any:
    """Class decorator: dataclass(slots) + one precompiled struct. Raises TypeError at import.

    :param size: sizeof() in bytes, stated by hand and checked.
    :param c_name: tag of the C struct, checked against the BTF of the kernel under test
        (empty for structures that the driver does not declare).
    """

    def wrap(cls: type[T]) -> type[T]:
        bases = [c for c in cls.__mro__ if issubclass(c, Layout) and c is not Layout]
        fields: list[Field] = []
        offset = 0
        for base in reversed(bases):
            for name, annotation in inspect.get_annotations(base).items():
                if not name.isupper():
                    f = _parse(
                        f"{cls.__name__}.{name}", offset, _type_of(annotation, base.__module__)
                    )
                    fields.append(dataclasses.replace(f, name=name))
                    offset += f.size
        if offset != size:
            raise TypeError(f"{cls.__name__}: fields take {offset} bytes, declared {size}")
        made = dataclasses.dataclass(slots=True, eq=False, repr=False)(cls)
        made.SIZE = size
        made.C_NAME = c_name
        made.FIELDS = tuple(fields)
        made._STRUCT = struct.Struct(
            "<" + "".join(f"{f.count if f.count > 1 else ''}{f.code}" for f in fields)
        )
        made._SPECIAL = tuple(_special(fields))
        return made

    return wrap
