# SPDX-License-Identifier: GPL-2.0-only
"""The kernels we build: which groups of options, which image, what is done from outside."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from kernels import fragments
from kernels.fragments import Group

HOST = Path(__file__).parent / "host"
"""C files of ours that take part in a build; the build sees them in HOST_PLACE."""

HOST_PLACE = "/kernel/host"

WORKAROUNDS = "workarounds"

COVERED = {
    "bnxt": "the driver's data path",
    "bnxt_hwrm": "the driver's firmware channel",
    "bnxt_ethtool": "the driver's settings",
    "bnxt_devlink": "the driver's reload and reset",
    "bnxt_coredump": "the driver's dumps of the firmware",
    "bnxt_xdp": "the driver's XDP programs",
    "bnxt_gso": "UDP that the driver cuts itself",
    "tso": "what it cuts it with",
    "page_pool": "buffers of the receive rings",
    "page_pool_user": "what user space sees of page pools",
    "zcrx": "io_uring's zero-copy receive",
    "notif": "io_uring's zero-copy send",
    "net": "io_uring's requests to send and to receive",
    "netdev_rx_queue": "queue restart",
    "devmem": "device memory TCP",
    "netdev-genl": "queue configuration by netlink",
}
"""Objects instrumented for coverage -> why. Make knows them by these names in every folder."""

COVERAGE_FLAGS = "-fsanitize-coverage=trace-pc -gdwarf-5 -mcmodel=small -fno-optimize-sibling-calls"
"""Line numbers for these objects only: the others need not be compiled again. The last two make
every instrumented point a direct call, which `testbed.coverage` finds in the program's text."""


class UnknownFlavourError(Exception):
    """There is no flavour of that name; the message lists them."""


@dataclass(frozen=True)
class Workaround:
    """Something a build does from outside so that the sources stay as they are.

    `header` (of HOST) is included ahead of `object`: in that `folder` of the source, where others
    have an object of that name, too.
    """

    object: str
    header: str
    reason: str
    folder: str = ""

    @property
    def line(self) -> str:
        """In the provenance of a build, below WORKAROUNDS."""
        return f"{self.object}: {self.reason}"

    @property
    def flag(self) -> str:
        """For the compiler, as make has it."""
        flag = f"-include {HOST_PLACE}/{self.header}"
        return f"$(if $(filter {self.folder},$(obj)),{flag})" if self.folder else flag


@dataclass(frozen=True)
class Flavour:
    """One way to build a kernel; `image` is the file below the object tree that boots.

    `host_objects`: C files of HOST linked into the image, each with the reason. `steps`: how
    many files one full build of 7.2 compiles, for the progress display of the first build.
    `mended`: a finding -> what a build that has our fix of it does from outside as well.
    `flags`: for the compiler, each object of the kernel, with the reason.
    """

    name: str
    purpose: str
    arch: str
    groups: Sequence[Group]
    targets: Sequence[str]
    image: str
    steps: int
    workarounds: Sequence[Workaround] = ()
    host_objects: Mapping[str, str] = field(default_factory=dict)
    coverage: bool = False
    mended: Mapping[str, Workaround] = field(default_factory=dict)
    flags: Mapping[str, str] = field(default_factory=dict)

    def mending(self, findings: Collection[str]) -> Flavour:
        """The flavour of a build with our fixes of those findings."""
        more = [one for name, one in self.mended.items() if name in findings]
        return replace(self, workarounds=(*self.workarounds, *more))

    def make_variables(self) -> dict[str, str]:
        """Variables for make's command line, apart from ARCH and O."""
        flags: dict[str, list[str]] = {}
        for workaround in self.workarounds:
            flags.setdefault(workaround.object, []).append(workaround.flag)
        if self.coverage:
            for name in COVERED:
                flags.setdefault(name, []).append(COVERAGE_FLAGS)
        variables = {f"CFLAGS_{name}.o": " ".join(words) for name, words in sorted(flags.items())}
        return variables | ({"KCFLAGS": " ".join(self.flags)} if self.flags else {})

    def done_from_outside(self) -> list[str]:
        """What this build does with the sources as they are, each with the reason."""
        everywhere = [f"{flag}: {reason}" for flag, reason in self.flags.items()]
        return [*(one.line for one in self.workarounds), *everywhere]

    def host_files(self) -> dict[str, str]:
        """Names and content of all files of HOST that take part."""
        names = [*self.host_objects, *(workaround.header for workaround in self.workarounds)]
        return {name: (HOST / name).read_text() for name in sorted(set(names))}


_PCIDEV = Workaround(
    "virtio_pcidev",
    "um_pcidev.h",
    "UML's own PCI transport takes no lock and loses accesses that meet; the header says how",
)
_UP_WORKAROUNDS = (
    _PCIDEV,
    Workaround(
        "bnxt",
        "up_bnxt.h",
        "bnxt_en 7.2 cannot be opened by a kernel without SMP; the header says why",
    ),
)
UP_FILTERS = Workaround(
    "bnxt",
    "up_bnxt_filters.h",
    "ntuple filters do without RFS_ACCEL then: what up_bnxt.h hides of them is seen again",
)
_UP_MENDED = {"vnics-without-rfs-accel": UP_FILTERS}
_SANITIZER_WORKAROUNDS = (
    *_UP_WORKAROUNDS,
    Workaround(
        "stacktrace",
        "um_stacktrace.h",
        "UML saves stack traces slowly, and sanitizers save many; the header says how",
        "arch/um/kernel",
    ),
)
_CHECKED_COPIES = {
    "-fbuiltin": "arch/x86/Makefile.um says -fno-builtin: memcpy() is any function to the compiler "
    "then, and KASAN checks none of what memcpy(), memset() and memmove() touch"
}
_LIBC = {"old_libc.c": "the program also runs on hosts whose glibc is older than the build root's"}
_SEEDED = {**_LIBC, "entropy.c": "getrandom() of the host as a seeded stream, when a seed is given"}

FLAVOURS = (
    Flavour(
        "uml",
        "fast: one CPU, simulated time, runs that repeat bit for bit",
        "um",
        (*fragments.GUEST, *fragments.UML, *fragments.UML_UP),
        ("linux",),
        "linux",
        980,
        _UP_WORKAROUNDS,
        _SEEDED,
        mended=_UP_MENDED,
    ),
    Flavour(
        "uml-san",
        "as uml, with KASAN, UBSAN, KMEMLEAK, lockdep, DMA_API_DEBUG and fault injection",
        "um",
        (*fragments.GUEST, *fragments.UML, *fragments.UML_UP, *fragments.UML_SANITIZERS),
        ("linux",),
        "linux",
        1010,
        _SANITIZER_WORKAROUNDS,
        _SEEDED,
        mended=_UP_MENDED,
        flags=_CHECKED_COPIES,
    ),
    Flavour(
        "uml-smp",
        "several CPUs, real time, ntuple filters, nothing worked around in the driver",
        "um",
        (*fragments.GUEST, *fragments.UML, *fragments.UML_SMP),
        ("linux",),
        "linux",
        980,
        (_PCIDEV,),
        host_objects=_LIBC,
    ),
    Flavour(
        "x86",
        "x86 for QEMU, quick: no sanitizer but DMA_API_DEBUG",
        "x86_64",
        (*fragments.GUEST, *fragments.QEMU),
        ("bzImage", "modules"),
        "arch/x86/boot/bzImage",
        1800,
    ),
    Flavour(
        "debug",
        "x86 for QEMU with every sanitizer, KCOV and fault injection into functions",
        "x86_64",
        (*fragments.GUEST, *fragments.QEMU_DEBUG),
        ("bzImage", "modules"),
        "arch/x86/boot/bzImage",
        2600,
    ),
)


def with_coverage(plain: Flavour) -> Flavour:
    """The flavour with COVERED instrumented, with line numbers. Raises UnknownFlavourError."""
    if plain.arch != "um":
        raise UnknownFlavourError(
            f"only UML kernels report coverage from outside; {plain.name} has KCOV"
        )
    return replace(
        plain,
        coverage=True,
        host_objects={**plain.host_objects, "coverage.c": "counts the edges taken"},
    )


def has_kmemleak(name: str) -> bool:
    """Whether kernels of that flavour have kmemleak. Raises UnknownFlavourError."""
    return any("DEBUG_KMEMLEAK" in group.options for group in flavour(name).groups)


def flavour(name: str) -> Flavour:
    """The flavour of that name. Raises UnknownFlavourError."""
    for candidate in FLAVOURS:
        if candidate.name == name:
            return candidate
    names = ", ".join(candidate.name for candidate in FLAVOURS)
    raise UnknownFlavourError(f"there is no kernel flavour {name!r}; there are: {names}")
