# SPDX-License-Identifier: GPL-2.0-only
"""One guest, both ends of the wire: binds the driver and sets up the namespaces (topology.sh)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from testbed.dut.protocols import LOCAL_V4, LOCAL_V6, REMOTE_V4, REMOTE_V6
from testbed.engines.guest import GuestDut, GuestEndpoint, Machine
from testbed.errors import ExitCode, TestbedError
from testbed.host.loop import BackgroundLoop
from testbed.host.pace import Pace
from testbed.options import Nic

NUT, PEER = "nut0", "peer0"
PEER_NETNS = "peer"
PEER_MAC = "02:00:00:00:01:02"
SCRIPT = Path(__file__).with_name("topology.sh")
TIMEOUT_S = 60.0
LINK_PATIENCE_S = 15
PLUG_PATIENCE_S = 10
DRIVERS = {Nic.BNXT: "bnxt_en", Nic.IGB: "igb", Nic.E1000E: "e1000e", Nic.VIRTIO_NET: "virtio_net"}


class TopologyFailure(TestbedError):
    """The guest booted, but the driver did not bind or the wire did not come up."""

    exit_code = ExitCode.TEST_FAILURE
    fault = "driver or card"

    def __init__(self, output: str, machine: Machine) -> None:
        super().__init__(f"the NIC did not come up: {output}", log_path=machine.kernel_log_path)
        self.log_tail = machine.kernel_log.tail()

    def lines(self) -> Iterator[str]:
        """The error, then the end of the kernel log."""
        yield from super().lines()
        yield "end of the kernel log:"
        yield from ("  " + line for line in self.log_tail.splitlines())


def build_topology(
    loop: BackgroundLoop, machine: Machine, nic: Nic, pace: Pace, *, plugged_in: Sequence[str] = ()
) -> tuple[GuestDut, GuestEndpoint]:
    """The device under test and the remote endpoint of a guest that has booted.

    ``plugged_in``: PCI addresses of NICs that came a moment ago, and that the kernel may not have
    found yet. Raises TopologyFailure, LostVM.
    """
    agent = machine.agent
    dut = GuestDut(loop, agent, netdev=NUT, ipv4=LOCAL_V4, ipv6=LOCAL_V6, pace=pace)
    remote = GuestEndpoint(
        loop, agent, netdev=PEER, ipv4=REMOTE_V4, ipv6=REMOTE_V6, netns=PEER_NETNS,
        pace=pace,
    )  # fmt: skip
    words = [
        *(DRIVERS[nic], PEER_MAC, LOCAL_V4, REMOTE_V4, LOCAL_V6, REMOTE_V6),
        f"{LINK_PATIENCE_S * pace.patience:.0f}",
        f"{PLUG_PATIENCE_S * pace.patience:.0f}",
        *plugged_in,
    ]
    done = dut.run(
        ["/bin/sh", "-s", *words], input=SCRIPT.read_bytes(), timeout_s=TIMEOUT_S, check=False
    )
    if done.returncode != 0:
        raise TopologyFailure(done.error_text[-2000:], machine)
    facts = dict(line.split(" ", 1) for line in done.text.splitlines())
    dut.driver, dut.pci_address = facts["driver"], facts["address"]
    return dut, remote
