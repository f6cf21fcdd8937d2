# SPDX-License-Identifier: GPL-2.0-only
"""Workloads that attempt what may fail, and what is short: the end of the table."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from testbed.dut.protocols import Capability
from testbed.workloads import (
    again,
    allocations,
    drawn_port,
    interface,
    leasing,
    nth,
    nth_port,
    zcrx,
)
from testbed.workloads.needs import (
    DEVMEM,
    FAILING,
    LEASE,
    LINK,
    PORT,
    RELOAD,
    RESET,
    RESTART,
    STEER,
    ZCRX,
)
from testbed.workloads.workload import Workload

# fmt: off
ATTEMPTS: Mapping[str, Workload] = {
    # -- what may fail, again ---------------------------------------------------------------
    "restart-again": Workload(
        "a queue restart that may fail, twice, down and up, and a restart",
        again.restart, zcrx.prepare_other, RESTART | ZCRX | LINK, rings=True,
    ),
    "settings-again": Workload(
        "eight settings that may fail, twice, then interface down and up",
        again.settings, needs=LINK, rings=True,
    ),
    "open-again": Workload(
        "interface down and up, which may fail three times",
        again.open_interface, needs=LINK, rings=True,
    ),
    "bind-again": Workload(
        "driver unbound and bound, which may fail twice",
        again.bind, interface.remember_address, RELOAD, rings=True,
    ),
    "restart-often": Workload(
        "a queue restart that may fail, ten times, down and up behind each that did, and a restart",
        again.restart_often, zcrx.prepare_other, RESTART | ZCRX | LINK, rings=True,
        rounds=again.ROUNDS,
    ),
    "open-often": Workload(
        "interface down and up ten times, each of which may fail, then once more",
        again.open_often, needs=LINK, rings=True, rounds=again.ROUNDS,
    ),
    "channels-often": Workload(
        "four channels and three set ten times, each of which may fail, then down and up",
        again.change_channels_often, needs=LINK, rings=True, rounds=again.ROUNDS,
    ),
    "bind-often": Workload(
        "driver unbound, bound and up ten times, each of which may fail, then once more",
        again.bind_often, interface.remember_address, RELOAD, rings=True, rounds=again.ROUNDS,
    ),
    "steer-often": Workload(
        "an RSS context and a rule to it made and deleted ten times, half of them behind down and"
        " up, each of which may fail, then once more",
        again.steer_often, needs=STEER, rings=True, rounds=again.ROUNDS,
    ),
    "reload-often": Workload(
        "the card reset by devlink ten times, each of which may fail, then down and up",
        again.reload_often, needs=RESET | LINK, rings=True, rounds=again.ROUNDS,
    ),
    # -- of which the n-th allocation may fail (nth.py) ---------------------------------------
    "open-nth": Workload("interface opened", nth.open_interface, needs=LINK, rings=True, nth=True),
    "bind-nth": Workload(
        "driver bound", nth.bind, interface.remember_address, RELOAD, rings=True, nth=True,
    ),
    "reload-nth": Workload(
        "the card reset by devlink", nth.reload, needs=RESET | LINK, rings=True, nth=True,
    ),
    "zcrx-nth": Workload(
        "zero-copy receive set up on a queue, which restarts for it, and ended",
        nth.provide, zcrx.prepare_other, RESTART | ZCRX | LINK, rings=True, nth=True,
    ),
    "zcrx-export-nth": Workload(
        "a queue of zero-copy receive exported to a file, and let go",
        nth.export, zcrx.prepare_other, ZCRX | LINK | {Capability.ZCRX_CONTROL},
        rings=True, nth=True,
    ),
    "devmem-nth": Workload(
        "a dmabuf bound to a queue, which restarts for it, and let go",
        nth.bind_devmem, zcrx.prepare_devmem, DEVMEM | LINK, rings=True, nth=True,
    ),
    "devmem-queues-nth": Workload(
        "a dmabuf bound to two queues, of which the second may fail behind the first",
        partial(nth.bind_devmem, queues=2), zcrx.prepare_devmem,
        DEVMEM | LINK, rings=True, nth=True,
    ),
    "devmem-unbind-nth": Workload(
        "a dmabuf let go by its last user, for which the queue restarts if it is still there",
        nth.unbind_devmem, nth.prepare_to_unbind, DEVMEM | LINK, rings=True, nth=True,
    ),
    "devmem-receive-nth": Workload(
        "what has come into a dmabuf is told of, in more pieces than a node of an xarray counts",
        nth.receive_devmem, zcrx.prepare_devmem, DEVMEM | LINK, rings=True, nth=True,
    ),
    "devmem-send-nth": Workload(
        "a dmabuf bound to transmit, and let go",
        nth.bind_devmem_to_send, zcrx.prepare_devmem, DEVMEM | LINK | {Capability.DEVMEM_TX},
        rings=True, nth=True,
    ),
    "send-zc-nth": Workload(
        "memory sent by SEND_ZC from where it lies", nth.send, needs=LINK, rings=True, nth=True,
    ),
    "settings-nth": Workload(
        "ten settings changed, most of which close and open the driver",
        nth.change_settings, needs=LINK, rings=True, nth=True,
    ),
    "port-nth": Workload(
        "classes of service, a tc rule, a tunnel, the clock and its timestamps, each taken back",
        nth_port.change, drawn_port.prepare, LINK | PORT, rings=True, nth=True,
    ),
    "lease-nth": Workload(
        "a queue taken back, with the device it is leased to, while it is bound",
        nth.take_lease_back, leasing.prepare, LEASE | LINK, rings=True, nth=True,
    ),
    # -- while memory is short --------------------------------------------------------------
    "slab-fails": Workload(
        "two TCP flows each way, every 10th allocation of sk_buffs fails, hashes compared",
        partial(allocations.failing_sk_buffs, interval=10), needs=FAILING, channels=1,
    ),
    "pages-fail": Workload(
        "two TCP flows each way, every 20th atomic page allocation fails, hashes compared",
        partial(allocations.failing, folder="fail_page_alloc", interval=20),
        needs=FAILING, channels=1,
    ),
    "page-pool-fails": Workload(
        "two TCP flows each way, every 20th page_pool_alloc_netmems() fails, hashes compared",
        partial(allocations.failing_function, function="page_pool_alloc_netmems", interval=20),
        needs=frozenset({Capability.FAILING_FUNCTIONS}), channels=1,
    ),
}
# fmt: on
