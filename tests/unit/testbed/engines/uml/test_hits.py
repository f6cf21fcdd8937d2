# SPDX-License-Identifier: GPL-2.0-only
"""What guests counted: read, kept, summed up."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from testbed.engines.uml.hits import (
    FILE_NAME,
    MAP_NAME,
    CoveredKernel,
    HitMap,
    Hits,
    find,
    load,
    merge,
)
from testbed.errors import UsageProblem

KERNEL = CoveredKernel("key", "7.2", "/kernel/linux", "/kernel/source")


def counted(*contents: bytes) -> Hits:
    hits = Hits(KERNEL)
    for content in contents:
        hits.add_map(content)
    return hits


def test_counts_of_all_guests_add_up() -> None:
    hits = counted(b"\0\1\0\377", b"\0\1\n\377")
    assert hits.guests == 2
    assert hits.counts == {1: 2, 2: 10, 3: 510}


def test_what_was_saved_is_loaded(tmp_path: Path) -> None:
    hits = counted(b"\0\1\0\2")
    hits.save(tmp_path / FILE_NAME)
    assert load(tmp_path / FILE_NAME) == hits


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"format": 99}', '{"format": 1, "counts": 3}'])
def test_other_files_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE_NAME).write_text(text)
    with pytest.raises(UsageProblem, match="cannot be read"):
        load(tmp_path / FILE_NAME)


def test_several_runs_are_one(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        counted(b"\0\3").save(tmp_path / name / FILE_NAME)
    (tmp_path / "latest").symlink_to("b")
    files = find([tmp_path, tmp_path / "latest", tmp_path / "b"])
    merged = merge([load(file) for file in files])
    assert (merged.guests, merged.counts) == (2, {1: 6})


def test_runs_of_two_kernels_are_refused() -> None:
    other = Hits(replace(KERNEL, key="other"))
    with pytest.raises(UsageProblem, match="different kernels: key and other"):
        merge([Hits(KERNEL), other])


def test_folder_without_any_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageProblem, match="holds no coverage"):
        find([tmp_path])


def test_guest_cannot_have_another_file_read(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"secret")
    with HitMap(tmp_path, None) as hit_map:
        name = tmp_path / "coverage"
        name.write_bytes(b"\1")
        assert hit_map.read() == b"\1"
        name.unlink()
        name.symlink_to(secret)
        assert hit_map.read() == b"\1"
    assert not name.exists()
    assert secret.read_bytes() == b"secret"


def test_pieces_leave_out_the_holes(tmp_path: Path) -> None:
    with HitMap(tmp_path, None) as hit_map:
        with (tmp_path / "coverage").open("r+b") as guest:
            guest.truncate(1 << 22)
            for place in (5, 1 << 20):
                guest.seek(place)
                guest.write(b"\7")
        pieces = list(hit_map.pieces())
        content = hit_map.read()
    assert sum(len(piece) for _, piece in pieces) < 1 << 20
    found = {start + at for start, piece in pieces for at, byte in enumerate(piece) if byte}
    assert found == {5, 1 << 20} == {at for at, byte in enumerate(content) if byte}


def test_pieces_of_a_map_without_data(tmp_path: Path) -> None:
    with HitMap(tmp_path, None) as hit_map:
        assert list(hit_map.pieces()) == []


def test_a_map_that_was_cleared_counts_from_nothing(tmp_path: Path) -> None:
    with HitMap(tmp_path, None) as hit_map:
        with (tmp_path / MAP_NAME).open("r+b") as guest:
            os.pwrite(guest.fileno(), b"\x02\x03", 5000)
            hit_map.clear(list(hit_map.pieces()))
            assert not any(any(piece) for _, piece in hit_map.pieces())
            os.pwrite(guest.fileno(), b"\x01", 5001)
        ((start, piece),) = hit_map.pieces()
        assert (piece.count(1), piece[5001 - start]) == (1, 1)
