# SPDX-License-Identifier: GPL-2.0-only
"""Streams both ways while allocations fail, or functions of the driver and the page pool."""

from __future__ import annotations

from testbed.workloads.traffic import exchange
from testbed.workloads.workload import WorkloadContext

_TIMES = 100
_FUNCTIONS = "fail_function"
_SK_BUFFS = "skbuff_head_cache"

# $1 folder in debugfs, $2 every how many-th allocation, $3 at most so many
_FAIL = """
cd "/sys/kernel/debug/$1"
echo 0 >probability
echo 0 >verbose
echo N >task-filter
echo "$2" >interval
echo "$3" >times
echo 100 >probability
"""
# $1 of the caches in /sys/kernel/slab, the only one to fail
_FAIL_CACHE = """
echo 1 >"/sys/kernel/slab/$1/failslab"
echo Y >/sys/kernel/debug/failslab/cache-filter
"""
_STOP_CACHE = (
    'echo 0 >"/sys/kernel/slab/$1/failslab"; echo N >/sys/kernel/debug/failslab/cache-filter'
)
# how many more were allowed
_STOP = 'cd "/sys/kernel/debug/$1"; cat times; echo 0 >probability; echo 1 >times'

# the functions that fail_function refuses belong to the driver and the page pool
_FAIL_FUNCTION = """
cd /sys/kernel/debug/fail_function
echo "$1" >inject
echo 0 >"$1/retval"
"""


def failing(context: WorkloadContext, *, folder: str, interval: int) -> None:
    """Every ``interval``-th allocation fails, 100 at most; ``folder`` is the kind, in debugfs."""
    context.dut.run(["sh", "-euc", _FAIL, "sh", folder, str(interval), str(_TIMES)])
    try:
        exchange(context)
    finally:
        left = int(context.dut.run(["sh", "-euc", _STOP, "sh", folder]).text)
    context.output.append(f"{_TIMES - left} allocations failed")


def failing_sk_buffs(context: WorkloadContext, *, interval: int) -> None:
    """The same with every ``interval``-th allocation of sk_buffs, which the driver receives into.

    Those that TCP sends with have a cache of their own and do not fail: tcp_send_fin() would end
    without a FIN, for good, and on UML the other end of the wire is the same kernel.
    """
    context.dut.run(["sh", "-euc", _FAIL_CACHE, "sh", _SK_BUFFS])
    try:
        failing(context, folder="failslab", interval=interval)
    finally:
        context.dut.run(["sh", "-euc", _STOP_CACHE, "sh", _SK_BUFFS])


def failing_function(context: WorkloadContext, *, function: str, interval: int) -> None:
    """The same with calls of ``function``, which return 0 instead."""
    context.dut.run(["sh", "-euc", _FAIL_FUNCTION, "sh", function])
    try:
        failing(context, folder=_FUNCTIONS, interval=interval)
    finally:
        context.dut.run(["sh", "-c", "echo >/sys/kernel/debug/fail_function/inject"])
