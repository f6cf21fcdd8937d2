# SPDX-License-Identifier: GPL-2.0-only
"""Running one installed selftest in a guest."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import BinaryIO

from testbed.dut.protocols import LOCAL_V4, LOCAL_V6, REMOTE_V4, REMOTE_V6, Endpoint
from testbed.errors import GuestTimeout, LostVM, ModelFailure, TestbedError
from testbed.ksft.ktap import Case, parse, settle
from testbed.ksft.select import TestFile

INSTALLED = "/ksft"
LOCAL_PREFIX_V6 = "2001:db8:2::0/64"
"""Behind the device under test; for addresses that a test makes (drivers/net/README.rst)."""

OUTPUT_CAP_BYTES = 8 << 20

# $1: the selftests' disk, $2: NIC under test, $3: prefix behind it, $4: its address,
# $5: network namespace of the remote endpoint, $6: the address there
_PREPARE = """
mkdir -p {installed}
mount -t erofs -o ro "$1" {installed}
ip -netns "$5" -6 route replace "$3" via "$4"
for irq in /sys/class/net/"$2"/device/msi_irqs/*; do
    irq=/proc/irq/${{irq##*/}}
    case $(cat "$irq/affinity_hint" 2> /dev/null) in
    *[1-9a-f]*) cat "$irq/affinity_hint" > "$irq/smp_affinity" ;;
    esac
done
for try in 1 2 3 4 5 6 7 8 9 10; do
    ping -q -c 1 -W 1 "$6" > /dev/null && exit 0
done
echo "no answer from the remote endpoint $6" >&2
exit 1
"""

# As kselftest's runner.sh: a program that lacks its execute bit is handed to its interpreter.
_START = """
[ ! -x "$1" ] || exec "$1"
interpreter=$(sed -n '1s/^#! *//p' "$1")
exec ${interpreter:?"$1 is neither executable nor a script"} "$1"
"""


@dataclass
class Output:
    """Collects what a test prints, as it comes, and when each result line arrived.

    ``log`` gets it too, at once: a test may take minutes, and its run may be interrupted.
    """

    log: BinaryIO
    started: float = field(default_factory=time.monotonic)
    stdout: bytearray = field(default_factory=bytearray)
    stderr: bytearray = field(default_factory=bytearray)
    result_times: list[float] = field(default_factory=list)
    truncated: bool = False
    _scanned: int = 0

    def __call__(self, stream: str, data: bytes) -> None:
        """Take the next bytes of "stdout" or "stderr"."""
        buffer = self.stdout if stream == "stdout" else self.stderr
        room = max(0, OUTPUT_CAP_BYTES - len(buffer))
        self.truncated |= len(data) > room
        buffer += data[:room]
        self.log.write(data[:room])
        self.log.flush()
        while (end := self.stdout.find(b"\n", self._scanned)) >= 0:
            line = self.stdout[self._scanned : end]
            self._scanned = end + 1
            if line.startswith((b"ok ", b"not ok ")):
                self.result_times.append(time.monotonic() - self.started)

    @property
    def text(self) -> str:
        """Standard output, then standard error: one may break into the other's lines."""
        note = f"\noutput cut after {OUTPUT_CAP_BYTES} bytes\n" if self.truncated else ""
        joined = bytes(self.stdout) + b"\n" + bytes(self.stderr)
        return joined.decode("utf-8", errors="replace") + note

    @property
    def case_seconds(self) -> tuple[float, ...]:
        """Seconds per case, from one result line to the next."""
        begins = [0.0, *self.result_times]
        return tuple(end - begin for begin, end in zip(begins, self.result_times, strict=False))


@dataclass(frozen=True, kw_only=True)
class Ran:
    """What a test program did. ``problem`` is what kept it from ending, if anything did."""

    cases: tuple[Case, ...]
    seconds: float
    exit_code: int | None
    case_seconds: tuple[float, ...]
    problem: TestbedError | None = None


def environment(netdev: str, netns: str) -> dict[str, str]:
    """The variables that tell a driver test what it runs on (drivers/net/README.rst)."""
    return {
        "NETIF": netdev, "LOCAL_V4": LOCAL_V4, "LOCAL_V6": LOCAL_V6, "REMOTE_V4": REMOTE_V4,
        "REMOTE_V6": REMOTE_V6, "LOCAL_PREFIX_V6": LOCAL_PREFIX_V6, "REMOTE_TYPE": "netns",
        "REMOTE_ARGS": netns, "NO_COLOR": "1", "PYTHONUNBUFFERED": "1",
    }  # fmt: skip


def prepare(dut: Endpoint, *, disk: str, netns: str) -> None:
    """Mount the selftests, place the interrupts, wait for the remote endpoint.

    Drivers only suggest a CPU per queue; somebody has to follow (irqbalance, usually), and
    hw/toeplitz.py wants it done. Raises GuestCommandFailed, LostVM.
    """
    script = _PREPARE.format(installed=INSTALLED)
    words = [disk, dut.netdev, LOCAL_PREFIX_V6, LOCAL_V6, netns, REMOTE_V4]
    dut.run(["/bin/sh", "-euc", script, "sh", *words])


def run_test(dut: Endpoint, test: TestFile, *, netns: str, limit_s: float, log: BinaryIO) -> Ran:
    """Run one test program in its own folder, for at most ``limit_s`` seconds.

    A guest or card that is lost meanwhile is a result like any other: what the test had printed
    by then counts.
    """
    output = Output(log)
    exit_code: int | None = None
    problem: TestbedError | None = None
    try:
        done = dut.run(
            ["/bin/sh", "-euc", _START, "sh", f"./{test.name}"], check=False,
            env=environment(dut.netdev, netns), cwd=f"{INSTALLED}/{test.folder}", timeout_s=limit_s,
            on_output=output,
        )  # fmt: skip
        exit_code = done.returncode
    except (GuestTimeout, LostVM, ModelFailure) as error:
        problem = error
    seconds = time.monotonic() - output.started
    lost = "" if problem is None else f"{problem.fault}: {problem.message}"
    if isinstance(problem, GuestTimeout):
        lost = f"time limit of {limit_s:.0f} s"
    cases = settle(parse(output.text), file=test.path, exit_code=exit_code, lost=lost)
    return Ran(
        cases=cases, seconds=seconds, exit_code=exit_code, case_seconds=output.case_seconds,
        problem=problem,
    )  # fmt: skip
