# SPDX-License-Identifier: GPL-2.0-only
"""Which accelerator works here, found out by booting.

/dev/kvm may exist, open and create a virtual machine, and the guest hangs all the same (nested
virtualisation switched off half-way, for one). So a guest is booted with it, and has a deadline.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import subprocess
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from images.store import Report
from kernels.image import KernelImage
from testbed.errors import EnvironmentProblem

FOLDER = "accelerator"
DEADLINE_S = 8.0
KVM_DEVICE = Path("/dev/kvm")
# What the guest's first program says when it finds no root disk is proof enough of a boot, but
# takes its time to wait; the kernel announcing that program is as good.
BOOTED = "Run /init as init process"


@dataclass(frozen=True)
class Verdict:
    """`accelerator` is "kvm" or "tcg"; `reason` is one line for the user."""

    accelerator: str
    reason: str


class Prober:
    """Asks once per host kernel and QEMU build; the answer is kept in the cache."""

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
    def last_verdict(cache: Path) -> Verdict | None:
        """The newest verdict in a cache, whatever it was asked for; None if there is none."""
        files = sorted((cache / FOLDER).glob("*.json"), key=lambda path: path.stat().st_mtime)
        return read_verdict(files[-1]) if files else None

    def choose(self, choice: str, kernel: Callable[[], KernelImage]) -> Verdict:
        """The accelerator for `choice` ("auto", "kvm", "tcg"). Raises EnvironmentProblem."""
        if choice == "tcg":
            return Verdict("tcg", "as asked")
        verdict = read_verdict(self._file)
        if verdict is None:
            verdict = self._probe(kernel)
            self._remember(verdict)
        if choice == "kvm" and verdict.accelerator != "kvm":
            raise EnvironmentProblem(
                f"KVM does not work here: {verdict.reason}", remedy="Use --accel tcg or auto."
            )
        return verdict

    def _probe(self, kernel: Callable[[], KernelImage]) -> Verdict:
        if not os.access(self._kvm_device, os.R_OK | os.W_OK):
            return Verdict("tcg", f"{self._kvm_device} cannot be opened")
        self._report(f"trying KVM with a guest of its own (at most {DEADLINE_S:.0f} s)")
        image = kernel()
        argv = [*self._qemu, "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"]
        argv += ["-machine", "q35", "-accel", "kvm", "-cpu", "max", "-smp", "2", "-m", "512M"]
        argv += ["-serial", "stdio", "-kernel", str(image.vmlinuz)]
        argv += ["-initrd", str(image.initramfs), "-append", "console=ttyS0 panic=-1"]
        return probe_boot(argv, DEADLINE_S)

    def _remember(self, verdict: Verdict) -> None:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        self._file.write_text(json.dumps(asdict(verdict)))


def read_verdict(file: Path) -> Verdict | None:
    """The verdict in a file, or None where there is none that can be read."""
    try:
        return Verdict(**json.loads(file.read_text()))
    except (OSError, ValueError, TypeError):
        return None


def probe_boot(argv: list[str], deadline_s: float) -> Verdict:
    """Start a guest whose console is standard output; "kvm" if it reaches its first program."""
    with subprocess.Popen(
        argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        try:
            output, errors = process.communicate(timeout=deadline_s)
            ended = f"QEMU ended with {process.returncode}"
        except subprocess.TimeoutExpired:
            process.kill()
            output, errors = process.communicate()
            ended = f"no boot within {deadline_s:.0f} s"
        except BaseException:
            process.kill()
            raise
    if BOOTED in output.decode(errors="replace"):
        return Verdict("kvm", "a guest booted with it")
    said = errors.decode(errors="replace").strip().partition("\n")[0]
    return Verdict("tcg", f"KVM: {ended}" + (f" ({said})" if said else ""))
