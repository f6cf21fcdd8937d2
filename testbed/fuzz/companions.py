# SPDX-License-Identifier: GPL-2.0-only
"""What goes wrong in the guest beside a workload: allocations and functions that fail, signals."""

from __future__ import annotations

from collections.abc import Sequence

from testbed.dut.protocols import Capability, Dut, Running
from testbed.errors import UsageProblem
from testbed.fuzz.schedule import Companion

SLAB, SLEEPING, PAGES, FUNCTION, SIGNAL = (
    "failslab", "failslab_sleeping", "fail_page_alloc", "fail_function", "signal"
)  # fmt: skip

NEEDS = {
    SLAB: Capability.FAILING_ALLOCATIONS,
    SLEEPING: Capability.FAILING_ALLOCATIONS,
    PAGES: Capability.FAILING_ALLOCATIONS,
    FUNCTION: Capability.FAILING_FUNCTIONS,
}
"""Kind -> what the kernel has to be able to do; a signal needs nothing."""

READERS = "zcrx_rx|zcrx_console|devmem_console|sendzc_console|sendzc_echo|stream_rx|queue_restart"
"""Programs of the device under test that a signal is sent to."""

# Lines "KIND WHAT EVERY TIMES" on standard input; what a kernel refuses ends it
_START = """
set -eu
cd /sys/kernel/debug
while read -r kind what every times; do
    folder=${kind%_sleeping}
    [ "$folder" = "$kind" ] || echo N >"$folder/ignore-gfp-wait"
    if [ "$folder" = fail_function ]; then
        echo "$what" >fail_function/inject
        echo 0 >"fail_function/$what/retval"
    elif [ "$folder" = failslab ] && [ "$what" != - ]; then
        echo 1 >"/sys/kernel/slab/$what/failslab"
        echo Y >failslab/cache-filter
    fi
    cd "$folder"
    [ ! -e min-order ] || echo 0 >min-order # pages come one by one
    echo 0 >verbose
    echo N >task-filter
    echo "$every" >interval
    echo "$times" >times
    echo 100 >probability
    cd ..
done
"""
_STOP = """
cd /sys/kernel/debug
for kind; do
    folder=${kind%_sleeping}
    echo 0 >"$folder/probability"
    echo 1 >"$folder/times"
    [ "$folder" = "$kind" ] || echo Y >"$folder/ignore-gfp-wait"
done
[ ! -e fail_function/inject ] || echo >fail_function/inject
"""
# $1 programs, $2 signal, $3 seconds between, $4 how often
_SIGNALS = 'for n in $(seq "$4"); do sleep "$3"; pkill -x "-$2" "$1" || :; done'


def lacking(companions: Sequence[Companion], capabilities: frozenset[Capability]) -> list[str]:
    """Why a kernel with ``capabilities`` cannot do them, if it cannot."""
    return [
        f"the kernel cannot do {one.kind}: it lacks {NEEDS[one.kind].value}"
        for one in companions
        if one.kind in NEEDS and NEEDS[one.kind] not in capabilities
    ]


class Companions:
    """Those of one run, from :meth:`start` to :meth:`stop`.

    Raises UsageProblem if the kernel refuses one: a function that must not fail, a slab that is
    not there.
    """

    def __init__(self, dut: Dut, companions: Sequence[Companion]) -> None:
        self._dut = dut
        self._failing = [one for one in companions if one.kind != SIGNAL]
        self._signals = [one for one in companions if one.kind == SIGNAL]
        self._running: list[Running] = []

    def start(self) -> None:
        """From now on things go wrong. Raises UsageProblem, LostVM."""
        if self._failing:
            lines = "".join(
                f"{one.kind} {one.what or '-'} {one.every} {one.times}\n" for one in self._failing
            )
            done = self._dut.run(["sh", "-c", _START], input=lines.encode(), check=False)
            if done.returncode:
                raise UsageProblem(f"the kernel refuses a companion: {done.error_text.strip()}")
        for one in self._signals:
            words = [READERS, one.what or "KILL", f"{one.every / 1000:.3f}", str(one.times)]
            self._running.append(self._dut.start(["sh", "-c", _SIGNALS, "sh", *words]))

    def stop(self) -> None:
        """They do no more. Raises LostVM."""
        for running in self._running:
            running.kill()
        self._running = []
        if self._failing:
            kinds = dict.fromkeys(one.kind for one in self._failing)
            self._dut.run(["sh", "-c", _STOP, "sh", *kinds], check=False)
