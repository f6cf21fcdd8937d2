# SPDX-License-Identifier: GPL-2.0-only
"""An initramfs as bytes: the cpio "newc" format (Documentation/driver-api/early-userspace)."""

from __future__ import annotations

import stat
from collections.abc import Mapping

TRAILER = "TRAILER!!!"
CONSOLE = (5, 1)  # /dev/console, which the kernel opens for process 1


def _pad(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)


def _record(
    inode: int, name: str, mode: int, data: bytes = b"", device: tuple[int, int] = (0, 0)
) -> bytes:
    encoded = name.encode() + b"\0"
    links = 2 if stat.S_ISDIR(mode) else 1
    fields = [inode, mode, 0, 0, links, 0, len(data), 0, 0, *device, len(encoded), 0]
    header = b"070701" + b"".join(b"%08x" % number for number in fields)
    return _pad(header + encoded) + _pad(data)


def pack(files: Mapping[str, tuple[int, bytes]]) -> bytes:
    """A cpio archive of `path without leading slash -> (permission bits, content)`.

    Folders and /dev/console are added. The same input gives the same bytes: times are zero.
    """
    folders = {"dev"}
    for path in files:
        parts = path.split("/")[:-1]
        folders.update("/".join(parts[: count + 1]) for count in range(len(parts)))
    records = [(folder, stat.S_IFDIR | 0o755, b"", (0, 0)) for folder in sorted(folders)]
    records.append(("dev/console", stat.S_IFCHR | 0o600, b"", CONSOLE))
    records += [
        (path, stat.S_IFREG | mode, data, (0, 0)) for path, (mode, data) in sorted(files.items())
    ]
    archive = b"".join(
        _record(inode, name, mode, data, device)
        for inode, (name, mode, data, device) in enumerate(records, start=1)
    )
    return archive + _record(0, TRAILER, 0)
