# SPDX-License-Identifier: GPL-2.0-only
"""Access rules of registers, against a bit-by-bit reading of the table."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devmodel.pci.config import (
    CONFIG_SPACE_SIZE,
    ConfigSpace,
    Field,
    FieldAccess,
    constant,
    read_write,
    register,
)

FIELDS = (
    Field("RO", 3, 0, FieldAccess.RO, 0xA),
    Field("RW", 11, 4, FieldAccess.RW, 0x5C),
    Field("CLEAR", 15, 12, FieldAccess.RW1C),
    Field("ZERO", 23, 16, FieldAccess.RSVDZ),
    Field("HIGH", 31, 31, FieldAccess.RW, 1),
)
OFFSET = 0x40


def make_space() -> ConfigSpace:
    space = ConfigSpace()
    space.add(register("R", OFFSET, 4, *FIELDS))
    return space


def test_reset_values() -> None:
    assert make_space().read(OFFSET, 4) == (0x800005CA).to_bytes(4, "little")


@given(
    st.lists(
        st.tuples(st.integers(-4, 4), st.binary(min_size=1, max_size=8), st.integers(0, 15)),
        max_size=10,
    )
)
def test_every_write_obeys_every_bit_of_the_table(writes: list[tuple[int, bytes, int]]) -> None:
    space = make_space()
    value = 0x800005CA
    for at, data, status in writes:
        space.set("R", status, "CLEAR")
        value = value & ~0xF000 | status << 12
        space.write(OFFSET + at, data)
        for i, byte in enumerate(data):
            for bit in range(8):
                n = (at + i) * 8 + bit
                if not 0 <= n < 32:
                    continue
                rule = next((f.access for f in FIELDS if f.low <= n <= f.high), FieldAccess.RSVDZ)
                one = byte >> bit & 1
                if rule is FieldAccess.RW:
                    value = value & ~(1 << n) | one << n
                elif rule is FieldAccess.RW1C and one:
                    value &= ~(1 << n)
        assert int.from_bytes(space.read(OFFSET, 4), "little") == value
        assert not any(space.read(0, OFFSET)), "nothing beside the register changed"
        assert not any(space.read(OFFSET + 4, 64))


def test_write_says_whether_it_touched_anything_writable() -> None:
    space = make_space()
    assert space.write(OFFSET, b"\xff")
    assert not space.write(OFFSET + 2, b"\xff")
    assert not space.write(0x80, b"\xff")


def test_beyond_the_space() -> None:
    space = make_space()
    assert space.read(CONFIG_SPACE_SIZE - 2, 4) == b"\0\0\xff\xff"
    assert not space.write(CONFIG_SPACE_SIZE - 2, b"\1\2\3\4")


def test_watcher_is_told_of_each_write_that_touches_its_register() -> None:
    space = make_space()
    space.add(read_write("NEXT", OFFSET + 4, 2))
    seen: list[int] = []
    space.watch("R", lambda: seen.append(space.get("R", "RW")))
    space.write(OFFSET, b"\x30")
    space.write(OFFSET + 3, b"\0\0")
    space.write(OFFSET + 4, b"\1\1")
    space.set("R", 9, "RW")
    space.reset()
    assert seen == [0x53, 0x53]


def test_reset_restores_everything() -> None:
    space = make_space()
    before = space.read(0, CONFIG_SPACE_SIZE)
    space.write(OFFSET, b"\xff" * 4)
    space.set("R", 3, "RO")
    space.reset()
    assert space.read(0, CONFIG_SPACE_SIZE) == before


def test_get_and_set_a_field() -> None:
    space = make_space()
    assert (space.get("R", "RO"), space.get("R", "HIGH"), space.offset_of("R")) == (0xA, 1, OFFSET)
    space.set("R", 0x12, "RW")
    assert space.read(OFFSET, 4) == (0x8000012A).to_bytes(4, "little")
    with pytest.raises(KeyError):
        space.get("R", "NONE")


@pytest.mark.parametrize(
    "fields",
    [
        (Field("A", 3, 0), Field("B", 4, 3)),
        (Field("A", 8, 0),),
        (Field("A", 3, 0, FieldAccess.RO, 16),),
    ],
)
def test_wrong_field_table_is_refused(fields: tuple[Field, ...]) -> None:
    with pytest.raises(ValueError, match=r"R\."):
        register("R", 0, 1, *fields)


def test_register_on_taken_bytes_or_of_a_taken_name_is_refused() -> None:
    space = make_space()
    with pytest.raises(ValueError, match="taken"):
        space.add(constant("S", OFFSET + 3, 1, 0))
    with pytest.raises(ValueError, match="taken"):
        space.add(constant("R", 0, 1, 0))
