# SPDX-License-Identifier: GPL-2.0-only
"""Settings of the NIC under test, by iproute2 and ethtool, each undone through ``defer``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from testbed.dut.counters import NetdevState, netdev_state
from testbed.dut.defer import Defer
from testbed.dut.pause import pause
from testbed.dut.programs import only_object, program, result_of
from testbed.dut.protocols import Capability, Dut, Endpoint
from testbed.errors import GuestCommandFailed

ZCRX_MTU = 4096
CHANNELS = 4
RX_RING = 64  # bnxt_en gives it 512 buffers of 4 KiB at this MTU
RESTART_AREA_BYTES = 640 * 4096  # little more; with an IOMMU each page is a mapping per restart
SETTLE_TIMEOUT_S = 10.0
SETTLE_POLL_S = 0.1

_RULE_ID = re.compile(r"with ID (\d+)")


def ethtool(end: Endpoint, *argv: str) -> str:
    """Run ``ethtool`` and return what it printed. Raises GuestCommandFailed."""
    return end.run(["ethtool", *argv]).text


def ethtool_json(end: Endpoint, option: str) -> dict[str, Any]:
    """``ethtool --json OPTION netdev`` as a dictionary. Raises GuestCommandFailed."""
    return only_object(end.run(["ethtool", "--json", option, end.netdev]))


def link(end: Endpoint) -> dict[str, Any]:
    """``ip -json -statistics link show`` of the end's interface."""
    return only_object(end.run(["ip", "-j", "-s", "-d", "link", "show", "dev", end.netdev]))


def set_link(end: Endpoint, *words: str) -> None:
    """``ip link set dev netdev WORDS``."""
    end.run(["ip", "link", "set", "dev", end.netdev, *words])


_DEFER = 'echo "$2" >"$1/napi_defer_hard_irqs"; echo "$3" >"$1/gro_flush_timeout"'


def set_threaded(dut: Dut, value: str) -> None:
    """NAPI of all queues in threads of its own ("1") or not ("0"). Raises GuestCommandFailed."""
    words = ["sh", "-c", 'echo "$1" >"/sys/class/net/$2/threaded"', "sh", value, dut.netdev]
    dut.run(words)


def defer_interrupts(dut: Dut, polls: int, flush_ns: int, defer: Defer) -> None:
    """Polls without work before interrupts are enabled again, and nanoseconds until one comes
    (``napi_defer_hard_irqs``, ``gro_flush_timeout``: Documentation/networking/napi.rst).

    Raises GuestCommandFailed.
    """
    words = ["sh", "-ec", _DEFER, "sh", f"/sys/class/net/{dut.netdev}"]
    dut.run([*words, str(polls), str(flush_ns)])
    defer(dut.run, [*words, "0", "0"])


def set_copybreak(dut: Dut, length: int) -> None:
    """``rx-copybreak``: shorter buffers are copied. The driver takes it while it is down."""
    set_link(dut, "down")
    dut.run(["ethtool", "--set-tunable", dut.netdev, "rx-copybreak", str(length)])
    set_link(dut, "up")


def set_mtu(dut: Dut, remote: Endpoint, mtu: int, defer: Defer) -> None:
    """Give both ends the same MTU."""
    for end in (dut, remote):
        before = int(link(end)["mtu"])
        set_link(end, "mtu", str(mtu))
        defer(set_link, end, "mtu", str(before))


def combined_channels(dut: Dut) -> int:
    """How many combined channels are in use."""
    return int(ethtool_json(dut, "-l")["combined"])


def set_channels(dut: Dut, count: int, defer: Defer) -> None:
    """``ethtool -L combined``."""
    before = combined_channels(dut)
    if before == count:
        return
    ethtool(dut, "-L", dut.netdev, "combined", str(count))
    defer(ethtool, dut, "-L", dut.netdev, "combined", str(before))


def set_feature(dut: Dut, feature: str, value: str, defer: Defer) -> None:
    """``ethtool -K``, "on" or "off"; the undo is the opposite."""
    ethtool(dut, "-K", dut.netdev, feature, value)
    defer(ethtool, dut, "-K", dut.netdev, feature, "off" if value == "on" else "on")


def set_ring(dut: Dut, ring: str, entries: int, defer: Defer) -> None:
    """``ethtool -G`` of the "rx" or "tx" rings."""
    before = ethtool_json(dut, "-g")[ring]
    ethtool(dut, "-G", dut.netdev, ring, str(entries))
    defer(ethtool, dut, "-G", dut.netdev, ring, str(before))


def split_headers(dut: Dut, defer: Defer, *, rx_ring: int = RX_RING) -> None:
    """Header-data split on for every packet (hds-thresh 0), the condition of zero-copy receive."""
    before = ethtool_json(dut, "-g")
    ethtool(dut, "-G", dut.netdev, "tcp-data-split", "on", "hds-thresh", "0", "rx", str(rx_ring))
    undo = ["tcp-data-split", "auto", "rx", str(before["rx"])]
    if "hds-thresh" in before:
        undo += ["hds-thresh", str(before["hds-thresh"])]
    defer(ethtool, dut, "-G", dut.netdev, *undo)


def aggregate_nothing(dut: Dut, defer: Defer) -> None:
    """Turn the NIC's receive aggregation (TPA) off if it is on: each packet has its own buffers."""
    if ethtool_json(dut, "-k")["rx-gro-hw"]["active"]:
        set_feature(dut, "rx-gro-hw", "off", defer)


HASH_KEY = bytes.fromhex(
    "6d5a56da255b0ec24167253d43a38fb0d0ca2bcbae7b30b477cb2da38030f20c6a42b73bbeac01fa"
).hex(":")
"""The key of Microsoft's "RSS hashing functions".

The hash is linear and the ports of flows that begin together differ in five bits or so: of the
keys a kernel draws at boot, one in 18 sends 32 such flows to two queues of four. This one does not.
"""


def set_hash_key(dut: Dut, key: str, defer: Defer) -> None:
    """``ethtool -X hkey``."""
    before = ethtool_json(dut, "-x")["rss-hash-key"]
    ethtool(dut, "-X", dut.netdev, "hkey", key)
    defer(ethtool, dut, "-X", dut.netdev, "hkey", bytes(before).hex(":"))


def spread_over(dut: Dut, queues: int, defer: Defer) -> None:
    """RSS over the first ``queues`` queues only."""
    ethtool(dut, "-X", dut.netdev, "equal", str(queues))
    defer(ethtool, dut, "-X", dut.netdev, "default")


def steer_everything(dut: Dut, queue: int, defer: Defer) -> None:
    """RSS to one queue: where there are no ntuple filters."""
    ethtool(dut, "-X", dut.netdev, "start", str(queue), "equal", "1")
    defer(ethtool, dut, "-X", dut.netdev, "default")


def pin_neighbour(end: Endpoint, other: Endpoint, defer: Defer) -> None:
    """``end`` resolves no address of ``other``: a zcrx queue hides what is asked there.

    Also not for that of the link, which its neighbour discovery may use at any time.
    """
    interface = only_object(other.run(["ip", "-j", "address", "show", "dev", other.netdev]))
    of_link = [one["local"] for one in interface["addr_info"] if one["scope"] == "link"]
    known = f"lladdr {interface['address']} dev {end.netdev} nud"
    targets = (other.ipv4, other.ipv6, *of_link)
    _neighbours(end, [f"replace {target} {known} permanent" for target in targets])
    defer(_neighbours, end, [f"replace {target} {known} stale" for target in reversed(targets)])


def flush_neighbours(end: Endpoint) -> None:
    """Drop what ``end`` knows of its neighbours, and what it is still asking them.

    Packets sent while such a question is open wait for it, and fail with it after three seconds
    (EHOSTUNREACH), even if the neighbour is back by then.
    """
    end.run(["ip", "neigh", "flush", "dev", end.netdev])


def _neighbours(end: Endpoint, lines: Sequence[str]) -> None:
    """``ip neigh``, all by one program."""
    text = "".join(f"neigh {line}\n" for line in lines)
    end.run(["ip", "-batch", "-"], input=text.encode())


def start_fast(end: Endpoint, address: str, packets: int, defer: Defer) -> None:
    """TCP of ``end`` begins with so many packets under way to ``address`` (route metric)."""
    route = [address, "dev", end.netdev]
    end.run(["ip", "route", "replace", *route, "initcwnd", str(packets)])
    defer(end.run, ["ip", "route", "del", *route])


def enable_ntuple(dut: Dut, defer: Defer) -> None:
    """Turn ntuple filters on if they are off."""
    if not ethtool_json(dut, "-k")["ntuple-filters"]["active"]:
        set_feature(dut, "ntuple", "on", defer)


def disable_ntuple(dut: Dut, defer: Defer) -> None:
    """Turn ntuple filters off if they are on."""
    if ethtool_json(dut, "-k")["ntuple-filters"]["active"]:
        set_feature(dut, "ntuple", "off", defer)


def delete_rule(dut: Dut, rule: int) -> None:
    """``ethtool -N delete``."""
    ethtool(dut, "-N", dut.netdev, "delete", str(rule))


def add_rule(
    dut: Dut, defer: Defer, *match: str, flow_type: str, action: int | None = None,
    context: str | None = None,
) -> int:  # fmt: skip
    """Add an ntuple rule, to queue ``action`` or to an RSS context, and return its number."""
    target = ["action", str(action)] if context is None else ["context", context]
    printed = ethtool(dut, "-N", dut.netdev, "flow-type", flow_type, *match, *target)
    found = _RULE_ID.search(printed)
    if found is None:
        raise GuestCommandFailed(f"ethtool -N named no rule: {printed!r}")
    rule = int(found[1])
    defer(delete_rule, dut, rule)
    return rule


@dataclass(frozen=True)
class ZcrxQueue:
    """A queue set aside for zero-copy receive: only ``port`` is steered to it."""

    queue: int
    port: int
    ip_version: int


def dedicate_queue(
    dut: Dut,
    remote: Endpoint,
    defer: Defer,
    *,
    port: int,
    ip_version: int = 4,
    rx_ring: int = RX_RING,
    steered: bool = True,
) -> ZcrxQueue:
    """All zero-copy receive needs: MTU 4096, header split, RSS off the last queue, a rule.

    Without ntuple filters RSS sends everything to that queue. Unless it is to be ``steered``, there
    is neither, and channels can become fewer.
    """
    # a driver reopens a running interface for each of these, there and back
    set_link(dut, "down")
    defer(set_link, dut, "up")
    set_mtu(dut, remote, ZCRX_MTU, defer)
    set_channels(dut, CHANNELS, defer)
    split_headers(dut, defer, rx_ring=rx_ring)
    set_link(dut, "up")
    defer(set_link, dut, "down")
    queue = CHANNELS - 1
    if steered and Capability.NTUPLE in dut.capabilities:
        spread_over(dut, queue, defer)
        enable_ntuple(dut, defer)
        add_rule(dut, defer, "dst-port", str(port), flow_type=f"tcp{ip_version}", action=queue)
    elif steered:
        for end, other in ((dut, remote), (remote, dut)):
            pin_neighbour(end, other, defer)
        steer_everything(dut, queue, defer)
    defer(wait_until_free, dut)
    return ZcrxQueue(queue, port, ip_version)


@dataclass(frozen=True)
class Restarts:
    """How many restarts of a queue took how long, in wall seconds of the guest."""

    restarts: int
    seconds: float


def restart_queue(dut: Dut, queue: int, count: int, *, timeout_s: float = 300.0) -> Restarts:
    """Restart one rx queue ``count`` times (even), by binding and releasing a memory provider.

    Raises GuestCommandFailed, GuestTimeout.
    """
    words = [program("queue_restart"), dut.netdev, str(queue), str(count)]
    words += ["--area", str(RESTART_AREA_BYTES), "--timeout", f"{timeout_s * dut.patience:.0f}"]
    done = result_of(dut.run(words, timeout_s=timeout_s))
    return Restarts(int(done["restarts"]), float(done["seconds"]))


# skb_attempt_defer_free() (net/core/skbuff.c) leaves a packet that is done with on a list of the
# CPU that made it, until that CPU next receives something: an idle one keeps its buffers for ever.
# Not nproc: interrupts come to CPUs that this shell does not run on unless asked to (isolcpus=).
# One that is offline, or that a cpuset keeps from us, cannot be asked.
LET_EVERY_CPU_RECEIVE = """
for cpu in /sys/devices/system/cpu/cpu[0-9]*; do
    taskset -c "${cpu##*/cpu}" true 2>/dev/null || continue
    taskset -c "${cpu##*/cpu}" ping -q -c 1 -W 1 127.0.0.1
    status=$?
done
exit "$status"
"""


def wait_until_free(dut: Dut) -> NetdevState:
    """Wait until no queue has a memory provider and no page pool has a buffer out after its queue.

    Closing a ring ends in a kernel worker, so this takes a moment, of the guest's own time: where
    that is simulated, a wait in vain is the same each time. Raises GuestCommandFailed.
    """
    for _ in range(max(1, round(SETTLE_TIMEOUT_S * dut.patience / SETTLE_POLL_S))):
        state = netdev_state(dut)
        left = state.providers + state.detached_pools
        if not left:
            return state
        pause(dut, SETTLE_POLL_S)
        dut.run(["sh", "-c", LET_EVERY_CPU_RECEIVE])
    raise GuestCommandFailed(f"after {SETTLE_TIMEOUT_S:.0f} s still not let go: {', '.join(left)}")
