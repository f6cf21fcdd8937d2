# SPDX-License-Identifier: GPL-2.0-only
"""Declaring wire structures: what is refused at import, and that bytes survive both ways."""

from __future__ import annotations

import struct
from typing import Annotated

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devmodel.layout import Bits, Layout, be16, be32, layout, le16, le32, le64, u8


@layout(size=40, c_name="sample")
class Sample(Layout):
    word: le32 = 0
    half: le16 = 0
    one: u8 = 0
    two: u8 = 0
    long: le64 = 0
    port: be16 = 0
    pad: le16 = 0
    address: be32 = 0
    name: Annotated[bytes, "8s"] = b""
    ids: Annotated[tuple[int, ...], "4H"] = (0, 0, 0, 0)

    low = Bits("word", 3, 0)
    high = Bits("word", 31, 28)


values = {
    "word": st.integers(0, 2**32 - 1),
    "half": st.integers(0, 2**16 - 1),
    "one": st.integers(0, 255),
    "two": st.integers(0, 255),
    "long": st.integers(0, 2**64 - 1),
    "port": st.integers(0, 2**16 - 1),
    "pad": st.integers(0, 2**16 - 1),
    "address": st.integers(0, 2**32 - 1),
    "name": st.binary(min_size=8, max_size=8),
    "ids": st.tuples(*[st.integers(0, 2**16 - 1)] * 4),
}


@given(st.builds(Sample, **values))
def test_pack_and_unpack_are_inverse(sample: Sample) -> None:
    assert Sample.unpack(sample.pack()) == sample


@given(st.builds(Sample, **values))
def test_bytes_are_those_of_struct(s: Sample) -> None:
    head = struct.pack("<IHBBQ", s.word, s.half, s.one, s.two, s.long)
    tail = struct.pack(">H", s.port) + struct.pack("<H", s.pad) + struct.pack(">I", s.address)
    assert s.pack() == head + tail + s.name + struct.pack("<4H", *s.ids)


def test_offsets() -> None:
    offsets = {f.name: (f.offset, f.size) for f in Sample.FIELDS}
    assert offsets["long"] == (8, 8)
    assert offsets["address"] == (20, 4)
    assert offsets["ids"] == (32, 8)
    assert (Sample.SIZE, Sample.C_NAME) == (40, "sample")


def test_short_buffer_reads_as_zeros() -> None:
    assert Sample.unpack(b"\x01\x02\x03\x04\x05\x06") == Sample(
        word=0x04030201, half=0x0605, name=bytes(8)
    )
    assert Sample.unpack(b"") == Sample(name=bytes(8))


def test_unpack_at_an_offset() -> None:
    assert Sample.unpack(b"\xff\xff" + Sample(word=7).pack(), 2).word == 7


def test_pack_into() -> None:
    buffer = bytearray(b"\xee" * 50)
    Sample(word=1).pack_into(buffer, 5)
    assert buffer[:5] == b"\xee" * 5
    assert buffer[5:45] == Sample(word=1).pack()
    assert buffer[45:] == b"\xee" * 5


def test_value_out_of_range() -> None:
    with pytest.raises(struct.error):
        Sample(half=1 << 16).pack()


@given(st.integers(0, 2**32 - 1), st.integers(0, 15))
def test_bits_touch_only_their_own(word: int, value: int) -> None:
    sample = Sample(word=word)
    sample.high = value
    assert sample.high == value
    assert sample.word & 0x0FFFFFFF == word & 0x0FFFFFFF
    assert sample.low == word & 15


def test_bits_too_wide() -> None:
    with pytest.raises(ValueError, match="low=0x10"):
        Sample().low = 16


def test_bits_of_the_class_are_the_mask() -> None:
    assert Sample.high == 0xF0000000


def test_nonzero_shows_only_what_is_set() -> None:
    sample = Sample(word=5, name=b"ab\0\0\0\0\0\0", ids=(0, 1, 0, 0))
    assert sample.nonzero() == {"word": 5, "name": "6162", "ids": [0, 1, 0, 0]}


def test_wrong_size_is_refused() -> None:
    with pytest.raises(TypeError, match="take 4 bytes, declared 8"):

        @layout(size=8, c_name="")
        class Wrong(Layout):
            word: le32 = 0


def test_misaligned_member_is_refused() -> None:
    with pytest.raises(TypeError, match="not aligned"):

        @layout(size=6, c_name="")
        class Wrong(Layout):
            half: le16 = 0
            word: le32 = 0


def test_plain_annotation_is_refused() -> None:
    with pytest.raises(TypeError, match="annotate"):

        @layout(size=4, c_name="")
        class Wrong(Layout):
            word: int = 0


def test_layout_can_extend_another() -> None:
    @layout(size=48, c_name="")
    class Longer(Sample):
        more: le64 = 0

    assert Longer.FIELDS[-1].offset == 40
    assert Longer.unpack(Longer(word=1, name=bytes(8), more=2).pack()).more == 2
