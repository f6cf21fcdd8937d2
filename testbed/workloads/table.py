# SPDX-License-Identifier: GPL-2.0-only
"""The one table of workloads: main job, soak, scenarios, trials of faults choose from it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from testbed.dut.protocols import Capability
from testbed.dut.streams import MIB, STREAM_TIMEOUT_S
from testbed.workloads import (
    administer,
    again,
    allocations,
    devmem,
    drawn_devmem,
    drawn_send_zc,
    drawn_sending,
    drawn_settings,
    drawn_zcrx,
    interface,
    leasing,
    nth,
    products,
    restart,
    scripts,
    sending,
    sharing,
    steering,
    traffic,
    xdp,
    zcrx,
)
from testbed.workloads.workload import Scenario, Workload, in_turn

_SPLIT = frozenset({Capability.HEADER_SPLIT})
_ZCRX = _SPLIT | {Capability.ZCRX}
_RESTART = _SPLIT | {Capability.QUEUE_RESTART}
_LEASE = _RESTART | _ZCRX | {Capability.QUEUE_LEASE}
_LINK = frozenset({Capability.LINK_CYCLE})
_RELOAD = frozenset({Capability.DRIVER_RELOAD})
_RESET = frozenset({Capability.DEVICE_RESET})
_DEVMEM = _SPLIT | {Capability.DEVMEM}
_STEERED = _RESTART | _ZCRX | _LINK | {Capability.RSS, Capability.RSS_CONTEXTS}
_STEER = frozenset({Capability.RSS, Capability.RSS_CONTEXTS, Capability.NTUPLE})
_FAILING = frozenset({Capability.FAILING_ALLOCATIONS})

_plain = partial(traffic.set_gro, wanted=False)
_other_queue = partial(zcrx.prepare, port=zcrx.OTHER_PORT)

# fmt: off
WORKLOADS: Mapping[str, Workload] = {
    # -- traffic ----------------------------------------------------------------------------
    "ping": Workload(
        "20 echo requests from the remote endpoint",
        traffic.echo, channels=1, scenario=scripts.PING,
    ),
    "long-ping": Workload(
        "echo requests for ten seconds, answered or not",
        traffic.long_ping, interface.remember_address, rings=True, channels=1,
    ),
    "idle": Workload("nothing for five seconds", partial(interface.wait, seconds=5.0), channels=1),
    "stream": Workload(
        "two TCP flows to the device under test without hardware GRO, hashes compared",
        traffic.receive, _plain, channels=1,
    ),
    "send": Workload(
        "two TCP flows from the device under test, hashes compared", traffic.send, channels=1,
    ),
    "udp-segments": Workload(
        "64 large UDP messages over IPv4 and over IPv6 from the device under test, cut "
        "into segments by driver or card, compared", traffic.segments, traffic.no_drops, channels=1,
    ),
    "udp-segments-rings": Workload(
        "the same with transmit rings of 420, 255 and 1023 descriptors",
        traffic.segments_by_rings, traffic.no_drops, _LINK, rings=True, channels=1,
    ),
    "streams": Workload(
        "eight TCP flows each way, hashes compared",
        partial(traffic.exchange, flows=8, total_bytes=4 * MIB, timeout_s=STREAM_TIMEOUT_S),
        scenario=scripts.STREAMS,
    ),
    "split-stream": Workload(
        "two TCP flows with header-data split, hashes compared",
        traffic.receive, in_turn(_plain, traffic.split), _SPLIT, channels=1,
    ),
    "gro-stream": Workload(
        "two TCP flows with hardware GRO (TPA), hashes compared",
        traffic.receive, partial(traffic.set_gro, wanted=True),
        frozenset({Capability.HW_GRO}), channels=1,
    ),
    "gro-stream-told": Workload(
        "two TCP flows with hardware GRO (TPA), the driver's rx_err messages on, hashes compared",
        traffic.receive, in_turn(partial(traffic.set_gro, wanted=True), traffic.tell_rx_errors),
        frozenset({Capability.HW_GRO}), channels=1,
    ),
    "gro-streams": Workload(
        "eight TCP flows with hardware GRO (TPA) on one queue, 8 MiB in all, hashes compared",
        partial(traffic.receive, flows=8, total_bytes=8 * MIB, timeout_s=STREAM_TIMEOUT_S),
        partial(traffic.set_gro, wanted=True), frozenset({Capability.HW_GRO}), channels=1,
    ),
    "gro-wraps": Workload(
        "eight TCP flows with hardware GRO (TPA) on one queue with small rings, 8 MiB in all:"
        " they go around four times, hashes compared",
        partial(traffic.receive, flows=8, total_bytes=8 * MIB, timeout_s=STREAM_TIMEOUT_S),
        in_turn(partial(traffic.set_gro, wanted=True), traffic.small_rings),
        frozenset({Capability.HW_GRO}), channels=1,
    ),
    "gro-burst": Workload(
        "segments of 300 connections at once, for hardware GRO (TPA), twice",
        traffic.burst_of_flows, partial(traffic.set_gro, wanted=True),
        frozenset({Capability.HW_GRO}), channels=1,
    ),
    "channels-stream": Workload(
        "eight TCP flows over four queues, hashes compared",
        partial(traffic.receive, flows=8), _plain, channels=4,
    ),
    "separate-stream": Workload(
        "two TCP flows, receive and transmit rings on vectors of their own, hashes compared",
        traffic.receive, in_turn(_plain, traffic.separate_rings),
    ),
    "stream-large": Workload(
        "two TCP flows of 8 MiB to the device under test",
        partial(traffic.receive, total_bytes=16 * MIB, port=traffic.OTHER_PORT, timeout_s=20.0),
        channels=1,
    ),
    "stream-stopped": Workload(
        "one TCP flow to a reader that is stopped twice, hashes compared",
        traffic.stopped_socket, channels=1,
    ),
    "xdp": Workload(
        "frames that an XDP program sends back, and two TCP flows that it passes on",
        traffic.reflect, rings=True, channels=1,
    ),
    # -- into memory of the application -----------------------------------------------------
    "zcrx": Workload(
        "zero-copy receive (two queue restarts), hashes compared",
        zcrx.receive, zcrx.prepare, _ZCRX, rings=True, scenario=scripts.ZCRX,
    ),
    "zcrx-plain": Workload(
        "zero-copy receive without hardware GRO, hashes compared",
        zcrx.receive, in_turn(_plain, zcrx.prepare), _ZCRX, rings=True,
    ),
    "zcrx-joined": Workload(
        "zero-copy receive of packets that GRO joined of more frames than an skb has frags,"
        " hashes compared",
        zcrx.receive, in_turn(_plain, zcrx.prepare, zcrx.small_frames), _ZCRX, rings=True,
    ),
    "refill": Workload(
        "zero-copy receive of twice what the area holds: buffers come back by the refill ring",
        partial(zcrx.receive, total_bytes=8 * MIB, timeout_s=STREAM_TIMEOUT_S),
        zcrx.prepare, _ZCRX, rings=True, scenario=scripts.REFILL,
    ),
    "zcrx-stopped": Workload(
        "zero-copy receive by a client that is stopped twice, in a small area, hashes compared",
        zcrx.stopped_reader, _other_queue, _ZCRX, rings=True,
    ),
    "zcrx-send": Workload(
        "what comes by zero-copy receive sent back from where it lies, hashes compared",
        zcrx.send_on, zcrx.prepare, _ZCRX | {Capability.REGISTERED_PROVIDED_BUFFERS}, rings=True,
    ),
    "devmem": Workload(
        "device memory TCP, receive of twice what the dmabuf holds, hashes compared",
        zcrx.receive_by_devmem, zcrx.prepare_devmem, _DEVMEM, rings=True,
    ),
    "devmem-joined": Workload(
        "device memory TCP, receive of packets that GRO joined of more frames than an skb has"
        " frags, hashes compared",
        zcrx.receive_by_devmem, in_turn(_plain, zcrx.prepare_devmem, zcrx.small_frames),
        _DEVMEM, rings=True,
    ),
    "zcrx-queues": Workload(
        "zero-copy receive on two queues of one ring, which ends with buffers of both held",
        sharing.two_queues, products.prepare, _ZCRX, rings=True,
    ),
    "zcrx-shared": Workload(
        "zero-copy receive on a queue that two rings share, of which the first goes first",
        sharing.two_rings, products.prepare, _ZCRX | {Capability.ZCRX_CONTROL}, rings=True,
    ),
    "zcrx-copied": Workload(
        "zero-copy receive beside data of a local connection, which is copied into the area",
        sharing.copied, products.prepare, _ZCRX, rings=True,
    ),
    "zcrx-burst": Workload(
        "zero-copy receive of local data that come at once, too many for the completion ring",
        sharing.burst, products.prepare, _ZCRX, rings=True,
    ),
    # -- from memory of the application -----------------------------------------------------
    "send-zc": Workload(
        "zero-copy send (SEND_ZC) of registered memory, which is let go while it is under way,"
        " hashes compared", sending.send_zc, channels=1,
    ),
    "devmem-send": Workload(
        "device memory TCP, transmit: out of a dmabuf, and of one that was received into",
        sending.send_devmem, zcrx.prepare_devmem, _DEVMEM | {Capability.DEVMEM_TX}, rings=True,
    ),
    # -- leases -----------------------------------------------------------------------------
    "lease": Workload(
        "a stream by zero-copy receive over a queue that is leased to a netkit device",
        leasing.receive, leasing.prepare, _LEASE, rings=True,
    ),
    "lease-taken": Workload(
        "the device goes that a queue is leased to, while the queue is bound; packets come to it",
        leasing.taken_back, leasing.prepare, _LEASE, rings=True,
    ),
    # -- queue restarts ---------------------------------------------------------------------
    "restart": Workload(
        "one queue restarted twice",
        restart.restart, zcrx.prepare, _RESTART, rings=True, scenario=scripts.RESTART,
    ),
    "restart-ping": Workload(
        "one queue restarted four times beside echo requests that come to it",
        restart.beside_echoes, _other_queue, _RESTART | _ZCRX, rings=True,
    ),
    "restart-spread": Workload(
        "one of four queues of the RSS table restarted twice, then echo requests",
        in_turn(restart.restart, traffic.require_echo),
        in_turn(_other_queue, restart.spread_over_all), _RESTART | _ZCRX, rings=True,
    ),
    "restart-wait": Workload(
        "one queue restarted twice, which may fail, and 15 seconds",
        restart.may_fail, _other_queue, _RESTART | _ZCRX, rings=True,
    ),
    "restart-long-wait": Workload(
        "one queue restarted twice, which may fail, and two minutes",
        partial(restart.may_fail, wait_s=120.0), _other_queue, _RESTART | _ZCRX, rings=True,
    ),
    "restart-traffic": Workload(
        "one queue restarted twice beside paced, verified traffic",
        restart.beside_traffic, in_turn(zcrx.prepare, restart.leave_to_others), _RESTART,
        rings=True,
    ),
    "restart-storm": Workload(
        "zero-copy receive, then one queue restarted ten times beside paced, verified traffic",
        restart.storm, zcrx.prepare, _RESTART | _ZCRX, rings=True,
    ),
    # -- the interface as a whole -----------------------------------------------------------
    "settings": Workload(
        "ring size and coalescing changed, counters read", interface.settings, rings=True,
    ),
    "administer": Workload(
        "what an administrator can ask a NIC and set there, then echo requests",
        administer.administer, administer.prepare, _LINK, rings=True,
    ),
    "ask-firmware": Workload(
        "what firmware keeps for administrators: flash, dumps, parameters, self-tests, then echoes",
        administer.ask_firmware, interface.remember_address, _LINK, rings=True,
    ),
    "flash": Workload(
        "a package of firmware flashed, damaged and whole, and what there was before",
        administer.flash_firmware, needs=frozenset({Capability.CHOSEN_CARD}), rings=True,
        complaints=("PKG install error",),
    ),
    "reconfigure": Workload(
        "channels, MTU and rings set at random three times, TCP flows after each",
        interface.reconfigure, needs=_SPLIT, rings=True,
    ),
    "settings-traffic": Workload(
        "eight settings changed under four paced TCP flows, hashes compared",
        interface.settings_under_traffic, partial(traffic.set_gro, wanted=True),
        frozenset({Capability.HW_GRO, Capability.RSS}), rings=True,
    ),
    "up-down": Workload("interface down and up", interface.up_down, needs=_LINK, rings=True),
    "up-down-thrice": Workload(
        "interface down and up, three times",
        partial(interface.up_down, cycles=3), needs=_LINK, rings=True,
    ),
    "ping-up-down": Workload(
        "20 echo requests, then interface down and up",
        in_turn(traffic.echo, interface.up_down), needs=_LINK, rings=True, channels=1,
    ),
    "ping-reload": Workload(
        "20 echo requests, then driver unbound and bound again",
        in_turn(traffic.echo, interface.rebind), needs=_RELOAD, rings=True,
    ),
    "reload": Workload(
        "driver unbound and bound again",
        interface.reload, interface.remember_address, _RELOAD, rings=True,
    ),
    "reload-wait": Workload(
        "driver unbound and bound again, then nothing for thirty seconds",
        in_turn(interface.rebind, partial(interface.wait, seconds=30.0)),
        interface.remember_address, _RELOAD, rings=True,
    ),
    "rebind": Workload(
        "driver unbound and bound again, three times", partial(interface.rebind, cycles=3),
        interface.remember_address, _RELOAD, rings=True, scenario=scripts.REBIND,
    ),
    "function-reset": Workload(
        "the function is reset from user space beside echo requests",
        interface.function_reset, needs=_RESET, rings=True, channels=1,
    ),
    "devlink-reset": Workload(
        "the card is reset by devlink, then one TCP flow",
        interface.devlink_reset, needs=_RESET, rings=True,
    ),
    "firmware-reset": Workload(
        "the firmware is reset by devlink twice under four paced TCP flows, hashes compared",
        interface.firmware_reset, needs=_RESET, rings=True,
    ),
    "remove": Workload(
        "interface down, driver unloaded or unbound",
        interface.remove, interface.remember_address, _RELOAD, rings=True, removes=True,
    ),
    # -- two things at once -----------------------------------------------------------------
    "zcrx-pieces": Workload(
        "zero-copy receive of a stream in pieces while another uses a small area up, twice over",
        products.pieces, products.prepare, _ZCRX, rings=True,
    ),
    "zcrx-beside-restart": Workload(
        "buffers of zero-copy receive are held while another queue restarts four times",
        products.held_beside_restarts, products.prepare, _RESTART | _ZCRX, rings=True,
    ),
    "zcrx-up-down": Workload(
        "two queues bound for zero-copy receive, buffers held, while the interface goes down, up",
        products.reopened_while_held, products.prepare_to_reopen, _ZCRX | _LINK, rings=True,
    ),
    "zcrx-unbind": Workload(
        "buffers of two page pools of zero-copy receive are held as the driver is unbound, bound",
        products.unbound_while_held, in_turn(interface.remember_address, products.prepare_to_leave),
        _ZCRX | _RELOAD, rings=True,
    ),
    "devmem-held": Workload(
        "pieces of a dmabuf are held over restarts of another queue, down and up, other rings",
        devmem.held_while_reopened, zcrx.prepare_devmem,
        _DEVMEM | _RESTART | _ZCRX | _LINK, rings=True,
    ),
    "devmem-unbind": Workload(
        "pieces of a dmabuf are held while the driver is unbound and bound",
        devmem.unbound_while_bound, in_turn(interface.remember_address, devmem.prepare_to_leave),
        _DEVMEM | _RELOAD, rings=True,
    ),
    "steered": Workload(
        "rules and RSS contexts over down and up, other rings, restarts of a queue of theirs",
        steering.reopened, in_turn(_other_queue, steering.steer), _STEERED, rings=True,
    ),
    "steered-reset": Workload(
        "rules and RSS contexts over a reset of the firmware by devlink",
        steering.reset, in_turn(_other_queue, steering.steer), _STEERED | _RESET, rings=True,
    ),
    "steered-full": Workload(
        "RSS contexts until none is left, rules to each queue; deleted, and as many again",
        steering.fill, _other_queue, _STEERED | {Capability.NTUPLE}, rings=True,
    ),
    "contexts-restart": Workload(
        "RSS contexts come and go beside restarts of a queue of theirs",
        products.contexts_beside_restarts, _other_queue,
        _RESTART | _ZCRX | {Capability.RSS, Capability.RSS_CONTEXTS}, rings=True,
    ),
    "contexts-unbind": Workload(
        "driver unbound and bound while it has an RSS context",
        products.unbound_with_contexts, interface.remember_address,
        _RELOAD | {Capability.RSS, Capability.RSS_CONTEXTS}, rings=True,
    ),
    "xdp-reconfigure": Workload(
        "channels changed, down and up under an XDP program that sends frames back",
        xdp.reconfigured, needs=_LINK, rings=True, channels=1,
    ),
    "xdp-large": Workload(
        "frames of several buffers, sent back and passed on by an XDP program, over a close",
        xdp.large_frames, xdp.prepare_large_frames, _LINK, rings=True, channels=1,
    ),
    "xdp-full": Workload(
        "more frames of several buffers than a small transmit ring takes, sent back by XDP",
        xdp.large_burst, xdp.prepare_large_burst, _LINK, rings=True, channels=1,
    ),
    "xdp-redirect": Workload(
        "more frames than a small transmit ring takes, redirected by XDP to the NIC itself, over a"
        " close and other channels",
        xdp.redirected, xdp.prepare_burst, _LINK, rings=True, channels=1,
    ),
    # -- what the seed of a run decides ------------------------------------------------------
    "settings-drawn": Workload(
        "sixteen steps that the seed decides: settings, XDP, rules, contexts, resets, TCP flows",
        drawn_settings.change, drawn_settings.prepare,
        _LINK | _RESET | {Capability.RSS, Capability.RSS_CONTEXTS}, rings=True,
    ),
    "zcrx-drawn": Workload(
        "twelve steps that the seed decides: clients of zero-copy receive, their queue reopened",
        drawn_zcrx.use, products.prepare, _RESTART | _ZCRX | _LINK, rings=True,
    ),
    "devmem-drawn": Workload(
        "twelve steps that the seed decides: a client of devmem, and its queue reopened",
        drawn_devmem.use, zcrx.prepare_devmem, _DEVMEM | _RESTART | _ZCRX | _LINK, rings=True,
    ),
    "devmem-send-drawn": Workload(
        "fourteen steps that the seed decides: a client that sends out of a dmabuf, and its queues",
        drawn_sending.use, drawn_sending.prepare,
        _DEVMEM | _RESTART | _ZCRX | _LINK | {Capability.DEVMEM_TX}, rings=True,
    ),
    "send-zc-drawn": Workload(
        "eight steps that the seed decides: SEND_ZC of all lengths, offloads, transmit rings",
        drawn_send_zc.use, drawn_send_zc.prepare, _LINK, rings=True,
    ),
    # -- what may fail, again ---------------------------------------------------------------
    "restart-again": Workload(
        "a queue restart that may fail, twice, down and up, and a restart",
        again.restart, _other_queue, _RESTART | _ZCRX | _LINK, rings=True,
    ),
    "settings-again": Workload(
        "eight settings that may fail, twice, then interface down and up",
        again.settings, needs=_LINK, rings=True,
    ),
    "open-again": Workload(
        "interface down and up, which may fail three times",
        again.open_interface, needs=_LINK, rings=True,
    ),
    "bind-again": Workload(
        "driver unbound and bound, which may fail twice",
        again.bind, interface.remember_address, _RELOAD, rings=True,
    ),
    "restart-often": Workload(
        "a queue restart that may fail, ten times, down and up behind each that did, and a restart",
        again.restart_often, _other_queue, _RESTART | _ZCRX | _LINK, rings=True,
        rounds=again.ROUNDS,
    ),
    "open-often": Workload(
        "interface down and up ten times, each of which may fail, then once more",
        again.open_often, needs=_LINK, rings=True, rounds=again.ROUNDS,
    ),
    "bind-often": Workload(
        "driver unbound, bound and up ten times, each of which may fail, then once more",
        again.bind_often, interface.remember_address, _RELOAD, rings=True, rounds=again.ROUNDS,
    ),
    "steer-often": Workload(
        "an RSS context and a rule to it made and deleted ten times, half of them behind down and"
        " up, each of which may fail, then once more",
        again.steer_often, needs=_STEER, rings=True, rounds=again.ROUNDS,
    ),
    "reload-often": Workload(
        "the card reset by devlink ten times, each of which may fail, then down and up",
        again.reload_often, needs=_RESET | _LINK, rings=True, rounds=again.ROUNDS,
    ),
    # -- of which the n-th allocation may fail (nth.py) ---------------------------------------
    "open-nth": Workload("interface opened", nth.open_interface, needs=_LINK, rings=True, nth=True),
    "bind-nth": Workload(
        "driver bound", nth.bind, interface.remember_address, _RELOAD, rings=True, nth=True,
    ),
    "reload-nth": Workload(
        "the card reset by devlink", nth.reload, needs=_RESET | _LINK, rings=True, nth=True,
    ),
    "zcrx-nth": Workload(
        "zero-copy receive set up on a queue, which restarts for it, and ended",
        nth.provide, _other_queue, _RESTART | _ZCRX | _LINK, rings=True, nth=True,
    ),
    "zcrx-export-nth": Workload(
        "a queue of zero-copy receive exported to a file, and let go",
        nth.export, _other_queue, _ZCRX | _LINK | {Capability.ZCRX_CONTROL}, rings=True, nth=True,
    ),
    "devmem-nth": Workload(
        "a dmabuf bound to a queue, which restarts for it, and let go",
        nth.bind_devmem, zcrx.prepare_devmem, _DEVMEM | _LINK, rings=True, nth=True,
    ),
    "devmem-queues-nth": Workload(
        "a dmabuf bound to two queues, of which the second may fail behind the first",
        partial(nth.bind_devmem, queues=2), zcrx.prepare_devmem,
        _DEVMEM | _LINK, rings=True, nth=True,
    ),
    "devmem-unbind-nth": Workload(
        "a dmabuf let go by its last user, for which the queue restarts if it is still there",
        nth.unbind_devmem, nth.prepare_to_unbind, _DEVMEM | _LINK, rings=True, nth=True,
    ),
    "devmem-send-nth": Workload(
        "a dmabuf bound to transmit, and let go",
        nth.bind_devmem_to_send, zcrx.prepare_devmem, _DEVMEM | _LINK | {Capability.DEVMEM_TX},
        rings=True, nth=True,
    ),
    "send-zc-nth": Workload(
        "memory sent by SEND_ZC from where it lies", nth.send, needs=_LINK, rings=True, nth=True,
    ),
    "settings-nth": Workload(
        "ten settings changed, most of which close and open the driver",
        nth.change_settings, needs=_LINK, rings=True, nth=True,
    ),
    "lease-nth": Workload(
        "a queue taken back, with the device it is leased to, while it is bound",
        nth.take_lease_back, leasing.prepare, _LEASE | _LINK, rings=True, nth=True,
    ),
    # -- while memory is short --------------------------------------------------------------
    "slab-fails": Workload(
        "two TCP flows each way, every 10th allocation of sk_buffs fails, hashes compared",
        partial(allocations.failing_sk_buffs, interval=10), needs=_FAILING, channels=1,
    ),
    "pages-fail": Workload(
        "two TCP flows each way, every 20th atomic page allocation fails, hashes compared",
        partial(allocations.failing, folder="fail_page_alloc", interval=20),
        needs=_FAILING, channels=1,
    ),
    "page-pool-fails": Workload(
        "two TCP flows each way, every 20th page_pool_alloc_netmems() fails, hashes compared",
        partial(allocations.failing_function, function="page_pool_alloc_netmems", interval=20),
        needs=frozenset({Capability.FAILING_FUNCTIONS}), channels=1,
    ),
}
# fmt: on

SCENARIOS: Mapping[str, Scenario] = {
    name: workload.scenario for name, workload in WORKLOADS.items() if workload.scenario
}
"""The workloads that are a script, too."""
