# SPDX-License-Identifier: GPL-2.0-only
"""Guests that serve several schedules: the driver let go and bound again, the card reset between.

What such a run shows is a hint and no more: whatever is new in it is decided by a fresh run.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from secrets import token_hex

from testbed.engines.session import Session
from testbed.errors import TestbedError
from testbed.findings.kernel_log import KernelEvent
from testbed.fuzz.companions import SIGNAL
from testbed.fuzz.oracles import ONLY_SAID
from testbed.fuzz.outcome import Ended, Outcome
from testbed.fuzz.recovery import Recovery
from testbed.fuzz.schedule import SCANNED, Schedule
from testbed.workloads.table import WORKLOADS

MOST_LOST_KIB = 64 << 10
"""Of its memory a guest may have less than before its first run; more is a leak."""
_RENEW_S = 60.0

# $1 driver, $2 PCI address, $3 interface, $4 and $5 its IPv4 and IPv6, $6 the peer's namespace and
# $7 its interface; prints how many KiB of memory are free
_RENEW = """
set -eu
kill -9 -1 2>/dev/null || :
device=/sys/bus/pci/devices/$2
[ ! -e "$device/driver" ]
echo 1 >"$device/reset"
echo "$2" >"/sys/bus/pci/drivers/$1/bind"
driver=$1 name=$3 four=$4 six=$5 peer=$6 end=$7
set -- "$device"/net/*
conf=/proc/sys/net/ipv6/conf/${1##*/}
echo 1 >"$conf/keep_addr_on_down"
echo 0 >"$conf/accept_ra"
ip -batch - <<-END
	link set dev ${1##*/} down
	link set dev ${1##*/} name $name
	addr replace $four/24 dev $name
	addr replace $six/64 dev $name nodad
	link set dev $name up
END
ip -netns "$peer" -batch - <<-END
	link set dev $end up mtu 1500
	neigh flush dev $end
	neigh flush dev $end nud permanent
END
for wait in 0.05 0.05 0.1 0.5 1 2 4; do
	read -r carrier </sys/class/net/$name/carrier && [ "$carrier" != 1 ] || break
	sleep $wait
done
[ "$carrier" = 1 ]
while read -r key value unit; do
	[ "$key" != MemFree: ] || echo "$value"
done </proc/meminfo
"""


@dataclass
class UsedGuest:
    """``runs``: schedules it has served. ``clean``: after the last of them nothing is amiss."""

    name: str = field(default_factory=lambda: token_hex(8))
    runs: int = 0
    clean: bool = False
    free_kib: int | None = None


def why_fresh(schedule: Schedule) -> str:
    """Why a schedule needs a guest that has served no other; empty if it does not."""
    if schedule.card:
        return "another card"
    if schedule.kmemleak == SCANNED:
        return "what others have left would be found as well"
    if any(one.kind != SIGNAL for one in schedule.companions):
        return "what fails in the kernel is not the driver's alone"
    workload = WORKLOADS.get(schedule.workload)
    return "the driver is removed" if workload is not None and workload.removes else ""


def is_clean(outcome: Outcome, recovery: Recovery | None, said: Iterable[KernelEvent]) -> bool:
    """Whether a guest after such a run is as good as new, as far as anybody can see."""
    return (
        outcome.ended is Ended.DONE
        and not outcome.complaints
        and recovery is not None
        and not (recovery.silent or recovery.bound or recovery.pools or recovery.resources)
        and all(event.kind in ONLY_SAID for event in said)
    )


def renew(session: Session, guest: UsedGuest) -> bool:
    """Make the guest ready for another schedule; False if it is not fit for one."""
    dut, remote = session.dut, session.remote
    words = [dut.driver, dut.pci_address, dut.netdev, dut.ipv4, dut.ipv6]
    words += [remote.netns or "", remote.netdev]
    try:
        done = dut.run(["sh", "-s", *words], input=_RENEW.encode(), check=False, timeout_s=_RENEW_S)
    except TestbedError:
        return False
    if done.returncode or not done.text.isdecimal():
        return False
    free = int(done.text)
    if guest.free_kib is None:
        guest.free_kib = free
    return free >= guest.free_kib - MOST_LOST_KIB
