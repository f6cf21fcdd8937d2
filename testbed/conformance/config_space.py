# SPDX-License-Identifier: GPL-2.0-only
"""Configuration space as values: header and capabilities (PCI Express Base Specification, ch. 7).

Of a capability those registers are read that say what the device can do; what the host sets is not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

_LEGACY_FIRST, _EXTENDED_FIRST = 0x34, 0x100
_LEGACY = {
    0x01: "power management", 0x03: "vpd", 0x05: "msi", 0x10: "express", 0x11: "msix",
    0x09: "vendor",
}  # fmt: skip
_EXTENDED = {
    0x01: "aer", 0x02: "virtual channel", 0x03: "serial", 0x04: "power budget", 0x0B: "vsec",
    0x0D: "acs", 0x0E: "ari", 0x0F: "ats", 0x10: "sriov", 0x15: "resizable bar", 0x17: "tph",
    0x18: "ltr", 0x19: "secondary express", 0x1B: "pasid", 0x1D: "dpc", 0x1E: "l1 substates",
    0x1F: "ptm", 0x23: "dvsec", 0x25: "data link", 0x26: "16GT", 0x27: "lane margining",
    0x2A: "32GT",
}  # fmt: skip
_SPEEDS = {1: "2.5", 2: "5", 3: "8", 4: "16", 5: "32"}
_MOST = 64

Pairs = Iterator[tuple[str, str]]


class Space:
    """The bytes; those that are not there read as 0."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def word(self, at: int, size: int = 4) -> int:
        """``size`` bytes, little-endian."""
        return int.from_bytes(self.data[at : at + size], "little")


def read_config_space(lines: Sequence[str]) -> Pairs:
    """The values in the bytes that ``od -An -v -tx1`` printed."""
    words = " ".join(lines).split()
    try:
        space = Space(bytes(int(word, 16) for word in words))
    except ValueError:
        return
    yield "bytes", str(len(space.data))
    yield "header type", f"{space.word(0x0E, 1):#04x}"
    yield "interrupt pin", str(space.word(0x3D, 1))
    seen: set[int] = set()
    at = space.word(_LEGACY_FIRST, 1) & 0xFC
    while at >= 0x40 and at not in seen and len(seen) < _MOST:
        seen.add(at)
        kind = space.word(at, 1)
        yield from _capability(space, at, _LEGACY.get(kind, f"capability {kind:#04x}"), "0")
        at = space.word(at + 1, 1) & 0xFC
    at = _EXTENDED_FIRST
    while at >= _EXTENDED_FIRST and at not in seen and len(seen) < _MOST:
        seen.add(at)
        head = space.word(at)
        if head in (0, 0xFFFFFFFF):
            break
        kind = head & 0xFFFF
        name = _EXTENDED.get(kind, f"extended {kind:#06x}")
        yield from _capability(space, at, name, str(head >> 16 & 0xF))
        at = head >> 20 & 0xFFC


def _capability(space: Space, at: int, name: str, version: str) -> Pairs:
    yield f"{name}/offset", f"{at:#x}"
    if version != "0":
        yield f"{name}/version", version
    for key, value in _MEMBERS.get(name, _nothing)(space, at):
        yield f"{name}/{key}", value


def _nothing(_space: Space, _at: int) -> Pairs:
    return iter(())


def _power(space: Space, at: int) -> Pairs:
    yield "capabilities", f"{space.word(at + 2, 2):#06x}"
    yield "no soft reset", str(space.word(at + 4) >> 3 & 1)


def _msi(space: Space, at: int) -> Pairs:
    control = space.word(at + 2, 2)
    yield "vectors", str(1 << (control >> 1 & 7))
    yield "64 bit", str(control >> 7 & 1)
    yield "maskable", str(control >> 8 & 1)


def _msix(space: Space, at: int) -> Pairs:
    yield "vectors", str((space.word(at + 2, 2) & 0x7FF) + 1)
    for name, place in (("table", at + 4), ("pending", at + 8)):
        word = space.word(place)
        yield f"{name} bar", str(word & 7)
        yield f"{name} offset", f"{word & ~7:#x}"


def _express(space: Space, at: int) -> Pairs:
    device, link = space.word(at + 4), space.word(at + 0x0C)
    yield "type", str(space.word(at + 2, 2) >> 4 & 0xF)
    yield "structure", str(space.word(at + 2, 2) & 0xF)
    yield "largest payload", str(128 << (device & 7))
    yield "extended tag", str(device >> 5 & 1)
    yield "function level reset", str(device >> 28 & 1)
    yield "device capabilities", f"{device:#010x}"
    yield "largest speed", _SPEEDS.get(link & 0xF, str(link & 0xF))
    yield "largest width", str(link >> 4 & 0x3F)
    yield "link capabilities", f"{link & 0x00FFFFFF:#08x}"
    yield "device capabilities 2", f"{space.word(at + 0x24):#010x}"
    yield "link capabilities 2", f"{space.word(at + 0x2C):#010x}"


def _aer(space: Space, at: int) -> Pairs:
    yield "control", f"{space.word(at + 0x18) & 0xA0:#06x}"


def _serial(space: Space, at: int) -> Pairs:
    data = space.data[at + 4 : at + 12][::-1]
    yield "number", "-".join(f"{byte:02x}" for byte in data)


def _sriov(space: Space, at: int) -> Pairs:
    yield "capabilities", f"{space.word(at + 4):#010x}"
    yield "initial", str(space.word(at + 0x0C, 2))
    yield "total", str(space.word(at + 0x0E, 2))
    yield "first offset", str(space.word(at + 0x14, 2))
    yield "stride", str(space.word(at + 0x16, 2))
    yield "device", f"{space.word(at + 0x1A, 2):#06x}"
    yield "page sizes", f"{space.word(at + 0x1C):#010x}"


def _vsec(space: Space, at: int) -> Pairs:
    yield "header", f"{space.word(at + 4):#010x}"


def _tph(space: Space, at: int) -> Pairs:
    yield "capabilities", f"{space.word(at + 4):#010x}"


_MEMBERS: Mapping[str, Callable[[Space, int], Pairs]] = {
    "power management": _power, "msi": _msi, "msix": _msix, "express": _express, "aer": _aer,
    "serial": _serial, "sriov": _sriov, "vsec": _vsec, "tph": _tph,
}  # fmt: skip
