# SPDX-License-Identifier: GPL-2.0-only
"""What goes wrong in the guest beside a workload: allocations and functions that fail, signals."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

from testbed.dut.protocols import Capability, Dut, Running
from testbed.errors import GuestCommandFailed, UsageProblem
from testbed.fuzz.schedule import FAIL_NTH, Companion

SLAB, SLEEPING, PAGES, PAGES_SLEEPING, FUNCTION, SIGNAL = (
    "failslab", "failslab_sleeping", "fail_page_alloc", "fail_page_alloc_sleeping",
    "fail_function", "signal",
)  # fmt: skip

NEEDS = {
    SLAB: Capability.FAILING_ALLOCATIONS,
    SLEEPING: Capability.FAILING_ALLOCATIONS,
    PAGES: Capability.FAILING_ALLOCATIONS,
    PAGES_SLEEPING: Capability.FAILING_ALLOCATIONS,
    FAIL_NTH: Capability.FAILING_ALLOCATIONS,
    FUNCTION: Capability.FAILING_FUNCTIONS,
}
"""Kind -> what the kernel has to be able to do; a signal needs nothing."""

READERS = "zcrx_rx|zcrx_console|devmem_console|sendzc_console|sendzc_echo|stream_rx|queue_restart"
"""Programs of the device under test that a signal is sent to."""

RangeOf = Callable[[str], tuple[int, int] | None]
"""Function of the kernel -> its first address, and the one behind its last."""

DEPTHS: Mapping[str, int] = {SLAB: 10, PAGES: 11, FAIL_NTH: 11, FUNCTION: 32}
"""Kind -> so many callers are looked at for the one that is named (stacktrace-depth in debugfs): an
allocation far below is another function's. Five are fault injection's and the allocator's own, of
pages six: so there may be four functions between."""
RECEIVING, _ALL = "net_rx_action", 32
"""Below it is all that NAPI does where it has no thread, and all callers that the kernel looks at
count."""
_ANYWHERE, _NOWHERE = (0, (1 << 64) - 1), (0, 0)

_KMEMLEAK_SLAB = "kmemleak_object"
"""Slab of kmemleak, which makes one with each allocation: they neither fail nor count where it is
asked at the end, so that the n-th allocation is the same one as in a kernel without it."""

_REFILLS: tuple[tuple[str, ...], ...] = (
    ("__pcs_replace_empty_main",),
    ("new_slab", "allocate_slab"),
)
"""Functions of mm/slub.c that allocate what an allocator keeps: an array of objects, itself one,
and the pages of a slab; of each the first that the compiler has left.

Whether an allocation needs them depends on those before it. If they counted, the n-th allocation
of an attempt would not be the one behind the (n - 1)-th of the attempt before, and one that they
stand for would never fail. What fails with them fails alone as well.
"""

# Lines "KIND WHAT EVERY TIMES START END DEPTH BEHIND LAST OBJECT OBJECT_END PAGE PAGE_END" on
# standard input; what a kernel refuses ends it. Below OBJECT no object counts, and below PAGE no
# pages. With a slab as $1 no allocation of that one fails or counts. None fails before the LAST one
# is set up (1, not 0), since it would be this shell's.
# fail_nth: a task's own /proc/PID/fail-nth says what fails, of all that can; this says what counts.
# What comes behind that fails as probability says, for a task that says so of itself.
_START = """
set -eu
not_below() {
    case $1 in
    failslab) echo "$object" >"$2/reject-start"; echo "$object_end" >"$2/reject-end" ;;
    *) echo "$page" >"$2/reject-start"; echo "$page_end" >"$2/reject-end" ;;
    esac
}
filter=N
if [ $# = 1 ]; then # all slabs but this one have to be named
    filter=Y
    for one in /sys/kernel/slab/*; do
        case $one in
        */:* | */"$1") ;;
        *) echo 1 >"$one/failslab" || : ;;
        esac
    done 2>/dev/null
fi
cd /sys/kernel/debug
slab= pages= function= # numbers of open files that begin it
while read -r kind what every times start end depth behind last object object_end page page_end; do
    if [ "$kind" = fail_nth ]; then
        slab= pages= function=
        for folder in fail*; do
            [ ! -e "$folder/ignore-gfp-wait" ] || echo N >"$folder/ignore-gfp-wait"
            [ ! -e "$folder/cache-filter" ] || echo $filter >"$folder/cache-filter"
            [ ! -e "$folder/min-order" ] || echo 0 >"$folder/min-order"
            echo 0 >"$folder/probability"
            echo 0 >"$folder/verbose"
            echo "$start" >"$folder/require-start"
            echo "$end" >"$folder/require-end"
            echo "$depth" >"$folder/stacktrace-depth"
            not_below "$folder" "$folder"
            [ "$behind" != 0 ] || continue
            echo 0 >"$folder/times" # until an attempt says how many may fail
            echo 1 >"$folder/interval"
            echo Y >"$folder/task-filter"
            echo 100 >"$folder/probability"
        done
        continue
    fi
    folder=${kind%_sleeping}
    if [ "$folder" != "$kind" ]; then
        echo N >"$folder/ignore-gfp-wait"
    elif [ -e "$folder/ignore-gfp-wait" ]; then
        echo Y >"$folder/ignore-gfp-wait"
    fi
    [ ! -e "$folder/cache-filter" ] || echo $filter >"$folder/cache-filter"
    if [ "$folder" = fail_function ]; then
        echo "$what" >fail_function/inject
        echo 0 >"fail_function/$what/retval"
    elif [ "$folder" = failslab ] && [ "$what" != - ]; then
        echo 1 >"/sys/kernel/slab/$what/failslab"
        echo Y >failslab/cache-filter
    fi
    cd "$folder"
    [ ! -e min-order ] || echo 0 >min-order # pages come one by one
    if [ "$start" != 0 ] || [ -e require-start ]; then
        echo "$start" >require-start
        echo "$end" >require-end
        echo "$depth" >stacktrace-depth
        not_below "$folder" .
    fi
    echo 0 >verbose
    echo N >task-filter
    echo "$every" >interval
    echo "$times" >times
    case $last$folder in
    0failslab) slab=3; exec 3>probability ;;
    0fail_page_alloc) pages=4; exec 4>probability ;;
    0*) function=5; exec 5>probability ;;
    *) {
        for one in $slab $pages $function; do echo 100 >&"$one"; done
        echo 100
    } >probability ;;
    esac
    cd .. || [ "$last" = 1 ] # whose allocations fail now
done
"""
_STOP = """
set -eu
cd /sys/kernel/debug
for kind; do
    folder=${kind%_sleeping}
    if [ "$kind" = fail_nth ]; then
        for one in fail*; do
            echo 0 >"$one/probability"
            echo N >"$one/task-filter"
            [ ! -e "$one/ignore-gfp-wait" ] || echo Y >"$one/ignore-gfp-wait"
        done
        continue
    fi
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
    """Those of one run, from :meth:`start` to :meth:`stop`. ``spare_kmemleak``: kmemleak's own
    allocations do not fail.

    Raises UsageProblem if the kernel refuses one: a function that must not fail, a slab or a
    function that is not there.
    """

    def __init__(
        self, dut: Dut, companions: Sequence[Companion], range_of: RangeOf = lambda _name: None,
        *, spare_kmemleak: bool = False,
    ) -> None:  # fmt: skip
        self._dut = dut
        self._range_of = range_of
        self._failing = [one for one in companions if one.kind != SIGNAL]
        self._signals = [one for one in companions if one.kind == SIGNAL]
        self._running: list[Running] = []
        named = any(one.what for one in companions if one.kind in (SLAB, SLEEPING))
        self._spared = [_KMEMLEAK_SLAB] if spare_kmemleak and not named else []

    def start(self) -> None:
        """From now on things go wrong. Raises UsageProblem, LostVM."""
        if self._failing:
            *others, last = self._failing
            lines = "".join([*map(self._line, others), self._line(last, is_last=True)])
            argv = ["sh", "-c", _START, "sh", *self._spared]
            done = self._dut.run(argv, input=lines.encode(), check=False)
            if done.returncode:
                raise UsageProblem(f"the kernel refuses a companion: {done.error_text.strip()}")
        for one in self._signals:
            words = [READERS, one.what or "KILL", f"{one.every / 1000:.3f}", str(one.times)]
            self._running.append(self._dut.start(["sh", "-c", _SIGNALS, "sh", *words]))

    def _line(self, one: Companion, *, is_last: bool = False) -> str:
        found = self._range_of(one.within) if one.within else _ANYWHERE
        if found is None:
            raise UsageProblem(f"the kernel has no function {one.within}")
        start, end = found
        depth = next(deep for kind, deep in DEPTHS.items() if one.kind.startswith(kind))
        if one.within == RECEIVING:
            depth = _ALL
        words = [
            one.kind, one.what or "-", one.every, one.times, start, end, depth, one.behind,
            int(is_last),
        ]  # fmt: skip
        for names in _REFILLS:
            places = [self._range_of(name) for name in names if one.within]
            words += next(filter(None, places), _NOWHERE)
        return " ".join(map(str, words)) + "\n"

    def stop(self) -> None:
        """They do no more. Raises LostVM; GuestCommandFailed if the guest cannot be told to.

        What fails for any program may fail for the shell that is to end it, until it has failed
        as often as it may.
        """
        for running in self._running:
            running.kill()
        self._running = []
        if self._failing:
            kinds = dict.fromkeys(one.kind for one in self._failing)
            argv = ["sh", "-c", _STOP, "sh", *kinds]
            for _ in range(sum(one.times for one in self._failing)):
                with suppress(GuestCommandFailed):
                    self._dut.run(argv)
                    return
            self._dut.run(argv)
