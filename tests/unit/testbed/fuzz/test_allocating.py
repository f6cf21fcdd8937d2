# SPDX-License-Identifier: GPL-2.0-only
"""Which functions allocate, read off programs of a few calls."""

from __future__ import annotations

from pathlib import Path

import pytest

from testbed.fuzz.allocating import PAGES, SLAB, allocating
from tests.unit.testbed.program import call, load, program

PLACES = {
    "bnxt_open": 0, "bnxt_close": 32, "bnxt_named": 64, "bnxt_deep": 96, "request_irq": 128,
    "netdev_err": 160, "__kmalloc_noprof": 192, "__alloc_pages_noprof": 208,
    "ext4_open": 224, "_etext": 256,
}  # fmt: skip
FILTER = b"\0require-start\0"
TEXT = b"".join(
    part.ljust(32, b"\x90")
    for part in (
        call(0, PLACES["__kmalloc_noprof"]),  # bnxt_open
        call(32, PLACES["netdev_err"]) + call(37, PLACES["bnxt_open"]),  # bnxt_close: says so
        load(PLACES["__alloc_pages_noprof"]),  # bnxt_named: as the large code model calls
        call(96, PLACES["request_irq"]),  # bnxt_deep
        call(128, PLACES["__kmalloc_noprof"]),
        call(160, PLACES["__kmalloc_noprof"]),
        b"",
        call(224, PLACES["__kmalloc_noprof"]),  # not in scope
    )
)


def test_who_allocates_by_itself_or_through_others(tmp_path: Path) -> None:
    """Not who only reports, nor who calls another in scope, which has its own turn."""
    path = tmp_path / "linux"
    path.write_bytes(program(TEXT, PLACES) + FILTER)
    found = allocating(path)
    assert set(found) == {"bnxt_open", "bnxt_named", "bnxt_deep"}
    deep = found["bnxt_deep"]
    assert deep.end - deep.first == 32
    assert deep.helpers == {"request_irq": {SLAB}}, "who allocates for it can fail alone"
    assert (deep.of, found["bnxt_named"].of) == ({SLAB}, {PAGES})
    assert not found["bnxt_open"].helpers


def test_a_kernel_without_the_stack_filter_has_none(tmp_path: Path) -> None:
    path = tmp_path / "linux"
    path.write_bytes(program(TEXT, PLACES))
    assert allocating(path) == {}


def test_names_that_no_schedule_may_have_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "linux"
    odd = {"bnxt_open, bnxt_x": 0, "bnxt_" + 80 * "x": 64, "bnxt_open.cold": 96}
    path.write_bytes(program(TEXT, {**PLACES, **odd}) + FILTER)
    names = set(allocating(path))
    assert names <= {"bnxt_open", "bnxt_named", "bnxt_deep"}


@pytest.mark.parametrize("at", range(0x28, 0x40, 4))
def test_a_program_whose_header_lies_has_none(tmp_path: Path, at: int) -> None:
    path = tmp_path / "linux"
    content = program(TEXT, PLACES) + FILTER
    path.write_bytes(content[:at] + b"\xff\xff\xff\xff" + content[at + 4 :])
    allocating(path)


@pytest.mark.parametrize("field", range(0, 64, 4))
@pytest.mark.parametrize("section", range(1, 5))
def test_a_section_that_lies_is_no_traceback(tmp_path: Path, section: int, field: int) -> None:
    path = tmp_path / "linux"
    content = program(TEXT, PLACES)
    at = len(content) - (5 - section) * 64 + field
    path.write_bytes(content[:at] + b"\xff\xff\xff\xff" + content[at + 4 :] + FILTER)
    allocating(path)


def test_a_path_that_is_no_file_is_not_read() -> None:
    """A worker has told it: this one has no end."""
    assert allocating(Path("/dev/zero")) == {}


def test_what_is_no_program_has_none(tmp_path: Path) -> None:
    path = tmp_path / "linux"
    assert allocating(path) == {}
    path.write_bytes(b"\x7fELF")
    assert allocating(path) == {}
