# SPDX-License-Identifier: GPL-2.0-only
"""The cpio writer, read back by a reader of our own written from the format's description."""

from __future__ import annotations

import stat
from dataclasses import dataclass

from kernels.initramfs import pack

HEADER_BYTES = 110
FIELDS = 13


@dataclass
class Member:
    mode: int
    device: tuple[int, int]
    data: bytes


def unpack(archive: bytes) -> dict[str, Member]:
    members: dict[str, Member] = {}
    position = 0
    while True:
        assert position % 4 == 0
        assert archive[position : position + 6] == b"070701"
        words = archive[position + 6 : position + HEADER_BYTES].decode()
        values = [int(words[8 * index : 8 * index + 8], 16) for index in range(FIELDS)]
        size, name_size = values[6], values[11]
        start = position + HEADER_BYTES
        name = archive[start : start + name_size - 1].decode()
        assert archive[start + name_size - 1] == 0
        data_at = (start + name_size + 3) // 4 * 4
        if name == "TRAILER!!!":
            return members
        members[name] = Member(
            values[1], (values[9], values[10]), archive[data_at : data_at + size]
        )
        position = (data_at + size + 3) // 4 * 4


def test_files_come_back_with_mode_and_content() -> None:
    files = {
        "init": (0o755, b"program"),
        "modules/a.ko": (0o644, b"\0" * 4096),
        "modules/sub/b.ko": (0o600, b"123"),
    }
    members = unpack(pack(files))
    for path, (mode, data) in files.items():
        assert members[path].data == data
        assert members[path].mode == stat.S_IFREG | mode


def test_folders_come_before_what_is_in_them() -> None:
    names = list(unpack(pack({"a/b/c": (0o644, b"")})))
    assert names.index("a") < names.index("a/b") < names.index("a/b/c")


def test_console_is_the_device_the_kernel_opens() -> None:
    console = unpack(pack({}))["dev/console"]
    assert stat.S_ISCHR(console.mode)
    assert console.device == (5, 1)


def test_same_files_give_the_same_bytes_in_any_order() -> None:
    one = pack({"a": (0o644, b"1"), "b": (0o644, b"2")})
    assert pack({"b": (0o644, b"2"), "a": (0o644, b"1")}) == one
