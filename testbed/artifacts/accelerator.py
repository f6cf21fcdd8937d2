# SPDX-License-Identifier: GPL-2.0-only
"""Which accelerator works here, found out by booting.

/dev/kvm may exist, open and create a virtual machine, and the guest hangs all the same (nested
virtualisation switched off half-way, for one). So a guest is booted with it, and has a deadline.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import selectors
import subprocess
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, cast

from images.command import DIE_WITH_US
from images.store import Report
from kernels.image import KernelImage
from testbed.errors import EnvironmentProblem

FOLDER = "accelerator"
DEADLINE_S = 8.0
KVM_DEVICE = Path("/dev/kvm")
# printed by the kernel when everything of its own is up
BOOTED = b"Run /init as init process"
BROKEN = b"KVM internal error"
TOO_LATE, GONE = "too late", "gone"


@dataclass(frozen=True)
class AcceleratorProbe:
    """`accelerator` is "kvm" or "tcg"; `reason` is one line for the user."""

    accelerator: str
    reason: str


class Prober:
    """Probes once per host kernel and QEMU build; the answer is kept in the cache."""

    def __init__(
        self, cache: Path, qemu: list[str], report: Report, kvm_device: Path = KVM_DEVICE
    ) -> None:
        self._qemu = qemu
        self._report = report
        self._kvm_device = kvm_device
        identity = "\0".join([platform.release(), platform.version(), *qemu])
        name = hashlib.sha256(identity.encode()).hexdigest()[:16]
        self._file = cache / FOLDER / f"{name}.json"

    @staticmethod
    def last_verdict(cache: Path) -> AcceleratorProbe | None:
        """The newest verdict in a cache, of whichever QEMU; None if there is none."""
        files = sorted((cache / FOLDER).glob("*.json"), key=lambda path: path.stat().st_mtime)
        return read_verdict(files[-1]) if files else None

    def choose(self, choice: str, kernel: Callable[[], KernelImage]) -> AcceleratorProbe:
        """The accelerator for `choice` ("auto", "kvm", "tcg"). Raises EnvironmentProblem."""
        if choice == "tcg":
            return AcceleratorProbe("tcg", "as requested")
        verdict = read_verdict(self._file)
        if verdict is None:
            verdict = self._probe(kernel)
            self._remember(verdict)
        if choice == "kvm" and verdict.accelerator != "kvm":
            raise EnvironmentProblem(
                f"KVM does not work here: {verdict.reason}", remedy="Use --accel tcg or auto."
            )
        return verdict

    def _probe(self, kernel: Callable[[], KernelImage]) -> AcceleratorProbe:
        if not os.access(self._kvm_device, os.R_OK | os.W_OK):
            return AcceleratorProbe("tcg", f"{self._kvm_device} cannot be opened")
        self._report(f"trying KVM with a guest of its own (at most {DEADLINE_S:.0f} s)")
        image = kernel()
        argv = [*self._qemu, "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"]
        argv += ["-machine", "q35", "-accel", "kvm", "-cpu", "max", "-smp", "2", "-m", "512M"]
        argv += ["-serial", "stdio", "-kernel", str(image.vmlinuz)]
        argv += ["-initrd", str(image.initramfs), "-append", "console=ttyS0 panic=-1"]
        return probe_boot(argv, DEADLINE_S)

    def _remember(self, verdict: AcceleratorProbe) -> None:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        self._file.write_text(json.dumps(asdict(verdict)))


def read_verdict(file: Path) -> AcceleratorProbe | None:
    """The verdict in a file, or None where there is none that can be read."""
    try:
        return AcceleratorProbe(**json.loads(file.read_text()))
    except (OSError, ValueError, TypeError):
        return None


def probe_boot(argv: list[str], deadline_s: float) -> AcceleratorProbe:
    """Start a guest whose console is standard output; "kvm" if it reaches its first program.

    It is ended as soon as that is known, or known not to come.
    """
    output = {1: b"", 2: b""}
    deadline = time.monotonic() + deadline_s
    ended = ""
    with subprocess.Popen(
        [*DIE_WITH_US, *argv], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        try:
            with selectors.DefaultSelector() as selector:
                selector.register(cast("IO[bytes]", process.stdout), selectors.EVENT_READ, 1)
                selector.register(cast("IO[bytes]", process.stderr), selectors.EVENT_READ, 2)
                while not ended and BOOTED not in output[1]:
                    ended = _listen(selector, output, deadline - time.monotonic())
            if ended == GONE:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(1)  # its last descriptor is closed: it is about to end
        finally:
            process.kill()
    if BOOTED in output[1]:
        return AcceleratorProbe("kvm", "a guest booted with it")
    if ended == TOO_LATE:
        ended = f"no boot within {deadline_s:.0f} s"
    elif ended == GONE:
        ended = f"QEMU ended with {process.returncode}"
    complaint = output[2].decode(errors="replace").strip().partition("\n")[0]
    return AcceleratorProbe("tcg", f"KVM: {ended}" + (f" ({complaint})" if complaint else ""))


def _listen(selector: selectors.BaseSelector, output: dict[int, bytes], patience_s: float) -> str:
    """Add to `output` (by stream) what comes next; why nothing more is to be expected, or ""."""
    if patience_s <= 0 or not (ready := selector.select(patience_s)):
        return TOO_LATE
    for key, _ in ready:
        chunk = os.read(key.fd, 65536)
        output[key.data] += chunk
        if not chunk:
            selector.unregister(key.fileobj)
    if BROKEN in output[2]:
        return "the guest's CPU stopped"
    return "" if selector.get_map() else GONE
