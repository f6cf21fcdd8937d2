# SPDX-License-Identifier: GPL-2.0-only
"""Device memory TCP beside what takes its queue down: pieces are held over it, and given back."""

from __future__ import annotations

from collections.abc import Sequence

from testbed.dut.devmem import Answer, DevmemSetup, pieces
from testbed.dut.driver import cycle_link, reload_driver
from testbed.dut.nic import ethtool, restart_queue, wait_until_free
from testbed.workloads import products, traffic
from testbed.workloads.judge import DATA_DIFFERS, require
from testbed.workloads.workload import WorkloadContext
from testbed.workloads.zcrx import start_consoles

BYTES = 60_000


def prepare_to_leave(context: WorkloadContext) -> None:
    """A queue and a console at either end; a reload takes every setting back."""
    products.prepare_to_leave(context)
    start_consoles(context)


def held_while_reopened(context: WorkloadContext) -> None:
    """Half of the pieces that are held is given back at once, the other half after another queue
    has restarted, the interface was down, the rings have another size, and the binding has gone."""
    dut, setup = context.dut, context.devmem_setup
    setup.bind()
    setup.connect()
    sent = setup.send(BYTES)
    held = setup.fragments(BYTES)
    _require_uncopied(BYTES - sum(piece["size"] for piece in held))
    require(_digest(setup, held) == sent, f"{DATA_DIFFERS}: what came at first")
    kept = held[1::2]
    words = " ".join(f"{piece['token']}:1" for piece in held[::2])
    setup.console.do(f"dontneed flow {words}")
    digest = _digest(setup, kept)
    done = restart_queue(dut, setup.where.queue - 1, 2, timeout_s=traffic.TIMEOUT_S)
    context.restarts += done.restarts
    cycle_link(dut)
    _receives(setup, "reopened")
    ethtool(dut, "-G", dut.netdev, "rx", "32")
    _receives(setup, "resized")
    setup.console.do("unbind binding")
    require(_digest(setup, kept) == digest, f"{DATA_DIFFERS}: held bytes changed")
    setup.console.do("return flow")
    setup.console.do("close flow")
    wait_until_free(dut)
    context.output.append(f"{len(kept)} of {len(held)} pieces held to the end")


def unbound_while_bound(context: WorkloadContext) -> None:
    """The driver leaves under a binding whose pieces are held, and comes back."""
    setup = context.devmem_setup
    setup.bind()
    setup.connect()
    setup.send(BYTES)
    held = setup.fragments(BYTES)
    reload_driver(context.dut, address=context.address)
    setup.console.do("return flow")
    setup.console.do("unbind binding")
    setup.console.do("close flow")
    wait_until_free(context.dut)
    context.output.append(f"{len(held)} pieces held over a reload")


def _digest(setup: DevmemSetup, held: Sequence[Answer]) -> str:
    return str(setup.console.do(f"digest {pieces(held)}")["sha256"])


def _require_uncopied(count: int) -> None:
    """What comes by another queue is copied; it was compared as it came."""
    require(not count, f"the kernel copied {count} bytes")


def _receives(setup: DevmemSetup, name: str) -> None:
    """A new connection receives into the dmabuf."""
    setup.connect(name)
    sent = setup.send(BYTES, name=name)
    got = setup.drain(BYTES, name=name)
    require(got["sha256"] == sent, f"{DATA_DIFFERS}: {BYTES} bytes, {name}: {got}")
    _require_uncopied(got["linear"])
    setup.console.do(f"close {name}")
