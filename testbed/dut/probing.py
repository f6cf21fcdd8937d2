# SPDX-License-Identifier: GPL-2.0-only
"""What the kernel under test is able to do, found by asking it, never by its version."""

from __future__ import annotations

import json

from testbed.dut.leases import leases_queues
from testbed.dut.programs import program
from testbed.dut.protocols import Capability, Endpoint

_SCRIPT = '"$1" --probe; ethtool --json -g "$2"'
_ZCRX = {  # names of `zcrx_rx --probe`
    Capability.ZCRX: "recv_zc",
    Capability.ZCRX_CONTROL: "control",
    Capability.ZCRX_EVENTS: "events",
    Capability.ZCRX_NODEV: "no_device",
    Capability.ZCRX_BUFFER_LENGTH: "buffer_length",
    Capability.MIXED_COMPLETIONS: "mixed_completions",
}
_HAS_FLOWER = "grep -qw fl_classify /proc/kallsyms || modprobe -n -q cls_flower"
NONSENSE = (ValueError, KeyError, TypeError, AttributeError, RecursionError)
"""What comes of reading a probe's answer that is none: then the kernel does not offer it."""
NO_CONTEXT = "4294967294"
_DEBUGFS = {
    Capability.SANITIZERS: "kmemleak",  # our configurations have KASAN with it, or neither
    Capability.FAILING_ALLOCATIONS: "failslab",
    Capability.FAILING_FUNCTIONS: "fail_function",
}


def lacking_in_kernel(dut: Endpoint) -> frozenset[Capability]:
    """Capabilities that a NIC could have but this kernel, or its driver, does not offer.

    Zero-copy receive: the io_uring operation exists; its later parts: a registration that is wrong
    otherwise is not refused for using them. Header split: ``hds-thresh`` can be set.
    Queue restart: user space asks for one by binding a memory provider, so it needs the former.
    Send from provided registered buffers: the kernel has our series (docs/suite-send-zc.md).
    What fails on request: debugfs has its knobs. Device memory: there is memory to make a dmabuf
    of, and binding none is refused for just that reason. Page pool statistics: the kernel answers.
    SR-IOV: the NIC's device has virtual functions to show.
    PTP hardware clock: the NIC's device has one, which needs a kernel with PTP. Classes of service:
    the driver tells of them by DCB. tc flower: the kernel has it, or could load it.
    RSS contexts: one that nobody has made is not there; without them none can be asked for.
    Leases: there are netkit devices, and a request to make a queue is refused for what it lacks.
    """
    done = dut.run(["sh", "-c", _SCRIPT, "sh", program("zcrx_rx"), dut.netdev], check=False)
    first, _, rest = done.text.partition("\n")
    lacking = _lacking_zero_copy_receive(first)
    try:
        (rings,) = json.loads(rest)
        threshold = rings.get("hds-thresh")
    except NONSENSE:
        threshold = None
    if not isinstance(threshold, int):
        lacking.add(Capability.HEADER_SPLIT)
    lacking |= _lacking_device_memory(dut)
    if not _sends_provided_registered(dut):
        lacking.add(Capability.REGISTERED_PROVIDED_BUFFERS)
    device = f"/sys/class/net/{dut.netdev}/device"
    clocks, functions = f"{device}/ptp", f"{device}/sriov_totalvfs"
    listed = ["ls", "/sys/kernel/debug", clocks, functions]
    there = dut.run(listed, check=False).text.split()
    lacking |= {capability for capability, name in _DEBUGFS.items() if name not in there}
    if f"{clocks}:" not in there:
        lacking.add(Capability.HARDWARE_CLOCK)
    if functions not in there:
        lacking.add(Capability.SRIOV)
    if dut.run(["sh", "-c", _HAS_FLOWER], check=False).returncode:
        lacking.add(Capability.FLOWER)
    if dut.run(["dcb", "ets", "show", "dev", dut.netdev], check=False).returncode:
        lacking.add(Capability.DCB)
    if dut.run([program("netdev_dump"), dut.netdev, "--pool-stats"], check=False).returncode:
        lacking.add(Capability.PAGE_POOL_STATS)
    asked = dut.run(
        ["ethtool", "-x", dut.netdev, "context", NO_CONTEXT], check=False, env={"LC_ALL": "C"}
    )
    if "No such file" not in asked.error_text:
        lacking.add(Capability.RSS_CONTEXTS)
    if not leases_queues(dut):
        lacking.add(Capability.QUEUE_LEASE)
    return frozenset(lacking)


def _lacking_zero_copy_receive(output: str) -> set[Capability]:
    try:
        known = {str(name) for name, is_known in json.loads(output).items() if is_known is True}
    except NONSENSE:
        known = set()
    lacking = {capability for capability, name in _ZCRX.items() if name not in known}
    return lacking | {Capability.QUEUE_RESTART} if Capability.ZCRX in lacking else lacking


def _lacking_device_memory(dut: Endpoint) -> set[Capability]:
    done = dut.run([program("devmem_console"), "--probe", dut.netdev], check=False)
    try:
        output = json.loads(done.text)
        receives = bool(output["udmabuf"] and output["bind_rx"])
        transmits = bool(output["udmabuf"] and output["bind_tx"])
    except NONSENSE:
        receives = transmits = False
    offered = {Capability.DEVMEM: receives, Capability.DEVMEM_TX: transmits}
    return {capability for capability, is_there in offered.items() if not is_there}


def _sends_provided_registered(dut: Endpoint) -> bool:
    done = dut.run([program("sendzc_console"), "--probe"], check=False)
    try:
        return json.loads(done.text)["provided_registered"] is True
    except NONSENSE:
        return False
