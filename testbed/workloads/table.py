# SPDX-License-Identifier: GPL-2.0-only
"""The one table of workloads: main job, soak, scenarios, trials of faults choose from it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from testbed.dut.protocols import Capability
from testbed.dut.streams import MIB, STREAM_TIMEOUT_S
from testbed.workloads import (
    administer,
    devmem,
    drawn_devmem,
    drawn_port,
    drawn_send_zc,
    drawn_sending,
    drawn_settings,
    drawn_zcrx,
    interface,
    leasing,
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
from testbed.workloads.needs import (
    DEVMEM,
    LARGE_BUFFERS,
    LEASE,
    LINK,
    PORT,
    RELOAD,
    RESET,
    RESTART,
    SPLIT,
    STEERED,
    ZCRX,
)
from testbed.workloads.table_attempts import ATTEMPTS
from testbed.workloads.workload import Scenario, Workload, in_turn

_plain = partial(traffic.set_gro, wanted=False)

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
        traffic.segments_by_rings, traffic.no_drops, LINK, rings=True, channels=1,
    ),
    "streams": Workload(
        "eight TCP flows each way, hashes compared",
        partial(traffic.exchange, flows=8, total_bytes=4 * MIB, timeout_s=STREAM_TIMEOUT_S),
        scenario=scripts.STREAMS,
    ),
    "split-stream": Workload(
        "two TCP flows with header-data split, hashes compared",
        traffic.receive, in_turn(_plain, traffic.split), SPLIT, channels=1,
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
        zcrx.receive, zcrx.prepare, ZCRX, rings=True, scenario=scripts.ZCRX,
    ),
    "zcrx-plain": Workload(
        "zero-copy receive without hardware GRO, hashes compared",
        zcrx.receive, in_turn(_plain, zcrx.prepare), ZCRX, rings=True,
    ),
    "zcrx-joined": Workload(
        "zero-copy receive of packets that GRO joined of more frames than an skb has frags,"
        " hashes compared",
        zcrx.receive, in_turn(_plain, zcrx.prepare, zcrx.small_frames), ZCRX, rings=True,
    ),
    "zcrx-large": Workload(
        "zero-copy receive into buffers of four pages, then a stream that the kernel copies from"
        " buffers of one, hashes compared",
        zcrx.receive_large, in_turn(zcrx.make_room, zcrx.prepare), ZCRX | LARGE_BUFFERS,
        rings=True,
    ),
    "refill": Workload(
        "zero-copy receive of twice what the area holds: buffers come back by the refill ring",
        partial(zcrx.receive, total_bytes=8 * MIB, timeout_s=STREAM_TIMEOUT_S),
        zcrx.prepare, ZCRX, rings=True, scenario=scripts.REFILL,
    ),
    "zcrx-stopped": Workload(
        "zero-copy receive by a client that is stopped twice, in a small area, hashes compared",
        zcrx.stopped_reader, zcrx.prepare_other, ZCRX, rings=True,
    ),
    "zcrx-send": Workload(
        "what comes by zero-copy receive sent back from where it lies, hashes compared",
        zcrx.send_on, zcrx.prepare, ZCRX | {Capability.REGISTERED_PROVIDED_BUFFERS}, rings=True,
    ),
    "devmem": Workload(
        "device memory TCP, receive of twice what the dmabuf holds, hashes compared",
        zcrx.receive_by_devmem, zcrx.prepare_devmem, DEVMEM, rings=True,
    ),
    "devmem-joined": Workload(
        "device memory TCP, receive of packets that GRO joined of more frames than an skb has"
        " frags, hashes compared",
        zcrx.receive_by_devmem, in_turn(_plain, zcrx.prepare_devmem, zcrx.small_frames),
        DEVMEM, rings=True,
    ),
    "zcrx-queues": Workload(
        "zero-copy receive on two queues of one ring, which ends with buffers of both held",
        sharing.two_queues, products.prepare, ZCRX, rings=True,
    ),
    "zcrx-shared": Workload(
        "zero-copy receive on a queue that two rings share, of which the first goes first",
        sharing.two_rings, products.prepare, ZCRX | {Capability.ZCRX_CONTROL}, rings=True,
    ),
    "zcrx-copied": Workload(
        "zero-copy receive beside data of a local connection, which is copied into the area",
        sharing.copied, products.prepare, ZCRX, rings=True,
    ),
    "zcrx-overflow": Workload(
        "zero-copy receive by a ring whose completion queue is full more often than the area has"
        " buffers",
        sharing.overflow, products.prepare, ZCRX, rings=True,
    ),
    "zcrx-burst": Workload(
        "zero-copy receive of local data that come at once, too many for the completion ring",
        sharing.burst, products.prepare, ZCRX, rings=True,
    ),
    # -- from memory of the application -----------------------------------------------------
    "send-zc": Workload(
        "zero-copy send (SEND_ZC) of registered memory, which is let go while it is under way,"
        " hashes compared", sending.send_zc, channels=1,
    ),
    "send-zc-pieces": Workload(
        "short zero-copy sends, more of them to a segment than an skb has frags, hashes compared",
        sending.send_pieces, channels=1,
    ),
    "devmem-send": Workload(
        "device memory TCP, transmit: out of a dmabuf, and of one that was received into",
        sending.send_devmem, zcrx.prepare_devmem, DEVMEM | {Capability.DEVMEM_TX}, rings=True,
    ),
    # -- leases -----------------------------------------------------------------------------
    "lease": Workload(
        "a stream by zero-copy receive over a queue that is leased to a netkit device",
        leasing.receive, leasing.prepare, LEASE, rings=True,
    ),
    "lease-taken": Workload(
        "the device goes that a queue is leased to, while the queue is bound; packets come to it",
        leasing.taken_back, leasing.prepare, LEASE, rings=True,
    ),
    # -- queue restarts ---------------------------------------------------------------------
    "restart": Workload(
        "one queue restarted twice",
        restart.restart, zcrx.prepare, RESTART, rings=True, scenario=scripts.RESTART,
    ),
    "restart-ping": Workload(
        "one queue restarted four times beside echo requests that come to it",
        restart.beside_echoes, zcrx.prepare_other, RESTART | ZCRX, rings=True,
    ),
    "restart-spread": Workload(
        "one of four queues of the RSS table restarted twice, then echo requests",
        in_turn(restart.restart, traffic.require_echo),
        in_turn(zcrx.prepare_other, restart.spread_over_all), RESTART | ZCRX, rings=True,
    ),
    "restart-wait": Workload(
        "one queue restarted twice, which may fail, and 15 seconds",
        restart.may_fail, zcrx.prepare_other, RESTART | ZCRX, rings=True,
    ),
    "restart-long-wait": Workload(
        "one queue restarted twice, which may fail, and two minutes",
        partial(restart.may_fail, wait_s=120.0), zcrx.prepare_other, RESTART | ZCRX, rings=True,
    ),
    "restart-traffic": Workload(
        "one queue restarted twice beside paced, verified traffic",
        restart.beside_traffic, in_turn(zcrx.prepare, restart.leave_to_others), RESTART,
        rings=True,
    ),
    "restart-storm": Workload(
        "zero-copy receive, then one queue restarted ten times beside paced, verified traffic",
        restart.storm, zcrx.prepare, RESTART | ZCRX, rings=True,
    ),
    # -- the interface as a whole -----------------------------------------------------------
    "settings": Workload(
        "ring size and coalescing changed, counters read", interface.settings, rings=True,
    ),
    "administer": Workload(
        "what an administrator can ask a NIC and set there, then echo requests",
        administer.administer, administer.prepare, LINK, rings=True,
    ),
    "ask-firmware": Workload(
        "what firmware keeps for administrators: flash, dumps, parameters, self-tests, then echoes",
        administer.ask_firmware, interface.remember_address, LINK, rings=True,
    ),
    "flash": Workload(
        "a package of firmware flashed, damaged and whole, and what there was before",
        administer.flash_firmware, needs=frozenset({Capability.CHOSEN_CARD}), rings=True,
        complaints=("PKG install error",),
    ),
    "reconfigure": Workload(
        "channels, MTU and rings set at random three times, TCP flows after each",
        interface.reconfigure, needs=SPLIT, rings=True,
    ),
    "settings-traffic": Workload(
        "eight settings changed under four paced TCP flows, hashes compared",
        interface.settings_under_traffic, partial(traffic.set_gro, wanted=True),
        frozenset({Capability.HW_GRO, Capability.RSS}), rings=True,
    ),
    "up-down": Workload("interface down and up", interface.up_down, needs=LINK, rings=True),
    "up-down-thrice": Workload(
        "interface down and up, three times",
        partial(interface.up_down, cycles=3), needs=LINK, rings=True,
    ),
    "ping-up-down": Workload(
        "20 echo requests, then interface down and up",
        in_turn(traffic.echo, interface.up_down), needs=LINK, rings=True, channels=1,
    ),
    "ping-reload": Workload(
        "20 echo requests, then driver unbound and bound again",
        in_turn(traffic.echo, interface.rebind), needs=RELOAD, rings=True,
    ),
    "reload": Workload(
        "driver unbound and bound again",
        interface.reload, interface.remember_address, RELOAD, rings=True,
    ),
    "reload-wait": Workload(
        "driver unbound and bound again, then nothing for thirty seconds",
        in_turn(interface.rebind, partial(interface.wait, seconds=30.0)),
        interface.remember_address, RELOAD, rings=True,
    ),
    "rebind": Workload(
        "driver unbound and bound again, three times", partial(interface.rebind, cycles=3),
        interface.remember_address, RELOAD, rings=True, scenario=scripts.REBIND,
    ),
    "function-reset": Workload(
        "the function is reset from user space beside echo requests",
        interface.function_reset, needs=RESET, rings=True, channels=1,
    ),
    "devlink-reset": Workload(
        "the card is reset by devlink, then one TCP flow",
        interface.devlink_reset, needs=RESET, rings=True,
    ),
    "firmware-reset": Workload(
        "the firmware is reset by devlink twice under four paced TCP flows, hashes compared",
        interface.firmware_reset, needs=RESET, rings=True,
    ),
    "remove": Workload(
        "interface down, driver unloaded or unbound",
        interface.remove, interface.remember_address, RELOAD, rings=True, removes=True,
    ),
    # -- two things at once -----------------------------------------------------------------
    "zcrx-pieces": Workload(
        "zero-copy receive of a stream in pieces while another uses a small area up, twice over",
        products.pieces, products.prepare, ZCRX, rings=True,
    ),
    "zcrx-beside-restart": Workload(
        "buffers of zero-copy receive are held while another queue restarts four times",
        products.held_beside_restarts, products.prepare, RESTART | ZCRX, rings=True,
    ),
    "zcrx-up-down": Workload(
        "two queues bound for zero-copy receive, buffers held, while the interface goes down, up",
        products.reopened_while_held, products.prepare_to_reopen, ZCRX | LINK, rings=True,
    ),
    "zcrx-unbind": Workload(
        "buffers of two page pools of zero-copy receive are held as the driver is unbound, bound",
        products.unbound_while_held, in_turn(interface.remember_address, products.prepare_to_leave),
        ZCRX | RELOAD, rings=True,
    ),
    "devmem-held": Workload(
        "pieces of a dmabuf are held over restarts of another queue, down and up, other rings",
        devmem.held_while_reopened, zcrx.prepare_devmem,
        DEVMEM | RESTART | ZCRX | LINK, rings=True,
    ),
    "devmem-unbind": Workload(
        "pieces of a dmabuf are held while the driver is unbound and bound",
        devmem.unbound_while_bound, in_turn(interface.remember_address, devmem.prepare_to_leave),
        DEVMEM | RELOAD, rings=True,
    ),
    "devmem-send-unbind": Workload(
        "what is sent out of a dmabuf is not acknowledged when the driver is unbound, and bound",
        sending.sent_over_a_reload,
        in_turn(interface.remember_address, devmem.prepare_to_leave),
        DEVMEM | RELOAD | {Capability.DEVMEM_TX}, rings=True,
    ),
    "steered": Workload(
        "rules and RSS contexts over down and up, other rings, restarts of a queue of theirs",
        steering.reopened, in_turn(zcrx.prepare_other, steering.steer), STEERED, rings=True,
    ),
    "steered-reset": Workload(
        "rules and RSS contexts over a reset of the firmware by devlink",
        steering.reset, in_turn(zcrx.prepare_other, steering.steer), STEERED | RESET, rings=True,
    ),
    "steered-full": Workload(
        "RSS contexts until none is left, rules to each queue; deleted, and as many again",
        steering.fill, zcrx.prepare_other, STEERED | {Capability.NTUPLE}, rings=True,
    ),
    "contexts-restart": Workload(
        "RSS contexts come and go beside restarts of a queue of theirs",
        products.contexts_beside_restarts, zcrx.prepare_other,
        RESTART | ZCRX | {Capability.RSS, Capability.RSS_CONTEXTS}, rings=True,
    ),
    "contexts-unbind": Workload(
        "driver unbound and bound while it has an RSS context",
        products.unbound_with_contexts, interface.remember_address,
        RELOAD | {Capability.RSS, Capability.RSS_CONTEXTS}, rings=True,
    ),
    "xdp-reconfigure": Workload(
        "channels changed, down and up under an XDP program that sends frames back",
        xdp.reconfigured, needs=LINK, rings=True, channels=1,
    ),
    "xdp-large": Workload(
        "frames of several buffers, sent back and passed on by an XDP program, over a close",
        xdp.large_frames, xdp.prepare_large_frames, LINK, rings=True, channels=1,
    ),
    "xdp-full": Workload(
        "more frames of several buffers than a small transmit ring takes, sent back by XDP",
        xdp.large_burst, xdp.prepare_large_burst, LINK, rings=True, channels=1,
    ),
    "xdp-redirect": Workload(
        "more frames than a small transmit ring takes, redirected by XDP to the NIC itself, over a"
        " close and other channels",
        xdp.redirected, xdp.prepare_burst, LINK, rings=True, channels=1,
    ),
    # -- what the seed of a run decides ------------------------------------------------------
    "settings-drawn": Workload(
        "sixteen steps that the seed decides: settings, XDP, rules, contexts, resets, TCP flows",
        drawn_settings.change, drawn_settings.prepare,
        LINK | RESET | {Capability.RSS, Capability.RSS_CONTEXTS}, rings=True,
    ),
    "port-drawn": Workload(
        "sixteen steps that the seed decides: clock, timestamps, classes of service, tc rules,"
        " tunnels, resets, TCP flows",
        drawn_port.use, drawn_port.prepare, LINK | RESET | PORT, rings=True,
        complaints=(r"bnxt_tc_add_flow: cookie=\S+ error=-(22|95)",),
    ),
    "zcrx-drawn": Workload(
        "twelve steps that the seed decides: clients of zero-copy receive, their queue reopened",
        drawn_zcrx.use, products.prepare, RESTART | ZCRX | LINK, rings=True,
    ),
    "zcrx-large-drawn": Workload(
        "twelve steps that the seed decides: clients of zero-copy receive with buffers of several"
        " pages, then a stream that the kernel copies from buffers of one",
        drawn_zcrx.use_large, in_turn(zcrx.make_room, products.prepare),
        RESTART | ZCRX | LINK | LARGE_BUFFERS, rings=True,
    ),
    "devmem-drawn": Workload(
        "twelve steps that the seed decides: a client of devmem, and its queue reopened",
        drawn_devmem.use, zcrx.prepare_devmem, DEVMEM | RESTART | ZCRX | LINK, rings=True,
    ),
    "devmem-send-drawn": Workload(
        "fourteen steps that the seed decides: a client that sends out of a dmabuf, and its queues",
        drawn_sending.use, drawn_sending.prepare,
        DEVMEM | RESTART | ZCRX | LINK | {Capability.DEVMEM_TX}, rings=True,
    ),
    "send-zc-drawn": Workload(
        "eight steps that the seed decides: SEND_ZC of all lengths, offloads, transmit rings",
        drawn_send_zc.use, drawn_send_zc.prepare, LINK, rings=True,
    ),
    **ATTEMPTS,
}
# fmt: on

SCENARIOS: Mapping[str, Scenario] = {
    name: workload.scenario for name, workload in WORKLOADS.items() if workload.scenario
}
"""The workloads that are a script, too."""
