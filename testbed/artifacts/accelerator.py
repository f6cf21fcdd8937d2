# SPDX-License-Identifier: GPL-2.0-only
"""Which accelerator works here, found out by booting.

/dev/kvm may exist, open and create a virtual machine, and the guest hangs all the same (nested
virtualisation switched off half-way, for one). So a guest is booted with it, in the jail that a
run's QEMU has, and has a deadline.

The verdict is kept, and holds for one host kernel, one QEMU, and /dev/kvm in the state in which it
was tried: where the device comes, goes, opens no longer or was made anew, it is tried again.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import platform
import selectors
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, cast

from images.command import DIE_WITH_US
from images.jail.host import surroundings
from images.jail.spec import JailSpec
from images.jail.start import command, refusal, weaker_allowed
from images.jail.user import draw_uid
from images.store import Report
from kernels.image import KernelImage
from testbed.errors import EnvironmentProblem

FOLDER = "accelerator"
DEADLINE_S = 8.0
KVM_DEVICE = Path("/dev/kvm")
_KVM_CREATE_VM = 0xAE01
_GROUP, _OTHERS = 0o060, 0o006
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
    """Probes once per host kernel, QEMU build and state of the device; the answer is kept."""

    def __init__(
        self, cache: Path, qemu: list[str], reach: Sequence[Path], report: Report,
        kvm_device: Path = KVM_DEVICE,
    ) -> None:  # fmt: skip
        self._qemu = qemu
        self._reach = reach
        self._report = report
        self._kvm_device = kvm_device
        identity = [platform.release(), platform.version(), *qemu]
        self._folder = cache / FOLDER
        self._name = _digest(identity)
        self._file = self._folder / f"{self._name}-{_digest(_state(kvm_device))}.json"

    @staticmethod
    def last_verdict(cache: Path, kvm_device: Path = KVM_DEVICE) -> AcceleratorProbe | None:
        """The newest verdict in a cache that holds for the device as it is; None if there is none.

        It may be of another QEMU.
        """
        found = (cache / FOLDER).glob(f"*-{_digest(_state(kvm_device))}.json")
        files = sorted(found, key=lambda path: path.stat().st_mtime)
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
        if refused := _refusal(self._kvm_device):
            return AcceleratorProbe("tcg", refused)
        self._report(f"trying KVM with a guest of its own (at most {DEADLINE_S:.0f} s)")
        image = kernel()
        argv = [*self._qemu, "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"]
        argv += ["-machine", "q35", "-accel", "kvm", "-cpu", "max", "-smp", "2", "-m", "512M"]
        argv += ["-serial", "stdio", "-kernel", str(image.vmlinuz)]
        argv += ["-initrd", str(image.initramfs), "-append", "console=ttyS0 panic=-1"]
        return probe_boot(self._jailed(argv, [image.vmlinuz, image.initramfs]), DEADLINE_S)

    def _jailed(self, argv: list[str], images: Sequence[Path]) -> list[str]:
        spec = JailSpec(
            filter="program", parent=os.getpid(), uid=draw_uid(), weaker=weaker_allowed(),
            groups=[self._kvm_device.stat().st_gid],
            **surroundings([*self._reach, *images], [str(self._kvm_device)]),
        )  # fmt: skip
        return command(spec, argv)

    def _remember(self, verdict: AcceleratorProbe) -> None:
        with contextlib.suppress(OSError):  # in a read-only cache it is asked for each time
            self._folder.mkdir(parents=True, exist_ok=True)
            for outdated in self._folder.glob(f"{self._name}*.json"):
                outdated.unlink()
            self._file.write_text(json.dumps(asdict(verdict)))


def _digest(words: Sequence[object]) -> str:
    return hashlib.sha256("\0".join(map(str, words)).encode()).hexdigest()[:16]


def _state(device: Path) -> list[object]:
    """What is another when a device was made anew, given to others, or does no longer work."""
    try:
        info = device.stat()
    except OSError as error:
        return [error.errno]
    made = [info.st_rdev, info.st_ino, info.st_ctime_ns, info.st_mode, info.st_uid, info.st_gid]
    return [*made, os.getuid(), _refusal(device)]


def _refusal(device: Path) -> str:
    """Why QEMU gets no virtual machine of a device, in words; "" if it might get one."""
    try:
        descriptor = os.open(device, os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        return f"{device} cannot be opened: {error.strerror}"
    try:
        mode = os.fstat(descriptor).st_mode
        if os.getuid() == 0 and _GROUP & ~mode and _OTHERS & ~mode:
            return f"{device} is root's alone, and QEMU runs as a user of its own"
        os.close(fcntl.ioctl(descriptor, _KVM_CREATE_VM, 0))
    except OSError as error:
        return f"{device} gives no virtual machine: {error.strerror}"
    finally:
        os.close(descriptor)
    return ""


def read_verdict(file: Path) -> AcceleratorProbe | None:
    """The verdict in a file, or None where there is none that can be read."""
    try:
        return AcceleratorProbe(**json.loads(file.read_text()))
    except (OSError, ValueError, TypeError):
        return None


def probe_boot(argv: list[str], deadline_s: float) -> AcceleratorProbe:
    """Start a guest whose console is standard output; "kvm" if it reaches its first program.

    It is ended as soon as that is known, or known not to come. Raises EnvironmentProblem if it
    was to start in a jail that cannot be made.
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
    said = output[2].decode(errors="replace").strip()
    if problem := refusal(said):
        raise EnvironmentProblem(problem.message, remedy=problem.remedy)
    complaint = said.partition("\n")[0]
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
