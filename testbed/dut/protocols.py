# SPDX-License-Identifier: GPL-2.0-only
"""What the suite sees: a device under test, a remote endpoint, and what the pair is able to do.

The words are those of the kernel's own driver tests (drivers/net/README.rst): the device under
test is the local end, the remote endpoint generates traffic for it. Tests written against these
Protocols run on the emulated card and on a real one alike.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from shlex import join
from typing import Protocol

from testbed.errors import GuestCommandFailed

LOCAL_V4, REMOTE_V4 = "192.0.2.1", "192.0.2.2"
LOCAL_V6, REMOTE_V6 = "2001:db8::1", "2001:db8::2"

OutputSink = Callable[[str, bytes], None]  # ("stdout" | "stderr", the next bytes)


class Capability(StrEnum):
    """Something a set-up may lack; a test that needs it is then skipped with this word."""

    ZCRX = "zero-copy receive"
    ZCRX_CONTROL = "zero-copy receive: control calls (flush, export)"
    ZCRX_EVENTS = "zero-copy receive: events and statistics"
    ZCRX_NODEV = "zero-copy receive: without a device"
    ZCRX_BUFFER_LENGTH = "zero-copy receive: buffers of chosen length"
    MIXED_COMPLETIONS = "io_uring: completions of both sizes in one ring"
    DEVMEM = "device memory TCP"
    DEVMEM_TX = "device memory TCP, transmit"
    HEADER_SPLIT = "header-data split"
    NTUPLE = "ntuple filters"
    RSS = "receive side scaling"
    RSS_CONTEXTS = "further RSS contexts"
    QUEUE_RESTART = "queue restart"
    QUEUE_LEASE = "queues leased to a netkit device"
    HW_GRO = "hardware GRO"
    HARDWARE_CLOCK = "PTP hardware clock"
    DCB = "classes of service (DCB)"
    FLOWER = "tc flower"
    SRIOV = "SR-IOV"
    IOMMU = "IOMMU"
    CARD_STATE = "view into the card"
    FAULTS = "scripted faults"
    WIRE_TRUTH = "capture of every frame on the wire"
    STOCK_MODULE = "stock driver module"
    SMP = "several CPUs"
    HUGE_PAGES = "huge pages"
    REGISTERED_PROVIDED_BUFFERS = "zero-copy send from provided registered buffers"
    REAL_TIME = "time that passes while the guest computes"
    SANITIZERS = "kernel that reports memory errors (KASAN, KMEMLEAK)"
    FAILING_ALLOCATIONS = "allocations that fail on request (failslab, fail_page_alloc)"
    PAGE_POOL_STATS = "page pool statistics"
    FAILING_FUNCTIONS = "functions that fail on request (fail_function)"
    CHOSEN_CARD = "a card chosen by the test"
    FATAL_FAULTS = "a kernel that ends when it faults"
    LINK_CYCLE = "permission to take the link down"
    DRIVER_RELOAD = "permission to reload the driver"
    DEVICE_RESET = "permission to reset or remove the device"
    SYSCTLS = "permission to change settings of the whole machine"


DEBUGGED = frozenset({
    Capability.FAILING_ALLOCATIONS, Capability.FAILING_FUNCTIONS, Capability.SANITIZERS,
})  # fmt: skip
"""What only a kernel built for it has."""


@dataclass(frozen=True)
class Completed:
    """A command that ended. ``returncode`` is negative for a signal; times are wall seconds."""

    argv: tuple[str, ...]
    returncode: int
    stdout: bytes
    stderr: bytes
    seconds: float
    truncated: bool = False

    @property
    def text(self) -> str:
        """Standard output as text, without the last line feed."""
        return self.stdout.decode("utf-8", errors="replace").removesuffix("\n")

    @property
    def error_text(self) -> str:
        """Standard error as text, without the last line feed."""
        return self.stderr.decode("utf-8", errors="replace").removesuffix("\n")

    def check(self) -> Completed:
        """Return self; raise GuestCommandFailed if the command did not return 0."""
        if self.returncode == 0:
            return self
        output = (self.error_text or self.text).strip()[-2000:]
        raise GuestCommandFailed(f"{join(self.argv)} returned {self.returncode}: {output}")


class Running(Protocol):
    """A command in the background."""

    @property
    def pid(self) -> int:
        """Its process id at its end of the wire; also its process group."""

    def poll(self) -> int | None:
        """Its return code, or None while it runs."""

    def wait(self, timeout_s: float | None = None) -> Completed:
        """Wait for its end. Raises GuestTimeout after killing it."""

    def kill(self) -> Completed:
        """Kill its process group and return what it left."""


class Endpoint(Protocol):
    """One end of the wire: commands and files there.

    ``netdev`` is the interface, ``ipv4`` and ``ipv6`` its addresses without prefix length.
    Time-outs are those of a stock kernel on a free host; all are stretched by ``patience`` (1 or
    more), so whoever hands one on to a program in the guest multiplies it.
    """

    netdev: str
    ipv4: str
    ipv6: str

    @property
    def patience(self) -> float:
        """How many times longer than usual to wait now."""

    def run(
        self,
        argv: Sequence[str],
        *,
        check: bool = True,
        input: bytes | None = None,
        env: Mapping[str, str] | None = None,
        cwd: str = "/",
        timeout_s: float = 60.0,
        on_output: OutputSink | None = None,
    ) -> Completed:
        """Run ``argv`` to its end. Raises GuestCommandFailed (with ``check``), GuestTimeout."""

    def start(
        self,
        argv: Sequence[str],
        *,
        input: bytes | None = None,
        env: Mapping[str, str] | None = None,
        cwd: str = "/",
    ) -> Running:
        """Start ``argv`` in the background."""

    def put(self, source: bytes | Path, target: str, *, mode: int = 0o644) -> None:
        """Copy bytes or a local file to ``target`` there."""

    def get(self, source: str) -> bytes:
        """Return the content of the file ``source`` there."""


class Dut(Endpoint, Protocol):
    """The end with the NIC under test."""

    driver: str

    @property
    def capabilities(self) -> frozenset[Capability]:
        """What this set-up is able to do."""
