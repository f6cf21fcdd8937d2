# SPDX-License-Identifier: GPL-2.0-only
"""What is compared: a receive method with its settings, on a kernel.

Written ``METHOD[,SETTING=VALUE...][@KERNEL]``; each part may be left out but not all.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from itertools import takewhile
from pathlib import Path

from testbed.errors import UsageProblem


class Method(StrEnum):
    """How the program takes in what a TCP socket received; see images/programs/receive_cost.c."""

    EPOLL = "epoll"
    MMAP = "tcp-zerocopy"
    ZCRX = "zcrx"
    DEVMEM = "devmem"


PROGRAM_METHODS = {
    Method.EPOLL: "epoll",
    Method.MMAP: "mmap",
    Method.ZCRX: "zcrx",
    Method.DEVMEM: "devmem",
}
MOST_RUNS = 8
"""Windows the instruction counter keeps apart."""
MOST_MIB = 1024
COMPLETIONS = 8192
"""Entries of the program's completion ring: CQ_ENTRIES in images/programs/lib/zcrx.c."""


@dataclass(frozen=True)
class Variant:
    """``mtu`` of the card in bytes; ``vcpu``: program and softirq on the "same" vCPU or on
    "different" ones; ``gro`` "hw" has the card coalesce as well; ``buf``: bytes of a zcrx buffer;
    ``mib``: length of a stream, None for the plan's.
    """

    method: Method
    kernel: str | None = None
    mtu: int = 4096
    vcpu: str = "same"
    gro: str = "sw"
    buf: int = 4096
    mib: int | None = None

    @property
    def label(self) -> str:
        """As it would be written, without what is as usual."""
        return self.label_on(self.kernel)

    def label_on(self, kernel: str | None) -> str:
        """The same with ``kernel`` as the kernel's name."""
        usual = Variant(self.method)
        words = [self.method.value]
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name not in ("method", "kernel") and value != getattr(usual, field.name):
                words.append(f"{field.name}={value}")
        return ",".join(words) + (f"@{kernel}" if kernel else "")

    @property
    def payload_bytes(self) -> int:
        """Of a full TCP segment over IPv4 without options."""
        return self.mtu - 40

    def stream_bytes(self, plan: MeasurementPlan) -> int:
        """Of each run. Raises UsageProblem if zcrx may need more completions than its ring has."""
        length = plan.stream_bytes if self.mib is None else self.mib << 20
        at_once = self.method is Method.ZCRX and self.vcpu == "same" and self.gro == "sw"
        if at_once and length > COMPLETIONS * self.payload_bytes:
            most = COMPLETIONS * self.payload_bytes >> 20
            raise UsageProblem(
                f"{self.label}: {length >> 20} MiB may come in before the program runs, "
                f"and its completion ring has {COMPLETIONS} entries",
                remedy=f"mib={most} at most",
            )
        return length


@dataclass(frozen=True, kw_only=True)
class MeasurementPlan:
    """``runs`` that count of each variant, each of ``stream_bytes``, in ``boots`` guests each."""

    runs: int
    stream_bytes: int
    boots: int
    seed: int


_CHOICES = {"vcpu": ("same", "different"), "gro": ("sw", "hw")}
_NUMBERS = {"mtu": (576, 9500), "buf": (4096, 65536), "mib": (1, MOST_MIB)}
_METHODS = ", ".join(Method)
_SETTINGS = "mtu=BYTES, vcpu=same|different, gro=sw|hw, buf=BYTES, mib=MIB"
_KERNEL = re.compile(r"\d+\.\d+\S*|.*/.*|debug")


def labels(variants: Sequence[Variant]) -> dict[Variant, str]:
    """For tables: of a kernel that is a path, only what tells it from the other paths."""
    kernels = {one.kernel for one in variants if one.kernel and "/" in one.kernel}
    paths = {kernel: Path(kernel).parts for kernel in kernels}
    front = _alike([parts[:-1] for parts in paths.values()])
    back = _alike([parts[:front:-1] for parts in paths.values()])
    names = {kernel: "/".join(parts[front : len(parts) - back]) for kernel, parts in paths.items()}
    return {one: one.label_on(names.get(one.kernel or "", one.kernel)) for one in variants}


def _alike(paths: Sequence[Sequence[str]]) -> int:
    """How many parts at their beginning all paths share."""
    return len(list(takewhile(lambda parts: len(set(parts)) == 1, zip(*paths, strict=False))))


def parse_variant(text: str, workload: Method) -> Variant:
    """``workload`` is the method where ``text`` names none. Raises UsageProblem."""
    rest, at, kernel = text.partition("@")
    words = [word for word in rest.split(",") if word]
    if not words and not at:
        raise UsageProblem("an empty variant", remedy=f"methods: {_METHODS}")
    variant = Variant(workload, kernel=kernel or None)
    if words and words[0] in list(Method):
        variant = replace(variant, method=Method(words.pop(0)))
    elif words and "=" not in words[0]:
        if at or not _KERNEL.fullmatch(words[0]):
            raise UsageProblem(
                f"{words[0]!r} is neither a receive method nor a kernel",
                remedy=f"methods: {_METHODS}; settings: {_SETTINGS}; a kernel: 7.2.12",
            )
        variant = replace(variant, kernel=words.pop(0))
    for word in words:
        variant = _set(variant, word)
    if variant.buf != Variant.buf and variant.method is not Method.ZCRX:
        raise UsageProblem(f"{text}: only zcrx has buffers of another size")
    return variant


def _set(variant: Variant, word: str) -> Variant:
    key, _, value = word.partition("=")
    if key in _CHOICES:
        if value not in _CHOICES[key]:
            raise UsageProblem(f"{word}: not allowed", remedy=f"settings: {_SETTINGS}")
        return replace(variant, **{key: value})  # type: ignore[arg-type]  # a str field
    if key not in _NUMBERS or not value.isdecimal():
        raise UsageProblem(f"{word!r} is no setting", remedy=f"settings: {_SETTINGS}")
    low, high = _NUMBERS[key]
    if not low <= int(value) <= high or (key == "buf" and int(value) & (int(value) - 1)):
        raise UsageProblem(f"{word}: not allowed", remedy=f"{low}..{high}, buf a power of two")
    return replace(variant, **{key: int(value)})  # type: ignore[arg-type]  # an int field
